package csc_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/csc/client"
	"github.com/antin-gov/antin/signer/tsp"
	"github.com/antin-gov/antin/signer/validate"
)

func document(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(testkit.Data(t, "pdf/real/chi-thi-libreoffice.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// digests are n different digests.
func digests(n int, salt string) [][]byte {
	var list [][]byte
	for i := range n {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", salt, i))
		list = append(list, sum[:])
	}
	return list
}

func TestAProgramSignsDocumentsThroughBothVersions(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for _, version := range []string{"v1", "v2"} {
			for _, credential := range []string{"binh-ec", "binh-rsa"} {
				for _, pss := range []bool{false, true} {
					if credential == "binh-ec" && pss {
						continue
					}
					w.signDocuments(t, version, credential, pss, 2)
				}
			}
		}
	})
}

func (w *world) signDocuments(t *testing.T, version, credential string, pss bool, n int) {
	t.Helper()
	c := w.as("binh.nv", version)
	info, err := c.Info(t.Context(), credential)
	if err != nil {
		t.Fatal(err)
	}
	if info.Key.Status != "enabled" || info.Cert.Status != "valid" || info.SCAL != "2" || info.Multisign != 100 {
		t.Errorf("%s %s: got %+v", version, credential, info)
	}
	a, err := client.AlgorithmOf(info, pss)
	if err != nil {
		t.Fatal(err)
	}
	pdf := document(t)
	var papers []*client.Paper
	for i := range n {
		out, err := os.Create(filepath.Join(t.TempDir(), fmt.Sprintf("%d.pdf", i)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = out.Close() })
		papers = append(papers, &client.Paper{In: bytes.NewReader(pdf), Size: int64(len(pdf)), Out: out})
	}
	hashes, err := client.Prepare(t.Context(), papers, info.Chain, a, true, w.pki.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	sad, err := c.Authorize(t.Context(), credential, w.code(t, "binh.nv"), hashes)
	if err != nil {
		t.Fatal(err)
	}
	signatures, err := c.SignHash(t.Context(), credential, sad, a, hashes)
	if err != nil {
		t.Fatal(err)
	}
	err = client.Complete(t.Context(), papers, info.Chain, a, signatures, c.Timestamp)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range papers {
		w.verified(t, p.Out.(*os.File))
	}
}

// verified wants a signed document that our own verification passes.
func (w *world) verified(t testing.TB, f interface {
	io.ReaderAt
	io.Seeker
}) {
	t.Helper()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	report, err := w.signer.Verify(t.Context(), f, size, "x.pdf")
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Signatures) == 0 {
		t.Fatal("no signature in the result")
	}
	for _, s := range report.Signatures {
		if s.Integrity != validate.Intact || s.Verdict != validate.Passed {
			t.Errorf("got %v, %v", s.Integrity, s.Verdict)
		}
	}
}

func TestAHundredHashesAreSignedWithOneAuthorization(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	for _, version := range []string{"v1", "v2"} {
		c := w.as("binh.nv", version)
		info, err := c.Info(t.Context(), "binh-ec")
		if err != nil {
			t.Fatal(err)
		}
		a, err := client.AlgorithmOf(info, false)
		if err != nil {
			t.Fatal(err)
		}
		list := digests(100, version)
		_, before := w.signatures(t)
		sad, err := c.Authorize(t.Context(), "binh-ec", w.code(t, "binh.nv"), list)
		if err != nil {
			t.Fatal(err)
		}
		// In parts and in another order: the SAD holds for each of its hashes once.
		for _, part := range [][][]byte{list[50:], list[:50]} {
			got, err := c.SignHash(t.Context(), "binh-ec", sad, a, part)
			if err != nil || len(got) != 50 {
				t.Fatalf("%s: %d signatures, %v", version, len(got), err)
			}
		}
		_, after := w.signatures(t)
		if after-before != 100 {
			t.Errorf("%s: %d acts in the database, want 100", version, after-before)
		}
	}
	if n, m := w.kinds(t, "sign.begin"), w.kinds(t, "sign.release"); n != 200 || m != 200 {
		t.Errorf("ledger: %d begun, %d released, want 200 each", n, m)
	}
	if n := w.kinds(t, "sign.remote.authorize"); n != 2 {
		t.Errorf("ledger: %d authorizations, want 2", n)
	}
}

func TestTheServiceSignsWholeDocuments(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	c := w.as("binh.nv", "v2")
	pdf := document(t)
	sum := sha256.Sum256(pdf)
	for _, level := range []string{"", "AdES-B-T", "Ades-B-LT", "AdES-B-LTA"} {
		sad, err := c.Authorize(t.Context(), "binh-ec", w.code(t, "binh.nv"), [][]byte{sum[:]})
		if err != nil {
			t.Fatal(err)
		}
		doc := map[string]any{"document": pdf, "signature_format": "P", "signAlgo": "1.2.840.10045.4.3.2",
			"signed_props": []map[string]any{{"attribute_name": "Reason", "attribute_value": []byte("Phê duyệt")}}}
		if level != "" {
			doc["conformance_level"], doc["signed_envelope_property"] = level, "Revision"
		}
		in := map[string]any{"credentialID": "binh-ec", "SAD": sad, "documents": []any{doc}}
		var out struct{ DocumentWithSignature [][]byte }
		_, err = c.Call(t.Context(), "signatures/signDoc", in, &out)
		if err != nil || len(out.DocumentWithSignature) != 1 {
			t.Fatalf("level %q: %d documents, %v", level, len(out.DocumentWithSignature), err)
		}
		w.verified(t, bytes.NewReader(out.DocumentWithSignature[0]))
		if got := refused(t, c, "signatures/signDoc", in); got.Status != 400 || got.Description != "Invalid parameter SAD" {
			t.Errorf("level %q, again: got %v", level, got)
		}
	}
	other := append(bytes.Clone(pdf), '\n')
	sad, err := c.Authorize(t.Context(), "binh-ec", w.code(t, "binh.nv"), [][]byte{sum[:]})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := w.signatures(t)
	got := refused(t, c, "signatures/signDoc", map[string]any{"credentialID": "binh-ec", "SAD": sad, "documents": []any{
		map[string]any{"document": other, "signature_format": "P", "signAlgo": "1.2.840.10045.4.3.2"}}})
	if got.Status != 400 || got.Code != "invalid_request" {
		t.Errorf("another document: got %v", got)
	}
	after, _ := w.signatures(t)
	if after != before {
		t.Error("another document: a key was used")
	}
}

func TestATimeStampCarriesTheCallersNonce(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	sum := sha256.Sum256([]byte("x"))
	for _, version := range []string{"v1", "v2"} {
		var out struct{ Timestamp []byte }
		_, err := w.as("hoa.lt", version).Call(t.Context(), "signatures/timestamp", map[string]any{"hash": sum[:], "hashAlgo": "2.16.840.1.101.3.4.2.1", "nonce": "1a2B3c4D"}, &out)
		if err != nil {
			t.Fatal(err)
		}
		token, err := tsp.ParseToken(out.Timestamp)
		if err != nil {
			t.Fatal(err)
		}
		err = token.Verify(tsp.VerifyOptions{Hash: crypto.SHA256, Digest: sum[:], Nonce: big.NewInt(0x1a2b3c4d)})
		if err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestASecondSignatureOnOneDocumentIsMadeByExtending(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	for version, array := range map[string]string{"v1": "hash", "v2": "hashes"} {
		c := w.as("binh.nv", version)
		info, err := c.Info(t.Context(), "binh-ec")
		if err != nil {
			t.Fatal(err)
		}
		a, err := client.AlgorithmOf(info, false)
		if err != nil {
			t.Fatal(err)
		}
		list := digests(3, version)
		in := map[string]any{"credentialID": "binh-ec", "numSignatures": 2, array: list[:1]}
		if version == "v1" {
			in["OTP"] = w.code(t, "binh.nv")
		} else {
			in["authData"] = []map[string]string{{"id": "OTP", "value": w.code(t, "binh.nv")}}
		}
		var first, second struct{ SAD string }
		_, err = c.Call(t.Context(), "credentials/authorize", in, &first)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.SignHash(t.Context(), "binh-ec", first.SAD, a, list[:1])
		if err != nil {
			t.Fatal(err)
		}
		got := refused(t, c, "credentials/extendTransaction", map[string]any{"credentialID": "binh-ec", "SAD": first.SAD, array: list[1:3]})
		if got.Description != "Numbers of signatures is too high" {
			t.Errorf("%s: more than is left: got %v", version, got)
		}
		_, err = c.Call(t.Context(), "credentials/extendTransaction", map[string]any{"credentialID": "binh-ec", "SAD": first.SAD, array: list[1:2]}, &second)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.SignHash(t.Context(), "binh-ec", first.SAD, a, list[1:2])
		if err == nil {
			t.Errorf("%s: the SAD that was extended still signs", version)
		}
		_, err = c.SignHash(t.Context(), "binh-ec", second.SAD, a, list[1:2])
		if err != nil {
			t.Errorf("%s: %v", version, err)
		}
		got = refused(t, c, "credentials/extendTransaction", map[string]any{"credentialID": "binh-ec", "SAD": second.SAD, array: list[2:3]})
		if got.Description != "Invalid parameter SAD" {
			t.Errorf("%s: used up, then extended: got %v", version, got)
		}
	}
}
