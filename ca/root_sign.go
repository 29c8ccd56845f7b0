package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/antin-gov/antin/ca/offline"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// Bounds of the list that a root signs for a long time.
const (
	minListDays = 1
	maxListDays = 400
)

// maxRootCSR bounds a request for an authority.
const maxRootCSR = 32 << 10

// AnswerRequest is the work of the root's machine: it certifies the authorities
// of a request, takes over its revocations, signs the root's list, and writes
// the answer. digest is the request's as the people of the centre told it. A
// request that has been answered gets the same answer again.
func (a *Authorities) AnswerRequest(ctx context.Context, file []byte, digest string) ([]byte, error) {
	who, err := a.may(ctx, lineRoot)
	if err != nil {
		return nil, err
	}
	r, key, found, err := offline.OpenRequest(file)
	if err != nil {
		return nil, err
	}
	if found != digest {
		return nil, fmt.Errorf("%w: the request has the digest %s, not the one that was told", ErrImport, found)
	}
	var before sheetRow
	err = a.i.deps.DB.NewSelect().Model(&before).Where("digest = ?", digest).Where("kind = ?", sheetGot).Scan(ctx)
	if err == nil && before.State == sheetAnswered {
		return []byte(before.Body), nil
	}
	if err != nil && !store.IsNotFound(err) {
		return nil, fmt.Errorf("read request: %w", err)
	}
	root, csrs, err := a.checkRequest(ctx, r, key)
	if err != nil {
		return nil, err
	}
	index, err := a.record(ctx, "sign", who, root.name, digest, map[string]string{
		"certificates": fmt.Sprint(len(r.Certificates)), "revocations": fmt.Sprint(len(r.Revocations)), "centre": r.CreatedBy})
	if err != nil {
		return nil, err
	}
	answer := &offline.Answer{Format: offline.FormatAnswer, Request: digest, MadeAt: a.i.deps.Clock.Now().UTC(), Root: root.cert.Raw, RootName: root.name}
	for i, order := range r.Certificates {
		cert, err := a.certifyOrder(ctx, r, order, csrs[i], root, who, digest)
		if err != nil {
			return nil, fmt.Errorf("authority %s: %w", order.Authority, err)
		}
		answer.Certificates = append(answer.Certificates, cert.DER)
	}
	for _, revocation := range r.Revocations {
		err = a.takeRevocation(ctx, root.name, revocation, who)
		if err != nil {
			return nil, err
		}
	}
	answer.List, err = a.rootList(ctx, root, r.ListDays)
	if err != nil {
		return nil, err
	}
	return a.answer(ctx, answer, root, who, index)
}

// checkRequest says whether the root may answer a request: before anything is
// signed.
func (a *Authorities) checkRequest(ctx context.Context, r *offline.Request, key crypto.PublicKey) (*authority, []*x509.CertificateRequest, error) {
	root := a.i.h.active(lineRoot)
	switch {
	case root == nil || !root.signs():
		return nil, nil, fmt.Errorf("%w: no root in this token", ErrNotFound)
	case r.Root != "" && r.Root != hexSum(root.cert.Raw):
		return nil, nil, fmt.Errorf("%w: the request is for another root (%.16s)", ErrImport, r.Root)
	case len(r.Certificates)+len(r.Revocations) == 0 && r.Root == "":
		return nil, nil, fmt.Errorf("%w: the request asks for nothing", ErrImport)
	case r.ListDays < minListDays || r.ListDays > maxListDays:
		return nil, nil, fmt.Errorf("%w: a list for %d days, want %d to %d", ErrImport, r.ListDays, minListDays, maxListDays)
	}
	u, err := url.Parse(r.BaseURL)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		return nil, nil, fmt.Errorf("%w: the centre's address %q must be http://HOST[:PORT]", ErrImport, r.BaseURL)
	}
	var csrs []*x509.CertificateRequest
	for _, order := range r.Certificates {
		if len(order.CSR) > maxRootCSR {
			return nil, nil, fmt.Errorf("%w: request of %.40q over %d bytes", ErrImport, order.Authority, maxRootCSR)
		}
		csr, err := x509.ParseCertificateRequest(order.CSR)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: request of %.40q: %w", ErrImport, order.Authority, err)
		}
		err = csr.CheckSignature()
		if err != nil {
			return nil, nil, fmt.Errorf("%w: request of %.40q: no proof of possession: %w", ErrImport, order.Authority, err)
		}
		csrs = append(csrs, csr)
	}
	for _, revocation := range r.Revocations {
		_, err = a.ownCertificate(ctx, root.name, revocation.Serial)
		if err != nil {
			return nil, nil, err
		}
	}
	return root, csrs, a.checkSender(ctx, root, csrs, key)
}

// checkSender wants a request signed by an authority that the root certified,
// or by the first one that is to be certified.
func (a *Authorities) checkSender(ctx context.Context, root *authority, csrs []*x509.CertificateRequest, key crypto.PublicKey) error {
	if len(csrs) > 0 && samePublicKey(csrs[0].PublicKey, key) {
		return nil
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return fmt.Errorf("%w: the key of the request: %w", ErrImport, err)
	}
	known, err := a.i.deps.DB.NewSelect().Model((*Certificate)(nil)).Where("spki_sha256 = ?", hexSum(der)).Where("issuer = ?", root.name).
		Where("state = ?", StateIssued).Where("revoked_at IS NULL").Exists(ctx)
	if err != nil {
		return fmt.Errorf("look for the sender: %w", err)
	}
	if !known {
		return fmt.Errorf("%w: it is signed by a key that this root has not certified", ErrImport)
	}
	return nil
}

func (a *Authorities) ownCertificate(ctx context.Context, root, serial string) (*Certificate, error) {
	row, err := a.i.engine.records.get(ctx, serial)
	if err != nil {
		return nil, err
	}
	if row.Issuer != root || row.State != StateIssued {
		return nil, fmt.Errorf("%w: certificate %s is none of root %s", ErrImport, serial, root)
	}
	return row, nil
}

// certifyOrder certifies an authority of a request; one that an answer which
// was broken off made already is taken instead.
func (a *Authorities) certifyOrder(ctx context.Context, r *offline.Request, ask offline.Order, csr *x509.CertificateRequest, root *authority, who, digest string) (*Certificate, error) {
	var left []Certificate
	err := a.i.deps.DB.NewSelect().Model(&left).Where("request_id = ?", digest).Where("spki_sha256 = ?", hexSum(csr.RawSubjectPublicKeyInfo)).
		Where("state = ?", StateIssued).Limit(1).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read register: %w", err)
	}
	if len(left) == 1 {
		return &left[0], nil
	}
	p, err := a.i.profiles.Get(ask.Profile)
	if err != nil {
		return nil, err
	}
	if p.Kind != profile.KindAuthority || p.Issuer != profile.IssuerRoot {
		return nil, fmt.Errorf("%w: profile %s is not for authorities below a root", ErrImport, p.Name)
	}
	place := Config{BaseURL: r.BaseURL, PolicyArc: a.i.cfg.PolicyArc}.place(root, a.i.deps.Clock.Now().Add(-a.i.cfg.Backdate))
	place.OCSP = "" // nobody at the centre could answer for this root
	template, err := p.Template(ask.Facts, csr.PublicKey, place)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(template.RawSubject, csr.RawSubject) {
		return nil, fmt.Errorf("%w: the request names %s, the profile makes another name of the facts", ErrImport, csr.Subject)
	}
	return a.i.engine.certify(ctx, order{issuer: root, profile: p, template: template, requestID: digest, machine: ask.Facts.MachineName, actor: who})
}

// takeRevocation records a revocation that the centre tells.
func (a *Authorities) takeRevocation(ctx context.Context, root string, r offline.Revocation, who string) error {
	row, err := a.ownCertificate(ctx, root, r.Serial)
	if err != nil || row.RevokedAt != nil {
		return err
	}
	cause, err := ParseCause(r.Cause)
	if err != nil {
		return err
	}
	now := a.i.deps.Clock.Now().UTC()
	if r.At.After(now) || r.At.Before(row.CreatedAt.Add(-maxBackdate)) {
		return fmt.Errorf("%w: certificate %s is told revoked at %s", ErrImport, r.Serial, r.At.Format(time.RFC3339))
	}
	reason := cause.Reason(true)
	index, err := appendEntry(ctx, a.i.deps.Ledger, ledger.Entry{Time: now, Kind: ActionRevoke, Actor: who, Object: r.Serial, Digest: row.SHA256,
		Detail: map[string]string{"issuer": root, "cause": r.Cause, "reason": fmt.Sprint(reason)}})
	if err != nil {
		return err
	}
	return a.i.engine.records.change(ctx, &Change{Issuer: root, Serial: r.Serial, Act: ActRevoke, At: r.At.UTC(), Cause: cause, Reason: reason,
		Actor: who, LedgerIndex: &index})
}

// rootList signs the root's list (RFC 5280 §5) for a long time. Its number is
// taken first, so that no two lists have one number.
func (a *Authorities) rootList(ctx context.Context, root *authority, days int) ([]byte, error) {
	var row authorityRow
	err := a.i.deps.DB.NewSelect().Model(&row).Where("name = ?", root.name).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read root: %w", err)
	}
	now := a.i.deps.Clock.Now().UTC()
	number := max(now.UnixNano(), row.CRLNumber+1)
	result, err := a.i.deps.DB.NewUpdate().Model((*authorityRow)(nil)).Set("crl_number = ?", number).Where("name = ?", root.name).
		Where("crl_number = ?", row.CRLNumber).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("number of the list: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil || n != 1 {
		return nil, fmt.Errorf("%w: another process makes a list of %s", ErrState, root.name)
	}
	since, err := asn1.MarshalWithParams(root.cert.NotBefore.UTC(), "generalized")
	if err != nil {
		return nil, fmt.Errorf("write expiredCertsOnCRL: %w", err)
	}
	this := now.Truncate(time.Second)
	template := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: this, NextUpdate: this.AddDate(0, 0, days),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 60}, Value: since}}}
	if template.NextUpdate.After(root.cert.NotAfter) {
		template.NextUpdate = root.cert.NotAfter
	}
	told, err := a.revocations(ctx, root.name)
	if err != nil {
		return nil, err
	}
	for _, r := range told {
		serial, err := parseSerial(r.Serial)
		if err != nil {
			return nil, err
		}
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: r.At.UTC().Truncate(time.Second), ReasonCode: r.Reason})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, root.cert, root.signer)
	if err != nil {
		return nil, fmt.Errorf("sign list of %s: %w", root.name, err)
	}
	return der, nil
}

// answer seals and keeps an answer.
func (a *Authorities) answer(ctx context.Context, answer *offline.Answer, root *authority, who string, index int64) ([]byte, error) {
	file, digest, err := offline.Seal(answer, root.signer)
	if err != nil {
		return nil, err
	}
	made, err := a.record(ctx, "answer", who, root.name, digest, map[string]string{"request": answer.Request})
	if err != nil {
		return nil, err
	}
	now := a.i.deps.Clock.Now().UTC()
	row := &sheetRow{Digest: answer.Request, Kind: sheetGot, State: sheetAnswered, Body: string(file), CreatedBy: who, CreatedAt: now,
		LedgerIndex: index, AnsweredAt: &now, AnswerIndex: &made}
	_, err = a.i.deps.DB.NewInsert().Model(row).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("keep answer: %w", err)
	}
	return file, nil
}
