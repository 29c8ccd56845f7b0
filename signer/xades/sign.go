package xades

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/material"
)

// Level is a baseline level of EN 319 132-1 §6.
type Level string

// Levels.
const (
	LevelB   Level = "B-B"
	LevelT   Level = "B-T"
	LevelLT  Level = "B-LT"
	LevelLTA Level = "B-LTA"
)

// Packaging is where the signature stands.
type Packaging string

// Packagings.
const (
	// Enveloped is inside the XML document that it signs.
	Enveloped Packaging = "enveloped"
	// Enveloping holds the file, of any kind, in base64.
	Enveloping Packaging = "enveloping"
	// Detached names the file by its name.
	Detached Packaging = "detached"
)

// Options say who signs and how.
type Options struct {
	Signer    crypto.Signer
	Chain     []*x509.Certificate // the signer's first, up to the root
	Hash      crypto.Hash         // SHA-256 when zero
	PSS       bool
	Level     Level     // B-B when empty
	Packaging Packaging // Enveloped when empty
	// Into is the local name of the element at whose end an enveloped signature
	// stands; empty for the root element. What is signed is the same.
	Into string
	// Name is the file that a detached signature names, MimeType what it is.
	Name     string
	MimeType string
	// Timestamp returns an RFC 3161 token over a digest; B-T and above need it.
	Timestamp func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error)
	// Collect fetches certificates and revocation data; B-LT and above need it.
	Collect material.Collect
	Now     time.Time
}

// Result is a finished signature.
type Result struct {
	// XML is the signed document, or the document of the signature.
	XML      []byte
	Evidence trust.Evidence
}

func (o Options) checked() (Options, cms.Algorithm, error) {
	if o.Level == "" {
		o.Level = LevelB
	}
	if o.Packaging == "" {
		o.Packaging = Enveloped
	}
	if o.Hash == 0 {
		o.Hash = crypto.SHA256
	}
	refuse := func(format string, args ...any) (Options, cms.Algorithm, error) {
		return o, cms.Algorithm{}, fmt.Errorf("%w: %s", ErrOptions, fmt.Sprintf(format, args...))
	}
	if !slices.Contains([]Level{LevelB, LevelT, LevelLT, LevelLTA}, o.Level) {
		return refuse("level %q", string(o.Level))
	}
	if !slices.Contains([]Packaging{Enveloped, Enveloping, Detached}, o.Packaging) {
		return refuse("packaging %q", string(o.Packaging))
	}
	if o.Packaging == Detached && o.Name == "" {
		return refuse("a detached signature needs the file's name")
	}
	if o.Level != LevelB && o.Timestamp == nil {
		return refuse("level %s needs a time-stamp authority", o.Level)
	}
	if (o.Level == LevelLT || o.Level == LevelLTA) && o.Collect == nil {
		return refuse("level %s needs a source of revocation data", o.Level)
	}
	if o.Now.IsZero() {
		return refuse("no signing time")
	}
	if o.MimeType == "" {
		o.MimeType = "application/octet-stream"
		if o.Packaging == Enveloped {
			o.MimeType = "application/xml"
		}
	}
	algorithm, err := cms.Params{Signer: o.Signer, Chain: o.Chain, Hash: o.Hash, PSS: o.PSS}.Check()
	if err != nil {
		return o, algorithm, fmt.Errorf("xades: %w", err)
	}
	_, err = algorithmURI(algorithm)
	return o, algorithm, err
}

// Sign signs a file: an XML document, whose bytes stay as they are around the
// new element, or for the other packagings a file of any kind.
func Sign(ctx context.Context, content []byte, o Options) (*Result, error) {
	o, algorithm, err := o.checked()
	if err != nil {
		return nil, err
	}
	most := MaxBytes
	if o.Packaging == Enveloping {
		most = MaxBytes/2 - 1<<20 // in base64, and read again
	}
	if len(content) > most {
		return nil, fmt.Errorf("%w: file of %d bytes, at most %d", ErrLimit, len(content), most)
	}
	b := &builder{o: o, algorithm: algorithm, content: content, id: "sig-" + strings.ToLower(rand.Text())}
	r, err := b.make(ctx)
	if err != nil {
		return nil, err
	}
	return r, selfCheck(r.XML, content, o)
}

// SignDigest makes a detached signature over a file of which only the digest,
// by Options.Hash, is at hand. An archive time-stamp is over the file itself
// (EN 319 132-1 §5.5.2), so B-LTA cannot be made of a digest.
func SignDigest(ctx context.Context, digest []byte, o Options) (*Result, error) {
	o, algorithm, err := o.checked()
	if err != nil {
		return nil, err
	}
	if o.Packaging != Detached || o.Level == LevelLTA || len(digest) != o.Hash.Size() {
		return nil, fmt.Errorf("%w: a digest of %d bytes is not signed %s at %s", ErrOptions, len(digest), o.Packaging, o.Level)
	}
	b := &builder{o: o, algorithm: algorithm, digest: digest, id: "sig-" + strings.ToLower(rand.Text())}
	r, err := b.make(ctx)
	if err != nil {
		return nil, err
	}
	return r, selfCheckDigest(r.XML, digest, o)
}

// make builds the signature up to its level.
func (b *builder) make(ctx context.Context) (*Result, error) {
	err := b.references()
	if err != nil {
		return nil, err
	}
	err = b.sign()
	if err != nil {
		return nil, fmt.Errorf("xades: %w", err)
	}
	r := &Result{}
	if b.o.Level != LevelB {
		err = b.addUnsigned(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("xades: %w", err)
		}
	}
	r.XML, err = b.place(b.element())
	if err == nil && b.o.Level == LevelLTA {
		err = b.archive(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// selfCheck reads the result as a stranger would.
func selfCheck(data, content []byte, o Options) error {
	d, err := Parse(data)
	if err != nil {
		return err
	}
	all, err := d.Signatures(content, o.Packaging == Detached)
	if err != nil {
		return err
	}
	for _, s := range all {
		cert, err := s.SignerCertificate()
		if err == nil && cert.Equal(o.Chain[0]) && s.Verify(cert) == nil && s.Covers() {
			return nil
		}
	}
	return fmt.Errorf("signature made does not verify: %w", cms.ErrSignature)
}

// selfCheckDigest reads the result as a stranger would who has the digest of
// the file.
func selfCheckDigest(data, digest []byte, o Options) error {
	d, err := Parse(data)
	if err != nil {
		return err
	}
	all, err := d.Signatures(nil, false)
	if err != nil {
		return err
	}
	for _, s := range all {
		cert, err := s.SignerCertificate()
		if err == nil && cert.Equal(o.Chain[0]) && s.VerifyDigest(cert, o.Hash, digest) == nil {
			return nil
		}
	}
	return fmt.Errorf("signature made does not verify: %w", cms.ErrSignature)
}

// builder holds the parts of a signature as text. All text is in exclusive
// canonical form where it stands, so that what is digested here is what a
// reader will canonicalise.
type builder struct {
	o          Options
	algorithm  cms.Algorithm
	content    []byte
	digest     []byte // of a content that is not at hand
	id         string
	reference  string // of the content
	properties string // SignedProperties
	info       string // SignedInfo
	value      string // SignatureValue
	unsigned   string
}

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// quoted escapes what a canonical form escapes in text; in values, names are
// percent-encoded before.
func quoted(s string) string { return escape(s, "&", "&amp;", "<", "&lt;", ">", "&gt;") }

func (b *builder) hash(text string) string {
	h := b.o.Hash.New()
	h.Write([]byte(text))
	return b64(h.Sum(nil))
}

// digestOf writes DigestMethod and DigestValue.
func (b *builder) digestOf(sum string) string {
	uri, err := HashURI(b.o.Hash)
	if err != nil {
		return ""
	}
	return `<ds:DigestMethod Algorithm="` + uri + `"></ds:DigestMethod><ds:DigestValue>` + sum + `</ds:DigestValue>`
}

// references digests the content.
func (b *builder) references() error {
	_, err := HashURI(b.o.Hash)
	if err != nil {
		return err
	}
	id := ` Id="` + b.id + `-ref"`
	transform := func(uris ...string) string {
		out := "<ds:Transforms>"
		for _, uri := range uris {
			out += `<ds:Transform Algorithm="` + uri + `"></ds:Transform>`
		}
		return out + "</ds:Transforms>"
	}
	switch b.o.Packaging {
	case Enveloped:
		d, err := Parse(b.content)
		if err != nil {
			return err
		}
		h := b.o.Hash.New()
		err = d.canonicalize(h, nil, nil, method{uri: c14nExc}, false)
		if err != nil {
			return err
		}
		b.reference = `<ds:Reference` + id + ` URI="">` + transform(enveloped, c14nExc) + b.digestOf(b64(h.Sum(nil))) + `</ds:Reference>`
	case Enveloping:
		b.reference = `<ds:Reference` + id + ` URI="#` + b.id + `-object">` + transform(base64T) + b.digestOf(b.hash(string(b.content))) + `</ds:Reference>`
	default:
		sum := b64(b.digest)
		if b.digest == nil {
			sum = b.hash(string(b.content))
		}
		b.reference = `<ds:Reference` + id + ` URI="` + quoted(url.PathEscape(b.o.Name)) + `">` + b.digestOf(sum) + `</ds:Reference>`
	}
	return nil
}

// The declarations that exclusive canonicalisation gives an apex.
const (
	dsDecl    = ` xmlns:ds="` + dsigNS + `"`
	xadesDecl = ` xmlns:xades="` + xadesNS + `"`
)

// signedProperties writes SignedProperties; ds is declared where it is used,
// as the exclusive form has it.
func (b *builder) signedProperties() string {
	sum := b.o.Hash.New()
	sum.Write(b.o.Chain[0].Raw)
	digest := strings.ReplaceAll(b.digestOf(b64(sum.Sum(nil))), " Algorithm=", dsDecl+" Algorithm=")
	digest = strings.Replace(digest, "<ds:DigestValue>", "<ds:DigestValue"+dsDecl+">", 1)
	return `<xades:SignedProperties` + xadesDecl + ` Id="` + b.id + `-props"><xades:SignedSignatureProperties><xades:SigningTime>` +
		b.o.Now.UTC().Format(time.RFC3339) + `</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest>` + digest +
		`</xades:CertDigest></xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties><xades:SignedDataObjectProperties>` +
		`<xades:DataObjectFormat ObjectReference="#` + b.id + `-ref"><xades:MimeType>` + quoted(b.o.MimeType) +
		`</xades:MimeType></xades:DataObjectFormat></xades:SignedDataObjectProperties></xades:SignedProperties>`
}

// sign builds SignedInfo and signs it.
func (b *builder) sign() error {
	uri, err := algorithmURI(b.algorithm)
	if err != nil {
		return err
	}
	b.properties = b.signedProperties()
	b.info = `<ds:SignedInfo` + dsDecl + `><ds:CanonicalizationMethod Algorithm="` + c14nExc + `"></ds:CanonicalizationMethod>` +
		`<ds:SignatureMethod Algorithm="` + uri + `"></ds:SignatureMethod>` + b.reference +
		`<ds:Reference Type="` + typeProps + `" URI="#` + b.id + `-props"><ds:Transforms><ds:Transform Algorithm="` + c14nExc +
		`"></ds:Transform></ds:Transforms>` + b.digestOf(b.hash(b.properties)) + `</ds:Reference></ds:SignedInfo>`
	h := b.o.Hash.New()
	h.Write([]byte(b.info))
	value, err := cms.SignDigest(b.o.Signer, b.algorithm, h.Sum(nil))
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	key, ok := b.o.Chain[0].PublicKey.(*ecdsa.PublicKey)
	if ok {
		value, err = toFixed(key, value)
		if err != nil {
			return err
		}
	}
	b.value = `<ds:SignatureValue` + dsDecl + ` Id="` + b.id + `-value">` + b64(value) + `</ds:SignatureValue>`
	return nil
}

// addUnsigned stamps the value and, for the long term, adds what proves it.
func (b *builder) addUnsigned(ctx context.Context, r *Result) error {
	imprint := cms.ImprintHash(b.o.Hash)
	h := imprint.New()
	h.Write([]byte(b.value))
	token, err := b.o.Timestamp(ctx, imprint, h.Sum(nil))
	if err != nil {
		return fmt.Errorf("signature time-stamp: %w", err)
	}
	b.unsigned = `<xades:SignatureTimeStamp><ds:CanonicalizationMethod` + dsDecl + ` Algorithm="` + c14nExc +
		`"></ds:CanonicalizationMethod><xades:EncapsulatedTimeStamp>` + b64(token) + `</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp>`
	if b.o.Level == LevelT {
		return nil
	}
	r.Evidence, err = material.Gather(ctx, b.o.Collect, b.o.Chain, token)
	if err != nil {
		return err
	}
	var certs [][]byte
	for _, cert := range r.Evidence.Certificates {
		certs = append(certs, cert.Raw)
	}
	b.unsigned += list("CertificateValues", "EncapsulatedX509Certificate", certs)
	values := list("CRLValues", "EncapsulatedCRLValue", r.Evidence.CRLs) + list("OCSPValues", "EncapsulatedOCSPValue", r.Evidence.OCSPs)
	if values != "" {
		b.unsigned += `<xades:RevocationValues>` + values + `</xades:RevocationValues>`
	}
	return nil
}

// archive puts an archive time-stamp over the finished signature.
func (b *builder) archive(ctx context.Context, r *Result) error {
	e := &extension{out: &Extended{XML: r.XML}, o: ExtendOptions{
		Level: LevelLTA, Hash: cms.ImprintHash(b.o.Hash), Timestamp: b.o.Timestamp, Content: b.content, Detached: b.o.Packaging == Detached,
	}}
	all, err := e.signatures()
	if err != nil {
		return err
	}
	for n, s := range all {
		if s.ID == b.id {
			err = e.addArchive(ctx, all, n)
			r.XML = e.out.XML
			return err
		}
	}
	return fmt.Errorf("signature made is not found: %w", ErrReference)
}

func list(outer, inner string, items [][]byte) string {
	if len(items) == 0 {
		return ""
	}
	out := "<xades:" + outer + ">"
	for _, item := range items {
		out += "<xades:" + inner + ">" + b64(item) + "</xades:" + inner + ">"
	}
	return out + "</xades:" + outer + ">"
}

// element writes the whole Signature.
func (b *builder) element() string {
	certs := ""
	for _, cert := range b.o.Chain {
		certs += `<ds:X509Certificate>` + b64(cert.Raw) + `</ds:X509Certificate>`
	}
	unsigned := ""
	if b.unsigned != "" {
		unsigned = `<xades:UnsignedProperties><xades:UnsignedSignatureProperties>` + b.unsigned +
			`</xades:UnsignedSignatureProperties></xades:UnsignedProperties>`
	}
	object := ""
	if b.o.Packaging == Enveloping {
		object = `<ds:Object Encoding="` + base64T + `" Id="` + b.id + `-object">` + b64(b.content) + `</ds:Object>`
	}
	return `<ds:Signature` + dsDecl + ` Id="` + b.id + `">` + b.info + b.value + `<ds:KeyInfo><ds:X509Data>` + certs + `</ds:X509Data></ds:KeyInfo>` +
		object + `<ds:Object><xades:QualifyingProperties` + xadesDecl + ` Target="#` + b.id + `">` + b.properties + unsigned +
		`</xades:QualifyingProperties></ds:Object></ds:Signature>`
}

// place puts the signature where the packaging has it: before the end of the
// root element, or into a document of its own.
func (b *builder) place(signature string) ([]byte, error) {
	if b.o.Packaging != Enveloped {
		return []byte(xml.Header + signature + "\n"), nil
	}
	start, end, err := elementEnd(b.content, b.o.Into)
	if err != nil {
		return nil, err
	}
	tag := b.content[start:end]
	var out bytes.Buffer
	if bytes.HasPrefix(tag, []byte("</")) {
		out.Write(b.content[:start])
		out.WriteString(signature)
		out.Write(b.content[start:])
		return out.Bytes(), nil
	}
	// An empty root in one tag is opened.
	name := string(bytes.TrimLeft(tag, "<"))
	name = name[:strings.IndexAny(name, " \t\r\n/>")]
	out.Write(b.content[:end])
	out.Truncate(bytes.LastIndexByte(out.Bytes(), '/'))
	out.WriteString(">" + signature + "</" + name + ">")
	out.Write(b.content[end:])
	return out.Bytes(), nil
}

// elementEnd finds the tag that closes the first element of a local name, or
// with none the root element.
func elementEnd(data []byte, name string) (start, end int64, err error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	depth := 0
	for {
		before := dec.InputOffset()
		token, err := dec.RawToken()
		if err == io.EOF {
			return 0, 0, malformed("no end of the element that the signature goes into")
		}
		if err != nil {
			return 0, 0, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			start = before
		case xml.EndElement:
			depth--
			if dec.InputOffset() > before {
				start = before
			}
			if depth == 0 && name == "" || name != "" && t.Name.Local == name {
				return start, dec.InputOffset(), nil
			}
		}
	}
}
