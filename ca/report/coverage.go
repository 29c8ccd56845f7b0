package report

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/paper"
)

// Coverage says which agencies have what they need to sign (R9).
type Coverage struct {
	At       time.Time       `json:"at"`
	Agencies int             `json:"agencies"`
	Covered  int             `json:"covered"` // with a seal and a personal certificate
	Percent  float64         `json:"percent"`
	List     []AgencyCovered `json:"list"`
}

// AgencyCovered is one agency of a coverage.
type AgencyCovered struct {
	ID        string `json:"id"`
	Code      string `json:"code"`
	Name      string `json:"name"`
	Seals     int    `json:"seals"`    // valid agency certificates
	Personal  int    `json:"personal"` // valid personal certificates
	People    int    `json:"people"`   // people with a position there
	Certified int    `json:"certified"`
	Covered   bool   `json:"covered"`
}

// valid chooses the certificates that were in force at the time. A certificate
// on hold is not.
func valid(q *bun.SelectQuery, at time.Time) *bun.SelectQuery {
	return q.Where("c.state = 'issued'").Where("c.not_before <= ?", at).Where("c.not_after > ?", at).
		Where("(c.revoked_at IS NULL OR c.revoked_at > ?)", at)
}

// Coverage counts, at a time, the agencies that have a valid agency certificate
// and at least one valid personal one.
func (r *Reporter) Coverage(ctx context.Context, at time.Time) (*Coverage, error) {
	err := r.may(ctx, ActionRead)
	if err != nil {
		return nil, err
	}
	at = at.UTC()
	agencies, err := r.cfg.Directory.Agencies(ctx, at)
	if err != nil {
		return nil, err
	}
	seals, err := r.counts(ctx, valid(r.cfg.DB.NewSelect().TableExpr("ca_certificate AS c"), at).Where("c.profile IN (?)", bun.List(r.of(profile.KindAgency))), "c.agency_id", "COUNT(*)")
	if err != nil {
		return nil, err
	}
	personal := func() *bun.SelectQuery {
		return valid(r.cfg.DB.NewSelect().TableExpr("ca_certificate AS c"), at).Where("c.profile IN (?)", bun.List(r.of(profile.KindPerson)))
	}
	persons, err := r.counts(ctx, personal(), "c.agency_id", "COUNT(*)")
	if err != nil {
		return nil, err
	}
	holders, err := r.counts(ctx, personal(), "c.agency_id", "COUNT(DISTINCT c.person_id)")
	if err != nil {
		return nil, err
	}
	people, err := r.counts(ctx, r.cfg.DB.NewSelect().TableExpr("position AS p").Where("p.valid_from <= ?", at).Where("(p.valid_to IS NULL OR p.valid_to > ?)", at), "p.agency_id", "COUNT(DISTINCT p.person_id)")
	if err != nil {
		return nil, err
	}
	c := &Coverage{At: at, Agencies: len(agencies), List: []AgencyCovered{}}
	for _, a := range agencies {
		row := AgencyCovered{ID: a.ID, Code: a.Code, Name: a.Name, Seals: seals[a.ID], Personal: persons[a.ID], People: people[a.ID], Certified: holders[a.ID]}
		row.Covered = row.Seals > 0 && row.Personal > 0
		if row.Covered {
			c.Covered++
		}
		c.List = append(c.List, row)
	}
	if c.Agencies > 0 {
		c.Percent = 100 * float64(c.Covered) / float64(c.Agencies)
	}
	return c, nil
}

// counts gives a figure for each value of a column.
func (r *Reporter) counts(ctx context.Context, q *bun.SelectQuery, column, figure string) (map[string]int, error) {
	var rows []struct {
		K string `bun:"k"`
		N int    `bun:"n"`
	}
	err := q.ColumnExpr(column+" AS k").ColumnExpr(figure+" AS n").GroupExpr(column).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("count by %s: %w", column, err)
	}
	counts := make(map[string]int, len(rows))
	for _, row := range rows {
		counts[row.K] = row.N
	}
	return counts, nil
}

func (c *Coverage) document() *paper.Document {
	d := &paper.Document{Abstract: "Về mức độ phủ chứng thư chữ ký số trong các cơ quan"}
	d.Body = append(d.Body, paper.Paragraph{Text: fmt.Sprintf(
		"Đến ngày %s, %d trên %d cơ quan (%.1f%%) có chứng thư cơ quan còn hiệu lực và có ít nhất một chứng thư cá nhân còn hiệu lực.", day(c.At), c.Covered, c.Agencies, c.Percent)})
	t := paper.Table{Small: true, Columns: []paper.Column{{Title: "Mã", Share: 12}, {Title: "Cơ quan", Share: 40}, {Title: "Con dấu", Share: 11, Right: true},
		{Title: "Cá nhân", Share: 11, Right: true}, {Title: "Cán bộ", Share: 11, Right: true}, {Title: "Đủ", Share: 8}}}
	for _, a := range c.List {
		enough := "chưa"
		if a.Covered {
			enough = "đủ"
		}
		t.Rows = append(t.Rows, []string{a.Code, a.Name, fmt.Sprint(a.Seals), fmt.Sprintf("%d", a.Certified), fmt.Sprint(a.People), enough})
	}
	d.Body = append(d.Body, t, paper.Paragraph{Text: "Số liệu lấy từ danh bạ và sổ chứng thư tại thời điểm nêu trên."})
	return d
}

// Expiry is what comes to its end within the next days (R9).
type Expiry struct {
	At      time.Time      `json:"at"`
	Windows []ExpiryWindow `json:"windows"`
	List    []ExpiringSoon `json:"list"`
	More    bool           `json:"more"` // the list was cut
}

// ExpiryWindow counts what ends within Days.
type ExpiryWindow struct {
	Days  int            `json:"days"`
	Total int            `json:"total"`
	By    map[string]int `json:"by_profile"`
}

// ExpiringSoon is one certificate that comes to its end.
type ExpiringSoon struct {
	Serial   string    `bun:"serial" json:"serial"`
	Profile  string    `bun:"profile" json:"profile"`
	AgencyID string    `bun:"agency_id" json:"agency_id"`
	PersonID string    `bun:"person_id" json:"person_id,omitempty"`
	Machine  string    `bun:"machine" json:"machine,omitempty"`
	NotAfter time.Time `bun:"not_after" json:"not_after"`
}

// maxListed bounds the certificates and acts that a report lists.
const maxListed = 5000

// Expiry looks 30, 60 and 90 days ahead. What has been followed by a later
// certificate of the same holder and profile needs nothing and is left out.
func (r *Reporter) Expiry(ctx context.Context) (*Expiry, error) {
	err := r.may(ctx, ActionRead)
	if err != nil {
		return nil, err
	}
	at := r.cfg.Clock.Now().UTC()
	windows := []int{30, 60, 90}
	e := &Expiry{At: at, List: []ExpiringSoon{}}
	err = valid(r.cfg.DB.NewSelect().TableExpr("ca_certificate AS c"), at).Column("c.serial", "c.profile", "c.agency_id", "c.person_id", "c.machine", "c.not_after").
		Where("c.not_after <= ?", at.AddDate(0, 0, windows[2])).Where("c.request_id <> ''").
		Where("NOT EXISTS (SELECT 1 FROM ca_certificate AS n WHERE n.state = 'issued' AND n.revoked_at IS NULL AND n.profile = c.profile AND n.agency_id = c.agency_id "+
			"AND n.person_id = c.person_id AND n.machine = c.machine AND n.not_after > c.not_after)").
		OrderExpr("c.not_after, c.serial").Limit(maxListed+1).Scan(ctx, &e.List)
	if err != nil {
		return nil, fmt.Errorf("certificates that expire: %w", err)
	}
	e.More = len(e.List) > maxListed
	if e.More {
		e.List = e.List[:maxListed]
	}
	for _, days := range windows {
		w := ExpiryWindow{Days: days, By: map[string]int{}}
		for _, c := range e.List {
			if !c.NotAfter.After(at.AddDate(0, 0, days)) {
				w.Total++
				w.By[c.Profile]++
			}
		}
		e.Windows = append(e.Windows, w)
	}
	return e, nil
}

func (e *Expiry) document() *paper.Document {
	d := &paper.Document{Abstract: "Về các chứng thư sắp hết hạn"}
	for _, w := range e.Windows {
		text := fmt.Sprintf("Trong %d ngày tới có %d chứng thư hết hạn", w.Days, w.Total)
		names := make([]string, 0, len(w.By))
		for name := range w.By {
			names = append(names, name)
		}
		sort.Strings(names)
		for i, name := range names {
			sep := ", "
			if i == 0 {
				sep = ": "
			}
			text += fmt.Sprintf("%s%s %d", sep, name, w.By[name])
		}
		d.Body = append(d.Body, paper.Paragraph{Text: text + "."})
	}
	t := paper.Table{Small: true, Columns: []paper.Column{{Title: "Hết hạn", Share: 14}, {Title: "Loại", Share: 14}, {Title: "Cơ quan", Share: 20}, {Title: "Người, máy", Share: 20}, {Title: "Số hiệu", Share: 40}}}
	for _, c := range e.List {
		t.Rows = append(t.Rows, []string{day(c.NotAfter), c.Profile, c.AgencyID, c.PersonID + c.Machine, c.Serial})
	}
	if len(t.Rows) > 0 {
		d.Body = append(d.Body, t)
	}
	return d
}
