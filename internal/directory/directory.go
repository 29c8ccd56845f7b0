// Package directory knows the agencies of the province, its people and the
// positions they hold, each with the time in which it holds (R3). Agencies are
// merged, split, renamed and dissolved; a row is therefore never deleted or
// overwritten in meaning: it ends.
package directory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

// MaxCode is the longest agency code: QCVN 102:2016 as amended by TT 01/2022.
const MaxCode = 35

// Errors of the directory.
var (
	ErrNotFound = errors.New("directory: not found")
	ErrInvalid  = errors.New("directory: invalid entry")
)

// Kinds of agency.
const (
	KindProvince   = "province"   // Ủy ban nhân dân tỉnh
	KindDepartment = "department" // sở, ban, ngành
	KindCommune    = "commune"    // xã, phường, đặc khu
	KindUnit       = "unit"       // đơn vị trực thuộc
)

// Agency is an agency in a period of its life.
type Agency struct {
	bun.BaseModel `bun:"table:agency"`

	ID           string `bun:"id,pk" json:"id" yaml:"id"`
	Code         string `bun:"code" json:"code" yaml:"code"`
	Name         string `bun:"name" json:"name" yaml:"name"`
	NameEN       string `bun:"name_en" json:"name_en" yaml:"name_en"`
	Abbreviation string `bun:"abbreviation" json:"abbreviation" yaml:"abbreviation"`
	Kind         string `bun:"kind" json:"kind" yaml:"kind"`
	ParentID     string `bun:"parent_id" json:"parent_id,omitempty" yaml:"parent"`
	// RegistrarID is the agency that this one has charged with the certificates
	// of the agencies below it; empty when it sees to them itself.
	RegistrarID   string     `bun:"registrar_id" json:"registrar_id,omitempty" yaml:"registrar"`
	PredecessorID string     `bun:"predecessor_id" json:"predecessor_id,omitempty" yaml:"predecessor"`
	SuccessorID   string     `bun:"successor_id" json:"successor_id,omitempty" yaml:"successor"`
	ValidFrom     time.Time  `bun:"valid_from" json:"valid_from" yaml:"valid_from"`
	ValidTo       *time.Time `bun:"valid_to" json:"valid_to,omitempty" yaml:"valid_to"`
}

// Title returns the agency's name in the language, Vietnamese unless lang is
// "en".
func (a *Agency) Title(lang string) string {
	if lang == "en" && a.NameEN != "" {
		return a.NameEN
	}
	return a.Name
}

// Person is an official. The directory holds no more of a person than the
// work needs.
type Person struct {
	bun.BaseModel `bun:"table:person"`

	ID    string `bun:"id,pk" json:"id" yaml:"id"`
	Name  string `bun:"name" json:"name" yaml:"name"`
	Email string `bun:"email" json:"email,omitempty" yaml:"email"`
	Phone string `bun:"phone" json:"phone,omitempty" yaml:"phone"`
}

// Position is what a person holds at an agency in a period.
type Position struct {
	bun.BaseModel `bun:"table:position"`

	ID        string     `bun:"id,pk" json:"id" yaml:"id"`
	PersonID  string     `bun:"person_id" json:"person_id" yaml:"person"`
	AgencyID  string     `bun:"agency_id" json:"agency_id" yaml:"agency"`
	Title     string     `bun:"title" json:"title" yaml:"title"`
	TitleEN   string     `bun:"title_en" json:"title_en" yaml:"title_en"`
	ValidFrom time.Time  `bun:"valid_from" json:"valid_from" yaml:"valid_from"`
	ValidTo   *time.Time `bun:"valid_to" json:"valid_to,omitempty" yaml:"valid_to"`
}

// Network is an address range of an agency at a site (a point of the Metronet
// or the WAN). Site is empty when the range is the same everywhere.
type Network struct {
	bun.BaseModel `bun:"table:agency_network"`

	ID       string `bun:"id,pk" json:"id" yaml:"id"`
	AgencyID string `bun:"agency_id" json:"agency_id" yaml:"agency"`
	Site     string `bun:"site" json:"site" yaml:"site"`
	CIDR     string `bun:"cidr" json:"cidr" yaml:"cidr"`
}

// Directory reads and writes the tables.
type Directory struct {
	db bun.IDB
}

// New returns the directory kept in db.
func New(db *store.DB) *Directory { return &Directory{db: db} }

// Agency returns the agency with the id.
func (d *Directory) Agency(ctx context.Context, id string) (*Agency, error) {
	var a Agency
	err := d.db.NewSelect().Model(&a).Where("id = ?", id).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: agency %q", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read agency %q: %w", id, err)
	}
	return &a, nil
}

// Agencies lists the agencies that exist at the time, in order of code.
func (d *Directory) Agencies(ctx context.Context, at time.Time) ([]Agency, error) {
	var as []Agency
	err := d.db.NewSelect().Model(&as).
		Where("valid_from <= ?", at).Where("valid_to IS NULL OR valid_to > ?", at).
		OrderExpr("code").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list agencies: %w", err)
	}
	return as, nil
}

// Person returns the person with the id.
func (d *Directory) Person(ctx context.Context, id string) (*Person, error) {
	var p Person
	err := d.db.NewSelect().Model(&p).Where("id = ?", id).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: person %q", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read person %q: %w", id, err)
	}
	return &p, nil
}

// Position returns what the person holds at the time; the newest where there
// are several.
func (d *Directory) Position(ctx context.Context, personID string, at time.Time) (*Position, error) {
	var p Position
	err := d.db.NewSelect().Model(&p).Where("person_id = ?", personID).
		Where("valid_from <= ?", at).Where("valid_to IS NULL OR valid_to > ?", at).
		OrderExpr("valid_from DESC").Limit(1).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: position of %q at %s", ErrNotFound, personID, at.Format(time.RFC3339))
	}
	if err != nil {
		return nil, fmt.Errorf("read position of %q: %w", personID, err)
	}
	return &p, nil
}

// AgencyAt returns the agency whose network at the site holds the address:
// the longest prefix wins, and a range of the very site wins over one that
// names no site. ErrNotFound when nobody's.
func (d *Directory) AgencyAt(ctx context.Context, site string, addr netip.Addr) (*Agency, error) {
	var nets []Network
	err := d.db.NewSelect().Model(&nets).Where("site = ? OR site = ''", site).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read networks: %w", err)
	}
	best, bits, own := "", -1, false
	for _, n := range nets {
		prefix, err := netip.ParsePrefix(n.CIDR)
		if err != nil {
			return nil, fmt.Errorf("network %s: %w", n.ID, err)
		}
		if !prefix.Contains(addr.Unmap()) {
			continue
		}
		here := n.Site != ""
		if prefix.Bits() > bits || prefix.Bits() == bits && here && !own {
			best, bits, own = n.AgencyID, prefix.Bits(), here
		}
	}
	if bits < 0 {
		return nil, fmt.Errorf("%w: no network holds %s at site %q", ErrNotFound, addr, site)
	}
	return d.Agency(ctx, best)
}

// Check says what is wrong with the agency, or nil.
func (a *Agency) Check() error {
	switch {
	case a.ID == "" || a.Name == "":
		return fmt.Errorf("%w: agency without id or name", ErrInvalid)
	case a.Code == "" || len(a.Code) > MaxCode:
		return fmt.Errorf("%w: agency %s: code of %d characters, want 1 to %d", ErrInvalid, a.ID, len(a.Code), MaxCode)
	case a.ValidTo != nil && !a.ValidTo.After(a.ValidFrom):
		return fmt.Errorf("%w: agency %s ends before it begins", ErrInvalid, a.ID)
	}
	return nil
}
