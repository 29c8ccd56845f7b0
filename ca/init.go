package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/internal/store"
)

// actorInit is who acts when the authorities are made.
const actorInit = "system:ca-init"

// renewUnits is how long before its end a responder's or a time-stamping
// unit's certificate is made anew.
const renewUnits = 30 * 24 * time.Hour

// identity is an authority or a unit to be made.
type identity struct {
	kind, name, issuer string
	label, algorithm   string
	profile            string
	commonName         string
}

// identities lists what Init makes, issuers before those they certify.
func identities(cfg Config) []identity {
	list := []identity{
		{kindRoot, RootName, RootName, "ca-root-g1", "EC-P384", "root", cfg.Name + " Root CA G1"},
		{kindIssuer, OfficialName, RootName, "ca-official", "EC-P256", "issuer", cfg.Name + " Official CA G1"},
		{kindIssuer, ServiceName, RootName, "ca-service", "EC-P256", "issuer", cfg.Name + " Service CA G1"},
		{kindIssuer, TSAName, RootName, "ca-tsa", "EC-P256", "issuer", cfg.Name + " Timestamp CA G1"},
	}
	for _, name := range []string{RootName, OfficialName, ServiceName, TSAName} {
		// One key answers for all authorities; each certifies it for itself
		// (RFC 6960 §4.2.2.2).
		list = append(list, identity{kindOCSP, name, name, "ca-ocsp", "EC-P256", "ocsp", cfg.Name + " OCSP " + name})
	}
	return append(list, identity{kindTSA, tsaUnitName, TSAName, "ca-tsa-unit1", "EC-P256", "tsa", cfg.Name + " TSA Unit 1"})
}

// initialiser makes what is missing.
type initialiser struct {
	deps     Deps
	cfg      Config
	engine   *engine
	profiles *profile.Set
	made     map[string]*authority
}

// Init makes the keys, the authorities and their units that are missing, and
// makes anew the certificates of units that end within 30 days. It may be run
// any number of times. The schema must have been applied.
func Init(ctx context.Context, deps Deps, cfg Config) error {
	deps.Config = cfg.withDefaults()
	err := deps.check()
	if err != nil {
		return err
	}
	e, profiles, err := newEngine(deps)
	if err != nil {
		return err
	}
	i := &initialiser{deps: deps, cfg: deps.Config, engine: e, profiles: profiles, made: make(map[string]*authority)}
	for _, id := range identities(deps.Config) {
		err = i.ensure(ctx, id)
		if err != nil {
			return fmt.Errorf("make %s %s: %w", id.kind, id.name, err)
		}
	}
	return nil
}

func newEngine(deps Deps) (*engine, *profile.Set, error) {
	linter, err := profile.NewLinter()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	profiles, err := profile.Builtin()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return &engine{records: records{deps.DB}, ledger: deps.Ledger, clock: deps.Clock, linter: linter,
		log: deps.Logger, serial: randomSerial}, profiles, nil
}

func (i *initialiser) ensure(ctx context.Context, id identity) error {
	isAuthority := id.kind == kindRoot || id.kind == kindIssuer
	serial, err := i.stored(ctx, id)
	if err != nil {
		return err
	}
	var row *Certificate
	if serial != "" {
		row, err = i.engine.records.get(ctx, serial)
		if err != nil {
			return err
		}
	}
	fresh := row != nil && (isAuthority || row.RevokedAt == nil && row.NotAfter != nil && i.deps.Clock.Now().Add(renewUnits).Before(*row.NotAfter))
	signer, err := i.key(ctx, id, row != nil)
	if err != nil {
		return err
	}
	if !fresh {
		row, err = i.certificate(ctx, id, signer)
		if err != nil {
			return err
		}
		err = i.store(ctx, id, row.Serial)
		if err != nil {
			return err
		}
	}
	if !isAuthority {
		return nil
	}
	cert, err := row.X509()
	if err != nil {
		return err
	}
	a, err := newAuthority(id.name, id.kind, cert, signer)
	if err != nil {
		return err
	}
	i.made[id.name] = a
	return nil
}

// stored finds the certificate of an identity; empty when there is none.
func (i *initialiser) stored(ctx context.Context, id identity) (string, error) {
	var serial string
	q := i.deps.DB.NewSelect().Column("serial").Where("name = ?", id.name)
	if id.kind == kindRoot || id.kind == kindIssuer {
		q = q.Model((*authorityRow)(nil))
	} else {
		q = q.Model((*unitRow)(nil)).Where("kind = ?", id.kind)
	}
	err := q.Scan(ctx, &serial)
	if err != nil && !store.IsNotFound(err) {
		return "", fmt.Errorf("read register: %w", err)
	}
	return serial, nil
}

// key finds the key in the token, or makes it. The key of a certificate that
// stands must be there: another one would be a different authority.
func (i *initialiser) key(ctx context.Context, id identity, certified bool) (crypto.Signer, error) {
	signer, err := i.deps.Keys.Signer(ctx, id.label)
	if err == nil {
		return signer, nil
	}
	if certified || !errors.Is(err, hsm.ErrNotFound) {
		return nil, fmt.Errorf("key %s: %w", id.label, err)
	}
	_, err = i.deps.Keys.Generate(ctx, id.label, id.algorithm)
	if err != nil {
		return nil, fmt.Errorf("make key %s: %w", id.label, err)
	}
	signer, err = i.deps.Keys.Signer(ctx, id.label)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", id.label, err)
	}
	return signer, nil
}

// certificate makes the identity's certificate. One that a crash left issued
// but unregistered is taken instead.
func (i *initialiser) certificate(ctx context.Context, id identity, signer crypto.Signer) (*Certificate, error) {
	p, err := i.profiles.Get(id.profile)
	if err != nil {
		return nil, err
	}
	issuer := i.made[id.issuer]
	now := i.deps.Clock.Now()
	var left []Certificate
	err = i.deps.DB.NewSelect().Model(&left).Where("key_label = ?", id.label).Where("issuer = ?", id.issuer).
		Where("profile = ?", p.Name).Where("state = ?", StateIssued).Where("revoked_at IS NULL").
		Where("not_after > ?", now.Add(renewUnits).UTC()).OrderExpr("issued_at DESC").Limit(1).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read register: %w", err)
	}
	if len(left) == 1 {
		return &left[0], nil
	}
	place := profile.Place{NotBefore: now.Add(-i.cfg.Backdate), PolicyArc: i.cfg.PolicyArc}
	if issuer != nil {
		place = i.cfg.place(issuer.name, now.Add(-i.cfg.Backdate), issuer.limit())
		if place.NotBefore.Before(issuer.cert.NotBefore) {
			place.NotBefore = issuer.cert.NotBefore
		}
	}
	template, err := p.Template(profile.Facts{Organization: i.cfg.Organization, MachineName: id.commonName}, signer.Public(), place)
	if err != nil {
		return nil, err
	}
	if issuer == nil {
		issuer, err = rootInTheMaking(id, template, signer)
		if err != nil {
			return nil, err
		}
	}
	return i.engine.certify(ctx, order{issuer: issuer, profile: p, template: template,
		machine: id.commonName, keyLabel: id.label, actor: actorInit})
}

// rootInTheMaking is an issuer that is its own subject.
func rootInTheMaking(id identity, template *x509.Certificate, signer crypto.Signer) (*authority, error) {
	// RFC 5280 §4.2.1.1 lets a root leave out its own key identifier, but
	// builders of paths are glad of it.
	template.AuthorityKeyId = template.SubjectKeyId
	dummy, err := profile.DummyKey(signer.Public())
	if err != nil {
		return nil, err
	}
	return &authority{name: id.name, kind: id.kind, signer: signer, dummy: dummy, self: template}, nil
}

func (i *initialiser) store(ctx context.Context, id identity, serial string) error {
	var err error
	if id.kind == kindRoot || id.kind == kindIssuer {
		row := &authorityRow{Name: id.name, Kind: id.kind, KeyLabel: id.label, Serial: serial}
		_, err = i.deps.DB.NewInsert().Model(row).Exec(ctx)
	} else {
		row := &unitRow{Kind: id.kind, Name: id.name, KeyLabel: id.label, Serial: serial}
		_, err = i.deps.DB.NewInsert().Model(row).On("CONFLICT (kind, name) DO UPDATE").
			Set("serial = EXCLUDED.serial").Set("key_label = EXCLUDED.key_label").Exec(ctx)
	}
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}
