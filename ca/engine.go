package ca

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/antin-gov/antin/ca/internal/sigalg"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
)

const (
	// maxSerialTries: two of 2^127 random numbers never meet; a clash means
	// that the source of randomness is broken, and more tries do not help.
	maxSerialTries = 2
	// recordWait is how long the record of a signed certificate may take after
	// the caller has gone away.
	recordWait = 30 * time.Second
)

// engine makes certificates: the one place where an authority's key signs one.
type engine struct {
	records records
	ledger  ledger.Appender
	clock   clock.Clock
	linter  *profile.Linter
	log     *slog.Logger
	// serial draws a serial number.
	serial func() (*big.Int, error)
	steps  stepClock
}

// randomSerial draws a serial number of profile.SerialBits bits.
func randomSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), profile.SerialBits))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	return n, nil
}

// order is a certificate to be made. Its template comes from a profile.
type order struct {
	issuer    *authority
	profile   *profile.Profile
	template  *x509.Certificate
	requestID string
	agencyID  string
	personID  string
	machine   string
	keyLabel  string
	actor     string
}

// certify makes the certificate of an order, in the steps of the package
// comment. What it returns is recorded. The records of orders that are under
// way together are made durable together, in the database and in the ledger.
func (e *engine) certify(ctx context.Context, o order) (*Certificate, error) {
	row, copied, err := e.intend(ctx, o)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	der, err := sign(copied, o.issuer.signer)
	e.steps.took(stepSign, began)
	if err != nil {
		// The intent stands: whether the token made a signature is not known.
		return nil, fmt.Errorf("sign certificate %s: %w", row.Serial, err)
	}
	// From here on the certificate exists; its record must not depend on the
	// caller's patience.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWait)
	defer cancel()
	return e.release(ctx, row, der, o)
}

// sign makes the certificate of a lint copy: the very TBSCertificate that was
// linted and recorded, signed by the issuer's key (RFC 5280 §4.1). The lint
// copy was signed by a key of the same kind, so the algorithm stands in it.
func sign(copied *x509.Certificate, signer crypto.Signer) ([]byte, error) {
	algorithm, err := sigalg.For(signer.Public())
	if err != nil {
		return nil, err
	}
	signature, err := algorithm.Sign(signer, copied.RawTBSCertificate)
	if err != nil {
		return nil, err
	}
	// A token that signs wrongly must not pass unnoticed.
	key := &x509.Certificate{PublicKey: signer.Public()}
	err = key.CheckSignature(copied.SignatureAlgorithm, copied.RawTBSCertificate, signature)
	if err != nil {
		return nil, fmt.Errorf("the token's signature does not verify: %w", err)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(copied.RawTBSCertificate)
		algorithm.AddTo(b)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// intend draws a serial number, lints a copy with it, and records what is about
// to be signed, in the database and the ledger; it returns the lint copy. The record in the database
// takes the serial number, so no other certificate will have it.
func (e *engine) intend(ctx context.Context, o order) (*Certificate, *x509.Certificate, error) {
	for range maxSerialTries {
		serial, err := e.serial()
		if err != nil {
			return nil, nil, err
		}
		if serial.Sign() == 0 { // RFC 5280 §4.1.2.2: positive
			continue
		}
		template := *o.template
		template.SerialNumber = serial
		row := &Certificate{
			Serial: profile.FormatSerial(serial), Issuer: o.issuer.name, Profile: o.profile.Name, State: StateIntent,
			RequestID: o.requestID, AgencyID: o.agencyID, PersonID: o.personID, Machine: o.machine, KeyLabel: o.keyLabel,
			Actor: o.actor, CreatedAt: e.clock.Now().UTC(), CRLPartition: partitionOf(o.template),
		}
		began := time.Now()
		copied, err := e.lint(ctx, &template, o)
		e.steps.took(stepLint, began)
		if err != nil {
			return nil, nil, e.refuse(ctx, row, err)
		}
		row.Subject = profile.NameText(copied.RawSubject)
		row.SPKI, row.TBS = hexSum(copied.RawSubjectPublicKeyInfo), hexSum(copied.RawTBSCertificate)
		notBefore, notAfter := copied.NotBefore.UTC(), copied.NotAfter.UTC()
		row.NotBefore, row.NotAfter = &notBefore, &notAfter
		began = time.Now()
		taken, err := e.records.reserve(ctx, row)
		e.steps.took(stepIntent, began)
		if err != nil {
			return nil, nil, err
		}
		if !taken {
			continue
		}
		began = time.Now()
		receipt, err := e.append(ctx, "ca.certificate.intent", row, row.TBS, o)
		e.steps.took(stepIntentLedger, began)
		if err != nil {
			return nil, nil, e.takeBack(ctx, row.Serial, err)
		}
		row.IntentIndex = &receipt
		return row, copied, nil
	}
	return nil, nil, ErrSerial
}

func (e *engine) lint(ctx context.Context, template *x509.Certificate, o order) (*x509.Certificate, error) {
	copied, err := profile.LintCopy(template, o.issuer.parent(), o.issuer.dummy)
	if err != nil {
		return nil, err
	}
	warnings, err := e.linter.Check(copied.Raw)
	if err != nil {
		return nil, err
	}
	if len(warnings) > 0 {
		e.log.WarnContext(ctx, "certificate lint warns", "profile", o.profile.Name, "lints", strings.Join(warnings, ","))
	}
	return copied, nil
}

// refuse records that the content was refused and nothing was signed, and
// returns why.
func (e *engine) refuse(ctx context.Context, row *Certificate, why error) error {
	row.State = StateRefused
	_, err := e.records.reserve(context.WithoutCancel(ctx), row)
	if err != nil {
		e.log.ErrorContext(ctx, "refusal not recorded", "serial", row.Serial, "error", err)
	}
	return fmt.Errorf("certificate %s: %w", row.Serial, why)
}

// takeBack records that an intent was not followed by a signature, and returns
// why.
func (e *engine) takeBack(ctx context.Context, serial string, why error) error {
	err := e.records.advance(context.WithoutCancel(ctx), serial, StateIntent, StateRefused, nil)
	if err != nil {
		e.log.ErrorContext(ctx, "refusal not recorded", "serial", serial, "error", err)
	}
	return fmt.Errorf("certificate %s: %w", serial, why)
}

// release records the signed certificate, in the database and the ledger.
func (e *engine) release(ctx context.Context, row *Certificate, der []byte, o order) (*Certificate, error) {
	row.DER, row.SHA256, row.State = der, hexSum(der), StateSigned
	began := time.Now()
	err := e.records.advance(ctx, row.Serial, StateIntent, StateSigned, func(q *bun.UpdateQuery) *bun.UpdateQuery {
		return q.Set("der = ?", der).Set("sha256 = ?", row.SHA256).Set("intent_index = ?", row.IntentIndex)
	})
	e.steps.took(stepSigned, began)
	if err != nil {
		return nil, err
	}
	return e.finish(ctx, row, o)
}

// finish records a signed certificate in the ledger and releases it.
func (e *engine) finish(ctx context.Context, row *Certificate, o order) (*Certificate, error) {
	began := time.Now()
	receipt, err := e.append(ctx, "ca.certificate.issue", row, row.SHA256, o)
	e.steps.took(stepIssueLedger, began)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", row.Serial, err)
	}
	now := e.clock.Now().UTC()
	row.IssueIndex, row.IssuedAt, row.State = &receipt, &now, StateIssued
	began = time.Now()
	err = e.records.advance(ctx, row.Serial, StateSigned, StateIssued, func(q *bun.UpdateQuery) *bun.UpdateQuery {
		return q.Set("issue_index = ?", receipt).Set("issued_at = ?", now)
	})
	e.steps.took(stepIssued, began)
	if err != nil {
		return nil, err
	}
	return row, nil
}

func (e *engine) append(ctx context.Context, kind string, row *Certificate, digest string, o order) (int64, error) {
	detail := map[string]string{"issuer": row.Issuer, "profile": row.Profile, "key_sha256": row.SPKI}
	if row.RequestID != "" {
		detail["request"] = row.RequestID
	}
	return appendEntry(ctx, e.ledger, ledger.Entry{
		Time: e.clock.Now().UTC(), Kind: kind, Actor: o.actor, Agency: o.agencyID,
		Object: row.Serial, Digest: digest, Detail: detail,
	})
}

// appendEntry appends and returns the index as the database keeps it.
func appendEntry(ctx context.Context, to ledger.Appender, entry ledger.Entry) (int64, error) {
	receipt, err := to.Append(ctx, entry)
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", ErrLedger, entry.Kind, err)
	}
	return int64(receipt.Index), nil
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// samePublicKey says whether two public keys are one.
func samePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
