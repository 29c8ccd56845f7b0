package signer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/validate"
)

func TestADocumentIsSignedRecordedAndConfirmed(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		certificates := map[string]string{}
		for name, algorithm := range map[string]string{"ec": "EC-P256", "rsa": "RSA-2048"} {
			certificates[name] = hex.EncodeToString(w.key(t, name, algorithm, "p-binh").SerialNumber.Bytes())
		}
		for _, c := range []struct {
			name, key, level string
			scheme, want     Scheme
			opinion          Opinion
		}{
			{"an EC key signs by ECDSA and the reader agrees", "ec", "B-B", "", SchemeECDSA, OpinionAgrees},
			{"an EC key signs for the long term and the reader agrees", "ec", "", SchemeECDSA, SchemeECDSA, OpinionAgrees},
			{"an EC key signs for the archive and the reader agrees", "ec", "B-LTA", "", SchemeECDSA, OpinionAgrees},
			{"an RSA key signs by PSS, which the reader does not know", "rsa", "B-T", "", SchemePSS, OpinionUnknowing},
			{"an RSA key signs by PKCS#1 v1.5 when asked and the reader agrees", "rsa", "B-LT", SchemePKCS1, SchemePKCS1, OpinionAgrees},
		} {
			t.Run(c.name, func(t *testing.T) {
				act, path, err := w.sign(t, binh, Request{Key: c.key, Level: c.level, Scheme: c.scheme, Reason: "Ban hành"})
				if err != nil {
					t.Fatal(err)
				}
				signed := read(t, path)
				original, sum := sha256.Sum256(directive(t)), sha256.Sum256(signed)
				kept, err := w.Act(t.Context(), act.ID)
				if err != nil {
					t.Fatal(err)
				}
				level := c.level
				if level == "" {
					level = "B-LT"
				}
				if kept.State != StateReleased || kept.AccountID != "binh.nv" || kept.AgencyID != "ubnd" || kept.Level != level || kept.Scheme != string(c.want) ||
					kept.Opinion != string(c.opinion) || kept.DocumentSHA256 != hex.EncodeToString(original[:]) || kept.ResultSHA256 != hex.EncodeToString(sum[:]) ||
					kept.ResultSize != int64(len(signed)) || kept.EndedAt == nil || kept.Factor != FactorTOTP {
					t.Errorf("recorded %+v", kept)
				}
				begin, err := w.ledger.Entry(t.Context(), uint64(kept.IntentIndex))
				if err != nil || begin.Kind != "sign.begin" || begin.Object != act.ID || begin.Actor != "binh.nv" || begin.Digest != kept.DocumentSHA256 {
					t.Errorf("ledger begins with %+v, %v", begin, err)
				}
				release, err := w.ledger.Entry(t.Context(), uint64(kept.ReleaseIndex))
				if err != nil || release.Kind != "sign.release" || release.Object != act.ID || release.Digest != kept.ResultSHA256 || release.Detail["scheme"] != string(c.want) {
					t.Errorf("ledger ends with %+v, %v", release, err)
				}
				report, err := w.Verify(t.Context(), bytes.NewReader(signed), int64(len(signed)), "x")
				if err != nil || report.Verdict != validate.Passed || len(report.Signatures) != 1 && level != "B-LTA" || report.Signatures[0].Level != "PAdES-"+level && report.Signatures[0].Level != level {
					t.Errorf("verification says %+v, %v", report, err)
				}
				if left := leftovers(t, w.out); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		}
		if n := len(w.kinds(t)); n != 10 {
			t.Errorf("%d ledger entries for five acts", n)
		}
	})
}

func TestNothingIsSignedOrLeavesWithoutItsRecord(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "ec", "EC-P256", "p-binh")
	for _, c := range []struct {
		name, fail string
		begun      int
	}{
		{"a ledger that refuses the beginning keeps the key from being used", "sign.begin", 0},
		{"a ledger that refuses the release keeps the result inside", "sign.release", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.weak.failAt(c.fail)
			before, err := w.token.Client.Health(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			entries := len(w.kinds(t))
			_, path, err := w.sign(t, binh, Request{Key: "ec", Level: "B-B"})
			if !errors.Is(err, ErrRecord) || !errors.Is(err, errFull) {
				t.Errorf("got %v", err)
			}
			_, err = os.Stat(path)
			if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("output: %v", err)
			}
			if left := leftovers(t, w.out); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			acts := w.acts(t)
			last := acts[len(acts)-1]
			if last.State != StateFailed || last.Failure != "record" || last.EndedAt == nil || last.ReleaseIndex != -1 {
				t.Errorf("recorded %+v", last)
			}
			if n := len(w.kinds(t)) - entries; n != c.begun {
				t.Errorf("%d new ledger entries", n)
			}
			after, err := w.token.Client.Health(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			// The ledger's own checkpoints are signed by the same token, at
			// most one for each entry.
			if c.begun == 0 && after.Signatures-before.Signatures > 0 && len(w.kinds(t)) == 0 {
				t.Errorf("%d signatures were made", after.Signatures-before.Signatures)
			}
		})
	}
	w.weak.failAt("")
	_, _, err := w.sign(t, binh, Request{Key: "ec", Level: "B-B"})
	if err != nil {
		t.Errorf("after the ledger is well again: %v", err)
	}
}

func TestAResultThatCannotBePutInPlaceIsWithdrawn(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "ec", "EC-P256", "p-binh")
	pdf := directive(t)
	path := filepath.Join(w.out, "taken.pdf")
	err := os.MkdirAll(filepath.Join(path, "full"), 0o700)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Sign(as(t, binh), Request{Key: "ec", Level: "B-B", Factor: FactorTOTP, In: bytes.NewReader(pdf), Size: int64(len(pdf)), Name: "x.pdf"}, path)
	if err == nil {
		t.Fatal("a folder was replaced")
	}
	acts := w.acts(t)
	want := []string{"sign.begin " + acts[0].ID, "sign.release " + acts[0].ID, "sign.withdraw " + acts[0].ID}
	if got := w.kinds(t); !slices.Equal(got, want) || acts[0].State != StateFailed {
		t.Errorf("ledger %v, act %+v", got, acts[0])
	}
	if left := leftovers(t, w.out); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestADatabaseThatRefusesStopsTheAct(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "ec", "EC-P256", "p-binh")
	_, err := w.db.ExecContext(t.Context(), "ALTER TABLE signing_act RENAME TO gone")
	if err != nil {
		t.Fatal(err)
	}
	_, path, err := w.sign(t, binh, Request{Key: "ec", Level: "B-B"})
	if !errors.Is(err, ErrRecord) {
		t.Errorf("got %v", err)
	}
	_, err = os.Stat(path)
	if !errors.Is(err, os.ErrNotExist) || len(w.kinds(t)) != 0 {
		t.Errorf("output %v, ledger %v", err, w.kinds(t))
	}
}

func TestWhoMaySignWithWhat(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	w.key(t, "seal", "EC-P256", "")
	revoked := w.key(t, "revoked", "EC-P256", "p-binh")
	w.pki.Revoke(revoked, w.pki.Clock.Now().Add(-time.Hour), 1)
	w.key(t, "swapped", "EC-P256", "p-binh")
	w.bind(t, "swapped", "EC-P256", "p-binh", w.pki.Issue(t, "Khóa khác", w.pki.TSAKey.Public()))
	_, err := w.token.Client.Generate(t.Context(), "bare", "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	w.bind(t, "bare", "EC-P256", "p-binh", nil)
	w.bind(t, "lost", "EC-P256", "p-binh", w.pki.Issue(t, "Không có trong thiết bị", trusttestKey(t)))
	w.key(t, "expired", "EC-P256", "p-binh")
	elsewhere := binh
	elsewhere.AgencyID = "stc"
	for _, c := range []struct {
		name string
		who  auth.Subject
		q    Request
		want error
	}{
		{"a key that nobody knows is refused", binh, Request{Key: "none"}, ErrKey},
		{"a key without a certificate is refused", binh, Request{Key: "bare"}, ErrKey},
		{"a key that the token does not hold is refused", binh, Request{Key: "lost"}, ErrKey},
		{"a certificate of another key is refused", binh, Request{Key: "swapped"}, ErrKey},
		{"another person's key is refused", lan, Request{Key: "binh"}, ErrKey},
		{"another person's key is refused on the server's own command line too", lan, Request{Key: "binh", Factor: FactorLocal}, ErrKey},
		{"the seal is no signature of a person on the server's own command line either", binh, Request{Key: "seal", Factor: FactorLocal}, ErrKey},
		{"a clerk cannot use a person's key by calling it a seal", hoa, Request{Key: "binh", Seal: true}, ErrKey},
		{"the seal is no signature of a person", binh, Request{Key: "seal"}, ErrKey},
		{"a revoked certificate does not sign", binh, Request{Key: "revoked"}, ErrCertificate},
		{"the policy denies another agency's key", elsewhere, Request{Key: "binh"}, auth.ErrDenied},
		{"the policy denies the seal to who is no clerk", dung, Request{Key: "seal", Seal: true}, auth.ErrDenied},
		{"nobody signs without being somebody", auth.Subject{}, Request{Key: "binh"}, ErrKey},
		{"a clerk does not seal an unsigned document", hoa, Request{Key: "seal", Seal: true}, ErrUnsigned},
		{"an EC key does not sign by PSS", binh, Request{Key: "binh", Scheme: SchemePSS}, ErrRequest},
		{"a level that does not exist is refused", binh, Request{Key: "binh", Level: "B-X"}, ErrRequest},
		{"a document that is not the one shown is refused", binh, Request{Key: "binh", Digest: hex.EncodeToString(make([]byte, 32))}, ErrChanged},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, path, err := w.sign(t, c.who, c.q)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v", err)
			}
			_, err = os.Stat(path)
			if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("output: %v", err)
			}
		})
	}
	t.Run("a certificate whose status nobody tells does not sign", func(t *testing.T) {
		w.pki.Down("/ocsp", true)
		w.pki.Down("/crl/", true)
		defer w.pki.Down("/ocsp", false)
		defer w.pki.Down("/crl/", false)
		_, _, err := w.sign(t, binh, Request{Key: "binh"})
		if !errors.Is(err, ErrCertificate) {
			t.Errorf("got %v", err)
		}
	})
	if acts, kinds := w.acts(t), w.kinds(t); len(acts) != 0 || len(kinds) != 0 {
		t.Errorf("%d acts and %v stand although nothing was signed", len(acts), kinds)
	}
	t.Run("an expired certificate does not sign", func(t *testing.T) {
		w.pki.Clock.Advance(3 * 365 * 24 * time.Hour)
		_, _, err := w.sign(t, binh, Request{Key: "expired"})
		if !errors.Is(err, ErrCertificate) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheClerkSealsWhatAPersonSigned(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	w.key(t, "seal", "EC-P256", "")
	_, path, err := w.sign(t, binh, Request{Key: "binh", Visible: &appearance.Spec{Preset: appearance.Person, Name: "Nguyễn Văn A"}})
	if err != nil {
		t.Fatal(err)
	}
	signed := read(t, path)
	request := func(pdf []byte) Request {
		return Request{Key: "seal", Seal: true, In: bytes.NewReader(pdf), Size: int64(len(pdf)), Name: "chi-thi.pdf",
			Visible: &appearance.Spec{Preset: appearance.Seal, Name: "UBND"}}
	}
	t.Run("the seal stands beside the signature and both hold", func(t *testing.T) {
		_, path, err := w.sign(t, hoa, request(signed))
		if err != nil {
			t.Fatal(err)
		}
		sealed := read(t, path)
		report, err := w.Verify(t.Context(), bytes.NewReader(sealed), int64(len(sealed)), "x")
		if err != nil || report.Verdict != validate.Passed || len(report.Signatures) != 2 {
			t.Fatalf("got %+v, %v", report, err)
		}
		for _, s := range report.Signatures {
			if s.Verdict != validate.Passed || s.Changes == validate.ChangesForbidden {
				t.Errorf("%s: %s, changes %s", s.Field, s.Verdict, s.Changes)
			}
		}
	})
	t.Run("a document changed after the signature is not sealed", func(t *testing.T) {
		bad := bytes.Clone(signed)
		at := bytes.Index(bad, []byte("endobj"))
		bad[at-3] ^= 1
		_, _, err := w.sign(t, hoa, request(bad))
		if !errors.Is(err, ErrUnsigned) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a document that carries a seal alone is not sealed", func(t *testing.T) {
		// The platform signs its reports with the seal alone.
		_, path, err := w.sign(t, own, Request{Key: "seal", Factor: FactorLocal})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = w.sign(t, hoa, request(read(t, path)))
		if !errors.Is(err, ErrUnsigned) {
			t.Errorf("got %v", err)
		}
	})
}

func TestADocumentThatForbidsItIsNotSignedAndTheRecordSaysWhy(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	_, path, err := w.sign(t, binh, Request{Key: "binh", Level: "B-B", Certify: 1})
	if err != nil {
		t.Fatal(err)
	}
	certified := read(t, path)
	_, _, err = w.sign(t, binh, Request{Key: "binh", Level: "B-B", In: bytes.NewReader(certified), Size: int64(len(certified)), Name: "x.pdf"})
	var refused *cos.RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v", err)
	}
	acts := w.acts(t)
	if !slices.ContainsFunc(acts, func(a Act) bool { return a.State == StateFailed && a.Failure == "refused:"+refused.Code }) {
		t.Errorf("recorded %+v", acts)
	}
}

// shifting is a document that changes between two readings.
type shifting struct {
	first, then []byte
	from        int
	mu          sync.Mutex
	reads       int // guarded by mu
}

func (s *shifting) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	s.reads++
	content := s.first
	if s.reads > s.from {
		content = s.then
	}
	s.mu.Unlock()
	return bytes.NewReader(content).ReadAt(p, off)
}

func TestADocumentThatChangesWhileItIsSignedDoesNotLeave(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	pdf := directive(t)
	other := bytes.Clone(pdf)
	other[bytes.Index(other, []byte("endstream"))-2] ^= 1
	// The digest takes a few reads (io.Copy by 32 kB); what comes after is another document.
	in := &shifting{first: pdf, then: other, from: len(pdf)/(32<<10) + 2}
	_, path, err := w.sign(t, binh, Request{Key: "binh", Level: "B-B", In: in, Size: int64(len(pdf)), Name: "x.pdf"})
	if !errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
	_, err = os.Stat(path)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("output: %v", err)
	}
}

func TestTheKeyWorkerDiesDuringManySignatures(t *testing.T) {
	const total, atOnce = 100, 8
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	jobs := make(chan int)
	paths := make(chan string, total)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for range jobs {
				_, path, err := w.sign(t, binh, Request{Key: "binh", Level: "B-B"})
				if err != nil {
					t.Errorf("lost: %v", err)
					continue
				}
				paths <- path
			}
		})
	}
	kills := 0
	for i := range total {
		jobs <- i
		if i%20 == 10 {
			pid := w.token.Supervisor.PID()
			if pid > 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
				kills++
			}
		}
	}
	close(jobs)
	wg.Wait()
	close(paths)
	good := 0
	for path := range paths {
		signed := read(t, path)
		report, err := w.Verify(t.Context(), bytes.NewReader(signed), int64(len(signed)), "x")
		if err != nil || len(report.Signatures) != 1 || report.Signatures[0].Integrity != validate.Intact {
			t.Errorf("wrong: %+v, %v", report, err)
			continue
		}
		good++
	}
	released := 0
	for _, a := range w.acts(t) {
		if a.State == StateReleased && a.Opinion == string(OpinionAgrees) {
			released++
		}
	}
	if good != total || released != total || len(w.kinds(t)) != 2*total || kills < 5 {
		t.Errorf("%d good, %d released, %d ledger entries, %d kills", good, released, len(w.kinds(t)), kills)
	}
	t.Logf("%d signatures, the worker was killed %d times and restarted %d times", good, kills, w.token.Supervisor.Restarts())
	if left := leftovers(t, w.out); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestADocumentThatItsOwnerEncryptedIsSigned(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	pdf := read(t, testkit.Data(t, "pdf/real/chi-thi-owner-aes256.pdf"))
	act, path, err := w.sign(t, binh, Request{Key: "binh", Level: "B-B", In: bytes.NewReader(pdf), Size: int64(len(pdf)), Name: "x.pdf"})
	if err != nil {
		t.Fatal(err)
	}
	signed := read(t, path)
	report, err := w.Verify(t.Context(), bytes.NewReader(signed), int64(len(signed)), "x")
	if err != nil || report.Signatures[0].Integrity != validate.Intact {
		t.Errorf("%s: %+v, %v", act.Opinion, report, err)
	}
}
