package signer

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/validate"
)

// checked fills in what is left open and refuses what contradicts itself,
// before anything is recorded.
func (q Request) checked() (Request, error) {
	if q.Level == "" {
		q.Level = string(pades.LevelLT)
	}
	if q.In == nil || q.Size <= 0 {
		return q, fmt.Errorf("%w: no document", ErrRequest)
	}
	if q.Basis != "" && !q.Seal {
		return q, fmt.Errorf("%w: only a seal rests on another record", ErrRequest)
	}
	return q.checkedFormat()
}

// open finds the key with its certificate and opens it in the token.
func (s *Service) open(ctx context.Context, name string) (*Key, crypto.Signer, error) {
	key, err := s.d.Keys.Key(ctx, name)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if len(key.Chain) < 2 {
		return nil, nil, fmt.Errorf("%w: %s has no certificate chain", ErrKey, name)
	}
	private, err := s.d.Keys.Signer(ctx, key.Label)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", ErrKey, name, err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil || !bytes.Equal(der, key.Chain[0].RawSubjectPublicKeyInfo) {
		return nil, nil, fmt.Errorf("%w: the certificate of %s is another key's", ErrKey, name)
	}
	return key, private, nil
}

// opened opens the key of a request for a subject who may use it, and says how
// it signs.
func (s *Service) opened(ctx context.Context, q Request) (*Key, crypto.Signer, Scheme, error) {
	key, private, err := s.open(ctx, q.Key)
	if err != nil {
		return nil, nil, "", err
	}
	scheme, err := schemeFor(private.Public(), q.Scheme)
	if err != nil {
		return nil, nil, "", err
	}
	return key, private, scheme, s.authorize(ctx, key, q)
}

// digestOf reads the whole document and compares it with what was shown.
func digestOf(q Request) (string, error) {
	digest := sha256.New()
	_, err := io.Copy(digest, io.NewSectionReader(q.In, 0, q.Size))
	if err != nil {
		return "", fmt.Errorf("read document: %w", err)
	}
	sum := hex.EncodeToString(digest.Sum(nil))
	if q.Digest != "" && q.Digest != sum {
		return "", fmt.Errorf("%w: it is not the one that was shown", ErrChanged)
	}
	return sum, nil
}

func schemeFor(public crypto.PublicKey, asked Scheme) (Scheme, error) {
	switch public.(type) {
	case *ecdsa.PublicKey:
		if asked == "" || asked == SchemeECDSA {
			return SchemeECDSA, nil
		}
	case *rsa.PublicKey:
		if asked == "" {
			return SchemePSS, nil
		}
		if asked == SchemePSS || asked == SchemePKCS1 {
			return asked, nil
		}
	case ed25519.PublicKey:
		if asked == "" || asked == SchemeEd25519 {
			return SchemeEd25519, nil
		}
	}
	return "", fmt.Errorf("%w: a key of type %T does not sign as %q", ErrRequest, public, asked)
}

// authorize asks the policy whether the subject may sign with this key: one's
// own key, or, for a seal, the agency's.
func (s *Service) authorize(ctx context.Context, key *Key, q Request) error {
	action := "sign.document"
	if q.Seal {
		action = "sign.seal"
	}
	subject := auth.SubjectFrom(ctx)
	if q.Seal && key.PersonID != "" {
		// Otherwise the right to seal would be the right to sign as anybody.
		return fmt.Errorf("%w: %s is a person's key, not a seal", ErrKey, key.Name)
	}
	// Who holds the server's own files may use any key, as nobody but themselves;
	// a person who acts there by name signs with their own keys only.
	holder := q.Factor == FactorLocal && (subject.Has(auth.RoleAdmin) || subject.Has(auth.RolePlatform))
	// An agency's key seals, and a seal follows a person's signature (R20); only
	// the platform's own reports carry the operator's seal alone.
	if !q.Seal && key.PersonID == "" && !(holder && subject.Has(auth.RolePlatform)) {
		return fmt.Errorf("%w: %s is an agency's key: it seals what a person has signed", ErrKey, key.Name)
	}
	if !q.Seal && !holder && key.PersonID != subject.PersonID {
		return fmt.Errorf("%w: %s is another person's key", ErrKey, key.Name)
	}
	return s.d.Authorizer.Authorize(ctx, subject, action, auth.Resource{Kind: "key", ID: key.Name, AgencyID: key.AgencyID})
}

// Factors of an act.
const (
	FactorTOTP    = "totp"
	FactorPasskey = "passkey"
	// FactorLocal is a person with access to the server's own files.
	FactorLocal = "local"
)

// checkCertificate refuses to sign with a certificate that a verifier would
// refuse (R22; NĐ 68/2024/NĐ-CP art. 29 and 31).
func (s *Service) checkCertificate(ctx context.Context, chain []*x509.Certificate) error {
	now := s.d.Clock.Now()
	anchors, err := s.d.Anchors(ctx)
	if err != nil {
		return fmt.Errorf("read trust anchors: %w", err)
	}
	_, err = anchors.ValidatePath(ctx, chain[0], trust.Request{At: now, Purpose: trust.PurposeSignature, Intermediates: chain[1:]})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	evidence, err := s.d.Collector.Collect(ctx, chain[:2])
	if err != nil {
		return fmt.Errorf("%w: no revocation status: %w", ErrCertificate, err)
	}
	status := trust.CheckRevocation(trust.RevocationRequest{Certificate: chain[0], Issuer: chain[1], At: now, Evidence: evidence})
	if status.Status != trust.RevocationGood {
		return fmt.Errorf("%w: status %v", ErrCertificate, status.Status)
	}
	return nil
}

// checkSigned finds a valid signature of a person on the document: the clerk
// seals only what a competent person has signed (R20; NĐ 30/2020 art. 33).
// The agencies' own seals are no persons.
func (s *Service) checkSigned(ctx context.Context, q Request) error {
	files, exchanged, err := exchangedFiles(q)
	if err != nil {
		return err
	}
	if !exchanged {
		return s.signedByPerson(ctx, q.In, q.Size, q.Name)
	}
	for _, f := range files {
		err = s.signedByPerson(ctx, bytes.NewReader(f.Data), int64(len(f.Data)), f.Name)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

func (s *Service) signedByPerson(ctx context.Context, in io.ReaderAt, size int64, name string) error {
	report, err := s.Verify(ctx, in, size, name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	keys, err := s.d.Keys.List(ctx)
	if err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	for _, signature := range report.Signatures {
		if signature.Kind == validate.KindTimestamp || signature.Verdict != validate.Passed || signature.Path == nil {
			continue
		}
		leaf := signature.Path.Leaf()
		if !slices.ContainsFunc(keys, func(k Key) bool { return k.PersonID == "" && samePublic(k, leaf) }) {
			return nil
		}
	}
	return ErrUnsigned
}

func samePublic(k Key, cert *x509.Certificate) bool {
	return len(k.Chain) > 0 && bytes.Equal(k.Chain[0].RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo)
}
