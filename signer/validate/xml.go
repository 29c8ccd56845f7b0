package validate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/tsp"
	"github.com/antin-gov/antin/signer/xades"
)

// maxXML bounds an XML file in bytes: enveloping ones hold their content in
// base64. The content of a detached XML signature is held in memory as well.
const maxXML = xades.MaxBytes

// XML judges the signatures of an XML document (XAdES, or any XML-DSig with
// the algorithms known here). A signature that does not cover the whole file
// is never more than INDETERMINATE, and what it covers is told. The error is
// ErrUnreadable when the file is no XML that is read here, or what kept the
// input from being read.
func XML(ctx context.Context, in io.Reader, o Options) (*Report, error) {
	o.Policy = o.policy()
	data, err := io.ReadAll(io.LimitReader(in, maxXML+1))
	if err != nil {
		return nil, fmt.Errorf("read XML: %w", err)
	}
	document, err := xades.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	var content []byte
	if o.Content != nil {
		content, err = io.ReadAll(io.LimitReader(o.Content, maxXML+1))
		if err != nil {
			return nil, fmt.Errorf("read content: %w", err)
		}
		if len(content) > maxXML {
			return nil, fmt.Errorf("%w: content of more than %d bytes beside an XML signature", ErrUnreadable, maxXML)
		}
	}
	signatures, err := document.Signatures(content, o.Content != nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	var list []*object
	for _, s := range signatures {
		one := newObject(s.ID, "XAdES", o.Policy)
		one.observeXML(s)
		list = append(list, one)
	}
	return judgeObjects(ctx, list, o), nil
}

// observeXML notes what the reader of XML signatures found.
func (o *object) observeXML(s *xades.Signature) {
	if s.Err != nil {
		if errors.Is(s.Err, cms.ErrAlgorithm) {
			o.doubt(SubCryptoConstraints, CodeAlgorithm)
			return
		}
		o.fail(SubFormat, CodeContainer)
		return
	}
	// The same in the terms of CMS, for those who judge.
	o.signed = &cms.SignedData{Certificates: s.Certificates, OCSPs: s.OCSPs, CRLs: s.CRLs, Signer: cms.SignerInfo{
		Digest: s.Algorithm.Hash, Algorithm: s.Algorithm, AlgorithmErr: s.AlgorithmErr, Signature: s.StampOctets,
		CertificateID: s.CertificateID, ClaimedTime: s.SigningTime, Timestamps: s.Timestamps, HasAttributes: true,
	}}
	o.hash = s.Algorithm.Hash
	o.claim(s.SigningTime)
	if s.CertificateID == nil {
		o.plain, o.format = true, "XMLDSig"
	}
	cert, err := s.SignerCertificate()
	o.setSigner(cert)
	if errors.Is(err, cms.ErrSigningCertificate) {
		o.fail(SubSignatureConstraint, CodeSignerMismatch)
	}
	for _, a := range s.Archive {
		o.archive = append(o.archive, archiveStamp{der: a.Token, octets: func(token *tsp.Token) ([]byte, error) {
			h := token.Hash.New()
			err := s.ArchiveOctets(h, a)
			return h.Sum(nil), err
		}})
	}
	for n := range s.References {
		o.observeReference(&s.References[n])
	}
	if o.Verdict == Failed || o.SubIndication == SubNoData {
		return
	}
	if cert == nil {
		o.doubt(SubNoSigner, CodeNoSigner)
		return
	}
	o.verified(s.Verify(cert))
	if o.Integrity == Intact && !s.Covers() {
		o.Coverage = CoversPart
		o.doubt(SubSignatureConstraint, CodeCovers, covered(s))
	}
}

func (o *object) observeReference(r *xades.Reference) {
	switch {
	case r.Err == nil:
		if cms.WeakHash(r.Hash) {
			o.doubt(SubCryptoConstraints, CodeWeak, r.Hash.String())
		}
	case errors.Is(r.Err, cms.ErrDigest):
		o.fail(SubHash, CodeDigest)
	case errors.Is(r.Err, xades.ErrContent):
		o.doubt(SubNoData, CodeNoData)
	case errors.Is(r.Err, cms.ErrAlgorithm):
		o.doubt(SubCryptoConstraints, CodeAlgorithm)
	default:
		o.fail(SubFormat, CodeReference, printable(r.URI))
	}
}

// covered names what the signature is over, without its own properties.
func covered(s *xades.Signature) string {
	var list []string
	for _, r := range s.References {
		if !strings.Contains(r.Target, "SignedProperties") {
			list = append(list, printable(r.Target))
		}
	}
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ", ")
}
