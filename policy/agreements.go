package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/policy/agreement"
	"github.com/antin-gov/antin/policy/catalogue"
)

// Draft is what a data steward proposes.
type Draft struct {
	// ID names the agreement of which this is a new version; empty makes a new one.
	ID         string            `json:"id,omitempty" yaml:"id"`
	DatasetID  string            `json:"dataset" yaml:"dataset"`
	ConsumerID string            `json:"consumer" yaml:"consumer"`
	Items      agreement.Items   `json:"items" yaml:"items"`
	Fields     map[string]string `json:"fields" yaml:"fields"`
	Purposes   []string          `json:"purposes" yaml:"purposes"`
	Operations []string          `json:"operations" yaml:"operations"`
	ValidFrom  time.Time         `json:"valid_from" yaml:"valid_from"`
	ValidTo    time.Time         `json:"valid_to" yaml:"valid_to"`
}

// Propose keeps a proposed version, which gives nothing until the other side
// accepts it.
func (s *Service) Propose(ctx context.Context, draft Draft) (*agreement.Agreement, error) {
	who := auth.SubjectFrom(ctx)
	err := s.Authorize(ctx, who, "policy.agreement.propose", auth.Resource{Kind: "dataset", ID: draft.DatasetID})
	if err != nil {
		return nil, err
	}
	dataset, err := catalogue.Get(ctx, s.DB, draft.DatasetID)
	if err != nil {
		return nil, err
	}
	s.change.Lock()
	defer s.change.Unlock()
	a := &agreement.Agreement{
		ID: draft.ID, Version: 1, DatasetID: draft.DatasetID, ProviderID: dataset.OwnerID, ConsumerID: draft.ConsumerID,
		State: agreement.StateProposed, Items: draft.Items, Fields: draft.Fields, Purposes: draft.Purposes, Operations: draft.Operations,
		ValidFrom: draft.ValidFrom.UTC(), ValidTo: draft.ValidTo.UTC(),
		ProposedBy: who.AccountID, ProposedAgency: who.AgencyID, ProposedAt: s.now(),
	}
	err = a.Check(dataset)
	if err != nil {
		return nil, err
	}
	_, err = s.Directory.Agency(ctx, a.ConsumerID)
	if err != nil {
		return nil, err
	}
	if !s.party(a, who.AgencyID) {
		return nil, fmt.Errorf("%w: %s is no party of the agreement", agreement.ErrSide, who.AgencyID)
	}
	err = s.name(ctx, a)
	if err != nil {
		return nil, err
	}
	return a, s.keep(ctx, a, "propose", "", agreement.Insert)
}

// Accept puts a proposed version in force and supersedes the version before
// it. Another account of another agency than the proposer's accepts, and the
// provider (or the coordinator for it) is one of the two.
func (s *Service) Accept(ctx context.Context, id string, version int) (*agreement.Agreement, error) {
	s.change.Lock()
	defer s.change.Unlock()
	a, who, err := s.authorized(ctx, "policy.agreement.accept", id, version)
	if err != nil {
		return nil, err
	}
	if a.State != agreement.StateProposed {
		return nil, fmt.Errorf("%w: %s is %s, not proposed", agreement.ErrState, a.Key(), a.State)
	}
	provided := func(agency string) bool {
		return agency == a.ProviderID || agency == s.Coordinator && s.Coordinator != ""
	}
	switch {
	case !s.party(a, who.AgencyID):
		return nil, fmt.Errorf("%w: %s is no party of the agreement", agreement.ErrSide, who.AgencyID)
	case who.AgencyID == a.ProposedAgency:
		return nil, fmt.Errorf("%w: %s proposed it, the other side accepts", agreement.ErrSide, who.AgencyID)
	case !provided(who.AgencyID) && !provided(a.ProposedAgency):
		return nil, fmt.Errorf("%w: the owner %s has not spoken", agreement.ErrSide, a.ProviderID)
	}
	now := s.now()
	a.State, a.AcceptedBy, a.AcceptedAgency, a.AcceptedAt = agreement.StateAccepted, who.AccountID, who.AgencyID, &now
	return a, s.keep(ctx, a, "accept", "", func(ctx context.Context, tx bun.IDB, a *agreement.Agreement) error {
		_, err := tx.NewUpdate().Model((*agreement.Agreement)(nil)).
			Set("state = ?", agreement.StateSuperseded).Set("ended_at = ?", now).
			Where("id = ?", a.ID).Where("version < ?", a.Version).Where("state = ?", agreement.StateAccepted).Exec(ctx)
		if err != nil {
			return fmt.Errorf("supersede earlier versions of %s: %w", a.ID, err)
		}
		return agreement.Update(ctx, tx, a, agreement.StateProposed)
	})
}

// Suspend stops an agreement: at once after a violation, otherwise after seven
// working days of notice (R36). The reason is told to whoever is refused.
func (s *Service) Suspend(ctx context.Context, id string, violation bool, reason string) (*agreement.Agreement, error) {
	return s.act(ctx, "suspend", id, reason, func(a *agreement.Agreement) error {
		if a.SuspendedFrom != nil {
			return fmt.Errorf("%w: %s is suspended already", agreement.ErrState, a.Key())
		}
		from := agreement.SuspensionTime(s.now(), violation)
		a.SuspendedFrom, a.Reason = &from, reason
		return nil
	})
}

// Resume ends a suspension.
func (s *Service) Resume(ctx context.Context, id, reason string) (*agreement.Agreement, error) {
	return s.act(ctx, "resume", id, reason, func(a *agreement.Agreement) error {
		if a.SuspendedFrom == nil {
			return fmt.Errorf("%w: %s is not suspended", agreement.ErrState, a.Key())
		}
		a.SuspendedFrom, a.Reason = nil, ""
		return nil
	})
}

// Terminate ends an agreement for good.
func (s *Service) Terminate(ctx context.Context, id, reason string) (*agreement.Agreement, error) {
	return s.act(ctx, "terminate", id, reason, func(a *agreement.Agreement) error {
		now := s.now()
		a.State, a.EndedAt, a.Reason = agreement.StateTerminated, &now, reason
		return nil
	})
}

// act changes the accepted version of an agreement; a reason is always needed
// (NĐ 194/2025/NĐ-CP Đ16).
func (s *Service) act(ctx context.Context, verb, id, reason string, change func(*agreement.Agreement) error) (*agreement.Agreement, error) {
	s.change.Lock()
	defer s.change.Unlock()
	if reason == "" {
		return nil, fmt.Errorf("%w: the reason must be told", agreement.ErrInvalid)
	}
	version, err := s.inForce(ctx, id)
	if err != nil {
		return nil, err
	}
	a, who, err := s.authorized(ctx, "policy.agreement."+verb, id, version)
	if err != nil {
		return nil, err
	}
	if !s.party(a, who.AgencyID) {
		return nil, fmt.Errorf("%w: %s is no party of the agreement", agreement.ErrSide, who.AgencyID)
	}
	err = change(a)
	if err != nil {
		return nil, err
	}
	return a, s.keep(ctx, a, verb, reason, func(ctx context.Context, tx bun.IDB, a *agreement.Agreement) error {
		return agreement.Update(ctx, tx, a, agreement.StateAccepted)
	})
}

func (s *Service) inForce(ctx context.Context, id string) (int, error) {
	list, err := agreement.List(ctx, s.DB)
	if err != nil {
		return 0, err
	}
	found := false
	for _, a := range list {
		if a.ID != id {
			continue
		}
		found = true
		if a.State == agreement.StateAccepted {
			return a.Version, nil
		}
	}
	if !found {
		return 0, fmt.Errorf("%w: %q", agreement.ErrNotFound, id)
	}
	return 0, fmt.Errorf("%w: no version of %s is accepted", agreement.ErrState, id)
}

// authorized reads the version and asks whether who acts may do so.
func (s *Service) authorized(ctx context.Context, action, id string, version int) (*agreement.Agreement, auth.Subject, error) {
	who := auth.SubjectFrom(ctx)
	a, err := agreement.Get(ctx, s.DB, id, version)
	if err != nil {
		return nil, who, err
	}
	err = s.Authorize(ctx, who, action, auth.Resource{
		Kind: "agreement", ID: a.Key(), AgencyID: a.ProviderID, CreatedBy: a.ProposedBy,
	})
	return a, who, err
}

func (s *Service) party(a *agreement.Agreement, agency string) bool {
	return agency != "" && (agency == a.ProviderID || agency == a.ConsumerID || agency == s.Coordinator)
}

// name gives a new agreement its id, or the next version of one that stands.
func (s *Service) name(ctx context.Context, a *agreement.Agreement) error {
	if a.ID != "" {
		last, err := agreement.Get(ctx, s.DB, a.ID, 0)
		if err != nil {
			return err
		}
		if last.DatasetID != a.DatasetID || last.ConsumerID != a.ConsumerID {
			return fmt.Errorf("%w: %s is an agreement of other parties", agreement.ErrInvalid, a.ID)
		}
		a.Version = last.Version + 1
		return nil
	}
	for n := 1; ; n++ {
		a.ID = fmt.Sprintf("tt-%s-%s-%d", a.DatasetID, a.ConsumerID, n)
		taken, err := s.DB.NewSelect().Model((*agreement.Agreement)(nil)).Where("id = ?", a.ID).Exists(ctx)
		if err != nil {
			return fmt.Errorf("name the agreement: %w", err)
		}
		if !taken {
			return nil
		}
	}
}

// keep writes the act to the ledger, then the change, the act and the new
// revision in one transaction: nothing is in force that the ledger lacks.
func (s *Service) keep(ctx context.Context, a *agreement.Agreement, verb, reason string, write func(context.Context, bun.IDB, *agreement.Agreement) error) error {
	who := auth.SubjectFrom(ctx)
	return s.keepBy(ctx, a, verb, reason, who.AccountID, who.AgencyID, write)
}

func (s *Service) keepBy(ctx context.Context, a *agreement.Agreement, verb, reason, actor, agency string, write func(context.Context, bun.IDB, *agreement.Agreement) error) error {
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode agreement %s: %w", a.Key(), err)
	}
	sum := sha256.Sum256(text)
	now := s.now()
	receipt, err := s.Ledger.Append(ctx, ledger.Entry{
		Time: now, Kind: "policy.agreement." + verb, Actor: actor, Agency: agency, Object: a.Key(), Digest: hex.EncodeToString(sum[:]),
		Detail: map[string]string{"dataset": a.DatasetID, "provider": a.ProviderID, "consumer": a.ConsumerID, "state": a.State},
	})
	if err != nil {
		return fmt.Errorf("write agreement %s to the ledger: %w", a.Key(), err)
	}
	return s.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		err := write(ctx, tx, a)
		if err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(&agreement.Event{
			AgreementID: a.ID, Version: a.Version, Act: verb, Actor: actor, AgencyID: agency, At: now, Reason: reason, LedgerIndex: receipt.Index,
		}).Exec(ctx)
		if err != nil {
			return fmt.Errorf("keep act on agreement %s: %w", a.Key(), err)
		}
		return bump(ctx, tx)
	})
}

// now is the time as both databases keep it.
func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Microsecond) }
