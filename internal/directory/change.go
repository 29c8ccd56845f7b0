package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

// changeSchema keeps the earlier forms of agencies that changed their name,
// code or parent and stayed the same agency.
var changeSchema = store.Migration{ID: "directory/0002", SQL: `
CREATE TABLE agency_past (
	agency_id TEXT NOT NULL REFERENCES agency (id),
	valid_to TIMESTAMPTZ NOT NULL,
	code TEXT NOT NULL,
	name TEXT NOT NULL,
	name_en TEXT NOT NULL DEFAULT '',
	abbreviation TEXT NOT NULL DEFAULT '',
	kind TEXT NOT NULL,
	parent_id TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (agency_id, valid_to)
);
`}

// pastForm is an agency as it was until a change.
type pastForm struct {
	bun.BaseModel `bun:"table:agency_past"`

	AgencyID     string    `bun:"agency_id,pk"`
	ValidTo      time.Time `bun:"valid_to,pk"`
	Code         string    `bun:"code"`
	Name         string    `bun:"name"`
	NameEN       string    `bun:"name_en"`
	Abbreviation string    `bun:"abbreviation"`
	Kind         string    `bun:"kind"`
	ParentID     string    `bun:"parent_id"`
}

// In returns the directory inside a transaction, so that a change and the
// record of it stand or fall together.
func (d *Directory) In(tx bun.IDB) *Directory { return &Directory{db: tx} }

// AgencyThen returns the agency as it was at the time: with the name, code and
// parent that it had then.
func (d *Directory) AgencyThen(ctx context.Context, id string, at time.Time) (*Agency, error) {
	a, err := d.Agency(ctx, id)
	if err != nil {
		return nil, err
	}
	var past pastForm
	err = d.db.NewSelect().Model(&past).Where("agency_id = ?", id).Where("valid_to > ?", at.UTC()).
		OrderExpr("valid_to").Limit(1).Scan(ctx)
	if store.IsNotFound(err) {
		return a, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read agency %q at %s: %w", id, at.Format(time.RFC3339), err)
	}
	a.Code, a.Name, a.NameEN, a.Abbreviation, a.Kind, a.ParentID = past.Code, past.Name, past.NameEN, past.Abbreviation, past.Kind, past.ParentID
	return a, nil
}

// Create adds an agency; one that stands already with the same code and name is
// left as it is, another one is ErrInvalid.
func (d *Directory) Create(ctx context.Context, a Agency) error {
	err := a.Check()
	if err != nil {
		return err
	}
	_, err = d.db.NewInsert().Model(&a).On("CONFLICT (id) DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("add agency %q: %w", a.ID, err)
	}
	stands, err := d.Agency(ctx, a.ID)
	if err != nil {
		return err
	}
	if stands.Name != a.Name || stands.Code != a.Code {
		return fmt.Errorf("%w: agency %q exists already as %s", ErrInvalid, a.ID, stands.Code)
	}
	return nil
}

// End ends an agency at the time; successor may be empty. To end it twice at
// the same time changes nothing.
func (d *Directory) End(ctx context.Context, id string, at time.Time, successor string) error {
	result, err := d.db.NewUpdate().Model((*Agency)(nil)).Set("valid_to = ?", at.UTC()).Set("successor_id = ?", successor).
		Where("id = ?", id).Where("valid_to IS NULL OR valid_to = ?", at.UTC()).Exec(ctx)
	return oneRow(result, err, "end agency %q", id)
}

// Change gives an agency another name, code, kind or parent from the time on;
// the form it had until then is kept (see AgencyThen). Its id stays.
func (d *Directory) Change(ctx context.Context, to Agency, at time.Time) error {
	was, err := d.Agency(ctx, to.ID)
	if err != nil {
		return err
	}
	to.ValidFrom, to.ValidTo = was.ValidFrom, was.ValidTo
	err = to.Check()
	if err != nil {
		return err
	}
	if sameForm(was, &to) {
		return nil
	}
	past := pastForm{AgencyID: was.ID, ValidTo: at.UTC(), Code: was.Code, Name: was.Name, NameEN: was.NameEN,
		Abbreviation: was.Abbreviation, Kind: was.Kind, ParentID: was.ParentID}
	// Of two changes at one moment the form before the first is what was.
	_, err = d.db.NewInsert().Model(&past).On("CONFLICT (agency_id, valid_to) DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("keep the form of agency %q: %w", to.ID, err)
	}
	result, err := d.db.NewUpdate().Model((*Agency)(nil)).Set("code = ?", to.Code).Set("name = ?", to.Name).Set("name_en = ?", to.NameEN).
		Set("abbreviation = ?", to.Abbreviation).Set("kind = ?", to.Kind).Set("parent_id = ?", to.ParentID).Where("id = ?", to.ID).Exec(ctx)
	return oneRow(result, err, "change agency %q", to.ID)
}

func sameForm(a, b *Agency) bool {
	return a.Code == b.Code && a.Name == b.Name && a.NameEN == b.NameEN && a.Abbreviation == b.Abbreviation && a.Kind == b.Kind && a.ParentID == b.ParentID
}

// Positions lists the positions held at an agency at the time, by person.
func (d *Directory) Positions(ctx context.Context, agencyID string, at time.Time) ([]Position, error) {
	var list []Position
	err := d.db.NewSelect().Model(&list).Where("agency_id = ?", agencyID).
		Where("valid_from <= ?", at.UTC()).Where("valid_to IS NULL OR valid_to > ?", at.UTC()).OrderExpr("person_id, id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list positions of %q: %w", agencyID, err)
	}
	return list, nil
}

// EndPosition ends a position at the time.
func (d *Directory) EndPosition(ctx context.Context, id string, at time.Time) error {
	result, err := d.db.NewUpdate().Model((*Position)(nil)).Set("valid_to = ?", at.UTC()).
		Where("id = ?", id).Where("valid_to IS NULL OR valid_to >= ?", at.UTC()).Exec(ctx)
	return oneRow(result, err, "end position %q", id)
}

// AddPosition adds a position; one with the same id is left as it is.
func (d *Directory) AddPosition(ctx context.Context, p Position) error {
	_, err := d.db.NewInsert().Model(&p).On("CONFLICT (id) DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("add position %q: %w", p.ID, err)
	}
	return nil
}

// Networks lists the address ranges of an agency.
func (d *Directory) Networks(ctx context.Context, agencyID string) ([]Network, error) {
	var list []Network
	err := d.db.NewSelect().Model(&list).Where("agency_id = ?", agencyID).OrderExpr("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list networks of %q: %w", agencyID, err)
	}
	return list, nil
}

// MoveNetwork gives an address range to another agency.
func (d *Directory) MoveNetwork(ctx context.Context, id, agencyID string) error {
	result, err := d.db.NewUpdate().Model((*Network)(nil)).Set("agency_id = ?", agencyID).Where("id = ?", id).Exec(ctx)
	return oneRow(result, err, "move network %q", id)
}

// Children lists the agencies directly below one, by code.
func (d *Directory) Children(ctx context.Context, parentID string, at time.Time) ([]Agency, error) {
	var list []Agency
	err := d.db.NewSelect().Model(&list).Where("parent_id = ?", parentID).
		Where("valid_from <= ?", at.UTC()).Where("valid_to IS NULL OR valid_to > ?", at.UTC()).OrderExpr("code").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list agencies below %q: %w", parentID, err)
	}
	return list, nil
}

// rowCounter is the result of a statement.
type rowCounter interface{ RowsAffected() (int64, error) }

// oneRow says ErrNotFound when a change met no row.
func oneRow(result rowCounter, err error, format, id string) error {
	if err != nil {
		return fmt.Errorf(format+": %w", id, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf(format+": %w", id, err)
	}
	if n != 1 {
		return fmt.Errorf(format+": %w", id, ErrNotFound)
	}
	return nil
}
