package ca

import (
	"context"
	"crypto"
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
	kind, name       string
	line             string // of an authority
	generation       int64
	state            AuthorityState
	issuer           string
	label, algorithm string
	profile          string
	commonName       string
}

// lineTitle is how a line calls itself in the names of its authorities.
func lineTitle(line string) string {
	switch line {
	case lineRoot:
		return "Root CA"
	case OfficialName:
		return "Official CA"
	case ServiceName:
		return "Service CA"
	case TSAName:
		return "Timestamp CA"
	default:
		return line + " CA"
	}
}

// issuingLines are the lines that a complete system has.
func issuingLines() []string { return []string{OfficialName, ServiceName, TSAName} }

// authorityIdentity describes a generation of a line that the issuer certifies;
// a root certifies itself.
func authorityIdentity(cfg Config, line string, generation int64, issuer string, state AuthorityState) identity {
	name := authorityName(line, generation)
	id := identity{kind: kindIssuer, name: name, line: line, generation: generation, state: state, issuer: issuer,
		label: keyLabel(line, generation), algorithm: "EC-P256", profile: "issuer",
		commonName: fmt.Sprintf("%s %s G%d", cfg.Name, lineTitle(line), generation)}
	if line == lineRoot {
		id.kind, id.issuer, id.algorithm, id.profile = kindRoot, name, "EC-P384", "root"
	}
	return id
}

// unitIdentities describes the responder of an authority, and the
// time-stamping unit of one that certifies those.
func unitIdentities(cfg Config, a *authority) []identity {
	// One key answers for all authorities; each certifies it for itself
	// (RFC 6960 §4.2.2.2).
	list := []identity{{kind: kindOCSP, name: a.name, issuer: a.name, label: "ca-ocsp", algorithm: "EC-P256",
		profile: "ocsp", commonName: cfg.Name + " OCSP " + a.name},
		// Answers to nonces are signed by a key of their own, so that a flood of
		// them does not hold up the others.
		{kind: kindLive, name: a.name, issuer: a.name, label: "ca-ocsp-live", algorithm: "EC-P256",
			profile: "ocsp", commonName: cfg.Name + " OCSP live " + a.name}}
	if a.line == TSAName && a.state == AuthorityActive {
		unit := unitName(a)
		list = append(list, identity{kind: kindTSA, name: unit, issuer: a.name, label: "ca-tsa-" + unit, algorithm: "EC-P256",
			profile: "tsa", commonName: fmt.Sprintf("%s TSA Unit %d", cfg.Name, a.generation)})
	}
	return list
}

// unitName names the time-stamping unit of a generation of the line "tsa".
func unitName(a *authority) string { return fmt.Sprintf("unit%d", a.generation) }

// initialiser makes what is missing.
type initialiser struct {
	deps     Deps
	cfg      Config
	engine   *engine
	profiles *profile.Set
	h        *hierarchy
	actor    string
}

// Init makes the keys, the authorities and their units that are missing, and
// makes anew the certificates of units that end within 30 days. It may be run
// any number of times. The schema must have been applied.
//
// With a root that is away (Config.Root), issuing authorities wait for their
// certificates: Init then returns ErrWaiting, and is run again when the
// certificates have come.
func Init(ctx context.Context, deps Deps, cfg Config) error {
	deps.Config = cfg.withDefaults()
	err := deps.check()
	if err != nil {
		return err
	}
	i, err := newInitialiser(ctx, deps)
	if err != nil {
		return err
	}
	err = i.authorities(ctx)
	if err != nil {
		return err
	}
	err = i.units(ctx)
	if err != nil {
		return err
	}
	if i.cfg.Root == RootOnly {
		return nil
	}
	return i.h.complete()
}

func newInitialiser(ctx context.Context, deps Deps) (*initialiser, error) {
	e, profiles, err := newEngine(deps)
	if err != nil {
		return nil, err
	}
	i := &initialiser{deps: deps, cfg: deps.Config, engine: e, profiles: profiles, actor: actorInit}
	return i, i.reload(ctx)
}

func (i *initialiser) reload(ctx context.Context) error {
	h, err := loadHierarchy(ctx, i.engine.records, i.deps.Keys, i.deps.Clock.Now())
	i.h = h
	return err
}

func newEngine(deps Deps) (*engine, *profile.Set, error) {
	linter, err := profile.NewLinter()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	profiles := deps.Profiles
	if profiles == nil {
		profiles, err = profile.Builtin()
	}
	if err == nil {
		err = profiles.Rehearse(linter, deps.Config.PolicyArc, deps.Clock.Now())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return &engine{records: records{deps.DB, store.NewGroup(deps.DB)}, ledger: deps.Ledger, clock: deps.Clock, linter: linter,
		log: deps.Logger, serial: randomSerial}, profiles, nil
}

// complete says whether every line has an authority that issues.
func (h *hierarchy) complete() error {
	var missing, waiting []string
	for _, row := range h.waiting {
		waiting = append(waiting, row.Name)
	}
	for _, line := range issuingLines() {
		if h.active(line) == nil {
			missing = append(missing, line)
		}
	}
	switch {
	case len(missing) == 0:
		return nil
	case len(waiting) > 0:
		return fmt.Errorf("%w: %v; take their request to the root (antin ca issuer request) or to an outside authority "+
			"(antin ca root export-csr NAME), and bring the answer back", ErrWaiting, waiting)
	default:
		return fmt.Errorf("%w: %v", ErrNotInitialised, missing)
	}
}

// authorities makes the first generation of each line that has none.
func (i *initialiser) authorities(ctx context.Context) error {
	if i.cfg.Root != RootAway && i.h.newest(lineRoot) == 0 {
		err := i.add(ctx, authorityIdentity(i.cfg, lineRoot, i.cfg.RootGeneration, "", AuthorityActive))
		if err != nil {
			return err
		}
	}
	if i.cfg.Root == RootOnly {
		return nil
	}
	for _, line := range issuingLines() {
		if i.h.newest(line) > 0 {
			continue
		}
		if i.cfg.Root == RootAway {
			err := i.wait(ctx, authorityIdentity(i.cfg, line, 1, "", AuthorityWaiting))
			if err != nil {
				return err
			}
			continue
		}
		root := i.h.active(lineRoot)
		if root == nil || !root.signs() {
			return fmt.Errorf("%w: no root in this token for %s; set ca.root to away", ErrConfig, line)
		}
		err := i.add(ctx, authorityIdentity(i.cfg, line, 1, root.name, AuthorityActive))
		if err != nil {
			return err
		}
	}
	return nil
}

// add makes an authority whose issuer is at hand, and registers it.
func (i *initialiser) add(ctx context.Context, id identity) error {
	signer, err := i.key(ctx, id, false)
	if err != nil {
		return fmt.Errorf("make %s %s: %w", id.kind, id.name, err)
	}
	row, err := i.certificate(ctx, id, signer)
	if err != nil {
		return fmt.Errorf("make %s %s: %w", id.kind, id.name, err)
	}
	parent := id.issuer
	if id.kind == kindRoot {
		parent = ""
	}
	err = i.register(ctx, &authorityRow{Name: id.name, Kind: id.kind, Line: id.line, Generation: id.generation, State: id.state,
		Custody: CustodyToken, Parent: parent, KeyLabel: id.label, Serial: row.Serial})
	if err != nil {
		return err
	}
	return i.reload(ctx)
}

// wait makes the key of an authority that somebody else is to certify.
func (i *initialiser) wait(ctx context.Context, id identity) error {
	_, err := i.key(ctx, id, false)
	if err != nil {
		return fmt.Errorf("make %s %s: %w", id.kind, id.name, err)
	}
	err = i.register(ctx, &authorityRow{Name: id.name, Kind: id.kind, Line: id.line, Generation: id.generation, State: AuthorityWaiting,
		Custody: CustodyToken, KeyLabel: id.label})
	if err != nil {
		return err
	}
	return i.reload(ctx)
}

func (i *initialiser) register(ctx context.Context, row *authorityRow) error {
	_, err := i.deps.DB.NewInsert().Model(row).Exec(ctx)
	if err != nil {
		return fmt.Errorf("register authority %s: %w", row.Name, err)
	}
	return nil
}

// units makes the responders and time-stamping units that are missing, revoked
// or near their end.
func (i *initialiser) units(ctx context.Context) error {
	if i.cfg.Root == RootOnly {
		return nil // nobody asks a machine without a network
	}
	for _, name := range i.h.names() {
		a := i.h.byName[name]
		if !a.signs() {
			continue
		}
		for _, id := range unitIdentities(i.cfg, a) {
			err := i.ensureUnit(ctx, id)
			if err != nil {
				return fmt.Errorf("make %s %s: %w", id.kind, id.name, err)
			}
		}
	}
	return nil
}

func (i *initialiser) ensureUnit(ctx context.Context, id identity) error {
	var unit unitRow
	err := i.deps.DB.NewSelect().Model(&unit).Where("kind = ?", id.kind).Where("name = ?", id.name).Scan(ctx)
	if err != nil && !store.IsNotFound(err) {
		return fmt.Errorf("read register: %w", err)
	}
	certified := err == nil
	if certified {
		row, err := i.engine.records.get(ctx, unit.Serial)
		if err != nil {
			return err
		}
		if row.RevokedAt == nil && row.NotAfter != nil && i.deps.Clock.Now().Add(renewUnits).Before(*row.NotAfter) {
			// its key must be there: New finds out
			return nil
		}
	}
	signer, err := i.key(ctx, id, certified)
	if err != nil {
		return err
	}
	row, err := i.certificate(ctx, id, signer)
	if err != nil {
		return err
	}
	unit = unitRow{Kind: id.kind, Name: id.name, KeyLabel: id.label, Serial: row.Serial}
	_, err = i.deps.DB.NewInsert().Model(&unit).On("CONFLICT (kind, name) DO UPDATE").
		Set("serial = EXCLUDED.serial").Set("key_label = EXCLUDED.key_label").Exec(ctx)
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
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
	issuer := i.h.byName[id.issuer]
	place := profile.Place{NotBefore: now.Add(-i.cfg.Backdate), PolicyArc: i.cfg.PolicyArc}
	if issuer != nil {
		place = i.cfg.place(issuer, now.Add(-i.cfg.Backdate))
	}
	template, err := p.Template(profile.Facts{Organization: i.cfg.Organization, MachineName: id.commonName}, signer.Public(), place)
	if err != nil {
		return nil, err
	}
	if issuer == nil {
		// RFC 5280 §4.2.1.1 lets a root leave out its own key identifier, but
		// builders of paths are glad of it.
		template.AuthorityKeyId = template.SubjectKeyId
		dummy, err := profile.DummyKey(signer.Public())
		if err != nil {
			return nil, err
		}
		issuer = &authority{name: id.name, kind: id.kind, signer: signer, dummy: dummy, self: template}
	}
	return i.engine.certify(ctx, order{issuer: issuer, profile: p, template: template,
		machine: id.commonName, keyLabel: id.label, actor: i.actor})
}
