package pades_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/pades"
)

// withSeed is a document with a signature field that has seed values.
func withSeed(seed string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	var at []int
	for n, object := range []string{
		"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]/SigFlags 1>>>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Annots[4 0 R]>>",
		"<</Type/Annot/Subtype/Widget/FT/Sig/T(Ky)/Rect[10 10 90 50]/F 4/P 3 0 R/SV<</Type/SV" + seed + ">>>>",
	} {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n+1, object)
	}
	start := b.Len()
	b.WriteString("xref\n0 5\n0000000000 65535 f \n")
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", start)
	return b.Bytes()
}

func TestWhatASignatureFieldDemandsIsMetOrTheReasonIsTold(t *testing.T) {
	p := newPKI(t)
	s := p.schemes()[0]
	leaf, root := fmt.Sprintf("<%x>", s.chain[0].Raw), fmt.Sprintf("<%x>", s.chain[1].Raw)
	reason := func(o *pades.Options) { o.Reason = "Ky ban hanh" }
	certify := func(o *pades.Options) { o.Certify = 2 }
	stamped := func(o *pades.Options) { o.Level, o.Timestamp = pades.LevelT, p.timestamp }
	for _, c := range []struct {
		name, seed string
		change     func(*pades.Options)
		signed     bool
	}{
		{"nothing demanded", "/Reasons[(x)]/SubFilter[/adbe.pkcs7.detached]", nil, true},
		{"our handler", "/Ff 1/Filter/Adobe.PPKLite", nil, true},
		{"another handler", "/Ff 1/Filter/Entrust.PPKEF", nil, false},
		{"our kind", "/Ff 2/SubFilter[/adbe.pkcs7.detached/ETSI.CAdES.detached]", nil, true},
		{"another kind", "/Ff 2/SubFilter[/adbe.pkcs7.detached]", nil, false},
		{"a version not known", "/Ff 4/V 9", nil, false},
		{"the right reason", "/Ff 8/Reasons[(Xem)(Ky ban hanh)]", reason, true},
		{"another reason", "/Ff 8/Reasons[(Xem)]", reason, false},
		{"no reason where one is demanded", "/Ff 8/Reasons[(Xem)]", nil, false},
		{"a reason where none is wanted", "/Ff 8/Reasons[(.)]", reason, false},
		{"no reason where none is wanted", "/Ff 8/Reasons[(.)]", nil, true},
		{"a legal attestation", "/Ff 16/LegalAttestation[(x)]", nil, false},
		{"revocation data at B-B", "/Ff 32/AddRevInfo true", nil, false},
		{"our digest", "/Ff 64/DigestMethod[(SHA512)(SHA256)]", nil, true},
		{"another digest", "/Ff 64/DigestMethod[(SHA512)]", nil, false},
		{"a locked document", "/Ff 128/LockDocument/true", nil, false},
		{"an appearance", "/Ff 256/AppearanceFilter(x)", nil, false},
		{"an approval, approved", "/MDP<</P 0>>", nil, true},
		{"an approval, certified", "/MDP<</P 0>>", certify, false},
		{"a certification, approved", "/MDP<</P 2>>", nil, false},
		{"a certification, certified", "/MDP<</P 2>>", certify, true},
		{"a certification, certified otherwise", "/MDP<</P 1>>", certify, false},
		{"a time-stamp, none given", "/TimeStamp<</URL(http://x)/Ff 1>>", nil, false},
		{"a time-stamp, given", "/TimeStamp<</URL(http://x)/Ff 1>>", stamped, true},
		{"this signer", "/Cert<</Ff 1/Subject[" + leaf + "]>>", nil, true},
		{"another signer", "/Cert<</Ff 1/Subject[" + root + "]>>", nil, false},
		{"this issuer", "/Cert<</Ff 2/Issuer[" + root + "]>>", nil, true},
		{"another issuer", "/Cert<</Ff 2/Issuer[" + leaf + "]>>", nil, false},
		{"a policy that is not there", "/Cert<</Ff 4/OID[(1.2.3)]>>", nil, false},
		{"another name", "/Cert<</Ff 8/SubjectDN[<</CN(Ai do)>>]>>", nil, false},
		{"key usage that fits", "/Cert<</Ff 32/KeyUsage[(11)]>>", nil, true},
		{"key usage that does not", "/Cert<</Ff 32/KeyUsage[(10)]>>", nil, false},
		{"what is not known", "/Cert<</Ff 16>>", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.change != nil && c.name == "a time-stamp, given" {
				need(t, "openssl")
			}
			o := pades.Options{Signer: s.key, Chain: s.chain, Field: "Ky", Now: time.Now()}
			if c.change != nil {
				c.change(&o)
			}
			in := withSeed(c.seed)
			_, err := pades.Sign(t.Context(), bytes.NewReader(in), int64(len(in)), &memory{}, o)
			var why *cos.RefusedError
			switch {
			case c.signed && err != nil:
				t.Errorf("refused: %v", err)
			case !c.signed && (!errors.As(err, &why) || why.Code != pades.CodeSeedValue || why.Reason == ""):
				t.Errorf("not refused for its demand: %v", err)
			}
		})
	}
}
