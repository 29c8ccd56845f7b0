package report

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/validate"
)

func list(d *etsiData) []etsiData {
	if d == nil {
		return nil
	}
	return []etsiData{*d}
}

// evidence adds the objects that the verdict rests on, and a part for each
// certificate that is revoked.
func (b *etsi) evidence(s *validate.Signature, data *etsiData) []etsiData {
	var related []etsiRef
	var revoked []etsiData
	for _, state := range s.States() {
		r := state.Revocation
		if r.Status == trust.RevocationUnknown {
			continue
		}
		kind, name := urnCRL, "crl-"
		if r.OCSP {
			kind, name = urnOCSP, "ocsp-"
		}
		ref := b.object(kind, name, r.DER)
		ref.judged(b)
		related = append(related, etsiRef{ref.id})
		if !r.RevokedAt.IsZero() {
			revoked = append(revoked, etsiData{Revoked: &etsiState{
				Certificate: etsiRef{b.certificate(state.Certificate)}, Time: moment(r.RevokedAt), Reason: reasonURN(r.Reason), Object: &etsiRef{ref.id}}})
		}
	}
	for _, stamp := range s.Stamps() {
		ref := b.object(urnStamp, "timestamp-", stamp.Token)
		if stamp.Counts {
			ref.gives(b, stamp.Time, s)
		}
		related = append(related, etsiRef{ref.id})
	}
	if data == nil && len(related) > 0 {
		data = &etsiData{}
	}
	if data != nil {
		data.Related = related
	}
	return append(list(data), revoked...)
}

// maxEmbedded bounds an object that stands in the report itself; of larger ones
// the digest does.
const maxEmbedded = 1 << 20

// objectRef is an object by its place in the report.
type objectRef struct{ id string }

func (b *etsi) object(kind, prefix string, der []byte) objectRef {
	sum := sha256.Sum256(der)
	o := etsiObject{ID: prefix + hex.EncodeToString(sum[:]), Type: kind}
	if len(der) > maxEmbedded {
		o.Body.Digest = &etsiDigest{Method: etsiMethod{algSHA256}, Value: base64.StdEncoding.EncodeToString(sum[:])}
	} else {
		o.Body.Base64 = base64.StdEncoding.EncodeToString(der)
	}
	b.add(o)
	return objectRef{o.ID}
}

func (b *etsi) at(id string) *etsiObject {
	for n := range b.objects {
		if b.objects[n].ID == id {
			return &b.objects[n]
		}
	}
	return nil
}

// judged says that the object was there when the file was judged.
func (r objectRef) judged(b *etsi) {
	b.at(r.id).POE = &etsiPOE{Time: moment(b.file.At), Type: urnProof}
}

// gives says that a time-stamp proves the existence of a signature.
func (r objectRef) gives(b *etsi, at time.Time, s *validate.Signature) {
	o := b.at(r.id)
	if o.Gives == nil {
		o.Gives = &etsiGives{Time: moment(at)}
	}
	if s.Field != "" && s.ByteRange != [4]int64{} {
		o.Gives.Field = append(o.Gives.Field, etsiFieldRef{s.Field})
	}
}

// reasonURN is a CRLReason (RFC 5280 §5.3.1) by the name of TS 119 102-2; empty
// when none is given.
func reasonURN(reason int) string {
	names := map[int]string{0: "unspecified", 1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded", 5: "cessationOfOperation",
		6: "certificateHold", 8: "removeFromCRL", 9: "privilegeWithdrawn", 10: "aACompromise"}
	name, ok := names[reason]
	if !ok {
		return ""
	}
	return urnRevocation + name
}
