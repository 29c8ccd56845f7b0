package hsm_test

import (
	"bytes"
	"crypto"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
)

// pair is a worker with two tokens that hold the same key: one behind p11-kit,
// which can be lost, and SoftHSM itself.
type pair struct {
	client *hsm.Client
	sup    *hsm.Supervisor
	remote hsmtest.Running
	signer crypto.Signer
}

// startPair makes the key in the first token and brings it to the second under
// a wrapping key.
func startPair(t *testing.T) pair {
	t.Helper()
	remote := hsmtest.Backends()[0].Start(t)
	near := hsmtest.Init(t)
	nearURI, err := near.URIs()
	if err != nil {
		t.Fatal(err)
	}
	// p11-kit's SoftHSM has a process and a configuration of its own.
	cfg := remote.Config
	cfg.Tokens = append(cfg.Tokens, strings.Replace(nearURI[0], "token=antin-test", "token=near", 1))
	cfg.SoftHSMConf = near.SoftHSMConf
	renameToken(t, near.SoftHSMConf, "antin-test", "near")
	sup, err := hsm.StartWorker(t.Context(), hsmtest.Options(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sup.Close() })
	c, err := hsm.Dial(t.Context(), cfg.SocketPath, hsm.ClientOptions{MaxWait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	// p11-kit forwards no wrapping, so the key is born in the near token and
	// goes to the far one by a worker of its own.
	pub, err := c.GenerateKey(t.Context(), hsm.NewKey{Label: "shared", Algorithm: "EC-P256", Token: "near", Backup: true})
	if err != nil {
		t.Fatal(err)
	}
	kek := bytes.Repeat([]byte{5}, 32)
	wrapped, err := c.WrapKey(t.Context(), "near", "shared", kek)
	if err != nil {
		t.Fatal(err)
	}
	w := hsm.WrappedKey{Token: "antin-test", Label: "shared", ID: keyID(t, c, "shared"), Public: pub, Wrapped: wrapped}
	err = c.UnwrapKey(t.Context(), w, kek)
	if errors.Is(err, hsm.ErrUnsupported) {
		err = remote.Direct(t, func(direct *hsm.Client) error { return direct.UnwrapKey(t.Context(), w, kek) })
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Signer(t.Context(), "shared")
	if err != nil {
		t.Fatal(err)
	}
	// Both tokens are listed again, so that both hold the key.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		keys, err := c.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 1 && len(keys[0].Tokens) == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the key is not seen in both tokens: %+v", keys)
		}
	}
	return pair{client: c, sup: sup, remote: remote, signer: s}
}

// renameToken gives a SoftHSM token another label, in its file: labels are 32
// bytes with blanks.
func renameToken(t *testing.T, conf, from, to string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(conf), "tokens", "*", "token.object"))
	if err != nil || len(files) != 1 {
		t.Fatalf("token files %v: %v", files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	pad := func(s string) []byte { return []byte(s + strings.Repeat(" ", 32-len(s))) }
	if bytes.Count(raw, pad(from)) != 1 {
		t.Fatal("the label is not in the token's file")
	}
	err = os.WriteFile(files[0], bytes.Replace(raw, pad(from), pad(to), 1), 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

func tokenNamed(t *testing.T, c *hsm.Client, name string) hsm.TokenInfo {
	t.Helper()
	infos, err := c.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		if i.Name == name {
			return i
		}
	}
	t.Fatalf("no token %q", name)
	return hsm.TokenInfo{}
}

func TestTwoTokensShareTheWorkAndOneAloneGoesOn(t *testing.T) {
	p := startPair(t)
	sign := func(n int) (wrong int64) {
		var lost atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range n / 8 {
					err := signAndVerify(p.signer, crypto.SHA256, nil)
					if err != nil {
						lost.Add(1)
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		return lost.Load()
	}
	sign(400)
	far, near := tokenNamed(t, p.client, "antin-test"), tokenNamed(t, p.client, "near")
	if far.Signatures == 0 || near.Signatures == 0 {
		t.Errorf("%d and %d signatures: the work was not shared", far.Signatures, near.Signatures)
	}

	err := p.client.SetState(t.Context(), "near", hsm.StateDrained)
	if err != nil {
		t.Fatal(err)
	}
	before := tokenNamed(t, p.client, "near").Signatures
	sign(80)
	drained := tokenNamed(t, p.client, "near")
	if drained.Signatures > before+8 || drained.State != hsm.StateDrained {
		t.Errorf("a drained token went from %d to %d signatures: %s", before, drained.Signatures, drained.State)
	}
	err = p.client.SetState(t.Context(), "near", hsm.StateActive)
	if err != nil {
		t.Fatal(err)
	}
	awaitState(t, p.client, "near", hsm.StateActive)

	// The far token is lost in the middle: the near one does the work. A loss
	// is seen by the signature that meets it, so signing goes on until then.
	seen := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			sign(80)
			select {
			case <-seen:
				return
			default:
			}
		}
	}()
	for tokenNamed(t, p.client, "near").Signatures < drained.Signatures+20 {
		time.Sleep(time.Millisecond)
	}
	// A module that hangs ends its worker, and the next one counts from zero.
	restarts := p.sup.Restarts()
	counted := func() bool {
		return p.sup.Restarts() > restarts || tokenNamed(t, p.client, "antin-test").Losses > 0
	}
	p.remote.Lose(t)
	for deadline := time.Now().Add(20 * time.Second); !counted() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	close(seen)
	<-done
	if !counted() {
		t.Error("the loss was not counted")
	}
	awaitState(t, p.client, "antin-test", hsm.StateActive)

	err = p.client.SetState(t.Context(), "nobody", hsm.StateDrained)
	if !errors.Is(err, hsm.ErrTokenNotFound) {
		t.Errorf("an unknown token gave %v", err)
	}
	for _, name := range []string{"near", "antin-test"} {
		err = p.client.SetState(t.Context(), name, hsm.StateDrained)
		if err != nil {
			t.Fatal(err)
		}
	}
	c, err := hsm.Dial(t.Context(), p.remote.Config.SocketPath, hsm.ClientOptions{MaxWait: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.Signer(t.Context(), "shared")
	if err != nil {
		t.Fatal(err)
	}
	err = signAndVerify(s, crypto.SHA256, nil)
	if !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("without an active token: %v", err)
	}
}

// awaitState waits for a token's state.
func awaitState(t *testing.T, c *hsm.Client, name string, want hsm.TokenState) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		i := tokenNamed(t, c, name)
		if i.State == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("token %s is %s: %s", name, i.State, i.Cause)
		}
	}
}
