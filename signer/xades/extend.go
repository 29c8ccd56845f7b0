package xades

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/material"
	"github.com/antin-gov/antin/signer/tsp"
)

// ErrNotExtendable means that a document has no XAdES signature, or one that
// does not hold.
var ErrNotExtendable = errors.New("xades: not extendable")

// ExtendOptions say how far signatures are raised and by whom.
type ExtendOptions struct {
	Level Level       // LevelLT or LevelLTA; LevelLTA when empty
	Hash  crypto.Hash // of the time-stamps; SHA-256 when zero
	// Content is what a detached signature is over, when Detached is set.
	Content  []byte
	Detached bool
	// Timestamp and Collect are those of Options.
	Timestamp func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error)
	Collect   material.Collect
	// Path finds the chain of a certificate in a pool; nothing is collected for
	// one without. Nil orders by signatures alone.
	Path func(ctx context.Context, leaf *x509.Certificate, pool []*x509.Certificate) []*x509.Certificate
}

// Extended tells what Extend made.
type Extended struct {
	XML        []byte
	Signatures int
	Stamps     []time.Time // of the time-stamps that were added
	Evidence   trust.Evidence
}

// Extend raises every signature of a document to B-LT or B-LTA, or renews its
// archive time-stamps (EN 319 132-1 §6.3): a signature time-stamp where there is
// none, the validation data of the signer and of all time-stamps, and for B-LTA
// a time-stamp over it all. All bytes that are there stay. Whether the
// signatures are to be trusted is the caller's question.
func Extend(ctx context.Context, data []byte, o ExtendOptions) (*Extended, error) {
	if o.Level == "" {
		o.Level = LevelLTA
	}
	if o.Hash == 0 {
		o.Hash = crypto.SHA256
	}
	if o.Level != LevelLT && o.Level != LevelLTA || o.Timestamp == nil || o.Collect == nil || !o.Hash.Available() {
		return nil, fmt.Errorf("%w: extension to %q", ErrOptions, string(o.Level))
	}
	e := &extension{o: o, out: &Extended{XML: data}}
	all, err := e.signatures()
	if err != nil {
		return nil, err
	}
	e.out.Signatures = len(all)
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: no signature", ErrNotExtendable)
	}
	for n := range all {
		err = e.raise(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("xades: signature %d: %w", n+1, err)
		}
	}
	// A signature around another one does not outlive what is added to that.
	_, err = e.signatures()
	return e.out, err
}

// extension is the state of one Extend.
type extension struct {
	o   ExtendOptions
	out *Extended
}

// signatures reads the document as it is now and wants every one to hold.
func (e *extension) signatures() ([]*Signature, error) {
	d, err := Parse(e.out.XML)
	if err != nil {
		return nil, err
	}
	all, err := d.Signatures(e.o.Content, e.o.Detached)
	if err != nil {
		return nil, err
	}
	for n, s := range all {
		if s.Err == nil && s.properties == nil {
			return nil, fmt.Errorf("%w: signature %d has no XAdES properties", ErrNotExtendable, n+1)
		}
		cert, err := s.SignerCertificate()
		if err == nil {
			err = s.Verify(cert)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: signature %d: %w", ErrNotExtendable, n+1, err)
		}
	}
	return all, nil
}

// raise raises signature n.
func (e *extension) raise(ctx context.Context, n int) error {
	all, err := e.signatures()
	if err != nil {
		return err
	}
	if len(all[n].Timestamps) == 0 {
		all, err = e.stampValue(ctx, all, n)
		if err != nil {
			return err
		}
	}
	evidence, err := e.gather(ctx, all[n])
	if err != nil {
		return err
	}
	e.out.Evidence.Add(evidence)
	all, err = e.insert(n, materialText(all[n], evidence))
	if err != nil || e.o.Level != LevelLTA {
		return err
	}
	return e.addArchive(ctx, all, n)
}

// addArchive puts a time-stamp over all that signature n has now.
func (e *extension) addArchive(ctx context.Context, all []*Signature, n int) error {
	h := e.o.Hash.New()
	err := all[n].ArchiveOctets(h, all[n].nextArchive())
	if err != nil {
		return err
	}
	token, err := e.stamp(ctx, h.Sum(nil))
	if err != nil {
		return fmt.Errorf("archive time-stamp: %w", err)
	}
	_, err = e.insert(n, stampText("xades141:ArchiveTimeStamp", ` xmlns:xades141="`+xades141NS+`"`, token))
	return err
}

func (e *extension) stampValue(ctx context.Context, all []*Signature, n int) ([]*Signature, error) {
	h := e.o.Hash.New()
	s := all[n]
	err := s.document.canonicalize(h, child(s.element, dsigNS, "SignatureValue"), nil, method{uri: c14nExc}, true)
	if err != nil {
		return nil, err
	}
	token, err := e.stamp(ctx, h.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("signature time-stamp: %w", err)
	}
	return e.insert(n, stampText("xades:SignatureTimeStamp", "", token))
}

// stamp fetches a token and looks whether it is over the digest.
func (e *extension) stamp(ctx context.Context, digest []byte) ([]byte, error) {
	der, err := e.o.Timestamp(ctx, e.o.Hash, digest)
	if err != nil {
		return nil, err
	}
	token, err := tsp.ParseToken(der)
	if err == nil {
		err = token.Verify(tsp.VerifyOptions{Hash: e.o.Hash, Digest: digest})
	}
	if err != nil {
		return nil, err
	}
	e.out.Stamps = append(e.out.Stamps, token.GenTime)
	return der, nil
}

// gather collects for the signer and for every time-stamp.
func (e *extension) gather(ctx context.Context, s *Signature) (trust.Evidence, error) {
	cert, err := s.SignerCertificate()
	if err != nil {
		return trust.Evidence{}, err
	}
	leaves, pool := []*x509.Certificate{cert}, append([]*x509.Certificate(nil), s.Certificates...)
	tokens := append([][]byte(nil), s.Timestamps...)
	for _, a := range s.Archive {
		tokens = append(tokens, a.Token)
	}
	for _, der := range tokens {
		token, err := tsp.ParseToken(der)
		if err != nil {
			return trust.Evidence{}, err
		}
		pool = append(pool, token.Signed.Certificates...)
		if token.Signer != nil {
			leaves = append(leaves, token.Signer)
		}
	}
	return material.GatherLeaves(ctx, e.o.Collect, e.o.Path, leaves, pool)
}

// materialText writes the evidence that is not there yet. Behind an archive
// time-stamp it stands in properties of its own.
func materialText(s *Signature, evidence trust.Evidence) string {
	var certs [][]byte
	have := map[string]bool{}
	for _, cert := range s.Certificates {
		have[string(cert.Raw)] = true
	}
	for _, list := range [][][]byte{s.CRLs, s.OCSPs} {
		for _, der := range list {
			have[string(der)] = true
		}
	}
	fresh := func(items [][]byte) [][]byte {
		var out [][]byte
		for _, item := range items {
			if !have[string(item)] {
				out = append(out, item)
			}
		}
		return out
	}
	for _, cert := range evidence.Certificates {
		certs = append(certs, cert.Raw)
	}
	text := list("CertificateValues", "EncapsulatedX509Certificate", fresh(certs))
	values := list("CRLValues", "EncapsulatedCRLValue", fresh(evidence.CRLs)) + list("OCSPValues", "EncapsulatedOCSPValue", fresh(evidence.OCSPs))
	if values != "" {
		text += `<xades:RevocationValues>` + values + `</xades:RevocationValues>`
	}
	first := len(s.Archive) == 0
	for _, el := range s.unsigned() {
		first = first && !is(el, xadesNS, "CertificateValues") && !is(el, xadesNS, "RevocationValues")
	}
	if text == "" || first {
		return text
	}
	return `<xades141:TimeStampValidationData xmlns:xades141="` + xades141NS + `">` + text + `</xades141:TimeStampValidationData>`
}

func stampText(name, declaration string, token []byte) string {
	return `<` + name + declaration + `><ds:CanonicalizationMethod` + dsDecl + ` Algorithm="` + c14nExc +
		`"></ds:CanonicalizationMethod><xades:EncapsulatedTimeStamp>` + b64(token) + `</xades:EncapsulatedTimeStamp></` + name + `>`
}

// insert puts text at the end of the unsigned properties of signature n, and
// reads the result.
func (e *extension) insert(n int, text string) ([]*Signature, error) {
	if text != "" {
		at, missing, err := unsignedEnd(e.out.XML, n)
		if err != nil {
			return nil, err
		}
		before, after := "", ""
		for _, name := range missing {
			before += "<xades:" + name + xadesDecl + ">"
			after = "</xades:" + name + ">" + after
		}
		if len(missing) == 0 {
			// The parent may call the namespace by another name.
			text = declared(text)
		}
		text = before + text + after
		if len(e.out.XML)+len(text) > MaxBytes {
			return nil, fmt.Errorf("%w: document of more than %d bytes", ErrLimit, MaxBytes)
		}
		e.out.XML = bytes.Join([][]byte{e.out.XML[:at], []byte(text), e.out.XML[at:]}, nil)
	}
	return e.signatures()
}

// declared declares the namespace on each element at the top of a text that
// was written here.
func declared(text string) string {
	var out bytes.Buffer
	dec := xml.NewDecoder(bytes.NewReader([]byte(text)))
	depth, last := 0, int64(0)
	for {
		token, err := dec.RawToken()
		if err != nil {
			break
		}
		end := dec.InputOffset()
		switch token.(type) {
		case xml.StartElement:
			piece := text[last:end]
			if depth == 0 {
				piece = piece[:len(piece)-1] + xadesDecl + ">"
			}
			out.WriteString(piece)
			depth++
		default:
			_, closes := token.(xml.EndElement)
			if closes {
				depth--
			}
			out.WriteString(text[last:end])
		}
		last = end
	}
	return out.String()
}

// unsignedEnd finds where unsigned properties of signature n end, and the
// elements that are missing around that place.
func unsignedEnd(data []byte, n int) (at int64, missing []string, err error) {
	wanted := []string{"QualifyingProperties", "UnsignedProperties", "UnsignedSignatureProperties"}
	dec := xml.NewDecoder(bytes.NewReader(data))
	var open []xml.Name
	count, inside, counter := -1, 0, 0 // depth of the signature and of a countersignature
	found := 0                         // of the wanted elements, deepest that closed
	for {
		before := dec.InputOffset()
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			open = append(open, t.Name)
			switch {
			case counter > 0:
			case t.Name == xml.Name{Space: xadesNS, Local: "CounterSignature"}:
				counter = len(open)
			case t.Name == xml.Name{Space: dsigNS, Local: "Signature"}:
				count++
				if count == n {
					inside = len(open)
				}
			}
		case xml.EndElement:
			depth := len(open) - inside // 0: the signature itself
			if inside > 0 && counter == 0 && found == 0 && depth >= 2 && depth <= 4 && matches(open[inside:], wanted) {
				if dec.InputOffset() == before {
					return 0, nil, fmt.Errorf("%w: empty %s", ErrNotExtendable, t.Name.Local)
				}
				found, at = depth-1, before
			}
			if len(open) == counter {
				counter = 0
			}
			if len(open) == inside {
				inside = 0
			}
			open = open[:len(open)-1]
		}
	}
	if found == 0 {
		return 0, nil, fmt.Errorf("%w: no qualifying properties", ErrNotExtendable)
	}
	return at, wanted[found:], nil
}

// matches tells whether the open elements inside a signature are an Object and
// the first of the wanted ones in order.
func matches(open []xml.Name, wanted []string) bool {
	if open[0] != (xml.Name{Space: dsigNS, Local: "Object"}) {
		return false
	}
	for i, name := range open[1:] {
		if name != (xml.Name{Space: xadesNS, Local: wanted[i]}) {
			return false
		}
	}
	return true
}
