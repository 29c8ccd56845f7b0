package hsm_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// certify gives a certificate for pub in PEM, signed by a key of the token.
func certify(t *testing.T, subject string, pub crypto.PublicKey, parent *x509.Certificate, signer crypto.Signer) (*x509.Certificate, string) {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: subject},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: parent == nil, BasicConstraintsValid: true}
	if parent == nil {
		parent = tmpl
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestRegister(t *testing.T) {
	storetest.Each(t, hsm.Schema, func(t *testing.T, db *store.DB) {
		client := hsmtest.New(t)
		signers := map[string]crypto.Signer{}
		for label, alg := range map[string]string{"root": "EC-P384", "k1": "EC-P256", "k2": "RSA-2048"} {
			_, err := client.Generate(t.Context(), label, alg)
			if err != nil {
				t.Fatal(err)
			}
			signers[label], err = client.Signer(t.Context(), label)
			if err != nil {
				t.Fatal(err)
			}
		}
		root, rootPEM := certify(t, "root", signers["root"].Public(), nil, signers["root"])
		_, k1PEM := certify(t, "official", signers["k1"].Public(), root, signers["root"])
		_, k2PEM := certify(t, "agency", signers["k2"].Public(), root, signers["root"])
		now := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
		r := &hsm.Register{DB: db, Keys: client, Clock: clock.NewFake(now)}

		bind := func(e hsm.Entry) error { return r.Bind(t.Context(), e) }
		official := hsm.Entry{Name: "demo-official", Label: "k1", PersonID: "p1", AgencyID: "a1"}
		for _, step := range []struct {
			name  string
			entry hsm.Entry
			want  error
		}{
			{"a key without a certificate is bound", official, nil},
			{"its chain follows", hsm.Entry{Name: "demo-official", Label: "k1", Chain: k1PEM + rootPEM, PersonID: "p1", AgencyID: "a1"}, nil},
			{"a seal has no person", hsm.Entry{Name: "demo-agency", Label: "k2", Chain: k2PEM + rootPEM, AgencyID: "a1"}, nil},
			{"a chain of another key is refused", hsm.Entry{Name: "demo-official", Label: "k1", Chain: k2PEM + rootPEM}, hsm.ErrChain},
			{"a chain in the wrong order is refused", hsm.Entry{Name: "demo-official", Label: "k1", Chain: rootPEM + k1PEM}, hsm.ErrChain},
			{"what is no chain is refused", hsm.Entry{Name: "demo-official", Label: "k1", Chain: "hello"}, hsm.ErrChain},
			{"another algorithm is refused", hsm.Entry{Name: "demo-official", Label: "k1", Algorithm: "RSA-2048"}, hsm.ErrUnsupported},
			{"a name cannot change its key", hsm.Entry{Name: "demo-official", Label: "root"}, hsm.ErrNameTaken},
			{"a key cannot have two names", hsm.Entry{Name: "second", Label: "k1"}, hsm.ErrNameTaken},
			{"a key that is not in the token is refused", hsm.Entry{Name: "ghost", Label: "ghost"}, hsm.ErrNotFound},
			{"a name with a line break is refused", hsm.Entry{Name: "a\nb", Label: "root"}, hsm.ErrBadRequest},
		} {
			err := bind(step.entry)
			if !errors.Is(err, step.want) {
				t.Errorf("%s: got %v", step.name, err)
			}
		}
		got, err := r.Get(t.Context(), "demo-official")
		if err != nil || got.Label != "k1" || got.Algorithm != "EC-P256" || got.PersonID != "p1" || got.AgencyID != "a1" || !got.BoundAt.Equal(now) {
			t.Errorf("got %+v, %v", got, err)
		}
		chain, err := got.Certificates()
		if err != nil || len(chain) != 2 || chain[0].Subject.CommonName != "official" {
			t.Errorf("chain: %v, %v", chain, err)
		}
		_, err = r.Get(t.Context(), "nobody")
		if !errors.Is(err, hsm.ErrNotFound) {
			t.Errorf("an unknown name gave %v", err)
		}
		all, err := r.List(t.Context())
		if err != nil || len(all) != 2 || all[0].Name != "demo-agency" {
			t.Errorf("list: %+v, %v", all, err)
		}
		of, err := r.ListFor(t.Context(), "p1", "")
		if err != nil || len(of) != 1 || of[0].Name != "demo-official" {
			t.Errorf("keys of the person: %+v, %v", of, err)
		}
		of, err = r.ListFor(t.Context(), "", "a1")
		if err != nil || len(of) != 1 || of[0].Name != "demo-agency" {
			t.Errorf("keys of the agency: %+v, %v", of, err)
		}
	})
}
