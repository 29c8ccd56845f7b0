package csc

import (
	"strings"
	"unicode/utf8"

	"github.com/antin-gov/antin/signer"
)

// certification is the kind that signDoc makes by default: further signatures
// and forms stay allowed (ISO 32000-2 §12.8.2.2, P = 2).
const certification = 2

// detachedName is what an XML signature calls the document beside it, whose
// name a request does not tell.
const detachedName = "document"

// conformanceLevels are those that signDoc makes.
func conformanceLevels() []string { return []string{"AdES-B-B", "AdES-B-T", "AdES-B-LT", "AdES-B-LTA"} }

// envelope is a value of signed_envelope_property.
type envelope struct {
	name      string
	packaging signer.Packaging
	certify   int
	detached  bool // the signature stands beside the document
}

// signatureFormat is a value of signature_format with its envelopes, the
// default first (v2 §11.10).
type signatureFormat struct {
	name      string
	format    signer.Format
	envelopes []envelope
}

// signatureFormats are those that signDoc makes; the standard's J (JAdES) is
// not among them.
func signatureFormats() []signatureFormat {
	return []signatureFormat{
		{"P", signer.FormatPAdES, []envelope{{name: "Certification", certify: certification}, {name: "Revision"}}},
		{"C", signer.FormatCAdES, []envelope{
			{name: "Attached", packaging: signer.PackagingAttached}, {name: "Detached", packaging: signer.PackagingDetached, detached: true},
			{name: "Parallel", packaging: signer.PackagingParallel},
		}},
		{"X", signer.FormatXAdES, []envelope{
			{name: "Enveloped", packaging: signer.PackagingEnveloped}, {name: "Enveloping", packaging: signer.PackagingEnveloping},
			{name: "Detached", packaging: signer.PackagingDetached, detached: true},
		}},
	}
}

// formatsTold are the formats and envelopes as info tells them.
func formatsTold() map[string]any {
	var names []string
	var properties [][]string
	for _, f := range signatureFormats() {
		names = append(names, f.name)
		var list []string
		for _, e := range f.envelopes {
			list = append(list, e.name)
		}
		properties = append(properties, list)
	}
	return map[string]any{"formats": names, "envelope_properties": properties}
}

// paper is one document, or one digest of a document, of a request.
type paper struct {
	document []byte // nil when only the digest is at hand
	digest   []byte // by the hash algorithm of the signature
	request  signer.Request
	detached bool
}

func (s *Server) readPapers(p params, k signer.Key) ([]paper, error) {
	evidence, err := p.flag("returnValidationInfo")
	if err != nil {
		return nil, err
	}
	if p.has("documentDigests") && p.has("documents") {
		return nil, invalid("Both documentDigests and documents parameters passed")
	}
	name, read := "documents", readDocument
	if p.has("documentDigests") {
		name, read = "documentDigests", s.readDocumentDigests
	}
	list, err := p.objects(name, s.d.Config.MaxSignatures)
	if err != nil {
		return nil, err
	}
	var papers []paper
	for _, d := range list {
		some, err := read(d, k, evidence)
		if err != nil {
			return nil, err
		}
		papers = append(papers, some...)
		if len(papers) > s.d.Config.MaxSignatures {
			return nil, invalid("Numbers of signatures is too high")
		}
	}
	if len(papers) == 0 {
		return nil, invalid("Empty documentDigests and documents objects")
	}
	return papers, nil
}

// readDocument reads a member of documents.
func readDocument(d params, k signer.Key, evidence bool) ([]paper, error) {
	out, format, err := readHow(d, k, evidence)
	if err != nil {
		return nil, err
	}
	e, err := readEnvelope(d, format.envelopes)
	if err != nil {
		return nil, err
	}
	out.request.Packaging, out.request.Certify, out.detached = e.packaging, e.certify, e.detached
	err = readProperties(d, &out.request)
	if err != nil {
		return nil, err
	}
	if format.format == signer.FormatXAdES && e.detached {
		out.request.Name = detachedName
	}
	text, err := d.text("document", true)
	if err != nil {
		return nil, err
	}
	out.document, err = decodeBase64(text)
	if err != nil || len(out.document) == 0 {
		return nil, invalid("Invalid Base64 documents string parameter")
	}
	h := out.request.Hash.New()
	h.Write(out.document)
	out.digest = h.Sum(nil)
	return []paper{out}, nil
}

// readDocumentDigests reads a member of documentDigests. A signature over a
// digest stands beside its document, or goes into a PDF that the program has
// prepared; what a level needs the whole document for cannot be made.
func (s *Server) readDocumentDigests(d params, k signer.Key, evidence bool) ([]paper, error) {
	one, format, err := readHow(d, k, evidence)
	if err != nil {
		return nil, err
	}
	var possible []envelope
	for _, e := range format.envelopes {
		if e.detached || format.format == signer.FormatPAdES {
			possible = append(possible, e)
		}
	}
	_, err = readEnvelope(d, possible)
	if err != nil {
		return nil, err
	}
	if d.has("signed_props") {
		return nil, badParameter("signed_props")
	}
	switch {
	case format.format != signer.FormatCAdES && one.request.Level == "B-LTA":
		return nil, badParameter("conformance_level")
	case format.format == signer.FormatPAdES && one.request.Level == "B-LT" && !evidence:
		// The program puts the validation data into the PDF.
		return nil, invalid("conformance_level AdES-B-LT of a digest in format P needs returnValidationInfo")
	}
	digests, err := d.digests("hashes", true, s.d.Config.MaxSignatures)
	if err != nil {
		return nil, err
	}
	if !sized(digests, one.request.Hash) {
		return nil, invalid("Invalid digest value length")
	}
	one.detached = true
	papers := make([]paper, 0, len(digests))
	for _, digest := range digests {
		one.digest = digest
		papers = append(papers, one)
	}
	return papers, nil
}

// readHow reads what documents and digests have alike.
func readHow(d params, k signer.Key, evidence bool) (paper, signatureFormat, error) {
	var out paper
	var format signatureFormat
	name, err := d.text("signature_format", true)
	if err != nil {
		return out, format, err
	}
	for _, f := range signatureFormats() {
		if f.name == name {
			format = f
		}
	}
	if format.name == "" {
		return out, format, badParameter("signature_format")
	}
	scheme, h, err := d.algorithm("hashAlgorithmOID", k.Chain[0].PublicKey)
	if err != nil {
		return out, format, err
	}
	level, err := d.text("conformance_level", false)
	if err != nil {
		return out, format, err
	}
	out.request = signer.Request{Scheme: scheme, Hash: h, Format: format.format, Level: "B-B", Evidence: evidence}
	if level != "" {
		out.request.Level = ""
		for _, known := range conformanceLevels() {
			if strings.EqualFold(known, level) { // the standard's own examples have both "AdES" and "Ades"
				out.request.Level = strings.TrimPrefix(known, "AdES-")
			}
		}
		if out.request.Level == "" {
			return out, format, badParameter("conformance_level")
		}
	}
	return out, format, nil
}

func readEnvelope(d params, of []envelope) (envelope, error) {
	name, err := d.text("signed_envelope_property", false)
	if err != nil {
		return envelope{}, err
	}
	for _, e := range of {
		if name == "" || e.name == name {
			return e, nil
		}
	}
	return envelope{}, badParameter("signed_envelope_property")
}

// readProperties reads signed_props. Of a PDF's signature dictionary the
// reason, the location and the signer's name are taken (EN 319 142-1 §5.3);
// others are refused by name.
func readProperties(d params, q *signer.Request) error {
	list, err := d.objects("signed_props", 20)
	if err != nil {
		return err
	}
	of := map[string]*string{"Reason": &q.Reason, "Location": &q.Location, "Name": &q.SignerName}
	for _, a := range list {
		name, err := a.text("attribute_name", true)
		if err != nil {
			return err
		}
		value, err := a.text("attribute_value", true)
		if err != nil {
			return err
		}
		b, err := decodeBase64(value)
		target := of[name]
		if target == nil || q.Format != signer.FormatPAdES || err != nil || !utf8.Valid(b) {
			return badParameter("signed_props")
		}
		*target = string(b)
		delete(of, name) // each once
	}
	return nil
}
