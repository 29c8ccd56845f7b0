package policy

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/policy/agreement"
	"github.com/antin-gov/antin/policy/catalogue"
	"github.com/antin-gov/antin/policy/engine"
	"github.com/antin-gov/antin/policy/record"
)

// unusedAfter is how long an agreement may give nothing before the map calls
// it unused (R35).
const unusedAfter = 90 * 24 * time.Hour

// States of a cell, from what the policy answered.
const (
	CellOwner     = "owner"     // the agency's own database
	CellShared    = "shared"    // at least one agreement gives fields
	CellProposed  = "proposed"  // an agreement waits for acceptance
	CellSuspended = "suspended" // there is an agreement, suspended
	CellExpired   = "expired"   // there is an agreement, its term is over or not begun
	CellNone      = "none"      // no agreement
)

// Grant is the answer for one purpose and operation.
type Grant struct {
	Purpose   string           `json:"purpose"`
	Operation string           `json:"operation"`
	Agreement string           `json:"agreement,omitempty"`
	Decision  *engine.Decision `json:"decision"`
}

// Cell says what one agency has of one database, and why.
type Cell struct {
	Agency  string `json:"agency"`
	Dataset string `json:"dataset"`
	State   string `json:"state"`
	// Fields that are given by any grant, and those that are given masked.
	Fields []string `json:"fields,omitempty"`
	Masked []string `json:"masked,omitempty"`
	Grants []Grant  `json:"grants"`
}

// Unused is an agreement in force that gave nothing for a long time.
type Unused struct {
	Agreement string     `json:"agreement"`
	Dataset   string     `json:"dataset"`
	Consumer  string     `json:"consumer"`
	LastUse   *time.Time `json:"last_use,omitempty"`
}

// Map is the information-sharing map (R35), computed from policy and live
// agreements by asking the engine for every cell.
type Map struct {
	At       time.Time           `json:"at"`
	Revision string              `json:"revision"`
	Agencies []directory.Agency  `json:"agencies"`
	Datasets []catalogue.Dataset `json:"datasets"`
	// Cells in order of agencies, then datasets.
	Cells []Cell `json:"cells"`
	// Unshared are databases of which nobody but the owner has anything though
	// they hold fields for sharing; Outside are agencies that have nothing of
	// anybody's; both are the gaps of R35.
	Unshared []string `json:"unshared"`
	Outside  []string `json:"outside"`
	Unused   []Unused `json:"unused"`
	Counts   Counts   `json:"counts"`
}

// Counts sums up a map.
type Counts struct {
	Agencies    int `json:"agencies"`
	Datasets    int `json:"datasets"`
	Shared      int `json:"shared"`
	Evaluations int `json:"evaluations"`
}

// maxMapAge is how old a map may be shown while nothing changed: a term may
// begin or end with the time alone.
const maxMapAge = time.Minute

// Map returns the sharing map as it stands now, for a signed-in account. It is
// shared between callers and must not be changed.
func (s *Service) Map(ctx context.Context) (*Map, error) {
	err := s.Authorize(ctx, auth.SubjectFrom(ctx), "policy.catalogue.read", auth.Resource{Kind: "catalogue"})
	if err != nil {
		return nil, err
	}
	err = s.refresh(ctx)
	if err != nil {
		return nil, err
	}
	s.mapMu.Lock()
	defer s.mapMu.Unlock()
	age := s.Clock.Now().Sub(s.lastMapAt())
	if s.lastMap != nil && s.lastMap.Revision == s.engine.Revision() && age >= 0 && age < maxMapAge {
		return s.lastMap, nil
	}
	m, err := s.compute(ctx)
	if err != nil {
		return nil, err
	}
	s.lastMap = m
	return m, nil
}

func (s *Service) lastMapAt() time.Time {
	if s.lastMap == nil {
		return time.Time{}
	}
	return s.lastMap.At
}

// Cell answers for one agency and one database as of now.
func (s *Service) Cell(ctx context.Context, agency, dataset string) (*Cell, error) {
	err := s.Authorize(ctx, auth.SubjectFrom(ctx), "policy.catalogue.read", auth.Resource{Kind: "catalogue"})
	if err != nil {
		return nil, err
	}
	err = s.refresh(ctx)
	if err != nil {
		return nil, err
	}
	agreements, err := agreement.List(ctx, s.DB)
	if err != nil {
		return nil, err
	}
	var pair []*agreement.Agreement
	for i := range agreements {
		if agreements[i].ConsumerID == agency && agreements[i].DatasetID == dataset {
			pair = append(pair, &agreements[i])
		}
	}
	cell, err := s.cell(ctx, &Map{At: s.now()}, agency, dataset, pair)
	return &cell, err
}

func (s *Service) compute(ctx context.Context) (*Map, error) {
	var err error
	m := &Map{At: s.now(), Cells: []Cell{}, Unshared: []string{}, Outside: []string{}, Unused: []Unused{}}
	m.Agencies, err = s.Directory.Agencies(ctx, m.At)
	if err != nil {
		return nil, err
	}
	m.Datasets, err = catalogue.List(ctx, s.DB)
	if err != nil {
		return nil, err
	}
	agreements, err := agreement.List(ctx, s.DB)
	if err != nil {
		return nil, err
	}
	m.Revision = s.engine.Revision()
	pairs := map[[2]string][]*agreement.Agreement{}
	for i := range agreements {
		a := &agreements[i]
		pairs[[2]string{a.ConsumerID, a.DatasetID}] = append(pairs[[2]string{a.ConsumerID, a.DatasetID}], a)
	}
	for _, agency := range m.Agencies {
		for _, dataset := range m.Datasets {
			cell, err := s.cell(ctx, m, agency.ID, dataset.ID, pairs[[2]string{agency.ID, dataset.ID}])
			if err != nil {
				return nil, err
			}
			m.Cells = append(m.Cells, cell)
		}
	}
	err = s.gaps(ctx, m, agreements)
	return m, err
}

// question is a purpose and operation that the agreements of a pair name.
type question struct{ purpose, operation string }

// cell asks the engine for each purpose and operation that any agreement of
// the pair names; where none stands, for a purpose that nobody has.
func (s *Service) cell(ctx context.Context, m *Map, agency, dataset string, agreements []*agreement.Agreement) (Cell, error) {
	cell := Cell{Agency: agency, Dataset: dataset, State: CellNone}
	for _, q := range questions(agreements) {
		decision, err := s.engine.Decide(ctx, engine.Query{
			Agency: agency, Dataset: dataset, Purpose: q.purpose, Operation: q.operation, At: m.At,
		})
		if err != nil {
			return cell, err
		}
		m.Counts.Evaluations++
		cell.Grants = append(cell.Grants, Grant{Purpose: q.purpose, Operation: q.operation, Agreement: decision.AgreementID, Decision: decision})
		cell.judge(decision)
	}
	slices.Sort(cell.Fields)
	cell.Fields = slices.Compact(cell.Fields)
	slices.Sort(cell.Masked)
	cell.Masked = slices.Compact(cell.Masked)
	return cell, nil
}

func questions(agreements []*agreement.Agreement) []question {
	var list []question
	for _, a := range agreements {
		if a.State == agreement.StateSuperseded || a.State == agreement.StateTerminated {
			continue
		}
		for _, purpose := range a.Purposes {
			for _, operation := range a.Operations {
				if !slices.Contains(list, question{purpose, operation}) {
					list = append(list, question{purpose, operation})
				}
			}
		}
	}
	if len(list) == 0 {
		list = append(list, question{"any", agreement.OperationQuery})
	}
	return list
}

// refusedState returns the state that a refusal gives a cell.
func refusedState(d *engine.Decision) string {
	switch {
	case d.Has("agreement-suspended"):
		return CellSuspended
	case d.Has("agreement-proposed"):
		return CellProposed
	case d.Has("agreement-expired"), d.Has("agreement-not-begun"):
		return CellExpired
	}
	return CellNone
}

func (c *Cell) judge(d *engine.Decision) {
	if d.Allow {
		for name, treatment := range d.Fields {
			if treatment != engine.Drop {
				c.Fields = append(c.Fields, name)
			}
			if treatment == engine.Masked {
				c.Masked = append(c.Masked, name)
			}
		}
		c.State = CellShared
		if d.Has("owner") {
			c.State = CellOwner
		}
		return
	}
	if c.State == CellNone {
		c.State = refusedState(d)
	}
}

// gaps fills what is missing and what is unused.
func (s *Service) gaps(ctx context.Context, m *Map, agreements []agreement.Agreement) error {
	given, having := map[string]bool{}, map[string]bool{}
	for _, cell := range m.Cells {
		if cell.State == CellShared {
			m.Counts.Shared++
			given[cell.Dataset], having[cell.Agency] = true, true
		}
	}
	for _, d := range m.Datasets {
		sharable := slices.ContainsFunc(d.Fields, func(f catalogue.Field) bool { return f.Sharing == catalogue.SharingShared })
		if sharable && !given[d.ID] {
			m.Unshared = append(m.Unshared, d.ID)
		}
	}
	for _, a := range m.Agencies {
		if !having[a.ID] {
			m.Outside = append(m.Outside, a.ID)
		}
	}
	m.Counts.Agencies, m.Counts.Datasets = len(m.Agencies), len(m.Datasets)
	last, err := record.LastUse(ctx, s.DB)
	if err != nil {
		return err
	}
	for i := range agreements {
		a := &agreements[i]
		if !a.Live(m.At) || m.At.Sub(a.ValidFrom) < unusedAfter {
			continue
		}
		used, ever := last[a.Key()]
		if ever && m.At.Sub(used) < unusedAfter {
			continue
		}
		one := Unused{Agreement: a.Key(), Dataset: a.DatasetID, Consumer: a.ConsumerID}
		if ever {
			one.LastUse = &used
		}
		m.Unused = append(m.Unused, one)
	}
	slices.SortFunc(m.Unused, func(a, b Unused) int { return strings.Compare(a.Agreement, b.Agreement) })
	return nil
}

// Cell returns the cell of the agency and dataset, nil when there is none.
func (m *Map) Cell(agency, dataset string) *Cell {
	for i := range m.Cells {
		if m.Cells[i].Agency == agency && m.Cells[i].Dataset == dataset {
			return &m.Cells[i]
		}
	}
	return nil
}
