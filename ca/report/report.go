// Package report tells how far certification has come (R9, R10, R50): coverage
// of the agencies, what expires, what was done in a year or half a year, and
// the list of acts with their places in the ledger. Each report can be had as
// figures or as a document in the form of NĐ 30/2020, signed by the platform.
//
// It counts what stands in the registers; what an act was is in the ledger.
package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/workdays"
)

// Actions asked of the Authorizer.
const (
	ActionRead = "ca.report.read"
	ActionMake = "ca.report.make"
)

// ErrPeriod says that a year or half-year is not one.
var ErrPeriod = errors.New("ca/report: no such period")

// Config is what a reporter stands on.
type Config struct {
	DB         *store.DB
	Directory  *directory.Directory
	Profiles   *profile.Set
	Clock      clock.Clock
	Ledger     ledger.Appender
	Authorizer auth.Authorizer
	// Sign signs a document as the platform.
	Sign func(ctx context.Context, pdf []byte, purpose string) ([]byte, error)
	// AgencyID is the agency that operates the platform, Place where it sits.
	AgencyID, Place string
}

// Reporter makes reports. It is safe for concurrent use.
type Reporter struct {
	cfg      Config
	profiles map[string]string // kind by profile
}

// New returns a reporter.
func New(cfg Config) (*Reporter, error) {
	if cfg.DB == nil || cfg.Directory == nil || cfg.Profiles == nil || cfg.Clock == nil || cfg.Ledger == nil || cfg.Authorizer == nil || cfg.Sign == nil {
		return nil, errors.New("ca/report: a part is missing")
	}
	r := &Reporter{cfg: cfg, profiles: make(map[string]string)}
	for _, p := range cfg.Profiles.All() {
		r.profiles[p.Name] = p.Kind
	}
	return r, nil
}

func (r *Reporter) may(ctx context.Context, action string) error {
	err := r.cfg.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), action, auth.Resource{Kind: "ca.report"})
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// of lists the profiles of a kind.
func (r *Reporter) of(kind string) []string {
	var names []string
	for name, k := range r.profiles {
		if k == kind {
			names = append(names, name)
		}
	}
	return names
}

// documented is a report that can be put on paper.
type documented interface{ document() *paper.Document }

// Paper puts a report on paper, has it signed and records it in the ledger.
func (r *Reporter) Paper(ctx context.Context, name string, report documented) ([]byte, error) {
	err := r.may(ctx, ActionMake)
	if err != nil {
		return nil, err
	}
	doc := report.document()
	err = r.frame(ctx, doc)
	if err != nil {
		return nil, fmt.Errorf("compose report %s: %w", name, err)
	}
	made, err := doc.Render()
	if err != nil {
		return nil, fmt.Errorf("compose report %s: %w", name, err)
	}
	signed, err := r.cfg.Sign(ctx, made.PDF, "ca.report."+name)
	if err != nil {
		return nil, fmt.Errorf("report %s: %w", name, err)
	}
	sum := sha256.Sum256(signed)
	_, err = r.cfg.Ledger.Append(ctx, ledger.Entry{Time: r.cfg.Clock.Now().UTC(), Kind: ActionMake, Actor: auth.SubjectFrom(ctx).AccountID, Object: name, Digest: hex.EncodeToString(sum[:])})
	if err != nil {
		return nil, fmt.Errorf("report %s: %w", name, err)
	}
	return signed, nil
}

// frame puts around a report what every document has. Its author is who asks
// for it; where that is no person of the directory, the account.
func (r *Reporter) frame(ctx context.Context, doc *paper.Document) error {
	now := r.cfg.Clock.Now()
	agency, err := r.cfg.Directory.Agency(ctx, r.cfg.AgencyID)
	if err != nil {
		return err
	}
	doc.Agency, doc.Place, doc.Date, doc.Type = agency.Name, r.cfg.Place, now, "BÁO CÁO"
	if agency.ParentID != "" {
		above, err := r.cfg.Directory.Agency(ctx, agency.ParentID)
		if err != nil {
			return err
		}
		doc.Parent = above.Name
	}
	who := auth.SubjectFrom(ctx)
	doc.Signer = paper.Signer{Title: "Người lập báo cáo", Name: who.AccountID}
	doc.Recipients = []string{"Lưu: VT"}
	if who.PersonID == "" {
		return nil
	}
	person, err := r.cfg.Directory.Person(ctx, who.PersonID)
	if err != nil {
		return err
	}
	position, err := r.cfg.Directory.Position(ctx, who.PersonID, now)
	if err != nil {
		return err
	}
	doc.Signer = paper.Signer{Title: position.Title, Name: person.Name}
	return nil
}

// Period is a stretch of time; End is not in it.
type Period struct {
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"`
}

// Year is a calendar year, at +07:00.
func Year(year int) (Period, error) {
	if year < 2000 || year > 2200 {
		return Period{}, fmt.Errorf("%w: year %d", ErrPeriod, year)
	}
	begin := time.Date(year, 1, 1, 0, 0, 0, 0, workdays.Zone())
	return Period{Begin: begin, End: begin.AddDate(1, 0, 0)}, nil
}

// Half is the first or second half of a year, at +07:00.
func Half(year, half int) (Period, error) {
	p, err := Year(year)
	if err != nil {
		return p, err
	}
	switch half {
	case 1:
		p.End = p.Begin.AddDate(0, 6, 0)
	case 2:
		p.Begin = p.Begin.AddDate(0, 6, 0)
	default:
		return p, fmt.Errorf("%w: half %d", ErrPeriod, half)
	}
	return p, nil
}

func day(t time.Time) string { return t.In(workdays.Zone()).Format("02/01/2006") }
