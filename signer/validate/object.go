package validate

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/tsp"
)

// object is a signature outside a PDF as its format's reader observed it:
// Integrity, Coverage and the reasons found on the way stand in the candidate.
// Its container is the CMS one or, for XML, what stands in the XML in the same
// terms, with the octets that signature time-stamps are over as signature
// value.
type object struct {
	candidate
	archive []archiveStamp // oldest first
	// plain signatures carry no AdES attributes: they are judged as such and
	// named by their format alone.
	plain bool
	// format names the level: CAdES, XAdES.
	format string
}

// archiveStamp is a time-stamp over a whole signature with its material.
type archiveStamp struct {
	der []byte
	// octets tells the digest that the token must be over.
	octets func(token *tsp.Token) ([]byte, error)
}

func newObject(field, format string, p *Policy) *object {
	o := &object{format: format}
	o.policy = p
	o.coveredRevision = -1
	o.Signature = Signature{
		Field: field, Kind: KindSignature, Verdict: Passed, Integrity: Broken, Coverage: CoversPart,
		Changes: ChangesUnknown, Reasons: []Reason{},
	}
	return o
}

// outside is the state of judging signatures outside a PDF.
func outside(o Options) *validation {
	v := &validation{options: o, policy: o.policy(), now: o.At, collected: make(map[string]bool)}
	if v.now.IsZero() {
		if o.Clock == nil {
			o.Clock = clock.System{}
		}
		v.now = o.Clock.Now()
	}
	return v
}

// judgeObjects applies trust and time and writes the report.
func judgeObjects(ctx context.Context, list []*object, o Options) *Report {
	report := &Report{File: o.File, Signatures: []Signature{}}
	for _, one := range list {
		v := outside(o)
		if one.signed != nil {
			v.inside = trust.Evidence{Certificates: one.signed.Certificates, OCSPs: one.signed.OCSPs, CRLs: one.signed.CRLs}
			v.evidence.Add(v.inside)
		}
		if !one.plain {
			one.subFilter = filterCAdES
		}
		v.judgeArchive(ctx, one)
		v.judgeSignature(ctx, &one.candidate)
		if one.Integrity == Intact && one.Changes == ChangesUnknown {
			one.Changes = ChangesNone
		}
		one.Level = one.level(v)
		one.Detail = v.detail(&one.candidate)
		report.Signatures = append(report.Signatures, one.Signature)
	}
	report.conclude()
	return report
}

// judgeArchive goes from the newest archive time-stamp to the oldest; each one
// that may be believed proves that everything under it existed at its time.
func (v *validation) judgeArchive(ctx context.Context, o *object) {
	control := v.now
	for n := len(o.archive) - 1; n >= 0; n-- {
		token, err := tsp.ParseToken(o.archive[n].der)
		if err != nil {
			o.facts.brokenStamp(stampArchive, CodeTimestampInvalid, nil)
			o.doubt(SubGeneric, CodeTimestampInvalid)
			continue
		}
		want, err := o.archive[n].octets(token)
		if err == nil {
			err = token.Verify(tsp.VerifyOptions{Hash: token.Hash, Digest: want, Certificates: v.evidence.Certificates})
		}
		if err != nil {
			// Something under the time-stamp is not what it was.
			o.facts.brokenStamp(stampArchive, CodeTimestampImprint, token)
			o.doubt(SubGeneric, CodeTimestampImprint)
			continue
		}
		if !v.believeStamp(ctx, &o.candidate, stampArchive, token, control) {
			continue
		}
		if token.GenTime.Before(control) {
			control = token.GenTime
		}
		o.poe = control
	}
}

// level names what is there (EN 319 122-1 §6, EN 319 132-1 §6).
func (o *object) level(v *validation) string {
	if o.signed == nil {
		return unknownLevel
	}
	if o.plain {
		if o.hasStamp {
			return o.format + "-T"
		}
		return o.format
	}
	prefix := o.format + "-B-"
	material := o.material(v)
	switch {
	case len(o.archive) > 0 && material && o.hasStamp:
		return prefix + "LTA"
	case material && o.hasStamp:
		return prefix + "LT"
	case o.hasStamp:
		return prefix + "T"
	}
	return prefix + "B"
}

// material tells whether the signature itself holds revocation data that
// speaks about its signer.
func (o *object) material(v *validation) bool {
	if len(v.inside.OCSPs)+len(v.inside.CRLs) == 0 {
		return false
	}
	if o.Path == nil || len(o.Path.Certificates) < 2 || o.BestTime == nil {
		return true
	}
	status := trust.CheckRevocation(trust.RevocationRequest{
		Certificate: o.Path.Certificates[0], Issuer: o.Path.Issuer(0), At: *o.BestTime, Now: v.now, Evidence: v.inside,
	})
	return status.Status != trust.RevocationUnknown
}

func (o *object) setSigner(cert *x509.Certificate) {
	o.cert = cert
	if cert != nil {
		o.Signer = commonName(cert)
	}
}

func (o *object) claim(t time.Time) {
	if !t.IsZero() {
		o.SignedAt = &t
	}
}

// digests computes several digests of one stream in one reading.
type digests map[crypto.Hash][]byte

func (d digests) equal(h crypto.Hash, want []byte) bool {
	have, ok := d[h]
	return ok && bytes.Equal(have, want)
}
