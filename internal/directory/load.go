package directory

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"net/netip"

	"github.com/uptrace/bun"
	"gopkg.in/yaml.v3"

	"github.com/antin-gov/antin/internal/store"
)

// maxFile limits a directory file: a country has some 3,400 agencies, and an
// entry is well under 1 KiB.
const maxFile = 32 << 20

// File is a directory as YAML: what `antin up --demo` loads, and the form in
// which a province hands over its own.
type File struct {
	Agencies  []Agency   `yaml:"agencies"`
	People    []Person   `yaml:"people"`
	Positions []Position `yaml:"positions"`
	Networks  []Network  `yaml:"networks"`
}

//go:embed demo.yaml
var demo []byte

// Demo is the reference province: 57 agencies, its communes, the people and
// networks of the demonstration.
func Demo() (*File, error) { return parse(demo) }

// ReadFile reads a directory file.
func ReadFile(r io.Reader) (*File, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read directory file: %w", err)
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
	return &f, f.check()
}

func (f *File) check() error { return f.checkWith(nil, nil) }

// checkWith says what is wrong with the file, where the entries that it refers
// to may also be among the known ones.
func (f *File) checkWith(knownAgencies, knownPeople map[string]bool) error {
	agencies := make(map[string]bool, len(f.Agencies)+len(knownAgencies))
	maps.Copy(agencies, knownAgencies)
	for i := range f.Agencies {
		err := f.Agencies[i].Check()
		if err != nil {
			return err
		}
		if agencies[f.Agencies[i].ID] {
			return fmt.Errorf("%w: agency %s stands twice", ErrInvalid, f.Agencies[i].ID)
		}
		agencies[f.Agencies[i].ID] = true
	}
	for _, a := range f.Agencies {
		if a.ParentID != "" && !agencies[a.ParentID] {
			return fmt.Errorf("%w: agency %s: parent %q is unknown", ErrInvalid, a.ID, a.ParentID)
		}
		if a.RegistrarID != "" && !agencies[a.RegistrarID] {
			return fmt.Errorf("%w: agency %s: registrar %q is unknown", ErrInvalid, a.ID, a.RegistrarID)
		}
	}
	people := make(map[string]bool, len(f.People)+len(knownPeople))
	maps.Copy(people, knownPeople)
	for _, p := range f.People {
		if p.ID == "" || p.Name == "" || people[p.ID] {
			return fmt.Errorf("%w: person %q without name or twice", ErrInvalid, p.ID)
		}
		people[p.ID] = true
	}
	for _, p := range f.Positions {
		if p.ID == "" || !people[p.PersonID] || !agencies[p.AgencyID] {
			return fmt.Errorf("%w: position %q: person %q or agency %q is unknown", ErrInvalid, p.ID, p.PersonID, p.AgencyID)
		}
	}
	for _, n := range f.Networks {
		_, err := netip.ParsePrefix(n.CIDR)
		if n.ID == "" || err != nil || !agencies[n.AgencyID] {
			return fmt.Errorf("%w: network %q: %q of agency %q", ErrInvalid, n.ID, n.CIDR, n.AgencyID)
		}
	}
	return nil
}

// Load writes the file's entries that the directory does not have yet, in one
// transaction. It changes nothing that stands already, so loading twice is
// loading once.
func Load(ctx context.Context, db *store.DB, f *File) error {
	return db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		for _, set := range []struct {
			rows any
			n    int
		}{{&f.Agencies, len(f.Agencies)}, {&f.People, len(f.People)}, {&f.Positions, len(f.Positions)}, {&f.Networks, len(f.Networks)}} {
			if set.n == 0 {
				continue
			}
			_, err := tx.NewInsert().Model(set.rows).On("CONFLICT (id) DO NOTHING").Exec(ctx)
			if err != nil {
				return fmt.Errorf("load directory: %w", err)
			}
		}
		return nil
	})
}
