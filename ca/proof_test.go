package ca_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store/storetest"
)

func TestAnOutsiderVerifiesThatACertificateStandsInTheLedger(t *testing.T) {
	t.Parallel()
	m := newMachine(t, storetest.SQLite(t, schema()...), ca.Config{})
	check(t, ca.Init(t.Context(), m.deps, m.deps.Config))
	m.start(t)
	c, _ := m.device(t, "device-1")
	other, _ := m.device(t, "device-2")
	resp, err := http.Get(m.url + "/proof/" + c.Serial + ".json")
	check(t, err)
	defer resp.Body.Close()
	var proof ca.CertificateProof
	check(t, json.NewDecoder(resp.Body).Decode(&proof))
	vkey := m.vkey
	entry, err := ca.VerifyCertificateProof(&proof, vkey, c.DER)
	check(t, err)
	if entry.Object != c.Serial || entry.Digest != c.SHA256 || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("proved %+v", entry)
	}
	_, err = ca.VerifyCertificateProof(&proof, vkey, other.DER)
	if !errors.Is(err, ca.ErrProof) {
		t.Errorf("the proof of another certificate: %v", err)
	}
	lie := proof
	lie.Serial, lie.SHA256 = other.Serial, other.SHA256
	_, err = ca.VerifyCertificateProof(&lie, vkey, other.DER)
	if !errors.Is(err, ca.ErrProof) {
		t.Errorf("another serial number written over: %v", err)
	}
	forged := *proof.Ledger
	forged.Entry = []byte(strings.ReplaceAll(string(forged.Entry), c.Serial, other.Serial))
	lie = proof
	lie.Serial, lie.Ledger = other.Serial, &forged
	_, err = ca.VerifyCertificateProof(&lie, vkey, nil)
	if !errors.Is(err, ledger.ErrProof) {
		t.Errorf("a changed entry: %v", err)
	}
	intent, err := m.deps.Ledger.(ca.Prover).Proof(t.Context(), uint64(*c.IntentIndex))
	check(t, err)
	lie = proof
	lie.Ledger = intent
	_, err = ca.VerifyCertificateProof(&lie, vkey, nil)
	if !errors.Is(err, ca.ErrProof) {
		t.Errorf("the intent passed off as the issue: %v", err)
	}
	for path, want := range map[string]int{"/proof/" + strings.Repeat("0", 32) + ".json": 404, "/proof/x.json": 404, "/proof/" + c.Serial: 404, "/proof/" + strings.ToUpper(c.Serial) + ".json": 404} {
		resp, err := http.Get(m.url + path)
		check(t, err)
		check(t, resp.Body.Close())
		if resp.StatusCode != want && strings.ToUpper(c.Serial) != c.Serial {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}
}
