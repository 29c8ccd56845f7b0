package signer

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"github.com/smallstep/pkcs7"

	"github.com/antin-gov/antin/signer/asic"
	"github.com/antin-gov/antin/signer/cades"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/edxml"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/validate"
	"github.com/antin-gov/antin/signer/xades"
)

// Format is the kind of signature.
type Format string

// Formats. The zero value signs inside a PDF.
const (
	FormatPAdES Format = ""
	FormatCAdES Format = "cades"
	FormatXAdES Format = "xades"
	// FormatASiC is a container with the file and a CAdES signature (ASiC-E).
	FormatASiC Format = "asic"
)

// Packaging is where a signature stands that is not in a PDF.
type Packaging string

// Packagings. The zero value is the first of its format.
const (
	// PackagingDetached is a file of its own beside the content.
	PackagingDetached Packaging = "detached"
	// PackagingAttached holds the content in the signature (CAdES).
	PackagingAttached Packaging = "attached"
	// PackagingParallel stands beside the signatures of a CMS file with its
	// content attached (CAdES).
	PackagingParallel Packaging = "parallel"
	// PackagingEnveloped is inside the XML document (XAdES), PackagingEnveloping
	// around a file of any kind.
	PackagingEnveloped  Packaging = "enveloped"
	PackagingEnveloping Packaging = "enveloping"
	// PackagingContainer is a ZIP file with both (ASiC).
	PackagingContainer Packaging = "container"
)

// kind is what a format can do.
type kind struct {
	prefix     string // of the level in the record
	levels     []string
	packagings []Packaging
}

func kindOf(f Format) (kind, error) {
	switch f {
	case FormatPAdES:
		return kind{levels: []string{string(pades.LevelB), string(pades.LevelT), string(pades.LevelLT), string(pades.LevelLTA)}, packagings: []Packaging{""}}, nil
	case FormatCAdES:
		return kind{
			prefix: "CAdES-", levels: []string{string(cades.LevelB), string(cades.LevelT), string(cades.LevelLT), string(cades.LevelLTA)},
			packagings: []Packaging{PackagingDetached, PackagingAttached, PackagingParallel},
		}, nil
	case FormatASiC:
		return kind{
			prefix: "ASiC-E-CAdES-", levels: []string{string(cades.LevelB), string(cades.LevelT), string(cades.LevelLT), string(cades.LevelLTA)},
			packagings: []Packaging{PackagingContainer},
		}, nil
	case FormatXAdES:
		return kind{
			prefix: "XAdES-", levels: []string{string(xades.LevelB), string(xades.LevelT), string(xades.LevelLT), string(xades.LevelLTA)},
			packagings: []Packaging{PackagingEnveloped, PackagingEnveloping, PackagingDetached},
		}, nil
	}
	return kind{}, fmt.Errorf("%w: format %q", ErrRequest, string(f))
}

// checkedFormat refuses what the format does not do.
func (q Request) checkedFormat() (Request, error) {
	k, err := kindOf(q.Format)
	if err != nil {
		return q, err
	}
	if q.Packaging == "" {
		q.Packaging = k.packagings[0]
	}
	if !slices.Contains(k.levels, q.Level) {
		return q, fmt.Errorf("%w: level %q", ErrRequest, q.Level)
	}
	if !slices.Contains(k.packagings, q.Packaging) {
		return q, fmt.Errorf("%w: packaging %q", ErrRequest, string(q.Packaging))
	}
	inPDF := q.Visible != nil || q.Certify != 0 || q.Field != "" || q.Reason != "" || q.Location != "" || q.SignerName != "" || q.Password != ""
	if q.Format != FormatPAdES && inPDF {
		return q, fmt.Errorf("%w: marks, fields, reasons, certification and passwords belong to PDF signatures", ErrRequest)
	}
	return q, nil
}

// recordedLevel is the level as the record and the ledger name it: with the
// format, unless it is a PDF's.
func (q Request) recordedLevel() string {
	k, err := kindOf(q.Format)
	if err != nil {
		return q.Level
	}
	return k.prefix + q.Level
}

// produceObject signs in another format than PDF and looks at the result
// before it may leave: the content is the recorded one, our own verification
// finds the signature intact, and an independent reader does not object.
func (s *Service) produceObject(ctx context.Context, act *Act, key *Key, private crypto.Signer, q Request, scheme Scheme, out *os.File) error {
	made, err := s.signObject(ctx, act, key, private, q, scheme)
	if err != nil {
		return err
	}
	opinion := made.opinion
	if opinion != OpinionDisagrees && !s.holds(ctx, made, q) {
		opinion = OpinionDisagrees
	}
	act.Opinion = string(opinion)
	if opinion == OpinionDisagrees {
		s.d.Logger.ErrorContext(ctx, "reader disagrees with a new signature", slog.String("act", act.ID))
		return ErrDisagreement
	}
	_, err = out.Write(made.data)
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	sum := sha256.Sum256(made.data)
	act.ResultSHA256, act.ResultSize = hex.EncodeToString(sum[:]), int64(len(made.data))
	return nil
}

// madeObject is a signature that has not left yet.
type madeObject struct {
	data    []byte
	opinion Opinion
}

func (s *Service) signObject(ctx context.Context, act *Act, key *Key, private crypto.Signer, q Request, scheme Scheme) (*madeObject, error) {
	seen := sha256.New()
	content := io.TeeReader(io.NewSectionReader(q.In, 0, q.Size), seen)
	var made *madeObject
	var err error
	switch q.Format {
	case FormatCAdES:
		made, err = s.signCAdES(ctx, act, key, private, q, scheme, content)
	case FormatXAdES:
		made, err = s.signXAdES(ctx, act, key, private, q, scheme, content)
	case FormatASiC:
		made, err = s.signASiC(ctx, act, key, private, q, scheme, content)
	default:
		err = fmt.Errorf("%w: format %q", ErrRequest, string(q.Format))
	}
	if err != nil {
		return nil, err
	}
	if hex.EncodeToString(seen.Sum(nil)) != act.DocumentSHA256 {
		return nil, fmt.Errorf("%w: while it was being signed", ErrChanged)
	}
	return made, nil
}

func (s *Service) signCAdES(ctx context.Context, act *Act, key *Key, private crypto.Signer, q Request, scheme Scheme, content io.Reader) (*madeObject, error) {
	if q.Packaging == PackagingParallel {
		return s.signParallel(ctx, act, key, private, q, scheme, content)
	}
	result, err := cades.Sign(ctx, content, s.cadesOptions(act, key, private, q, scheme))
	if err != nil {
		return nil, refusedOptions(err, cades.ErrOptions, cms.ErrRefused)
	}
	made := &madeObject{data: result.CMS, opinion: OpinionTooLarge}
	if q.Size > s.d.SecondOpinionMax {
		return made, nil
	}
	made.opinion, err = containerOpinion(result.Core, io.NewSectionReader(q.In, 0, q.Size), scheme, q.Hash)
	return made, err
}

// signParallel adds a signature to those of a CMS file, whose content the
// independent reader is asked about.
func (s *Service) signParallel(ctx context.Context, act *Act, key *Key, private crypto.Signer, q Request, scheme Scheme, container io.Reader) (*madeObject, error) {
	if q.Size > cms.MaxAttached {
		return nil, fmt.Errorf("%w: signatures of over %d MiB get none beside them", ErrRequest, cms.MaxAttached>>20)
	}
	data, err := io.ReadAll(container)
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	result, err := cades.SignParallel(ctx, data, s.cadesOptions(act, key, private, q, scheme))
	if err != nil {
		return nil, refusedOptions(err, cades.ErrOptions)
	}
	signed, err := cms.ParseAll(result.CMS)
	if err != nil {
		return nil, err
	}
	opinion, err := containerOpinion(result.Core, bytes.NewReader(signed[0].Content), scheme, q.Hash)
	return &madeObject{data: result.CMS, opinion: opinion}, err
}

func (s *Service) cadesOptions(act *Act, key *Key, private crypto.Signer, q Request, scheme Scheme) cades.Options {
	return cades.Options{
		Signer: private, Chain: key.Chain, Hash: q.Hash, PSS: scheme == SchemePSS, Level: cades.Level(q.Level),
		Attached: q.Packaging == PackagingAttached, Timestamp: s.d.Timestamp, Collect: s.d.Collector.Collect, Now: act.BegunAt,
	}
}

// signASiC puts a file with its signature into a container, in memory.
func (s *Service) signASiC(ctx context.Context, act *Act, key *Key, private crypto.Signer, q Request, scheme Scheme, content io.Reader) (*madeObject, error) {
	if q.Size > cms.MaxAttached {
		return nil, fmt.Errorf("%w: files of over %d MiB do not go into a container", ErrRequest, cms.MaxAttached>>20)
	}
	data, err := io.ReadAll(content)
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	var out bytes.Buffer
	file := asic.File{Name: q.Name, Content: bytes.NewReader(data), Size: int64(len(data))}
	result, err := asic.Sign(ctx, &out, []asic.File{file}, s.cadesOptions(act, key, private, q, scheme))
	if errors.Is(err, cades.ErrOptions) || errors.Is(err, asic.ErrName) {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err != nil {
		return nil, err
	}
	opinion, err := containerOpinion(result.CMS.Core, bytes.NewReader(result.Manifest), scheme, q.Hash)
	return &madeObject{data: out.Bytes(), opinion: opinion}, err
}

// signXAdES signs XML, or any file in or beside XML. No independent reader of
// XML signatures is at hand, so our own verification alone decides.
func (s *Service) signXAdES(ctx context.Context, act *Act, key *Key, private crypto.Signer, q Request, scheme Scheme, content io.Reader) (*madeObject, error) {
	if q.Size > xades.MaxBytes {
		return nil, fmt.Errorf("%w: files of over %d MiB are not signed in XML", ErrRequest, xades.MaxBytes>>20)
	}
	data, err := io.ReadAll(content)
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	options := s.xadesOptions(act, key, private, q, scheme)
	if edxml.Is(data) && q.Packaging == PackagingEnveloped {
		options.Into = edxml.SignatureParent
	}
	result, err := xades.Sign(ctx, data, options)
	if err != nil {
		return nil, refusedOptions(err, xades.ErrOptions, xades.ErrMalformed, xades.ErrLimit)
	}
	return &madeObject{data: result.XML, opinion: OpinionAlone}, nil
}

func (s *Service) xadesOptions(act *Act, key *Key, private crypto.Signer, q Request, scheme Scheme) xades.Options {
	return xades.Options{
		Signer: private, Chain: key.Chain, Hash: q.Hash, PSS: scheme == SchemePSS, Level: xades.Level(q.Level),
		Packaging: xades.Packaging(q.Packaging), Name: q.Name, Timestamp: s.d.Timestamp, Collect: s.d.Collector.Collect, Now: act.BegunAt,
	}
}

// containerOpinion asks smallstep/pkcs7, which shares no code with ours, about
// a new CMS signature; it does not know RSA-PSS. core is the container before
// revocation data, which that reader cannot read, was added.
func containerOpinion(core []byte, content io.Reader, scheme Scheme, h crypto.Hash) (Opinion, error) {
	parsed, err := pkcs7.Parse(core)
	if err != nil {
		return OpinionUnreadable, nil
	}
	if !readerKnows(scheme, h) {
		return OpinionUnknowing, nil
	}
	parsed.Content, err = io.ReadAll(content)
	if err != nil {
		return "", fmt.Errorf("read document: %w", err)
	}
	err = parsed.Verify()
	if err != nil {
		return OpinionDisagrees, nil
	}
	return OpinionAgrees, nil
}

// holds asks our own verification, over the bytes that are to leave, whether
// every signature in them is intact. Trust is not asked.
func (s *Service) holds(ctx context.Context, made *madeObject, q Request) bool {
	report, err := validate.File(ctx, bytes.NewReader(made.data), int64(len(made.data)), validate.Options{
		Clock: s.d.Clock, Content: io.NewSectionReader(q.In, 0, q.Size),
	})
	if err != nil || len(report.Signatures) == 0 {
		return false
	}
	return !slices.ContainsFunc(report.Signatures, func(one validate.Signature) bool {
		return one.Integrity != validate.Intact || one.Coverage != validate.CoversFile
	})
}
