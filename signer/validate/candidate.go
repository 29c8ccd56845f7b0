package validate

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/diff"
	"github.com/antin-gov/antin/signer/tsp"
)

// Values of /SubFilter (ISO 32000-2 table 255, EN 319 142-1 §5).
const (
	filterCAdES  = "ETSI.CAdES.detached"
	filterPKCS7  = "adbe.pkcs7.detached"
	filterSHA1   = "adbe.pkcs7.sha1"
	filterStamp  = "ETSI.RFC3161"
	unknownLevel = ""
)

// candidate is a signature on its way to a verdict.
type candidate struct {
	Signature
	policy    *Policy
	facts     facts
	found     *found
	subFilter string
	docMDP    int
	rangeOK   bool
	// coveredRevision is the index of the revision that the signature
	// covers, -1 when it covers none.
	coveredRevision int
	covers          []diff.Cover // what later marks lie over

	signed *cms.SignedData
	cert   *x509.Certificate
	token  *tsp.Token // of a document time-stamp
	hash   crypto.Hash
	// poe is the earliest proven existence of the signed bytes by document
	// time-stamps around them, zero when there is none.
	poe time.Time
	// stamped is set when a trusted signature-time-stamp is there.
	hasStamp bool
}

func (v *validation) newCandidate(f *found) *candidate {
	c := &candidate{policy: v.policy, found: f, coveredRevision: -1}
	c.Signature = Signature{
		Field: f.field, Kind: KindSignature, Verdict: Passed, Integrity: Broken, Coverage: CoversPart,
		Changes: ChangesUnknown, Reasons: []Reason{}, Places: f.places,
	}
	if f.orphan {
		c.subFilter = guessFilter(f.dict)
	}
	if v.file == nil || f.orphan {
		if c.subFilter == filterStamp {
			c.Kind = KindTimestamp
		}
		return c
	}
	view := v.file.Latest()
	c.subFilter = string(view.Name(f.dict["SubFilter"]))
	if c.subFilter == filterStamp {
		c.Kind = KindTimestamp
		return c
	}
	c.docMDP = docMDP(view, f.dict)
	if c.docMDP != 0 {
		c.Kind = KindCertification
	}
	claimed, ok := view.Bytes(f.dict["M"])
	if ok {
		t, ok := pdfTime(textString(claimed))
		if ok {
			c.SignedAt = &t
		}
	}
	return c
}

// guessFilter tells a document time-stamp from a signature by its container.
func guessFilter(dict cos.Dict) string {
	value, _ := dict["Contents"].(cos.String)
	der, _, err := cms.Normalize(value)
	if err == nil {
		_, err = cms.ParseToken(der)
		if err == nil {
			return filterStamp
		}
	}
	return filterPKCS7
}

// end is the last byte covered, which orders signatures.
func (c *candidate) end() int64 { return c.ByteRange[2] + c.ByteRange[3] }

// observe checks byte range, container and integrity. The error is one of
// reading the input.
func (c *candidate) observe(v *validation) error {
	value, ok := c.found.dict["Contents"].(cos.String)
	if !ok || len(value) == 0 {
		c.fail(SubFormat, CodeNoContents)
	}
	c.observeRange(v, value)
	if len(value) == 0 {
		return nil
	}
	if !c.parse(value) || !c.rangeOK {
		return nil
	}
	return c.verify(v)
}

// observeRange checks that the byte range is whole and where it ends.
func (c *candidate) observeRange(v *validation, value cos.String) {
	var ok bool
	view := (*cos.View)(nil)
	if v.file != nil {
		view = v.file.Latest()
	}
	if view == nil || c.found.orphan {
		c.ByteRange, ok = orphanRange(c.found.dict, v.size)
	} else {
		c.ByteRange, ok = byteRange(view, c.found.dict, v.size)
	}
	if !ok {
		c.fail(SubFormat, CodeByteRange)
		return
	}
	gap, ok := readGap(v.in, c.ByteRange)
	if !ok || string(gap) != string(value) {
		c.fail(SubFormat, CodeGap)
		return
	}
	if !c.found.orphan && !standsAt(v.in, c.found, c.ByteRange[1]) {
		c.fail(SubFormat, CodePlace)
		return
	}
	c.rangeOK = true
	c.observeCoverage(v)
}

func orphanRange(dict cos.Dict, size int64) ([4]int64, bool) {
	var br [4]int64
	array, _ := dict["ByteRange"].(cos.Array)
	if len(array) != 4 {
		return br, false
	}
	for n, o := range array {
		br[n], _ = o.(int64)
	}
	return br, plausible(br, size)
}

func (c *candidate) observeCoverage(v *validation) {
	// The line end behind %%EOF is the file's, not a change.
	const lineEnd = 2
	end := c.end()
	if v.file == nil || v.file.Repaired() {
		if end == v.size {
			c.Coverage = CoversFile
		}
		return
	}
	revision, ok := v.file.RevisionAt(end)
	if !ok {
		if end == v.size {
			// The whole file, though its last revision is not closed as
			// it should be.
			c.Coverage = CoversFile
			c.coveredRevision = len(v.file.Revisions()) - 1
			c.Revision = c.coveredRevision + 1
			return
		}
		c.fail(SubFormat, CodePartial)
		return
	}
	c.coveredRevision = revision
	c.Revision = revision + 1
	c.Coverage = CoversRevision
	last := revision == len(v.file.Revisions())-1
	if last && v.size-end <= lineEnd && v.file.Trailing() == 0 {
		c.Coverage = CoversFile
	}
}

// parse reads the container as the kind of signature demands.
func (c *candidate) parse(value cos.String) bool {
	der, reencoded, err := cms.Normalize(value)
	if err != nil {
		c.fail(SubFormat, CodeContainer)
		return false
	}
	if reencoded {
		c.note(CodeEncoding)
	}
	switch c.subFilter {
	case filterStamp:
		c.token, err = tsp.ParseToken(der)
		if err == nil {
			c.signed = c.token.Signed
		}
	case filterCAdES:
		c.signed, err = cms.Parse(der)
	case filterPKCS7:
		c.signed, err = cms.ParseLegacy(der)
	case filterSHA1:
		c.signed, err = cms.ParseSHA1(der)
	default:
		c.fail(SubFormat, CodeSubFilter, printable(c.subFilter))
		return false
	}
	if err != nil {
		c.fail(SubFormat, containerCode(err))
		return false
	}
	info := c.signed.Signer
	if !info.HasAttributes && c.subFilter == filterPKCS7 {
		// Allowed by RFC 5652 for id-data, but then nothing binds the
		// certificate, and a signature over attributes can be passed off as
		// one over content.
		c.doubt(SubSignatureConstraint, CodeNoAttributes)
	}
	if c.SignedAt == nil && !info.ClaimedTime.IsZero() && c.Kind != KindTimestamp {
		claimed := info.ClaimedTime
		c.SignedAt = &claimed
	}
	return true
}

func containerCode(err error) Code {
	switch {
	case errors.Is(err, cms.ErrContent):
		return CodeContent
	case errors.Is(err, cms.ErrSignerCount):
		return CodeSigners
	case errors.Is(err, cms.ErrNoSignedAttributes), errors.Is(err, cms.ErrNoMessageDigest), errors.Is(err, cms.ErrContentType):
		return CodeNoAttributes
	}
	return CodeContainer
}

// printable keeps what a stranger wrote short and on one line.
func printable(s string) string {
	const most = 40
	runes := []rune(s)
	for n, r := range runes {
		if r < ' ' {
			runes[n] = '?'
		}
	}
	if len(runes) > most {
		runes = runes[:most]
	}
	return fmt.Sprintf("%q", string(runes))
}

// verify computes the digest of the signed bytes and checks the signature by
// the signer's key.
func (c *candidate) verify(v *validation) error {
	cert, err := c.signed.SignerCertificate(v.evidence.Certificates...)
	c.cert = cert
	if cert != nil {
		c.Signer = commonName(cert)
	}
	if errors.Is(err, cms.ErrSigningCertificate) {
		c.fail(SubSignatureConstraint, CodeSignerMismatch)
	}
	c.hash = c.signed.Signer.Digest
	if c.token != nil {
		c.hash = c.token.Hash
	}
	if c.subFilter == filterSHA1 {
		c.hash = crypto.SHA1
	}
	if c.hash == 0 {
		c.doubt(SubCryptoConstraints, CodeAlgorithm)
		return nil
	}
	digest, err := digestRange(v.in, c.ByteRange, c.hash)
	if err != nil {
		return err
	}
	if cert == nil {
		c.compareDigest(digest)
		c.doubt(SubNoSigner, CodeNoSigner)
		return nil
	}
	err = c.verifySignature(cert, digest)
	switch {
	case err == nil:
		c.Integrity = Intact
	case errors.Is(err, cms.ErrDigest), errors.Is(err, tsp.ErrImprint):
		c.fail(SubHash, CodeDigest)
	case errors.Is(err, cms.ErrAlgorithm):
		c.compareDigest(digest)
		c.doubt(SubCryptoConstraints, CodeAlgorithm)
	case errors.Is(err, cms.ErrSignature):
		c.fail(SubSignature, CodeSignatureValue)
	default:
		c.fail(SubFormat, CodeTimestampInvalid)
	}
	return nil
}

// compareDigest finds a change of the content even where the signature value
// cannot be checked.
func (c *candidate) compareDigest(digest []byte) {
	have := c.signed.Signer.MessageDigest
	if c.token != nil {
		have = c.token.Imprint
	}
	if len(have) != 0 && string(have) != string(digest) {
		c.fail(SubHash, CodeDigest)
	}
}

func (c *candidate) verifySignature(cert *x509.Certificate, digest []byte) error {
	switch c.subFilter {
	case filterStamp:
		err := c.token.Verify(tsp.VerifyOptions{Hash: c.token.Hash, Digest: digest, Certificates: []*x509.Certificate{cert}})
		var purpose *trust.PathError
		if errors.As(err, &purpose) {
			// The bytes are as stamped; whether the stamp may be believed
			// is asked later and answered no.
			return nil
		}
		return err
	case filterSHA1:
		if string(c.signed.Content) != string(digest) {
			return cms.ErrDigest
		}
		return c.signed.VerifyContent(cert)
	}
	return c.signed.Verify(cert, digest)
}

func commonName(cert *x509.Certificate) string {
	if cert.Subject.CommonName != "" {
		return cert.Subject.CommonName
	}
	return cert.Subject.String()
}
