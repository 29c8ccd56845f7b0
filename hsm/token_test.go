package hsm

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
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
	cfg, err = cfg.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	tok, err := openToken(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tok.close)
	return tok
}

func signTest(tok *token) error {
	d := sha256.Sum256([]byte("x"))
	_, err := tok.sign(context.Background(), "k", schemeECDSA, "SHA-256", 0, d[:])
	return err
}

func TestTheTokenIsHealedAfterEachKindOfLoss(t *testing.T) {
	tok := openTestToken(t)
	_, err := tok.generate(t.Context(), "k", "EC-P256", bytes.Repeat([]byte{1}, keyIDSize))
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
		{"a stale handle is healed", func() error { tok.keys["k"].handle = 9999; return nil }},
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
		_, err := tok.generate(t.Context(), label, "EC-P256", bytes.Repeat([]byte{byte(i + 1)}, keyIDSize))
		if err != nil {
			t.Fatal(err)
		}
	}
	right := tok.keys["k"].handle
	tok.keys["k"].handle = tok.keys["other"].handle
	err := signTest(tok)
	if err != nil {
		t.Errorf("the mix-up was not healed: %v", err)
	}
	if tok.refused.Load() != 1 || tok.keys["k"].handle == 0 {
		t.Errorf("refused %d signatures, want 1 (handle was %d)", tok.refused.Load(), right)
	}
}

func TestGenerateIsSafeToRepeat(t *testing.T) {
	tok := openTestToken(t)
	id := bytes.Repeat([]byte{7}, keyIDSize)
	first, err := tok.generate(t.Context(), "k", "EC-P256", id)
	if err != nil {
		t.Fatal(err)
	}
	again, err := tok.generate(t.Context(), "k", "EC-P256", id)
	if err != nil || !first.pub.(interface{ Equal(crypto.PublicKey) bool }).Equal(again.pub) {
		t.Errorf("the repeated request gave another key or an error: %v", err)
	}
	_, err = tok.generate(t.Context(), "thief", "EC-P256", id)
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
	key, err := tok.generate(t.Context(), "half", "EC-P256", orphan)
	if err != nil || AlgorithmOf(key.pub) != "EC-P256" {
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
	for range 3 {
		err = signTest(tok)
		if err != nil {
			t.Fatal(err)
		}
	}
	if !tok.keys["k"].alwaysAuth {
		t.Error("CKA_ALWAYS_AUTHENTICATE was not read")
	}
}

func TestKeysMadeByAnotherProgramAreFound(t *testing.T) {
	tok := openTestToken(t)
	_, err := tok.find(t.Context(), "k")
	if !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	mech, params, err := generation("EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	err = tok.generatePair("k", bytes.Repeat([]byte{3}, keyIDSize), mech, params)
	if err != nil {
		t.Fatal(err)
	}
	tok.lastReload = time.Now().Add(-reloadEvery)
	err = signTest(tok)
	if err != nil {
		t.Error(err)
	}
}

func TestPINGuardReadsTheFlagsOfTheToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pin")
	err := os.WriteFile(file, []byte("1"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	g, err := newPINGuard(file)
	if err != nil {
		t.Fatal(err)
	}
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
		key, err := tok.generate(b.Context(), alg, alg, bytes.Repeat([]byte{byte(i + 1)}, keyIDSize))
		if err != nil {
			b.Fatal(err)
		}
		s := schemePKCS1
		if alg == "EC-P256" {
			s = schemeECDSA
		}
		d := sha256.Sum256([]byte("x"))
		b.Run(alg, func(b *testing.B) {
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, err := tok.sign(context.Background(), key.label, s, "SHA-256", 0, d[:])
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
