package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/ca/offline"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/store"
)

// listDays is how long the list of a root whose key is elsewhere holds: it is
// brought by hand.
const listDays = 180

// States of a request to a root.
const (
	sheetOpen     = "open"
	sheetAnswered = "answered"
)

// sheetRow is a request as stored, at the centre and at the root's machine.
type sheetRow struct {
	bun.BaseModel `bun:"table:ca_authority_request"`

	Digest      string     `bun:"digest,pk"`
	Kind        string     `bun:"kind"`
	State       string     `bun:"state"`
	Body        string     `bun:"body"` // the request here, the answer at the root's machine
	CreatedBy   string     `bun:"created_by"`
	CreatedAt   time.Time  `bun:"created_at"`
	LedgerIndex int64      `bun:"ledger_index"`
	AnsweredAt  *time.Time `bun:"answered_at"`
	AnswerIndex *int64     `bun:"answer_index"`
}

// Kinds of a sheetRow.
const (
	sheetSent = "sent"
	sheetGot  = "got"
)

// RequestRoot writes the request to a root whose key is elsewhere: to certify
// the authorities that wait, and to tell the revocations of what it certified.
// It is complete in itself; people compare the digest at the root's machine.
func (a *Authorities) RequestRoot(ctx context.Context) (file []byte, digest string, err error) {
	who, err := a.may(ctx, lineRoot)
	if err != nil {
		return nil, "", err
	}
	r := &offline.Request{Format: offline.FormatRequest, CreatedAt: a.i.deps.Clock.Now().UTC(), CreatedBy: who,
		Organization: a.i.cfg.Organization, BaseURL: a.i.cfg.BaseURL, ListDays: listDays}
	key, err := a.orders(ctx, r)
	if err != nil {
		return nil, "", err
	}
	root := a.i.h.active(lineRoot)
	if root != nil && root.custody == CustodyAway {
		r.Root = hexSum(root.cert.Raw)
		r.Revocations, err = a.revocations(ctx, root.name)
		if err != nil {
			return nil, "", err
		}
		known := a.certifiedBy(root)
		if known != nil {
			key = known
		}
	}
	if key == nil {
		return nil, "", fmt.Errorf("%w: nothing to ask for: no authority waits, and no root is away", ErrState)
	}
	file, digest, err = offline.Seal(r, key)
	if err != nil {
		return nil, "", err
	}
	index, err := a.record(ctx, "request", who, lineRoot, digest, map[string]string{
		"certificates": fmt.Sprint(len(r.Certificates)), "revocations": fmt.Sprint(len(r.Revocations))})
	if err != nil {
		return nil, "", err
	}
	row := &sheetRow{Digest: digest, Kind: sheetSent, State: sheetOpen, Body: string(file), CreatedBy: who, CreatedAt: r.CreatedAt, LedgerIndex: index}
	_, err = a.i.deps.DB.NewInsert().Model(row).Exec(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("record request: %w", err)
	}
	return file, digest, nil
}

// orders asks for the authorities that wait, and gives the key of the first.
func (a *Authorities) orders(ctx context.Context, r *offline.Request) (crypto.Signer, error) {
	var first crypto.Signer
	for _, row := range a.i.h.waiting {
		csr, err := a.csr(ctx, row.Name)
		if err != nil {
			return nil, err
		}
		id := authorityIdentity(a.i.cfg, row.Line, row.Generation, "", row.State)
		r.Certificates = append(r.Certificates, offline.Order{Authority: row.Name, Profile: id.profile, CSR: csr,
			Facts: profile.Facts{Organization: a.i.cfg.Organization, MachineName: id.commonName}})
		if first != nil {
			continue
		}
		first, err = a.i.deps.Keys.Signer(ctx, row.KeyLabel)
		if err != nil {
			return nil, fmt.Errorf("key of authority %s: %w", row.Name, err)
		}
	}
	return first, nil
}

// certifiedBy is the key of an authority that the root certified.
func (a *Authorities) certifiedBy(root *authority) crypto.Signer {
	for _, name := range a.i.h.names() {
		of := a.i.h.byName[name]
		if of.signs() && of.state != AuthorityFormer && bytes.Equal(of.anchor().Raw, root.cert.Raw) {
			return of.signer
		}
	}
	return nil
}

func (a *Authorities) revocations(ctx context.Context, root string) ([]offline.Revocation, error) {
	var rows []Certificate
	err := a.i.deps.DB.NewSelect().Model(&rows).Column("serial", "revoked_at", "revocation_cause", "revocation_reason").
		Where("issuer = ?", root).Where("revoked_at IS NOT NULL").OrderExpr("serial").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read revocations of %s: %w", root, err)
	}
	var list []offline.Revocation
	for _, row := range rows {
		list = append(list, offline.Revocation{Serial: row.Serial, At: row.RevokedAt.UTC(), Cause: string(row.RevocationCause), Reason: row.RevocationReason})
	}
	return list, nil
}

// ImportAnswer takes what the root's machine made for a request of this centre.
// rootDigest is the hex SHA-256 of the root's certificate as people compared
// it; it is needed the first time only.
func (a *Authorities) ImportAnswer(ctx context.Context, file []byte, rootDigest string) ([]AuthorityInfo, error) {
	who, err := a.may(ctx, lineRoot)
	if err != nil {
		return nil, err
	}
	answer, key, digest, err := offline.OpenAnswer(file)
	if err != nil {
		return nil, err
	}
	var request sheetRow
	err = a.i.deps.DB.NewSelect().Model(&request).Where("digest = ?", answer.Request).Where("kind = ?", sheetSent).Scan(ctx)
	switch {
	case store.IsNotFound(err):
		return nil, fmt.Errorf("%w: it answers request %.16s, which is none of this centre", ErrImport, answer.Request)
	case err != nil:
		return nil, fmt.Errorf("read request: %w", err)
	case request.State != sheetOpen:
		return nil, fmt.Errorf("%w: request %.16s has been answered", ErrState, answer.Request)
	}
	cert, err := a.answeringRoot(answer, key, rootDigest)
	if err != nil {
		return nil, err
	}
	made, err := a.certificatesOf(answer, cert)
	if err != nil {
		return nil, err
	}
	list, err := a.listOf(answer, cert)
	if err != nil {
		return nil, err
	}
	index, err := a.record(ctx, "import", who, answer.RootName, digest, map[string]string{
		"request": answer.Request, "certificates": fmt.Sprint(len(made)), "list": list.Number.String()})
	if err != nil {
		return nil, err
	}
	err = a.takeRoot(ctx, answer.RootName, cert, who, index)
	if err != nil {
		return nil, err
	}
	return a.takeAnswer(ctx, answer, made, list, who, index)
}

// answeringRoot is the root's certificate in an answer, known or compared.
func (a *Authorities) answeringRoot(answer *offline.Answer, key crypto.PublicKey, rootDigest string) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(answer.Root)
	if err != nil {
		return nil, fmt.Errorf("%w: the root's certificate: %w", ErrImport, err)
	}
	err = selfSigned(cert)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImport, err)
	}
	if !samePublicKey(cert.PublicKey, key) {
		return nil, fmt.Errorf("%w: it is not signed by the root that it names", ErrImport)
	}
	now := a.i.deps.Clock.Now()
	if !cert.IsCA || now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return nil, fmt.Errorf("%w: the root's certificate is not valid, or not one of an authority", ErrImport)
	}
	line, _ := rootGeneration(answer.RootName)
	known := a.i.h.byName[answer.RootName]
	switch {
	case line != lineRoot:
		return nil, fmt.Errorf("%w: %.40q is no name of a root", ErrImport, answer.RootName)
	case known != nil && !bytes.Equal(known.cert.Raw, cert.Raw):
		return nil, fmt.Errorf("%w: another root has the name %s here; set ca.root_generation at the root's machine", ErrImport, known.name)
	case known == nil && rootDigest != hexSum(cert.Raw):
		return nil, fmt.Errorf("%w: root %s is new here, its certificate has the SHA-256 %s: compare it at the root's machine and give it with --root-sha256",
			ErrImport, answer.RootName, hexSum(cert.Raw))
	}
	return cert, nil
}

// certificatesOf checks the certificates in an answer against what was asked
// for, and returns those that are new, by the authority's name.
func (a *Authorities) certificatesOf(answer *offline.Answer, root *x509.Certificate) (map[string]*x509.Certificate, error) {
	made := make(map[string]*x509.Certificate)
	for i, der := range answer.Certificates {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate %d: %w", ErrImport, i+1, err)
		}
		if a.has(cert) {
			continue // an import that was broken off
		}
		row, err := a.waitingFor(cert)
		if err != nil {
			return nil, err
		}
		err = a.checkMade(row, cert, root, answer.RootName)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate of %s: %w", ErrImport, row.Name, err)
		}
		made[row.Name] = cert
	}
	return made, nil
}

func (a *Authorities) has(cert *x509.Certificate) bool {
	for _, of := range a.i.h.byName {
		if bytes.Equal(of.cert.Raw, cert.Raw) {
			return true
		}
	}
	return false
}

// waitingFor finds the authority that waits for a certificate of the key.
func (a *Authorities) waitingFor(cert *x509.Certificate) (*authorityRow, error) {
	for i := range a.i.h.waiting {
		row := &a.i.h.waiting[i]
		signer, err := a.i.deps.Keys.Signer(context.Background(), row.KeyLabel)
		if err != nil {
			return nil, fmt.Errorf("key of authority %s: %w", row.Name, err)
		}
		if samePublicKey(signer.Public(), cert.PublicKey) {
			return row, nil
		}
	}
	return nil, fmt.Errorf("%w: no authority waits for the certificate of %s", ErrImport, cert.Subject)
}

// checkMade compares a certificate from the root's machine with the content
// that this centre's profile gives.
func (a *Authorities) checkMade(row *authorityRow, cert, root *x509.Certificate, rootName string) error {
	err := cert.CheckSignatureFrom(root)
	if err != nil {
		return err
	}
	id := authorityIdentity(a.i.cfg, row.Line, row.Generation, "", row.State)
	p, err := a.i.profiles.Get(id.profile)
	if err != nil {
		return err
	}
	issuer := &authority{name: rootName, custody: CustodyAway, cert: root}
	want, err := p.Template(profile.Facts{Organization: a.i.cfg.Organization, MachineName: id.commonName}, cert.PublicKey,
		a.i.cfg.place(issuer, cert.NotBefore))
	if err != nil {
		return err
	}
	equal := func(x, y []string) bool { return fmt.Sprint(x) == fmt.Sprint(y) }
	switch {
	case !bytes.Equal(cert.RawSubject, want.RawSubject):
		return fmt.Errorf("it names %s", cert.Subject)
	case !cert.IsCA || cert.KeyUsage != want.KeyUsage || cert.MaxPathLen != want.MaxPathLen || cert.MaxPathLenZero != want.MaxPathLenZero:
		return errors.New("key usage or path length are not the profile's")
	case !bytes.Equal(cert.SubjectKeyId, want.SubjectKeyId) || !bytes.Equal(cert.AuthorityKeyId, root.SubjectKeyId):
		return errors.New("its key identifiers do not fit")
	case !equal(cert.CRLDistributionPoints, want.CRLDistributionPoints) || !equal(cert.IssuingCertificateURL, want.IssuingCertificateURL):
		return errors.New("its addresses are not this centre's")
	case cert.NotAfter.After(want.NotAfter.Add(time.Hour)):
		return fmt.Errorf("it is valid until %s, longer than the profile has it", cert.NotAfter.Format(time.DateOnly))
	}
	_, err = a.i.engine.linter.Check(cert.Raw)
	return err
}

// listOf checks the root's list in an answer.
func (a *Authorities) listOf(answer *offline.Answer, root *x509.Certificate) (*x509.RevocationList, error) {
	list, err := x509.ParseRevocationList(answer.List)
	if err != nil {
		return nil, fmt.Errorf("%w: the list: %w", ErrImport, err)
	}
	err = list.CheckSignatureFrom(root)
	if err != nil {
		return nil, fmt.Errorf("%w: the list: %w", ErrImport, err)
	}
	now := a.i.deps.Clock.Now()
	if list.Number == nil || !list.Number.IsInt64() || now.After(list.NextUpdate) || list.ThisUpdate.After(now.Add(maxBackdate)) {
		return nil, fmt.Errorf("%w: the list has no fit number, or is not of today (%s to %s)", ErrImport,
			list.ThisUpdate.Format(time.DateOnly), list.NextUpdate.Format(time.DateOnly))
	}
	return list, nil
}

// takeRoot registers a root that is new here.
func (a *Authorities) takeRoot(ctx context.Context, name string, cert *x509.Certificate, who string, index int64) error {
	if a.i.h.byName[name] != nil {
		return nil
	}
	err := a.keep(ctx, name, certAnchor, cert, who, index)
	if err != nil {
		return err
	}
	_, generation := rootGeneration(name)
	state := AuthorityActive
	if a.i.h.active(lineRoot) != nil {
		state = AuthorityNext
	}
	err = a.i.register(ctx, &authorityRow{Name: name, Kind: kindRoot, Line: lineRoot, Generation: generation, State: state, Custody: CustodyAway})
	if err != nil {
		return err
	}
	return a.i.reload(ctx)
}

// rootGeneration reads the name of a root.
func rootGeneration(name string) (line string, generation int64) {
	_, err := fmt.Sscanf(name, "g%d", &generation)
	if err != nil || generation < 1 || authorityName(lineRoot, generation) != name {
		return "", 0
	}
	return lineRoot, generation
}

// takeAnswer registers what an answer holds. It may be run again after it was
// broken off.
func (a *Authorities) takeAnswer(ctx context.Context, answer *offline.Answer, made map[string]*x509.Certificate, list *x509.RevocationList, who string, index int64) ([]AuthorityInfo, error) {
	var infos []AuthorityInfo
	for name, cert := range made {
		row, err := a.waitingFor(cert)
		if err != nil {
			return nil, err
		}
		record := a.recordOf(row, cert, answer.RootName, who, index)
		_, err = a.i.deps.DB.NewInsert().Model(record).On("CONFLICT (serial) DO NOTHING").Exec(ctx)
		if err != nil {
			return nil, fmt.Errorf("record certificate of %s: %w", name, err)
		}
		err = a.begin(ctx, row, answer.RootName, record.Serial)
		if err != nil {
			return nil, err
		}
		infos = append(infos, *a.get(name))
	}
	err := a.bringList(ctx, answer.RootName, list)
	if err != nil {
		return nil, err
	}
	now := a.i.deps.Clock.Now().UTC()
	_, err = a.i.deps.DB.NewUpdate().Model((*sheetRow)(nil)).Set("state = ?", sheetAnswered).Set("answered_at = ?", now).
		Set("answer_index = ?", index).Where("digest = ?", answer.Request).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("record answer: %w", err)
	}
	a.i.actor = who
	return infos, a.i.units(ctx)
}

// recordOf is the row of a certificate that the root's machine made.
func (a *Authorities) recordOf(row *authorityRow, cert *x509.Certificate, root, who string, index int64) *Certificate {
	now := a.i.deps.Clock.Now().UTC()
	notBefore, notAfter := cert.NotBefore.UTC(), cert.NotAfter.UTC()
	id := authorityIdentity(a.i.cfg, row.Line, row.Generation, "", row.State)
	return &Certificate{Serial: profile.FormatSerial(cert.SerialNumber), Issuer: root, Profile: id.profile, State: StateIssued,
		Machine: id.commonName, KeyLabel: row.KeyLabel, Subject: profile.NameText(cert.RawSubject), SPKI: hexSum(cert.RawSubjectPublicKeyInfo),
		TBS: hexSum(cert.RawTBSCertificate), SHA256: hexSum(cert.Raw), DER: cert.Raw, NotBefore: &notBefore, NotAfter: &notAfter,
		Actor: who, CreatedAt: now, IssuedAt: &now, IntentIndex: &index, IssueIndex: &index}
}

// bringList stores the list that a root elsewhere made; one that is not newer
// than the stored one is passed over.
func (a *Authorities) bringList(ctx context.Context, root string, list *x509.RevocationList) error {
	of := a.i.h.byName[root]
	publisher, err := crl.New(crl.Config{Issuers: []crl.Issuer{{Name: root, Certificate: of.cert}}, Store: listStore{a.i.engine.records},
		Clock: a.i.deps.Clock, Logger: a.i.deps.Logger, Address: a.i.cfg.listAddress, Owner: "import-" + root, Validity: a.i.cfg.CRLValidity})
	if err != nil {
		return fmt.Errorf("store list of %s: %w", root, err)
	}
	_, err = publisher.Import(ctx, root, list.Raw)
	if errors.Is(err, crl.ErrNotNewer) {
		return nil
	}
	return err
}
