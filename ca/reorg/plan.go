package reorg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
)

// ActionKind is what an item does.
type ActionKind string

// The kinds of action.
const (
	AgencyCreate      ActionKind = "agency.create"
	AgencyChange      ActionKind = "agency.change"
	AgencyEnd         ActionKind = "agency.end"
	PositionMove      ActionKind = "position.move"
	PositionEnd       ActionKind = "position.end"
	NetworkMove       ActionKind = "network.move"
	AccountMove       ActionKind = "account.move"
	AccountDisable    ActionKind = "account.disable"
	CertificateChange ActionKind = "certificate.change"
	CertificateRevoke ActionKind = "certificate.revoke"
	// Notice changes nothing: it says what a person must still see to.
	Notice ActionKind = "notice"
)

// Action is one item of a plan.
type Action struct {
	Kind ActionKind `json:"kind"`
	// Object is the id of the agency, position, network or account, or the
	// serial number of the certificate.
	Object string `json:"object"`
	// Holder is whom a position or certificate is of, in words.
	Holder string `json:"holder,omitempty"`
	// Agency is the agency to be made, or what it becomes; Was what it was.
	Agency *directory.Agency `json:"agency,omitempty"`
	Was    *directory.Agency `json:"was,omitempty"`
	// Position is the new position; Ends the one that ends.
	Position *directory.Position `json:"position,omitempty"`
	Ends     *directory.Position `json:"ends,omitempty"`
	// From and To are agencies by id.
	From    string   `json:"from,omitempty"`
	To      string   `json:"to,omitempty"`
	Profile string   `json:"profile,omitempty"`
	Cause   ca.Cause `json:"cause,omitempty"`
	// Note is a code that the pages and the command line put into words.
	Note string `json:"note,omitempty"`
}

// Notes.
const (
	noteSealNew    = "seal-new"    // the new agency has no seal yet: request one
	noteEnrolAgain = "enrol-again" // a machine must enrol under the new agency
	noteLeaves     = "leaves"      // the holder leaves
)

// Plan is what follows from an order today.
type Plan struct {
	Order   Order    `json:"order"`
	Actions []Action `json:"actions"`
	// Digest is the SHA-256 of order and actions in hex: what is approved.
	Digest string `json:"digest"`
}

// Count counts the actions by kind.
func (p *Plan) Count() map[ActionKind]int {
	n := map[ActionKind]int{}
	for _, a := range p.Actions {
		n[a.Kind]++
	}
	return n
}

// Plan tells what would follow from the order, and changes nothing.
func (s *Service) Plan(ctx context.Context, o *Order) (*Plan, error) {
	err := s.authorize(ctx, ActionRead, auth.Resource{Kind: ResourceKind})
	if err != nil {
		return nil, err
	}
	return s.plan(ctx, o)
}

func (s *Service) plan(ctx context.Context, o *Order) (*Plan, error) {
	err := o.check()
	if err != nil {
		return nil, err
	}
	fixed := *o
	if fixed.Effective.IsZero() {
		fixed.Effective = s.deps.Clock.Now()
	}
	fixed.Effective = fixed.Effective.UTC().Truncate(time.Second)
	p := &planner{s: s, at: fixed.Effective, made: map[string]*directory.Agency{}, away: map[string]bool{}}
	for i, step := range fixed.Steps {
		err := p.step(ctx, step)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	plan := &Plan{Order: fixed, Actions: slices.Concat(p.directory, p.certificates, p.ends, p.notices)}
	plan.Digest, err = plan.digest()
	return plan, err
}

func (p *Plan) digest() (string, error) {
	b, err := json.Marshal(struct {
		Order   Order
		Actions []Action
	}{p.Order, p.Actions})
	if err != nil {
		return "", fmt.Errorf("digest of the plan: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// planner gathers actions in the order in which they are done: the directory
// first, because certificates are made from it; the end of agencies last.
type planner struct {
	s    *Service
	at   time.Time
	made map[string]*directory.Agency // agencies that the order itself makes
	away map[string]bool              // agencies that an earlier step ends or moves

	directory, certificates, ends, notices []Action
}

func (p *planner) step(ctx context.Context, step Step) error {
	switch {
	case step.Merge != nil:
		return p.merge(ctx, step.Merge)
	case step.Split != nil:
		return p.split(ctx, step.Split)
	case step.Rename != nil:
		return p.rename(ctx, step.Rename)
	case step.Move != nil:
		return p.move(ctx, step.Move)
	default:
		return p.dissolve(ctx, step.Dissolve)
	}
}

// standing reads an agency that exists just before the order takes force.
func (p *planner) standing(ctx context.Context, id string) (*directory.Agency, error) {
	a, err := p.s.deps.Directory.Agency(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOrder, err)
	}
	if p.at.Before(a.ValidFrom) || a.ValidTo != nil && !p.at.Before(*a.ValidTo) {
		return nil, fmt.Errorf("%w: agency %q does not exist at %s", ErrOrder, id, p.at.Format(time.RFC3339))
	}
	return a, nil
}

// target gives the agency that others become: one that is made, or one that
// stands.
func (p *planner) target(ctx context.Context, t Target, predecessor string) (a *directory.Agency, fresh bool, err error) {
	if t.Name == "" {
		a, err = p.reachable(ctx, t.ID)
		return a, false, err
	}
	made := t.agency(p.at, predecessor)
	if made.ParentID != "" {
		_, err = p.reachable(ctx, made.ParentID)
		if err != nil {
			return nil, false, fmt.Errorf("parent of %q: %w", t.ID, err)
		}
	}
	err = made.Check()
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrOrder, err)
	}
	_, err = p.s.deps.Directory.Agency(ctx, t.ID)
	if !errors.Is(err, directory.ErrNotFound) || p.made[t.ID] != nil {
		return nil, false, fmt.Errorf("%w: the id %q is taken; leave the name out to mean the agency that stands", ErrOrder, t.ID)
	}
	p.made[t.ID] = &made
	p.directory = append(p.directory, Action{Kind: AgencyCreate, Object: made.ID, Agency: &made})
	return &made, true, nil
}

// reachable is an agency that stands or that the order makes.
func (p *planner) reachable(ctx context.Context, id string) (*directory.Agency, error) {
	made := p.made[id]
	if made != nil {
		return made, nil
	}
	return p.standing(ctx, id)
}

func (p *planner) merge(ctx context.Context, m *Merge) error {
	into, fresh, err := p.target(ctx, m.Into, m.Keep)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, id := range m.From {
		from, err := p.standing(ctx, id)
		if err != nil {
			return err
		}
		people, err := p.follow(ctx, from, into.ID, m.People, known)
		if err != nil {
			return err
		}
		err = p.hold(ctx, from, into, people, ca.CauseAgencyMerged, id == m.Keep)
		if err != nil {
			return err
		}
		err = p.close(ctx, from, into.ID, nil)
		if err != nil {
			return err
		}
	}
	if fresh && m.Keep == "" {
		p.notices = append(p.notices, Action{Kind: Notice, Object: into.ID, Holder: into.Name, Note: noteSealNew})
	}
	return allKnown(m.People, known)
}

func (p *planner) split(ctx context.Context, sp *Split) error {
	from, err := p.standing(ctx, sp.Agency)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, t := range sp.Into {
		into, fresh, err := p.target(ctx, t, sp.Agency)
		if err != nil {
			return err
		}
		if fresh {
			p.notices = append(p.notices, Action{Kind: Notice, Object: into.ID, Holder: into.Name, Note: noteSealNew})
		}
	}
	people, err := p.follow(ctx, from, "", sp.People, known)
	if err != nil {
		return err
	}
	err = p.hold(ctx, from, nil, people, ca.CauseAgencySplit, false)
	if err != nil {
		return err
	}
	err = p.close(ctx, from, sp.Into[0].ID, sp.Networks)
	if err != nil {
		return err
	}
	return allKnown(sp.People, known)
}

func (p *planner) dissolve(ctx context.Context, d *Dissolve) error {
	from, err := p.standing(ctx, d.Agency)
	if err != nil {
		return err
	}
	children, err := p.children(ctx, from.ID)
	if err != nil {
		return err
	}
	if len(children) > 0 {
		return fmt.Errorf("%w: %q has %d agencies below it; move or dissolve them first", ErrOrder, from.ID, len(children))
	}
	known := map[string]bool{}
	people, err := p.follow(ctx, from, "", d.People, known)
	if err != nil {
		return err
	}
	err = p.hold(ctx, from, nil, people, ca.CauseAgencyDissolved, false)
	if err != nil {
		return err
	}
	p.end(from, "")
	return allKnown(d.People, known)
}

func (p *planner) rename(ctx context.Context, r *Rename) error {
	was, err := p.standing(ctx, r.Agency)
	if err != nil {
		return err
	}
	becomes := *was
	for _, part := range []struct {
		to   *string
		from string
	}{{&becomes.Code, r.To.Code}, {&becomes.Name, r.To.Name}, {&becomes.NameEN, r.To.NameEN}, {&becomes.Abbreviation, r.To.Abbreviation},
		{&becomes.Kind, r.To.Kind}, {&becomes.ParentID, r.To.Parent}} {
		if part.from != "" {
			*part.to = part.from
		}
	}
	err = becomes.Check()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOrder, err)
	}
	if becomes == *was {
		return fmt.Errorf("%w: nothing of %q changes", ErrOrder, r.Agency)
	}
	p.directory = append(p.directory, Action{Kind: AgencyChange, Object: was.ID, Agency: &becomes, Was: was})
	if becomes.Name == was.Name && becomes.Code == was.Code {
		return nil // certificates say neither kind nor parent
	}
	return p.reword(ctx, was)
}

// reword changes the information of all certificates that bear the agency's
// name.
func (p *planner) reword(ctx context.Context, a *directory.Agency) error {
	held, err := p.s.deps.CA.InForce(ctx, a.ID, p.at)
	if err != nil {
		return err
	}
	for _, c := range held {
		// The holder did not change: the decision of the authority did it.
		cause := ca.CauseAuthority
		if c.Machine != "" {
			cause = ca.CauseStopped
		}
		err = p.changeOrRevoke(ctx, c, a.ID, cause)
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) move(ctx context.Context, m *Move) error {
	was, err := p.standing(ctx, m.Agency)
	if err != nil {
		return err
	}
	_, err = p.reachable(ctx, m.Parent)
	if err != nil {
		return err
	}
	becomes := *was
	becomes.ParentID = m.Parent
	p.away[was.ID] = true
	p.directory = append(p.directory, Action{Kind: AgencyChange, Object: was.ID, Agency: &becomes, Was: was})
	return nil
}

func allKnown(people []Person, known map[string]bool) error {
	for _, person := range people {
		if !known[person.ID] {
			return fmt.Errorf("%w: %s holds no position at these agencies", ErrOrder, person.ID)
		}
	}
	return nil
}
