package ca

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
)

// Actions on authorities asked of the Authorizer.
const (
	ActionManageAuthorities = "ca.authority.manage"
	ActionReadAuthorities   = "ca.authority.read"
	ResourceAuthority       = "ca.authority"
)

// Authorities changes what authorities there are: new generations,
// cross-certificates, certificates from a root elsewhere. It works also on a
// system that is not complete yet, and on a machine that holds only a root.
// A Service takes up what was changed at its next start.
type Authorities struct {
	i *initialiser
}

// OpenAuthorities reads the authorities as they are. The schema must have been
// applied.
func OpenAuthorities(ctx context.Context, deps Deps) (*Authorities, error) {
	deps.Config = deps.Config.withDefaults()
	err := deps.check()
	if err != nil {
		return nil, err
	}
	i, err := newInitialiser(ctx, deps)
	if err != nil {
		return nil, err
	}
	return &Authorities{i: i}, nil
}

// AuthorityInfo is an authority as people are shown it.
type AuthorityInfo struct {
	Name       string         `json:"name"`
	Kind       string         `json:"kind"`
	Line       string         `json:"line"`
	Generation int64          `json:"generation"`
	State      AuthorityState `json:"state"`
	Custody    Custody        `json:"custody"`
	Subject    string         `json:"subject,omitempty"`
	// Issuer and Anchor are the names in the certificate and at the top of its
	// chain.
	Issuer    string     `json:"issuer,omitempty"`
	Anchor    string     `json:"anchor,omitempty"`
	Serial    string     `json:"serial,omitempty"`
	SHA256    string     `json:"sha256,omitempty"`
	NotBefore *time.Time `json:"not_before,omitempty"`
	NotAfter  *time.Time `json:"not_after,omitempty"`
	KeyLabel  string     `json:"key_label,omitempty"`
	// Cross counts its further certificates.
	Cross int `json:"cross,omitempty"`
}

// List shows all authorities.
func (a *Authorities) List(ctx context.Context) ([]AuthorityInfo, error) {
	err := a.i.deps.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), ActionReadAuthorities, auth.Resource{Kind: ResourceAuthority})
	if err != nil {
		return nil, fmt.Errorf("authorities: %w", err)
	}
	list := []AuthorityInfo{}
	for _, name := range a.i.h.names() {
		list = append(list, a.info(a.i.h.byName[name]))
	}
	for _, row := range a.i.h.waiting {
		list = append(list, AuthorityInfo{Name: row.Name, Kind: row.Kind, Line: row.Line, Generation: row.Generation,
			State: row.State, Custody: row.Custody, KeyLabel: row.KeyLabel})
	}
	return list, nil
}

func (a *Authorities) info(of *authority) AuthorityInfo {
	info := AuthorityInfo{Name: of.name, Kind: of.kind, Line: of.line, Generation: of.generation, State: of.state, Custody: of.custody,
		Subject: of.cert.Subject.CommonName, Issuer: of.cert.Issuer.CommonName, Anchor: of.anchor().Subject.CommonName,
		Serial: profile.FormatSerial(of.cert.SerialNumber), SHA256: hexSum(of.cert.Raw), NotBefore: &of.cert.NotBefore,
		NotAfter: &of.cert.NotAfter, KeyLabel: of.label}
	for _, f := range a.i.h.further {
		if f.authority == of.name && f.kind == certCross {
			info.Cross++
		}
	}
	return info
}

// Certificate returns the certificate of an authority.
func (a *Authorities) Certificate(ctx context.Context, name string) (*x509.Certificate, error) {
	err := a.i.deps.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), ActionReadAuthorities, auth.Resource{Kind: ResourceAuthority, ID: name})
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", name, err)
	}
	of := a.i.h.byName[name]
	if of == nil {
		return nil, fmt.Errorf("%w: authority %q with a certificate", ErrNotFound, name)
	}
	return of.cert, nil
}

// may asks whether who is signed in may change authorities, and says who it is.
func (a *Authorities) may(ctx context.Context, object string) (string, error) {
	who := auth.SubjectFrom(ctx)
	if who.AccountID == "" {
		return "", ErrActor
	}
	err := a.i.deps.Authorizer.Authorize(ctx, who, ActionManageAuthorities, auth.Resource{Kind: ResourceAuthority, ID: object})
	if err != nil {
		return "", fmt.Errorf("authority %s: %w", object, err)
	}
	return who.AccountID, nil
}

// record writes an act into the ledger before it is done.
func (a *Authorities) record(ctx context.Context, act, who, object, digest string, detail map[string]string) (int64, error) {
	return appendEntry(ctx, a.i.deps.Ledger, ledger.Entry{Time: a.i.deps.Clock.Now().UTC(), Kind: "ca.authority." + act,
		Actor: who, Object: object, Digest: digest, Detail: detail})
}

// Rollover makes the next generation of a line: its key, its certificate by the
// root that issues today, and its units. It serves at once and issues from
// Switch on; the older generations go on serving until their end. When that
// root's key is elsewhere, the new generation waits for its certificate. A new
// root and the one before certify each other.
func (a *Authorities) Rollover(ctx context.Context, line string) (*AuthorityInfo, error) {
	who, err := a.may(ctx, line)
	if err != nil {
		return nil, err
	}
	newest := a.i.h.newest(line)
	if newest == 0 || line == lineOutside {
		return nil, fmt.Errorf("%w: line %q; the lines are root, %s", ErrNotFound, line, strings.Join(issuingLines(), ", "))
	}
	before := a.i.h.active(line)
	if before == nil || before.generation != newest {
		return nil, fmt.Errorf("%w: line %s has a generation already that does not issue yet (%s)", ErrState, line, authorityName(line, newest))
	}
	_, err = a.record(ctx, "rollover", who, authorityName(line, newest+1), "", map[string]string{"line": line, "before": before.name})
	if err != nil {
		return nil, err
	}
	a.i.actor = who
	root := a.i.h.active(lineRoot)
	id := authorityIdentity(a.i.cfg, line, newest+1, "", AuthorityNext)
	switch {
	case line == lineRoot:
		err = a.newRoot(ctx, who, id, before)
	case root != nil && root.signs():
		id.issuer = root.name
		err = a.i.add(ctx, id)
	default:
		err = a.i.wait(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	err = a.i.units(ctx)
	if err != nil {
		return nil, err
	}
	return a.get(id.name), nil
}

// newRoot makes a root and has it and the one before certify each other.
func (a *Authorities) newRoot(ctx context.Context, who string, id identity, before *authority) error {
	if !before.signs() {
		return fmt.Errorf("%w: the key of root %s is elsewhere: make the new root there", ErrState, before.name)
	}
	err := a.i.add(ctx, id)
	if err != nil {
		return err
	}
	next := a.i.h.byName[id.name]
	p, err := a.i.profiles.Get(profileCross)
	if err != nil {
		return err
	}
	if tooShort(before.cert, *p.PathLength) {
		a.i.deps.Logger.WarnContext(ctx, "the root before cannot certify the new one: its path length is too short; hand out the new root itself", "root", before.name)
	} else {
		_, err = a.cross(ctx, who, next.name, next.cert, before)
		if err != nil {
			return err
		}
	}
	_, err = a.cross(ctx, who, before.name, before.cert, next)
	return err
}

func (a *Authorities) get(name string) *AuthorityInfo {
	of := a.i.h.byName[name]
	if of != nil {
		info := a.info(of)
		return &info
	}
	for _, row := range a.i.h.waiting {
		if row.Name == name {
			return &AuthorityInfo{Name: row.Name, Kind: row.Kind, Line: row.Line, Generation: row.Generation, State: row.State,
				Custody: row.Custody, KeyLabel: row.KeyLabel}
		}
	}
	return nil
}

// Switch lets the next generation of a line issue, and the one that issued
// until now no more.
func (a *Authorities) Switch(ctx context.Context, line string) (*AuthorityInfo, error) {
	who, err := a.may(ctx, line)
	if err != nil {
		return nil, err
	}
	var next *authority
	for _, of := range a.i.h.byName {
		if of.line == line && of.state == AuthorityNext {
			next = of
		}
	}
	if next == nil {
		return nil, fmt.Errorf("%w: line %q has no next generation with a certificate; see antin ca issuer list", ErrState, line)
	}
	_, err = a.record(ctx, "switch", who, next.name, hexSum(next.cert.Raw), map[string]string{"line": line})
	if err != nil {
		return nil, err
	}
	err = a.i.deps.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*authorityRow)(nil)).Set("state = ?", AuthorityFormer).
			Where("line = ?", line).Where("state = ?", AuthorityActive).Exec(ctx)
		if err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model((*authorityRow)(nil)).Set("state = ?", AuthorityActive).Where("name = ?", next.name).Exec(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("switch line %s: %w", line, err)
	}
	a.i.actor = who
	err = a.i.reload(ctx)
	if err != nil {
		return nil, err
	}
	// the time-stamping unit belongs to the generation that issues
	err = a.i.units(ctx)
	if err != nil {
		return nil, err
	}
	return a.get(next.name), nil
}

// Cross has a root here certify another authority: a root of another
// generation by its name, or an outside authority by its self-signed
// certificate. It returns the cross-certificate.
func (a *Authorities) Cross(ctx context.Context, subject string, outside *x509.Certificate, by string) (*x509.Certificate, error) {
	who, err := a.may(ctx, by)
	if err != nil {
		return nil, err
	}
	issuer := a.i.h.byName[by]
	if issuer == nil || issuer.kind != kindRoot || !issuer.signs() {
		return nil, fmt.Errorf("%w: no root %q with its key in this token", ErrNotFound, by)
	}
	cert, name := outside, subject
	if outside == nil {
		of := a.i.h.byName[subject]
		if of == nil || of.kind != kindRoot || of == issuer {
			return nil, fmt.Errorf("%w: no other root %q", ErrNotFound, subject)
		}
		cert = of.cert
	} else {
		err = selfSigned(outside)
		if err != nil {
			return nil, fmt.Errorf("the certificate to be crossed: %w", err)
		}
		name = outsideName(outside)
	}
	return a.cross(ctx, who, name, cert, issuer)
}

// outsideName names an authority that is not ours.
func outsideName(cert *x509.Certificate) string { return lineOutside + "-" + hexSum(cert.Raw)[:8] }

func (a *Authorities) cross(ctx context.Context, who, name string, cert *x509.Certificate, issuer *authority) (*x509.Certificate, error) {
	p, err := a.i.profiles.Get(profileCross)
	if err != nil {
		return nil, err
	}
	switch {
	case !cert.IsCA || cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, fmt.Errorf("%w: %s is no certification authority", ErrConfig, cert.Subject)
	case len(cert.SubjectKeyId) == 0:
		return nil, fmt.Errorf("%w: the certificate of %s has no key identifier, by which chains are built", ErrConfig, cert.Subject)
	case tooShort(issuer.cert, *p.PathLength):
		return nil, fmt.Errorf("%w: root %s allows %d authorities below it (pathLenConstraint), too few for a root and its issuers", ErrConfig, issuer.name, issuer.cert.MaxPathLen)
	}
	place := a.i.cfg.place(issuer, a.i.deps.Clock.Now().Add(-a.i.cfg.Backdate))
	if cert.NotAfter.Before(place.NotAfterLimit) {
		place.NotAfterLimit = cert.NotAfter
	}
	template, err := p.Template(profile.Facts{Organization: a.i.cfg.Organization, MachineName: cert.Subject.CommonName}, cert.PublicKey, place)
	if err != nil {
		return nil, err
	}
	template.RawSubject, template.SubjectKeyId = cert.RawSubject, cert.SubjectKeyId
	row, err := a.i.engine.certify(ctx, order{issuer: issuer, profile: p, template: template, machine: name, actor: who})
	if err != nil {
		return nil, err
	}
	made, err := row.X509()
	if err != nil {
		return nil, err
	}
	err = a.keep(ctx, name, certCross, made, who, *row.IssueIndex)
	if err != nil {
		return nil, err
	}
	return made, a.i.reload(ctx)
}

// tooShort says whether the path length of an issuer leaves no room for an
// authority with the path length below (RFC 5280 §4.2.1.9).
func tooShort(issuer *x509.Certificate, below int) bool {
	return issuer.MaxPathLenZero || issuer.MaxPathLen > 0 && issuer.MaxPathLen <= below
}

// profileCross is the profile of cross-certificates.
const profileCross = "cross"

// keep stores a certificate beside the authorities' own.
func (a *Authorities) keep(ctx context.Context, name, kind string, cert *x509.Certificate, who string, index int64) error {
	row := &authorityCertificate{SHA256: hexSum(cert.Raw), Authority: name, Kind: kind, DER: cert.Raw,
		AddedBy: who, AddedAt: a.i.deps.Clock.Now().UTC(), LedgerIndex: index}
	_, err := a.i.deps.DB.NewInsert().Model(row).On("CONFLICT (sha256) DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("keep certificate of authority %s: %w", name, err)
	}
	return nil
}

// ExportCSR writes a PKCS#10 request for an authority, for an outside root:
// one that waits, one that exists (the outside certificate then stands beside
// its own), or the next generation of a line by its name, whose key is made.
func (a *Authorities) ExportCSR(ctx context.Context, name string) ([]byte, error) {
	who, err := a.may(ctx, name)
	if err != nil {
		return nil, err
	}
	der, err := a.csr(ctx, name)
	if err != nil {
		return nil, err
	}
	_, err = a.record(ctx, "csr", who, name, hexSum(der), nil)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// csr has the key of an authority sign a request for itself.
func (a *Authorities) csr(ctx context.Context, name string) ([]byte, error) {
	of := a.i.h.byName[name]
	if of != nil {
		if !of.signs() {
			return nil, fmt.Errorf("%w: the key of %s is not in this token", ErrState, name)
		}
		return makeCSR(of.cert.RawSubject, of.cert.SubjectKeyId, of.kind, of.signer)
	}
	row, err := a.waiting(ctx, name)
	if err != nil {
		return nil, err
	}
	signer, err := a.i.deps.Keys.Signer(ctx, row.KeyLabel)
	if err != nil {
		return nil, fmt.Errorf("key of authority %s: %w", name, err)
	}
	id := authorityIdentity(a.i.cfg, row.Line, row.Generation, "", row.State)
	p, err := a.i.profiles.Get(id.profile)
	if err != nil {
		return nil, err
	}
	template, err := p.Template(profile.Facts{Organization: a.i.cfg.Organization, MachineName: id.commonName}, signer.Public(),
		profile.Place{PolicyArc: a.i.cfg.PolicyArc, NotBefore: a.i.deps.Clock.Now()})
	if err != nil {
		return nil, err
	}
	return makeCSR(template.RawSubject, template.SubjectKeyId, row.Kind, signer)
}

// waiting finds an authority that waits for its certificate; the next
// generation of a line by its name is made.
func (a *Authorities) waiting(ctx context.Context, name string) (*authorityRow, error) {
	at := slices.IndexFunc(a.i.h.waiting, func(r authorityRow) bool { return r.Name == name })
	if at >= 0 {
		return &a.i.h.waiting[at], nil
	}
	line, generation := splitName(name)
	newest := a.i.h.newest(line)
	if !slices.Contains(issuingLines(), line) || generation != newest+1 {
		return nil, fmt.Errorf("%w: authority %q; the next generation of %s would be %s", ErrNotFound, name, line, authorityName(line, newest+1))
	}
	current := a.i.h.active(line)
	if newest > 0 && (current == nil || current.generation != newest) {
		return nil, fmt.Errorf("%w: line %s has a generation already that does not issue yet", ErrState, line)
	}
	err := a.i.wait(ctx, authorityIdentity(a.i.cfg, line, generation, "", AuthorityWaiting))
	if err != nil {
		return nil, err
	}
	at = slices.IndexFunc(a.i.h.waiting, func(r authorityRow) bool { return r.Name == name })
	if at < 0 {
		return nil, fmt.Errorf("%w: authority %q", ErrNotFound, name)
	}
	return &a.i.h.waiting[at], nil
}

// splitName is authorityName backwards.
func splitName(name string) (line string, generation int64) {
	line, g, found := strings.Cut(name, "-g")
	if !found {
		return name, 1
	}
	generation, err := strconv.ParseInt(g, 10, 64)
	if err != nil {
		return name, 1
	}
	return line, generation
}

// makeCSR writes a request for an authority, with the extensions that it needs
// (RFC 2986, RFC 5280 §4.2.1).
func makeCSR(subject, keyID []byte, kind string, signer crypto.Signer) ([]byte, error) {
	constraints := basicConstraints{CA: true, MaxPathLen: 0}
	if kind == kindRoot {
		constraints.MaxPathLen = 1
	}
	bc, err := asn1.Marshal(constraints)
	if err != nil {
		return nil, fmt.Errorf("encode basic constraints: %w", err)
	}
	ski, err := asn1.Marshal(keyID)
	if err != nil {
		return nil, fmt.Errorf("encode key identifier: %w", err)
	}
	// keyCertSign (5) and cRLSign (6)
	usage, err := asn1.Marshal(asn1.BitString{Bytes: []byte{0x06}, BitLength: 7})
	if err != nil {
		return nil, fmt.Errorf("encode key usage: %w", err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{RawSubject: subject, ExtraExtensions: []pkix.Extension{
		{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: bc},
		{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: usage},
		{Id: asn1.ObjectIdentifier{2, 5, 29, 14}, Value: ski},
	}}, signer)
	if err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	return der, nil
}

type basicConstraints struct {
	CA         bool
	MaxPathLen int
}
