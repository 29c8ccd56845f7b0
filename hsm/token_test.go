package hsm

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"log/slog"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
)

// openTestToken opens a token in this very process, to reach into it. A
// process holds one instance of the module, so these tests do not run at the
// same time.
func openTestToken(t testing.TB) *token {
	t.Helper()
	_, err := os.Stat(DefaultModule)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("SoftHSM is not installed (apt install softhsm2): the test needs a real token")
	}
	cfg, soPIN, err := SoftToken{Dir: filepath.Join(t.TempDir(), "token"), Label: "inside"}.prepare()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", cfg.SoftHSMConf)
	err = initToken(workerStart{Config: cfg, SOPINFile: soPIN})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := cfg.tokens()
	if err != nil {
		t.Fatal(err)
	}
	tok, err := openToken(tokens[0], slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := tok.close()
		if err != nil {
			t.Error(err)
		}
	})
	return tok
}

// alone puts a token into a set of its own.
func alone(t testing.TB, tok *token) *tokenSet {
	t.Helper()
	s := newTokenSet(t.Context(), slog.New(slog.DiscardHandler))
	m := newMember(tok.cfg, s.log)
	m.backend, m.state = tok, StateActive
	s.members = []*member{m}
	s.startLanes(m, tok)
	s.objects.Lock()
	defer s.objects.Unlock()
	err := s.refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// waiting is a replier that waits.
type waiting struct {
	sig  []byte
	err  error
	done chan struct{}
}

func (w *waiting) reply(_ *signJob, sig []byte, err error) {
	w.sig, w.err = sig, err
	close(w.done)
}

// signIn signs a digest with SHA-256 through a set.
func signIn(set *tokenSet, label string, sc scheme) ([]byte, error) {
	r := set.lookup(label)
	if r == nil {
		return nil, ErrNotFound
	}
	d := sha256.Sum256([]byte("x"))
	w := &waiting{done: make(chan struct{})}
	job, err := newJob(w, r, signRequest{wait: time.Minute, scheme: sc, hash: "SHA-256", digest: d[:]})
	if err != nil {
		return nil, err
	}
	set.submit(job)
	<-w.done
	return w.sig, w.err
}

func signTest(tok *token) error {
	key := tok.lookup("k")
	if key == nil {
		return ErrNotFound
	}
	d := sha256.Sum256([]byte("x"))
	plan, err := planSignature(key.pub, schemeECDSA, "SHA-256", 0, d[:])
	if err != nil {
		return err
	}
	sig, err := tok.sign(context.Background(), "k", plan)
	for try := 0; errors.Is(err, ErrUnavailable) && try < 3; try++ {
		// The set quarantines a lost token and has it recovered.
		err = tok.recover(context.Background())
		if err == nil {
			sig, err = tok.sign(context.Background(), "k", plan)
		}
	}
	if err == nil && !plan.verify(sig) {
		return ErrKeyMismatch
	}
	return err
}

// request256 asks for a P-256 key with an id of one byte repeated.
func request256(label string, id byte) generateRequest {
	return generateRequest{Label: label, Algorithm: "EC-P256", ID: bytes.Repeat([]byte{id}, keyIDSize)}
}

func TestTheTokenIsHealedAfterEachKindOfLoss(t *testing.T) {
	tok := openTestToken(t)
	_, err := tok.generate(t.Context(), request256("k", 1))
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		harm func() error
	}{
		{"a logout is healed", func() error { return tok.mod.Logout(tok.anchor) }},
		{"the loss of all sessions is healed", func() error { return tok.mod.CloseAllSessions(tok.slot) }},
		{"a finalised module is healed", func() error { return tok.mod.Finalize() }},
		{"a stale handle is healed", func() error { tok.found["k"].handle = 9999; return nil }},
		{"a stale session in the pool is healed", func() error { tok.pool.idle = []pkcs11.SessionHandle{9999}; return nil }},
		{"an aborted operation in a pooled session is healed", func() error {
			s := tok.pool.idle[0]
			return tok.mod.FindObjectsInit(s, nil)
		}},
	}
	for _, tc := range cases {
		err := tc.harm()
		if err != nil {
			t.Fatalf("%s: the harm failed: %v", tc.name, err)
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				err := signTest(tok)
				if err != nil {
					t.Errorf("%s: %v", tc.name, err)
				}
			})
		}
		wg.Wait()
	}
	t.Logf("%d recoveries", tok.recoveries.Load())
}

func TestAKeyThatAnswersWithAnotherKeyIsNotReleased(t *testing.T) {
	tok := openTestToken(t)
	for i, label := range []string{"k", "other"} {
		_, err := tok.generate(t.Context(), request256(label, byte(i+1)))
		if err != nil {
			t.Fatal(err)
		}
	}
	right := tok.found["k"].handle
	tok.found["k"].handle = tok.found["other"].handle
	set := alone(t, tok)
	tok.found["k"].handle = tok.found["other"].handle // alone listed the keys anew
	_, err := signIn(set, "k", schemeECDSA)
	if err != nil {
		t.Errorf("the mix-up was not healed: %v", err)
	}
	if refused := set.members[0].refused.Load(); refused != 1 || tok.found["k"].handle != right {
		t.Errorf("refused %d signatures, want 1 (handle is %d, was %d)", refused, tok.found["k"].handle, right)
	}
}

func TestGenerateIsSafeToRepeat(t *testing.T) {
	tok := openTestToken(t)
	first, err := tok.generate(t.Context(), request256("k", 7))
	if err != nil {
		t.Fatal(err)
	}
	again, err := tok.generate(t.Context(), request256("k", 7))
	if err != nil || !samePublic(first.Public, again.Public) {
		t.Errorf("the repeated request gave another key or an error: %v", err)
	}
	_, err = tok.generate(t.Context(), request256("thief", 7))
	if !errors.Is(err, ErrExists) {
		t.Errorf("an id in use gave %v", err)
	}
	err = signTest(tok)
	if err != nil {
		t.Errorf("the first key is harmed: %v", err)
	}
	// A worker killed in between leaves the public half alone.
	orphan := bytes.Repeat([]byte{9}, keyIDSize)
	_, err = tok.mod.CreateObject(tok.anchor, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_RSA),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, "half"), pkcs11.NewAttribute(pkcs11.CKA_ID, orphan),
		pkcs11.NewAttribute(pkcs11.CKA_MODULUS, big.NewInt(0).Lsh(big.NewInt(1), 2047).Bytes()), pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}),
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := tok.generate(t.Context(), request256("half", 9))
	if err != nil || AlgorithmOf(key.Public) != "EC-P256" {
		t.Errorf("the half-made key stood in the way: %v", err)
	}
}

func TestAKeyThatAsksForThePINEachTimeSigns(t *testing.T) {
	tok := openTestToken(t)
	_, params, err := generation("EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	id := pkcs11.NewAttribute(pkcs11.CKA_ID, []byte("always"))
	label := pkcs11.NewAttribute(pkcs11.CKA_LABEL, "k")
	_, _, err = tok.mod.GenerateKeyPair(tok.anchor, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil)},
		append(params, id, label, pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true)),
		[]*pkcs11.Attribute{id, label, pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
			pkcs11.NewAttribute(pkcs11.CKA_SIGN, true), pkcs11.NewAttribute(pkcs11.CKA_ALWAYS_AUTHENTICATE, true)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tok.keys(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err = signTest(tok)
		if err != nil {
			t.Fatal(err)
		}
	}
	if !tok.found["k"].alwaysAuth {
		t.Error("CKA_ALWAYS_AUTHENTICATE was not read")
	}
}

// makePair makes a pair of P-256 as another program would.
func makePair(t *testing.T, tok *token, label string, id ...byte) {
	t.Helper()
	_, params, err := generation("EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	named := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_ID, id), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true)}
	if label != "" {
		named = append(named, pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
	}
	_, _, err = tok.mod.GenerateKeyPair(tok.anchor, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil)},
		append(params, named...), append(named, pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true), pkcs11.NewAttribute(pkcs11.CKA_SIGN, true)))
	if err != nil {
		t.Fatal(err)
	}
}

func TestKeysThatShareALabelOrHaveNoneAreNamedByTheirIDs(t *testing.T) {
	tok := openTestToken(t)
	makePair(t, tok, "ký số", 0xa1)
	makePair(t, tok, "ký số", 0xb2)
	makePair(t, tok, "", 0xc3, 0x04)
	makePair(t, tok, "hai lần", 0xd5)
	makePair(t, tok, "hai lần", 0xd5)
	makePair(t, tok, "một mình", 0xe6)
	_, err := tok.keys(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(tok.found))
	want := []string{"[c304]", "ký số [a1]", "ký số [b2]", "một mình"}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	set := alone(t, tok)
	for _, name := range want {
		_, err = set.find(t.Context(), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = set.find(t.Context(), "ký số")
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("a label of two keys finds one of them: %v", err)
	}
}

func TestKeysMadeByAnotherProgramAreFound(t *testing.T) {
	tok := openTestToken(t)
	set := alone(t, tok)
	_, err := set.find(t.Context(), "k")
	if !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	mech, params, err := generation("EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	err = tok.generatePair(request256("k", 3), mech, params)
	if err != nil {
		t.Fatal(err)
	}
	set.listed = time.Now().Add(-reloadEvery)
	_, err = set.find(t.Context(), "k")
	if err != nil {
		t.Error(err)
	}
}

func TestACallThatDoesNotComeBackIsSeen(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct {
		name  string
		state TokenState
		since time.Duration
		call  time.Duration
		want  bool
	}{
		{"no call hangs", StateActive, time.Hour, 0, false},
		{"a slow card is waited for", StateActive, time.Hour, 5 * time.Second, false},
		{"a call of more than ten seconds hangs", StateActive, time.Hour, 11 * time.Second, true},
		{"a token just lost is given time", StateQuarantined, time.Second, 3 * time.Second, false},
		{"a call into a lost token hangs", StateQuarantined, 3 * time.Second, 3 * time.Second, true},
	} {
		s := newTokenSet(t.Context(), slog.New(slog.DiscardHandler))
		m := newMember(tokenConfig{}, s.log)
		m.state, m.since = tc.state, now.Add(-tc.since)
		if tc.call > 0 {
			m.busy[0].Store(now.Add(-tc.call).UnixNano())
		}
		s.members = []*member{m}
		if s.hung(now) != tc.want {
			t.Errorf("%s: got %v", tc.name, !tc.want)
		}
	}
}

func TestPINGuardReadsTheFlagsOfTheToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pin")
	err := os.WriteFile(file, []byte("1"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	pin, err := pinFile(file).read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := pinGuard{marker: pinFile(file).marker(), state: pin.state}
	for name, tc := range map[string]struct {
		flags uint
		ok    bool
	}{
		"a token without failures allows a login":         {0, true},
		"a token after one failure allows one more login": {pkcs11.CKF_USER_PIN_COUNT_LOW, true},
		"a token before its last try allows none":         {pkcs11.CKF_USER_PIN_FINAL_TRY | pkcs11.CKF_USER_PIN_COUNT_LOW, false},
		"a locked token allows none":                      {pkcs11.CKF_USER_PIN_LOCKED, false},
	} {
		err := g.allow(tc.flags)
		if (err == nil) != tc.ok || (err != nil && !errors.Is(err, ErrPIN)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkSignInProcess(b *testing.B) {
	tok := openTestToken(b)
	for i, alg := range []string{"EC-P256", "RSA-2048", "RSA-3072"} {
		key, err := tok.generate(b.Context(), generateRequest{Label: alg, Algorithm: alg, ID: bytes.Repeat([]byte{byte(i + 1)}, keyIDSize)})
		if err != nil {
			b.Fatal(err)
		}
		plan, err := provingPlan(key.Public)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(alg, func(b *testing.B) {
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, err := tok.sign(context.Background(), key.Label, plan)
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
		})
	}
}

// BenchmarkWorkerAndClientInOneProcess is for profiles: -cpuprofile sees both
// sides of the socket.
func BenchmarkWorkerAndClientInOneProcess(b *testing.B) {
	_, err := os.Stat(DefaultModule)
	if errors.Is(err, os.ErrNotExist) {
		b.Skip("SoftHSM is not installed (apt install softhsm2): the benchmark needs a real token")
	}
	dir, err := os.MkdirTemp("", "hsm")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cfg, soPIN, err := SoftToken{Dir: filepath.Join(dir, "token"), Label: "inside"}.prepare()
	if err != nil {
		b.Fatal(err)
	}
	b.Setenv("SOFTHSM2_CONF", cfg.SoftHSMConf)
	err = initToken(workerStart{Config: cfg, SOPINFile: soPIN})
	if err != nil {
		b.Fatal(err)
	}
	cfg.SocketPath = filepath.Join(dir, "s")
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() {
		done <- runWorker(ctx, cfg, slog.New(slog.DiscardHandler), func() error { return nil })
	}()
	c, err := Dial(ctx, cfg.SocketPath, ClientOptions{})
	if err != nil {
		b.Fatal(err)
	}
	_, err = c.Generate(ctx, "k", "EC-P256")
	if err != nil {
		b.Fatal(err)
	}
	s, err := c.Signer(ctx, "k")
	if err != nil {
		b.Fatal(err)
	}
	d := sha256.Sum256([]byte("x"))
	b.SetParallelism(4)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := s.Sign(nil, d[:], crypto.SHA256)
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
	err = c.Close()
	cancel()
	err = errors.Join(err, <-done)
	if err != nil {
		b.Error(err)
	}
}
