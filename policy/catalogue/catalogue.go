// Package catalogue keeps the shared databases of the province: who answers
// for each (exactly one agency, R34) and how each of its fields is classified
// (R33: Luật 60/2024/QH15 Đ13 for sharing and importance, Luật 91/2025/QH15 for
// personal data). It holds no data of the databases themselves.
package catalogue

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/uptrace/bun"
	"gopkg.in/yaml.v3"

	"github.com/antin-gov/antin/internal/store"
)

// Limits of a catalogue: the reference province has 24 databases of some ten
// fields; a country's catalogue stays well under these.
const (
	maxFile     = 8 << 20
	maxDatasets = 5000
	maxFields   = 500
)

// Errors of the catalogue.
var (
	ErrInvalid  = errors.New("catalogue: invalid entry")
	ErrNotFound = errors.New("catalogue: not found")
)

// Classes of a field (R33).
const (
	SharingOpen    = "open"    // dữ liệu mở
	SharingShared  = "shared"  // dữ liệu dùng chung
	SharingPrivate = "private" // dữ liệu dùng riêng

	ImportanceCore      = "core"      // cốt lõi
	ImportanceImportant = "important" // quan trọng
	ImportanceOther     = "other"     // khác

	PersonalNone      = "none"
	PersonalPersonal  = "personal"  // dữ liệu cá nhân cơ bản
	PersonalSensitive = "sensitive" // dữ liệu cá nhân nhạy cảm
)

// Dataset is a shared database.
type Dataset struct {
	bun.BaseModel `bun:"table:shared_dataset" yaml:"-"`

	ID      string `bun:"id,pk" json:"id" yaml:"id"`
	Name    string `bun:"name" json:"name" yaml:"name"`
	NameEN  string `bun:"name_en" json:"name_en" yaml:"name_en"`
	OwnerID string `bun:"owner_id" json:"owner" yaml:"owner"`
	// Before says whose the database was before the mergers of 2025.
	Before string `bun:"before_2025" json:"before,omitempty" yaml:"before"`
	// Parameters are query parameters of its service that name no field.
	Parameters []string `bun:"parameters,type:jsonb" json:"parameters" yaml:"parameters"`
	Fields     []Field  `bun:"-" json:"fields" yaml:"fields"`
}

// Title returns the name in the language, Vietnamese unless lang is "en".
func (d *Dataset) Title(lang string) string {
	if lang == "en" && d.NameEN != "" {
		return d.NameEN
	}
	return d.Name
}

// Field is a classified data item of a Dataset.
type Field struct {
	bun.BaseModel `bun:"table:shared_dataset_field" yaml:"-"`

	DatasetID  string `bun:"dataset_id,pk" json:"-" yaml:"-"`
	Name       string `bun:"name,pk" json:"name" yaml:"name"`
	Place      int    `bun:"place" json:"-" yaml:"-"`
	Title      string `bun:"title" json:"title" yaml:"title"`
	TitleEN    string `bun:"title_en" json:"title_en" yaml:"title_en"`
	Sharing    string `bun:"sharing" json:"sharing" yaml:"sharing"`
	Importance string `bun:"importance" json:"importance" yaml:"importance"`
	Personal   string `bun:"personal" json:"personal" yaml:"personal"`
}

// Label returns the title in the language, Vietnamese unless lang is "en".
func (f *Field) Label(lang string) string {
	if lang == "en" && f.TitleEN != "" {
		return f.TitleEN
	}
	return f.Title
}

// Schema is the catalogue's part of the database; it follows the directory's.
var Schema = []store.Migration{{ID: "policy-catalogue/0001", SQL: `
CREATE TABLE shared_dataset (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_en TEXT NOT NULL DEFAULT '',
	owner_id TEXT NOT NULL REFERENCES agency (id),
	before_2025 TEXT NOT NULL DEFAULT '',
	parameters JSONB NOT NULL
);
CREATE TABLE shared_dataset_field (
	dataset_id TEXT NOT NULL REFERENCES shared_dataset (id),
	name TEXT NOT NULL,
	place INTEGER NOT NULL,
	title TEXT NOT NULL,
	title_en TEXT NOT NULL DEFAULT '',
	sharing TEXT NOT NULL CHECK (sharing IN ('open', 'shared', 'private')),
	importance TEXT NOT NULL CHECK (importance IN ('core', 'important', 'other')),
	personal TEXT NOT NULL CHECK (personal IN ('none', 'personal', 'sensitive')),
	PRIMARY KEY (dataset_id, name)
);
`}}

// File is a catalogue as YAML.
type File struct {
	Datasets []Dataset `yaml:"datasets"`
}

//go:embed demo.yaml
var demo []byte

// Demo is the catalogue of the reference province.
func Demo() (*File, error) { return parse(demo) }

// ReadFile reads a catalogue file.
func ReadFile(r io.Reader) (*File, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read catalogue file: %w", err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%w: file over %d bytes", ErrInvalid, maxFile)
	}
	return parse(b)
}

func parse(b []byte) (*File, error) {
	var f File
	err := yaml.Unmarshal(b, &f)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(f.Datasets) > maxDatasets {
		return nil, fmt.Errorf("%w: %d databases, at most %d", ErrInvalid, len(f.Datasets), maxDatasets)
	}
	seen := map[string]bool{}
	for i := range f.Datasets {
		d := &f.Datasets[i]
		err = d.Check()
		if err != nil {
			return nil, err
		}
		if seen[d.ID] {
			return nil, fmt.Errorf("%w: database %s stands twice", ErrInvalid, d.ID)
		}
		seen[d.ID] = true
	}
	return &f, nil
}

// maxName is the longest id of a database or name of a field.
const maxName = 63

// isName says whether the text is small ASCII letters, digits and the joint, a
// letter first: such names stand in paths and queries as they are.
func isName(text string, joint byte) bool {
	if text == "" || len(text) > maxName || text[0] < 'a' || text[0] > 'z' {
		return false
	}
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != joint {
			return false
		}
	}
	return true
}

// Check says what is wrong with the dataset, or nil.
func (d *Dataset) Check() error {
	switch {
	case !isName(d.ID, '-'):
		return fmt.Errorf("%w: id %q of a database", ErrInvalid, d.ID)
	case d.Name == "":
		return fmt.Errorf("%w: database %s has no name", ErrInvalid, d.ID)
	case d.OwnerID == "":
		return fmt.Errorf("%w: database %s has no accountable owner", ErrInvalid, d.ID)
	case len(d.Fields) == 0 || len(d.Fields) > maxFields:
		return fmt.Errorf("%w: database %s has %d fields, want 1 to %d", ErrInvalid, d.ID, len(d.Fields), maxFields)
	}
	seen := map[string]bool{}
	for _, f := range d.Fields {
		err := f.check()
		if err != nil {
			return fmt.Errorf("database %s: %w", d.ID, err)
		}
		if seen[f.Name] || slices.Contains(d.Parameters, f.Name) {
			return fmt.Errorf("%w: database %s: field %s stands twice or is a parameter too", ErrInvalid, d.ID, f.Name)
		}
		seen[f.Name] = true
	}
	return nil
}

func (f *Field) check() error {
	switch {
	case !isName(f.Name, '_'):
		return fmt.Errorf("%w: field name %q", ErrInvalid, f.Name)
	case f.Title == "":
		return fmt.Errorf("%w: field %s has no title", ErrInvalid, f.Name)
	case f.Sharing != SharingOpen && f.Sharing != SharingShared && f.Sharing != SharingPrivate:
		return fmt.Errorf("%w: field %s: sharing class %q", ErrInvalid, f.Name, f.Sharing)
	case f.Importance != ImportanceCore && f.Importance != ImportanceImportant && f.Importance != ImportanceOther:
		return fmt.Errorf("%w: field %s: importance %q", ErrInvalid, f.Name, f.Importance)
	case f.Personal != PersonalNone && f.Personal != PersonalPersonal && f.Personal != PersonalSensitive:
		return fmt.Errorf("%w: field %s: personal class %q", ErrInvalid, f.Name, f.Personal)
	case f.Sharing == SharingOpen && f.Personal != PersonalNone:
		return fmt.Errorf("%w: field %s: personal data is not open data", ErrInvalid, f.Name)
	}
	return nil
}

// Load writes the databases that the catalogue does not have yet, in one
// transaction; it reports how many. What stands is not changed.
func Load(ctx context.Context, tx bun.IDB, f *File) (int, error) {
	added := 0
	for i := range f.Datasets {
		d := f.Datasets[i]
		if d.Parameters == nil {
			d.Parameters = []string{}
		}
		result, err := tx.NewInsert().Model(&d).On("CONFLICT (id) DO NOTHING").Exec(ctx)
		if err != nil {
			return 0, fmt.Errorf("load database %s: %w", d.ID, err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, fmt.Errorf("load database %s: %w", d.ID, err)
		}
		if n == 0 {
			continue
		}
		added++
		fields := slices.Clone(d.Fields)
		for place := range fields {
			fields[place].DatasetID, fields[place].Place = d.ID, place
		}
		_, err = tx.NewInsert().Model(&fields).Exec(ctx)
		if err != nil {
			return 0, fmt.Errorf("load fields of %s: %w", d.ID, err)
		}
	}
	return added, nil
}

// List returns the databases with their fields, in order of id.
func List(ctx context.Context, db bun.IDB) ([]Dataset, error) {
	var datasets []Dataset
	err := db.NewSelect().Model(&datasets).OrderExpr("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	var fields []Field
	err = db.NewSelect().Model(&fields).OrderExpr("dataset_id, place").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list fields: %w", err)
	}
	place := make(map[string]int, len(datasets))
	for i := range datasets {
		place[datasets[i].ID] = i
	}
	for _, f := range fields {
		d := &datasets[place[f.DatasetID]]
		d.Fields = append(d.Fields, f)
	}
	return datasets, nil
}

// Get returns one database with its fields.
func Get(ctx context.Context, db bun.IDB, id string) (*Dataset, error) {
	var d Dataset
	err := db.NewSelect().Model(&d).Where("id = ?", id).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: database %q", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read database %q: %w", id, err)
	}
	err = db.NewSelect().Model(&d.Fields).Where("dataset_id = ?", id).OrderExpr("place").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read fields of %q: %w", id, err)
	}
	return &d, nil
}
