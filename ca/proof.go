package ca

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/antin-gov/antin/ca/pkihttp"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/ledger"
)

// Prover gives the inclusion proof of an entry of the ledger.
type Prover interface {
	Proof(ctx context.Context, index uint64) (*ledger.Proof, error)
}

// FormatProof names the form of a proof file, and its version.
const FormatProof = "antin-certificate-proof/1"

// publicProofWait bounds how long a public request waits for a checkpoint that
// covers a certificate of this moment.
const publicProofWait = 2 * time.Second

// ErrProof says that a proof is not one of the certificate.
var ErrProof = errors.New("ca: the proof is not of the certificate")

// CertificateProof shows that a certificate stands in the ledger as issued. It
// is complete in itself: who has the ledger's verifier key needs nothing else.
type CertificateProof struct {
	Format string `json:"format"`
	Serial string `json:"serial"`
	// SHA256 is the hex digest of the certificate, DER.
	SHA256 string        `json:"sha256"`
	Ledger *ledger.Proof `json:"ledger"`
}

// Proof gives the proof of an issued certificate. Everybody may have it: it
// holds the certificate's digest and identifiers, never a name.
func (s *Service) Proof(ctx context.Context, serial string) (*CertificateProof, error) {
	prover, ok := s.deps.Ledger.(Prover)
	if !ok {
		return nil, fmt.Errorf("%w: this ledger gives no proofs", ErrNotFound)
	}
	row, err := s.engine.records.get(ctx, serial)
	if err != nil {
		return nil, err
	}
	if row.State != StateIssued || row.IssueIndex == nil {
		return nil, fmt.Errorf("%w: certificate %s is %s", ErrState, serial, row.State)
	}
	proof, err := prover.Proof(ctx, uint64(*row.IssueIndex))
	if err != nil {
		return nil, fmt.Errorf("proof of certificate %s: %w", serial, err)
	}
	return &CertificateProof{Format: FormatProof, Serial: row.Serial, SHA256: row.SHA256, Ledger: proof}, nil
}

// VerifyCertificateProof checks a proof with the ledger's verifier key alone,
// and against the certificate when there is one (DER; nil for none). It returns
// the entry of the ledger.
func VerifyCertificateProof(p *CertificateProof, vkey string, certificate []byte) (ledger.Entry, error) {
	if p == nil || p.Format != FormatProof || p.Ledger == nil {
		return ledger.Entry{}, fmt.Errorf("%w: the file is not a %s", ErrProof, FormatProof)
	}
	entry, err := ledger.VerifyProof(p.Ledger, vkey)
	if err != nil {
		return ledger.Entry{}, err
	}
	if !issues(entry.Kind) || entry.Object != p.Serial || entry.Digest != p.SHA256 {
		return ledger.Entry{}, fmt.Errorf("%w: the entry is a %s of %s", ErrProof, entry.Kind, entry.Object)
	}
	if certificate == nil {
		return entry, nil
	}
	sum := sha256.Sum256(certificate)
	if hex.EncodeToString(sum[:]) != p.SHA256 {
		return ledger.Entry{}, fmt.Errorf("%w: the certificate has another digest", ErrProof)
	}
	return entry, nil
}

// issues says whether an entry of the kind tells that a certificate was issued.
func issues(kind string) bool { return kind == "ca.certificate.issue" }

// proofFile serves /proof/SERIAL.json.
func (s *Service) proofFile(ctx context.Context, name string) (pkihttp.File, error) {
	if !isSerial(name) {
		return pkihttp.File{}, pkihttp.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, publicProofWait)
	defer cancel()
	proof, err := s.Proof(ctx, name)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrState) {
		return pkihttp.File{}, pkihttp.ErrNotFound
	}
	if err != nil {
		return pkihttp.File{}, err
	}
	text, err := json.MarshalIndent(proof, "", "  ")
	if err != nil {
		return pkihttp.File{}, fmt.Errorf("write proof: %w", err)
	}
	return pkihttp.File{DER: append(text, '\n'), Modified: s.deps.Clock.Now()}, nil
}

// isSerial says whether a text is a serial number as the register writes it.
func isSerial(text string) bool {
	n, err := parseSerial(text)
	return err == nil && profile.FormatSerial(n) == text
}
