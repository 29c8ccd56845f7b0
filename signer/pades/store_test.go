package pades_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/diff"
	"github.com/antin-gov/antin/signer/pades"
)

// look opens a signed file.
func look(tb testing.TB, path string) ([]byte, *cos.File) {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	f, err := cos.Open(bytes.NewReader(data), int64(len(data)), cos.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return data, f
}

func TestTheStoreHoldsEvidenceForSignerAuthorityAndResponder(t *testing.T) {
	need(t, "openssl")
	p := newPKI(t)
	s := p.schemes()[0]
	o := pades.Options{Signer: s.key, Chain: s.chain, Level: pades.LevelLT, Timestamp: p.timestamp, Collect: p.collect}
	for _, path := range realFiles(t) {
		p.collected = 0
		out, r, err := signFile(t, path, o)
		if err != nil {
			t.Fatal(err)
		}
		if p.collected != 3 { // signer, time-stamp authority, OCSP responder
			t.Errorf("%s: evidence for %d chains", path, p.collected)
		}
		data, f := look(t, out)
		v := f.Latest()
		root, _, err := v.Root()
		if err != nil {
			t.Fatal(err)
		}
		dss := v.Dict(root["DSS"])
		stored := map[string]bool{}
		for _, key := range []cos.Name{"Certs", "OCSPs", "CRLs"} {
			for _, item := range v.Array(dss[key]) {
				der, err := v.Decode(v.Stream(item))
				if err != nil {
					t.Fatal(err)
				}
				stored[string(der)] = true
			}
		}
		for name, der := range map[string][]byte{"signer": p.ec.Raw, "root": p.root.Raw, "authority": p.tsa.Raw, "responder": p.responder.Raw} {
			if !stored[string(der)] {
				t.Errorf("%s: the store lacks the certificate of the %s", path, name)
			}
		}
		if len(r.Evidence.OCSPs) != 1 || len(r.Evidence.CRLs) < 1 || !stored[string(r.Evidence.OCSPs[0])] || !stored[string(r.Evidence.CRLs[0])] {
			t.Errorf("%s: the store lacks revocation data", path)
		}
		contents, err := hex.DecodeString(string(data[r.ByteRange[1]+1 : r.ByteRange[2]-1]))
		if err != nil {
			t.Fatal(err)
		}
		key := strings.ToUpper(fmt.Sprintf("%x", sha1.Sum(contents)))
		if v.Dict(v.Dict(dss["VRI"])[cos.Name(key)]) == nil {
			t.Errorf("%s: no entry for the signature", path)
		}
		// Signed again: nothing is stored twice, nothing goes, nothing is forged.
		again, _, err := signFile(t, out, o)
		if err != nil {
			t.Fatal(err)
		}
		_, g := look(t, again)
		root, _, err = g.Latest().Root()
		if err != nil {
			t.Fatal(err)
		}
		dss = g.Latest().Dict(root["DSS"])
		if n := len(g.Latest().Array(dss["Certs"])); n != 4 {
			t.Errorf("%s: %d certificates after the second signature", path, n)
		}
		if n := len(g.Latest().Dict(dss["VRI"])); n != 2 {
			t.Errorf("%s: %d signatures in the store", path, n)
		}
		rev, ok := g.RevisionAt(r.Signed)
		if !ok {
			t.Fatalf("%s: the signed revision is not found", path)
		}
		judged, err := diff.Compare(g, rev, diff.Permissions{})
		if err != nil || judged.Level != diff.FormFilling {
			t.Errorf("%s: %v %+v", path, err, judged)
		}
	}
}
