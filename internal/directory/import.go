package directory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"
	"gopkg.in/yaml.v3"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// ActionImport is asked of the Authorizer, and the ledger's kind of entry.
const ActionImport = "directory.import"

const (
	// insertRows is how many rows go into the database with one statement.
	insertRows = 500
	// maxDiffers is how many differences an error tells.
	maxDiffers = 5
)

// ErrDiffers says that an entry of the file stands in the directory with
// another content. A directory entry is not overwritten: agencies change by a
// re-organisation, people by a new position.
var ErrDiffers = errors.New("directory: entry differs from the one that is there")

// Imported counts what an import did.
type Imported struct {
	Agencies  int    `json:"agencies"`
	People    int    `json:"people"`
	Positions int    `json:"positions"`
	Networks  int    `json:"networks"`
	Same      int    `json:"same"` // stood there already
	SHA256    string `json:"sha256"`
	Index     int64  `json:"ledger_index"`
}

// Importer brings a province's own agencies, people and positions in.
type Importer struct {
	DB         *store.DB
	Ledger     ledger.Appender
	Clock      clock.Clock
	Authorizer auth.Authorizer
}

// Import adds what the file holds and the directory does not, all of it or
// nothing. The content is YAML in the form of File, or CSV; see parseCSV. An
// entry that is there already in another form is ErrDiffers.
func (i *Importer) Import(ctx context.Context, content []byte) (*Imported, error) {
	who := auth.SubjectFrom(ctx)
	err := i.Authorizer.Authorize(ctx, who, ActionImport, auth.Resource{Kind: "directory"})
	if err != nil {
		return nil, fmt.Errorf("import directory: %w", err)
	}
	f, err := ParseImport(content)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	done := &Imported{SHA256: hex.EncodeToString(sum[:])}
	known, err := i.sort(ctx, f, done)
	if err != nil {
		return nil, err
	}
	err = f.checkWith(known.agencies, known.people)
	if err != nil {
		return nil, err
	}
	receipt, err := i.Ledger.Append(ctx, ledger.Entry{Time: i.Clock.Now().UTC(), Kind: ActionImport, Actor: who.AccountID, Object: "directory", Digest: done.SHA256,
		Detail: map[string]string{"agencies": fmt.Sprint(len(f.Agencies)), "people": fmt.Sprint(len(f.People)), "positions": fmt.Sprint(len(f.Positions)), "networks": fmt.Sprint(len(f.Networks))}})
	if err != nil {
		return nil, fmt.Errorf("import directory: %w", err)
	}
	done.Index = int64(receipt.Index)
	return done, i.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		return errors.Join(insert(ctx, tx, f.Agencies), insert(ctx, tx, f.People), insert(ctx, tx, f.Positions), insert(ctx, tx, f.Networks))
	})
}

func insert[T any](ctx context.Context, tx bun.Tx, rows []T) error {
	for part := range slices.Chunk(rows, insertRows) {
		_, err := tx.NewInsert().Model(&part).Exec(ctx)
		if err != nil {
			return fmt.Errorf("import directory: %w", err)
		}
	}
	return nil
}

// known are the entries that a file may refer to.
type known struct{ agencies, people map[string]bool }

// sort takes out of the file what the directory has already, and counts.
func (i *Importer) sort(ctx context.Context, f *File, done *Imported) (known, error) {
	k := known{agencies: make(map[string]bool), people: make(map[string]bool)}
	var agencies []Agency
	err := i.DB.NewSelect().Model(&agencies).Scan(ctx)
	if err != nil {
		return k, fmt.Errorf("import directory: %w", err)
	}
	there := make(map[string]any)
	for _, a := range agencies {
		k.agencies[a.ID] = true
		there["agency "+a.ID] = a
	}
	var people []Person
	err = i.DB.NewSelect().Model(&people).Scan(ctx)
	if err != nil {
		return k, fmt.Errorf("import directory: %w", err)
	}
	for _, p := range people {
		k.people[p.ID] = true
		there["person "+p.ID] = p
	}
	var positions []Position
	err = i.DB.NewSelect().Model(&positions).Scan(ctx)
	if err != nil {
		return k, fmt.Errorf("import directory: %w", err)
	}
	for _, p := range positions {
		there["position "+p.ID] = p
	}
	var networks []Network
	err = i.DB.NewSelect().Model(&networks).Scan(ctx)
	if err != nil {
		return k, fmt.Errorf("import directory: %w", err)
	}
	for _, n := range networks {
		there["network "+n.ID] = n
	}
	var differs []string
	f.Agencies = keepNew(f.Agencies, there, "agency ", func(a Agency) string { return a.ID }, sameAgency, &differs, &done.Same)
	f.People = keepNew(f.People, there, "person ", func(p Person) string { return p.ID }, func(a, b Person) bool { return a == b }, &differs, &done.Same)
	f.Positions = keepNew(f.Positions, there, "position ", func(p Position) string { return p.ID }, samePosition, &differs, &done.Same)
	f.Networks = keepNew(f.Networks, there, "network ", func(n Network) string { return n.ID }, func(a, b Network) bool { return a == b }, &differs, &done.Same)
	done.Agencies, done.People, done.Positions, done.Networks = len(f.Agencies), len(f.People), len(f.Positions), len(f.Networks)
	if len(differs) > 0 {
		return k, fmt.Errorf("%w: %d, among them %s", ErrDiffers, len(differs), strings.Join(differs[:min(len(differs), maxDiffers)], ", "))
	}
	return k, nil
}

func keepNew[T any](rows []T, there map[string]any, kind string, id func(T) string, same func(a, b T) bool, differs *[]string, n *int) []T {
	var fresh []T
	for _, row := range rows {
		old, ok := there[kind+id(row)].(T)
		switch {
		case !ok:
			fresh = append(fresh, row)
		case same(row, old):
			*n++
		default:
			*differs = append(*differs, kind+id(row))
		}
	}
	return fresh
}

func sameTime(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}

func sameAgency(a, b Agency) bool {
	if !a.ValidFrom.Equal(b.ValidFrom) || !sameTime(a.ValidTo, b.ValidTo) {
		return false
	}
	a.ValidFrom, b.ValidFrom, a.ValidTo, b.ValidTo = time.Time{}, time.Time{}, nil, nil
	return a == b
}

func samePosition(a, b Position) bool {
	if !a.ValidFrom.Equal(b.ValidFrom) || !sameTime(a.ValidTo, b.ValidTo) {
		return false
	}
	a.ValidFrom, b.ValidFrom, a.ValidTo, b.ValidTo = time.Time{}, time.Time{}, nil, nil
	return a == b
}

// ParseImport reads a file for Import: YAML when it begins like it, CSV when
// its first line is a head of csvHead. What an entry refers to may stand in the
// directory alone, so that is not looked at here.
func ParseImport(content []byte) (*File, error) {
	if len(content) > maxFile {
		return nil, fmt.Errorf("%w: file over %d bytes", ErrInvalid, maxFile)
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	if !utf8.Valid(content) {
		return nil, fmt.Errorf("%w: the file is not UTF-8", ErrInvalid)
	}
	head, _, _ := bytes.Cut(content, []byte("\n"))
	if bytes.HasPrefix(head, []byte("person")) && bytes.ContainsAny(head, ",;") {
		return parseCSV(content)
	}
	var f File
	dec := yaml.NewDecoder(bytes.NewReader(content))
	dec.KnownFields(true)
	err := dec.Decode(&f)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return &f, nil
}

// csvHead is the head of a CSV file of people and their positions.
func csvHead() []string {
	return []string{"person", "name", "email", "phone", "agency", "title", "title_en", "valid_from"}
}

// parseCSV reads people with their positions, one in a row: person, name,
// email, phone, agency, title, title_en, valid_from (YYYY-MM-DD, +07:00), with
// commas or semicolons. The position's id is made of person, agency and day.
func parseCSV(content []byte) (*File, error) {
	r := csv.NewReader(bytes.NewReader(content))
	first, _, _ := bytes.Cut(content, []byte("\n"))
	if bytes.Count(first, []byte(";")) > bytes.Count(first, []byte(",")) {
		r.Comma = ';'
	}
	var f File
	for n := 1; ; n++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return &f, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		if n == 1 {
			if !slices.Equal(row, csvHead()) {
				return nil, fmt.Errorf("%w: the first line must be %s", ErrInvalid, strings.Join(csvHead(), ","))
			}
			continue
		}
		from, err := time.ParseInLocation(time.DateOnly, row[7], time.FixedZone("+07", 7*60*60))
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: valid_from %q is not YYYY-MM-DD", ErrInvalid, n, row[7])
		}
		f.People = append(f.People, Person{ID: row[0], Name: row[1], Email: row[2], Phone: row[3]})
		f.Positions = append(f.Positions, Position{ID: "pos-" + row[0] + "-" + row[4] + "-" + row[7], PersonID: row[0], AgencyID: row[4],
			Title: row[5], TitleEN: row[6], ValidFrom: from})
	}
}
