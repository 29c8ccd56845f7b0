package csc

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/antin-gov/antin/signer"
)

// certification is the kind that signDoc makes by default: further signatures
// and forms stay allowed (ISO 32000-2 §12.8.2.2, P = 2).
const certification = 2

// conformanceLevels are those that signDoc makes.
func conformanceLevels() []string { return []string{"AdES-B-B", "AdES-B-T", "AdES-B-LT", "AdES-B-LTA"} }

// paper is one document of a request.
type paper struct {
	pdf     []byte
	request signer.Request
}

// signDoc signs PDF documents, all or none, through the signer's own way of a
// document: judged, recorded, signed, read by an independent reader, recorded,
// released. The digest that the SAD is bound to is the document's SHA-256.
func (s *Server) signDoc(ctx context.Context, c caller, p params) (int, any, error) {
	k, g, err := s.authorized(ctx, c, p)
	if err != nil {
		return 0, nil, err
	}
	papers, err := s.readPapers(p, k)
	if err != nil {
		return 0, nil, err
	}
	digests := make([][]byte, 0, len(papers))
	for i := range papers {
		sum := sha256.Sum256(papers[i].pdf)
		digests = append(digests, sum[:])
		papers[i].request.Key, papers[i].request.Factor, papers[i].request.Authorization = k.Name, g.Factor, g.ID
	}
	err = s.use(ctx, g, digests)
	var fault *Fault
	if errors.As(err, &fault) {
		return 0, nil, invalid("documentDigests or documents are not authorized by the SAD")
	}
	if err != nil {
		return 0, nil, err
	}
	signed, err := s.signPapers(ctx, papers)
	if err != nil {
		return 0, nil, err
	}
	return ok(map[string]any{"DocumentWithSignature": signed}, nil)
}

// signPapers signs one after the other. When one fails, those before it do not
// leave, and their records say so.
func (s *Server) signPapers(ctx context.Context, papers []paper) ([]string, error) {
	var acts []*signer.Act
	var signed []string
	for _, d := range papers {
		pdf, act, err := s.d.Signer.SignBytes(ctx, d.pdf, d.request)
		if err != nil {
			for _, a := range acts {
				failed := s.d.Signer.Withdraw(ctx, a, err)
				if errors.Is(failed, signer.ErrRecord) {
					err = failed
				}
			}
			return nil, err
		}
		acts, signed = append(acts, act), append(signed, base64.StdEncoding.EncodeToString(pdf))
	}
	return signed, nil
}

func (s *Server) readPapers(p params, k signer.Key) ([]paper, error) {
	_, err := p.choice("operationMode", "S")
	if err != nil {
		return nil, err
	}
	info, err := p.flag("returnValidationInfo")
	if err != nil || info { // info says that it is not given; at B-LT it stands in the document
		return nil, badParameter("returnValidationInfo")
	}
	if p.has("documentDigests") {
		if p.has("documents") {
			return nil, invalid("Both documentDigests and documents parameters passed")
		}
		return nil, invalid("Invalid object parameter documentDigests")
	}
	list, err := p.objects("documents", s.d.Config.MaxSignatures)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, invalid("Empty documentDigests and documents objects")
	}
	papers := make([]paper, 0, len(list))
	for _, d := range list {
		one, err := readPaper(d, k)
		if err != nil {
			return nil, err
		}
		papers = append(papers, one)
	}
	return papers, nil
}

func readPaper(d params, k signer.Key) (paper, error) {
	var out paper
	format, err := d.text("signature_format", true)
	if err != nil {
		return out, err
	}
	if format != "P" {
		return out, badParameter("signature_format")
	}
	scheme, h, err := d.algorithm("hashAlgorithmOID", k.Chain[0].PublicKey)
	if err != nil {
		return out, err
	}
	if h != crypto.SHA256 { // documents are signed with SHA-256 alone
		return out, badParameter("signAlgo")
	}
	envelope, err := d.choice("signed_envelope_property", "Certification", "Revision")
	if err != nil {
		return out, err
	}
	level, err := d.text("conformance_level", false)
	if err != nil {
		return out, err
	}
	out.request = signer.Request{Scheme: scheme, Level: "B-B"}
	if envelope == "Certification" {
		out.request.Certify = certification
	}
	if level != "" {
		out.request.Level = ""
		for _, known := range conformanceLevels() {
			if strings.EqualFold(known, level) { // the standard's own examples have both "AdES" and "Ades"
				out.request.Level = strings.TrimPrefix(known, "AdES-")
			}
		}
		if out.request.Level == "" {
			return out, badParameter("conformance_level")
		}
	}
	out.request.Reason, err = readReason(d)
	if err != nil {
		return out, err
	}
	text, err := d.text("document", true)
	if err != nil {
		return out, err
	}
	out.pdf, err = decodeBase64(text)
	if err != nil || len(out.pdf) == 0 {
		return out, invalid("Invalid Base64 documents string parameter")
	}
	return out, nil
}

// readReason reads signed_props, of which the reason (EN 319 142-1 §5.3) is
// the one that is taken; others are refused by name.
func readReason(d params) (string, error) {
	list, err := d.objects("signed_props", 20)
	if err != nil {
		return "", err
	}
	reason := ""
	for _, a := range list {
		name, err := a.text("attribute_name", true)
		if err != nil {
			return "", err
		}
		value, err := a.text("attribute_value", true)
		if err != nil {
			return "", err
		}
		b, err := decodeBase64(value)
		if name != "Reason" || err != nil || !utf8.Valid(b) {
			return "", invalid("Invalid parameter signed_props")
		}
		reason = string(b)
	}
	return reason, nil
}
