package device

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// People is what the register needs of the directory.
type People interface {
	Agency(ctx context.Context, id string) (*directory.Agency, error)
	Person(ctx context.Context, id string) (*directory.Person, error)
	Position(ctx context.Context, personID string, at time.Time) (*directory.Position, error)
}

// Documents signs the minutes as the platform.
type Documents interface {
	SignReport(ctx context.Context, pdf []byte, purpose string) ([]byte, error)
}

// Certificates tells when a certificate of our own was revoked.
type Certificates interface {
	// RevokedAt is nil for a certificate that is not revoked, and for one that
	// is not ours.
	RevokedAt(ctx context.Context, serial string) (*time.Time, error)
}

// Calendar counts working days; *workdays.Calendar has it.
type Calendar interface {
	Add(from time.Time, n int) time.Time
}

// Deps are what the register needs.
type Deps struct {
	DB           *store.DB
	Ledger       ledger.Appender
	Clock        clock.Clock
	Authorizer   auth.Authorizer
	People       People
	Documents    Documents
	Certificates Certificates
	Calendar     Calendar
	// Agency is the id of the agency that keeps the devices, Place stands before
	// the date of minutes.
	Agency, Place string
	Logger        *slog.Logger
}

// Service is the register.
type Service struct{ d Deps }

// New checks the dependencies and returns the register.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Ledger == nil || d.Clock == nil || d.Authorizer == nil || d.People == nil || d.Documents == nil ||
		d.Certificates == nil || d.Calendar == nil || d.Agency == "" || d.Place == "" || d.Logger == nil {
		return nil, errors.New("device register: a dependency is missing")
	}
	return &Service{d: d}, nil
}

func (s *Service) may(ctx context.Context, action string, r auth.Resource) (auth.Subject, error) {
	subject := auth.SubjectFrom(ctx)
	r.Kind = "device"
	return subject, s.d.Authorizer.Authorize(ctx, subject, "hsm.device."+action, r)
}

// Entry is a device to register.
type Entry struct{ Serial, Kind, Maker, Model, Note string }

// Register puts a device into stock.
func (s *Service) Register(ctx context.Context, e Entry) (*Device, error) {
	subject, err := s.may(ctx, "register", auth.Resource{ID: e.Serial})
	if err != nil {
		return nil, err
	}
	err = errors.Join(checkSerial(e.Serial), checkText("maker", e.Maker, maxField, true), checkText("model", e.Model, maxField, true), checkText("note", e.Note, maxNote, false))
	if err != nil {
		return nil, err
	}
	if !slices.Contains(Kinds(), e.Kind) {
		return nil, fmt.Errorf("%w: kind %q is none of %s", ErrInvalid, e.Kind, strings.Join(Kinds(), ", "))
	}
	now := s.d.Clock.Now()
	d := &Device{Serial: e.Serial, Kind: e.Kind, Maker: e.Maker, Model: e.Model, Note: e.Note, State: StateInStock, StateAt: now, CreatedBy: subject.AccountID, CreatedAt: now}
	err = s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		there, err := tx.NewSelect().Model((*Device)(nil)).Where("serial = ?", e.Serial).Exists(ctx)
		if err != nil {
			return fmt.Errorf("register device: %w", err)
		}
		if there {
			return fmt.Errorf("%w: %s", ErrExists, e.Serial)
		}
		_, err = tx.NewInsert().Model(d).Exec(ctx)
		if err != nil {
			return fmt.Errorf("register device: %w", err)
		}
		_, err = s.append(ctx, subject, "hsm.device.register", e.Serial, "", map[string]string{"kind": e.Kind})
		return err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// append records in the ledger.
func (s *Service) append(ctx context.Context, subject auth.Subject, kind, serial, digest string, detail map[string]string) (int64, error) {
	receipt, err := s.d.Ledger.Append(ctx, ledger.Entry{Time: s.d.Clock.Now(), Kind: kind, Actor: subject.AccountID, Agency: subject.AgencyID, Object: serial, Digest: digest, Detail: detail})
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return int64(receipt.Index), nil
}

// Proposal is a change that somebody proposes.
type Proposal struct {
	Serial string
	Change Change
	// PersonID takes the device over (hand-out); otherwise the holder is meant.
	PersonID string
	// Certificate is the serial number of the certificate on the device.
	Certificate string
	// HappenedAt is when it happened; now when zero.
	HappenedAt time.Time
	Note       string
}

// Propose proposes a change; another person confirms it.
func (s *Service) Propose(ctx context.Context, p Proposal) (*Act, error) {
	d, err := s.get(ctx, p.Serial)
	if err != nil {
		return nil, err
	}
	subject, err := s.may(ctx, "propose", auth.Resource{ID: p.Serial, AgencyID: d.HolderAgency})
	if err != nil {
		return nil, err
	}
	act, err := s.newAct(ctx, d, subject, p)
	if err != nil {
		return nil, err
	}
	err = s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		waiting, err := tx.NewSelect().Model((*Act)(nil)).Where("serial = ?", p.Serial).Where("state = ?", ActPending).Exists(ctx)
		if err != nil {
			return fmt.Errorf("propose: %w", err)
		}
		if waiting {
			return fmt.Errorf("%w: another change of %s waits for its confirmation", ErrState, p.Serial)
		}
		index, err := s.append(ctx, subject, "hsm.device.propose", p.Serial, "", map[string]string{"act": act.ID, "change": string(p.Change)})
		if err != nil {
			return err
		}
		act.ProposeIdx = index
		_, err = tx.NewInsert().Model(act).Exec(ctx)
		if err != nil {
			return fmt.Errorf("propose: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return act, nil
}

func (s *Service) newAct(ctx context.Context, d *Device, subject auth.Subject, p Proposal) (*Act, error) {
	from, _ := p.Change.rule()
	if from == nil {
		return nil, fmt.Errorf("%w: change %q is none of %v", ErrInvalid, string(p.Change), Changes())
	}
	if !slices.Contains(from, d.State) {
		return nil, fmt.Errorf("%w: %s is %s; %s is possible from %v", ErrState, d.Serial, d.State, p.Change, from)
	}
	err := errors.Join(checkText("note", p.Note, maxNote, p.Change == ChangeLose || p.Change == ChangeDamage), checkText("certificate", p.Certificate, maxField, false))
	if err != nil {
		return nil, err
	}
	now := s.d.Clock.Now()
	act := &Act{ID: "dv-" + strings.ToLower(rand.Text()[:12]), Serial: d.Serial, Change: p.Change, State: ActPending, From: d.State,
		PersonID: d.HolderPerson, AgencyID: d.HolderAgency, Certificate: d.Certificate, HappenedAt: p.HappenedAt.UTC(), Note: p.Note,
		ProposedBy: subject.AccountID, Proposer: subject.PersonID, ProposedAt: now}
	if p.HappenedAt.IsZero() {
		act.HappenedAt = now
	}
	if act.HappenedAt.After(now) {
		return nil, fmt.Errorf("%w: it happened in the future", ErrInvalid)
	}
	if p.Change != ChangeHandOut {
		return act, nil
	}
	position, err := s.d.People.Position(ctx, p.PersonID, now)
	if err != nil {
		return nil, fmt.Errorf("%w: who takes it over: person %q: %w", ErrInvalid, p.PersonID, err)
	}
	act.PersonID, act.AgencyID, act.Certificate = p.PersonID, position.AgencyID, p.Certificate
	return act, nil
}

// Confirm confirms a change that another person proposed: the minutes are made
// and signed, everything is recorded, and the device changes.
func (s *Service) Confirm(ctx context.Context, id string) (*Act, error) {
	act, subject, err := s.deciding(ctx, id)
	if err != nil {
		return nil, err
	}
	d, err := s.get(ctx, act.Serial)
	if err != nil {
		return nil, err
	}
	if d.State != act.From {
		return nil, fmt.Errorf("%w: %s was %s when the change was proposed and is %s", ErrState, d.Serial, act.From, d.State)
	}
	now := s.d.Clock.Now()
	act.DecidedBy, act.DecidedAt, act.State = subject.AccountID, &now, ActConfirmed
	act.Minutes, err = s.minutes(ctx, d, act, subject)
	if err != nil {
		return nil, err
	}
	digest := ""
	if act.Minutes != nil {
		sum := sha256.Sum256(act.Minutes)
		digest = hex.EncodeToString(sum[:])
	}
	act.MinutesSHA256 = digest
	return act, s.decide(ctx, subject, act, func(ctx context.Context, tx bun.Tx) error { return s.apply(ctx, tx, d, act, now) })
}

// Refuse refuses a change that another person proposed.
func (s *Service) Refuse(ctx context.Context, id string) (*Act, error) {
	act, subject, err := s.deciding(ctx, id)
	if err != nil {
		return nil, err
	}
	now := s.d.Clock.Now()
	act.DecidedBy, act.DecidedAt, act.State = subject.AccountID, &now, ActRefused
	return act, s.decide(ctx, subject, act, func(context.Context, bun.Tx) error { return nil })
}

// deciding finds an act that waits and asks whether the subject may decide.
func (s *Service) deciding(ctx context.Context, id string) (*Act, auth.Subject, error) {
	act, err := s.Act(ctx, id)
	if err != nil {
		return nil, auth.Subject{}, err
	}
	r := auth.Resource{ID: act.Serial, AgencyID: act.AgencyID, CreatedBy: act.ProposedBy}
	subject := auth.SubjectFrom(ctx)
	if subject.PersonID != "" && subject.PersonID == act.PersonID && act.Change == ChangeHandOut {
		r.AssignedTo = subject.AccountID // who takes the device over confirms it
	}
	// Two accounts of one person are one person.
	if subject.PersonID != "" && subject.PersonID == act.Proposer {
		r.CreatedBy = subject.AccountID
	}
	subject, err = s.may(ctx, "confirm", r)
	if err != nil {
		return nil, subject, err
	}
	if act.State != ActPending {
		return nil, subject, fmt.Errorf("%w: act %s is %s", ErrState, id, act.State)
	}
	return act, subject, nil
}

// decide closes an act in the database and the ledger, or not at all.
func (s *Service) decide(ctx context.Context, subject auth.Subject, act *Act, apply func(context.Context, bun.Tx) error) error {
	return s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		changed, err := tx.NewUpdate().Model(act).Column("state", "decided_by", "decided_at", "minutes", "minutes_sha256").
			WherePK().Where("state = ?", ActPending).Exec(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRecord, err)
		}
		n, err := changed.RowsAffected()
		if err != nil || n != 1 {
			return errors.Join(fmt.Errorf("%w: act %s was decided by somebody else", ErrState, act.ID), err)
		}
		err = apply(ctx, tx)
		if err != nil {
			return err
		}
		index, err := s.append(ctx, subject, "hsm.device."+act.State, act.Serial, act.MinutesSHA256, map[string]string{"act": act.ID, "change": string(act.Change)})
		if err != nil {
			return err
		}
		act.DecideIdx = &index
		_, err = tx.NewUpdate().Model(act).Column("decide_index").WherePK().Exec(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRecord, err)
		}
		return nil
	})
}

// apply changes the device.
func (s *Service) apply(ctx context.Context, tx bun.Tx, d *Device, act *Act, now time.Time) error {
	_, to := act.Change.rule()
	q := tx.NewUpdate().Model((*Device)(nil)).Set("state = ?", to).Set("state_at = ?", now).Where("serial = ?", d.Serial).Where("state = ?", act.From)
	switch act.Change {
	case ChangeHandOut:
		q = q.Set("holder_person = ?", act.PersonID).Set("holder_agency = ?", act.AgencyID).Set("certificate = ?", act.Certificate).Set("revoked_at = NULL")
	case ChangeReturn, ChangeRestock, ChangeDestroy:
		q = q.Set("holder_person = ''").Set("holder_agency = ''").Set("recovery_asked_at = NULL")
	case ChangeRecover, ChangeLose:
		q = q.Set("recovery_asked_at = NULL")
	}
	if act.Change == ChangeRestock {
		q = q.Set("certificate = ''").Set("revoked_at = NULL")
	}
	changed, err := q.Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	n, err := changed.RowsAffected()
	if err != nil || n != 1 {
		return errors.Join(fmt.Errorf("%w: %s changed meanwhile", ErrState, d.Serial), err)
	}
	return nil
}

// AskRecovery records that the holder asked to have the device recovered
// (form 06); the term of one working day begins.
func (s *Service) AskRecovery(ctx context.Context, serial string) (*Device, error) {
	return s.note(ctx, serial, "hsm.device.ask-recovery", func(d *Device, now time.Time) (*bun.UpdateQuery, error) {
		if !slices.Contains([]State{StateHandedOut, StateDamaged, StateRecovered}, d.State) {
			return nil, fmt.Errorf("%w: %s is %s", ErrState, serial, d.State)
		}
		if d.RecoveryAskedAt != nil {
			return nil, fmt.Errorf("%w: recovery of %s was asked for at %s", ErrState, serial, d.RecoveryAskedAt.UTC().Format(time.RFC3339))
		}
		d.RecoveryAskedAt = &now
		return s.d.DB.NewUpdate().Model((*Device)(nil)).Set("recovery_asked_at = ?", now), nil
	})
}

// NoteRevocation records when the certificate on a device was revoked, for a
// certificate of another authority; the term of five working days begins.
func (s *Service) NoteRevocation(ctx context.Context, serial string, at time.Time) (*Device, error) {
	return s.note(ctx, serial, "hsm.device.certificate-revoked", func(d *Device, now time.Time) (*bun.UpdateQuery, error) {
		if d.Certificate == "" || at.IsZero() || at.After(now) {
			return nil, fmt.Errorf("%w: %s holds no certificate, or the time is missing or in the future", ErrInvalid, serial)
		}
		at = at.UTC()
		d.RevokedAt = &at
		return s.d.DB.NewUpdate().Model((*Device)(nil)).Set("revoked_at = ?", at), nil
	})
}

// note records a fact about a device that binds nobody.
func (s *Service) note(ctx context.Context, serial, kind string, change func(d *Device, now time.Time) (*bun.UpdateQuery, error)) (*Device, error) {
	d, err := s.get(ctx, serial)
	if err != nil {
		return nil, err
	}
	subject, err := s.may(ctx, "propose", auth.Resource{ID: serial, AgencyID: d.HolderAgency})
	if err != nil {
		return nil, err
	}
	q, err := change(d, s.d.Clock.Now())
	if err != nil {
		return nil, err
	}
	err = s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := q.Conn(tx).Where("serial = ?", serial).Exec(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRecord, err)
		}
		_, err = s.append(ctx, subject, kind, serial, "", nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}
