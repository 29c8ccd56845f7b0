// Package reorg carries a re-organisation of agencies through (R8): agencies
// are merged, split, renamed, moved under another or dissolved, and what hangs
// on them follows: positions, networks, accounts and certificates.
//
// An order says what is decided. A plan is what follows from it today, item by
// item; to plan changes nothing (the dry run). One person submits the order,
// another approves the very plan that was shown, then it is executed item by
// item, each recorded before the next, and can be resumed. The undo list says
// for each item done what takes it back, and what cannot be taken back: a
// revocation is final (NĐ 68/2024 art. 17).
//
// The rule for certificates: one agency keeps its key and has its certificate's
// information changed, the others' are revoked; people keep their keys and have
// their information changed. What was signed before still verifies, because
// revocations bear the day of the change.
//
// It does not move documents, shared data or agreements: those belong to other
// rooms, and their owners find the successor in the directory.
package reorg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/internal/directory"
)

// Errors of re-organisations.
var (
	// ErrOrder says that the order does not hold together.
	ErrOrder = errors.New("reorg: order refused")
	// ErrNotFound says that no re-organisation has that id.
	ErrNotFound = errors.New("reorg: not found")
	// ErrState says that the act does not fit the state of the re-organisation.
	ErrState = errors.New("reorg: in another state")
	// ErrSamePerson is the rule of the two persons.
	ErrSamePerson = errors.New("reorg: who submits may not approve")
	// ErrChanged says that the plan that was shown is no longer what would be
	// done: somebody moved, a certificate was issued. Submit the order again.
	ErrChanged = errors.New("reorg: the plan changed since it was submitted")
	// ErrEarly says that the day of the re-organisation has not come.
	ErrEarly = errors.New("reorg: not in force yet")
	// ErrActor says that nobody is signed in.
	ErrActor = errors.New("reorg: no actor")
	// ErrIncomplete says that items were not done; run it again.
	ErrIncomplete = errors.New("reorg: not all items were done")
	// ErrLedger says that the ledger refused an entry; the act did not take
	// place.
	ErrLedger = errors.New("reorg: ledger refused")
)

const (
	// maxOrder bounds an order: the largest merger of a province names some
	// hundreds of agencies.
	maxOrder = 1 << 20
	maxSteps = 1000
	maxText  = 500
)

// Order is a decision on agencies, as YAML.
type Order struct {
	Title string `yaml:"title" json:"title"`
	// LegalBasis names the decision, such as "NQ 12/2026/NQ-HĐND".
	LegalBasis string `yaml:"legal_basis" json:"legal_basis"`
	// Effective is when it takes force; the time of submission when left out.
	Effective time.Time `yaml:"effective,omitempty" json:"effective"`
	Steps     []Step    `yaml:"steps" json:"steps"`
}

// Step is one change; exactly one of its parts is given.
type Step struct {
	Merge    *Merge    `yaml:"merge,omitempty" json:"merge,omitempty"`
	Split    *Split    `yaml:"split,omitempty" json:"split,omitempty"`
	Rename   *Rename   `yaml:"rename,omitempty" json:"rename,omitempty"`
	Move     *Move     `yaml:"move,omitempty" json:"move,omitempty"`
	Dissolve *Dissolve `yaml:"dissolve,omitempty" json:"dissolve,omitempty"`
}

// Target is an agency to be made, or the id of one that stands.
type Target struct {
	ID           string `yaml:"id" json:"id"`
	Code         string `yaml:"code,omitempty" json:"code,omitempty"`
	Name         string `yaml:"name,omitempty" json:"name,omitempty"`
	NameEN       string `yaml:"name_en,omitempty" json:"name_en,omitempty"`
	Abbreviation string `yaml:"abbreviation,omitempty" json:"abbreviation,omitempty"`
	Kind         string `yaml:"kind,omitempty" json:"kind,omitempty"`
	Parent       string `yaml:"parent,omitempty" json:"parent,omitempty"`
}

// Person says what becomes of one person; whoever is not named goes with the
// agency and keeps the title.
type Person struct {
	ID string `yaml:"person" json:"person"`
	// To is the agency the person goes to; needed at a split and at a
	// dissolution, where there is no single successor.
	To      string `yaml:"to,omitempty" json:"to,omitempty"`
	Title   string `yaml:"title,omitempty" json:"title,omitempty"`
	TitleEN string `yaml:"title_en,omitempty" json:"title_en,omitempty"`
	// Leaves is the cause by which the person's certificates are revoked:
	// post-changed, retired, resigned or died.
	Leaves ca.Cause `yaml:"leaves,omitempty" json:"leaves,omitempty"`
}

// Merge joins agencies into one, which is new or one that stands.
type Merge struct {
	From []string `yaml:"from" json:"from"`
	Into Target   `yaml:"into" json:"into"`
	// Keep names the agency whose seal goes on, its information changed; only
	// where Into is new. Without it every seal is revoked.
	Keep   string   `yaml:"keep,omitempty" json:"keep,omitempty"`
	People []Person `yaml:"people,omitempty" json:"people,omitempty"`
}

// Split divides an agency into several.
type Split struct {
	Agency string   `yaml:"agency" json:"agency"`
	Into   []Target `yaml:"into" json:"into"`
	// People must name everybody; Networks gives ranges by id to a successor,
	// the first when not named.
	People   []Person          `yaml:"people,omitempty" json:"people,omitempty"`
	Networks map[string]string `yaml:"networks,omitempty" json:"networks,omitempty"`
}

// Rename gives an agency another name, code or kind; it stays the same agency.
type Rename struct {
	Agency string `yaml:"agency" json:"agency"`
	To     Target `yaml:"to" json:"to"`
}

// Move puts an agency under another one.
type Move struct {
	Agency string `yaml:"agency" json:"agency"`
	Parent string `yaml:"parent" json:"parent"`
}

// Dissolve ends an agency without successor. People who are named with To go
// there; the others leave.
type Dissolve struct {
	Agency string   `yaml:"agency" json:"agency"`
	People []Person `yaml:"people,omitempty" json:"people,omitempty"`
}

// Template is an order with every kind of step, to be edited.
const Template = `# A re-organisation of agencies. Dry run: antin ca reorg plan FILE
title: Hợp nhất ba xã
legal_basis: NQ 12/2026/NQ-HĐND
effective: 2027-01-01T00:00:00+07:00   # the time of submission when left out
steps:
  - merge:
      from: [xa-a, xa-b, xa-c]
      into: {id: xa-moi, code: "H99.60", name: "Ủy ban nhân dân Xã Mới", name_en: "Moi Commune People's Committee", abbreviation: UBND, kind: commune, parent: ubnd}
      keep: xa-a              # its seal goes on with changed information; the others' are revoked
      people:
        - {person: p-an, title: "Phó Chủ tịch", title_en: "Vice Chairman"}
        - {person: p-ba, leaves: retired}
  - merge: {from: [xa-d], into: {id: xa-e}}      # into an agency that stands and keeps its name
  - split:
      agency: so-x
      into:
        - {id: so-y, code: "H99.61", name: "Sở Y", kind: department, parent: ubnd}
        - {id: so-z, code: "H99.62", name: "Sở Z", kind: department, parent: ubnd}
      people: [{person: p-tu, to: so-y}, {person: p-nam, to: so-z}]
  - rename: {agency: so-k, to: {name: "Sở K và L", name_en: "Department of K and L"}}
  - move: {agency: trung-tam-m, parent: so-k}
  - dissolve: {agency: ban-n, people: [{person: p-sau, to: ubnd, title: "Chuyên viên"}]}
`

// ReadOrder reads an order. Unknown keys are refused.
func ReadOrder(r io.Reader) (*Order, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxOrder+1))
	if err != nil {
		return nil, fmt.Errorf("read order: %w", err)
	}
	if len(b) > maxOrder {
		return nil, fmt.Errorf("%w: over %d bytes", ErrOrder, maxOrder)
	}
	var o Order
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	err = dec.Decode(&o)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOrder, err)
	}
	return &o, o.check()
}

// check looks at the order alone, without the directory.
func (o *Order) check() error {
	switch {
	case o.Title == "" || o.LegalBasis == "":
		return fmt.Errorf("%w: title and legal_basis must be given", ErrOrder)
	case len(o.Title) > maxText || len(o.LegalBasis) > maxText:
		return fmt.Errorf("%w: title or legal_basis over %d bytes", ErrOrder, maxText)
	case len(o.Steps) == 0 || len(o.Steps) > maxSteps:
		return fmt.Errorf("%w: %d steps, want 1 to %d", ErrOrder, len(o.Steps), maxSteps)
	}
	touched := map[string]int{}
	for i, s := range o.Steps {
		ends, err := s.check()
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		for _, id := range ends {
			if touched[id] != 0 {
				return fmt.Errorf("%w: step %d: agency %q stands in step %d already", ErrOrder, i+1, id, touched[id])
			}
			touched[id] = i + 1
		}
	}
	return nil
}

// check returns the agencies that the step changes or ends.
func (s Step) check() ([]string, error) {
	given := 0
	for _, is := range []bool{s.Merge != nil, s.Split != nil, s.Rename != nil, s.Move != nil, s.Dissolve != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, fmt.Errorf("%w: want one of merge, split, rename, move, dissolve, got %d", ErrOrder, given)
	}
	switch {
	case s.Merge != nil:
		return s.Merge.check()
	case s.Split != nil:
		return s.Split.check()
	case s.Rename != nil:
		if s.Rename.Agency == "" || s.Rename.To.ID != "" {
			return nil, fmt.Errorf("%w: rename names an agency, whose id stays", ErrOrder)
		}
		return []string{s.Rename.Agency}, nil
	case s.Move != nil:
		if s.Move.Agency == "" || s.Move.Parent == "" || s.Move.Agency == s.Move.Parent {
			return nil, fmt.Errorf("%w: move names an agency and another one above it", ErrOrder)
		}
		return []string{s.Move.Agency}, nil
	default:
		if s.Dissolve.Agency == "" {
			return nil, fmt.Errorf("%w: dissolve names no agency", ErrOrder)
		}
		return []string{s.Dissolve.Agency}, checkPeople(s.Dissolve.People)
	}
}

func (m *Merge) check() ([]string, error) {
	switch {
	case len(m.From) == 0 || m.Into.ID == "":
		return nil, fmt.Errorf("%w: merge names agencies and what they become", ErrOrder)
	case slices.Contains(m.From, m.Into.ID):
		return nil, fmt.Errorf("%w: %q cannot be merged into itself; leave it out of from", ErrOrder, m.Into.ID)
	case m.Keep != "" && !slices.Contains(m.From, m.Keep):
		return nil, fmt.Errorf("%w: keep %q is not among from", ErrOrder, m.Keep)
	case m.Keep != "" && m.Into.Name == "":
		return nil, fmt.Errorf("%w: %q stands and keeps its own seal: keep has no meaning", ErrOrder, m.Into.ID)
	case len(m.From) == 1 && m.Into.Name != "":
		return nil, fmt.Errorf("%w: one agency is renamed, not merged", ErrOrder)
	}
	return m.From, checkPeople(m.People)
}

func (s *Split) check() ([]string, error) {
	if s.Agency == "" || len(s.Into) < 2 {
		return nil, fmt.Errorf("%w: split names an agency and two or more that it becomes", ErrOrder)
	}
	for _, t := range s.Into {
		if t.ID == "" || t.ID == s.Agency {
			return nil, fmt.Errorf("%w: a part of %q has no id of its own", ErrOrder, s.Agency)
		}
	}
	return []string{s.Agency}, checkPeople(s.People)
}

func checkPeople(people []Person) error {
	seen := map[string]bool{}
	for _, p := range people {
		switch {
		case p.ID == "" || seen[p.ID]:
			return fmt.Errorf("%w: person %q without id or twice", ErrOrder, p.ID)
		case p.Leaves != "" && (p.To != "" || p.Title != ""):
			return fmt.Errorf("%w: person %s leaves and goes elsewhere", ErrOrder, p.ID)
		case p.Leaves != "" && !slices.Contains(leavingCauses(), p.Leaves):
			return fmt.Errorf("%w: person %s: leaves is one of %v", ErrOrder, p.ID, leavingCauses())
		}
		seen[p.ID] = true
	}
	return nil
}

// local is the province's time zone: Viet Nam has one and no summer time.
func local() *time.Location { return time.FixedZone("+07", 7*60*60) }

// timeOf reads a day or a time of the province, or an exact time (RFC 3339).
func timeOf(text string) (time.Time, error) {
	for _, form := range []string{time.DateOnly, "2006-01-02T15:04", time.RFC3339} {
		at, err := time.ParseInLocation(form, text, local())
		if err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: %q is not a day such as 2027-01-01", ErrOrder, text)
}

func leavingCauses() []ca.Cause {
	return []ca.Cause{ca.CausePostChanged, ca.CauseRetired, ca.CauseResigned, ca.CauseDied}
}

// agency is the target as an agency that begins at the time.
func (t Target) agency(from time.Time, predecessor string) directory.Agency {
	return directory.Agency{ID: t.ID, Code: t.Code, Name: t.Name, NameEN: t.NameEN, Abbreviation: t.Abbreviation, Kind: t.Kind,
		ParentID: t.Parent, PredecessorID: predecessor, ValidFrom: from.UTC()}
}
