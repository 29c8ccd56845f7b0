package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/antin-gov/antin/policy/engine"
)

// Limits of an answer's JSON.
const (
	maxDepth   = 32
	maxRecords = 10_000
)

// Errors of the filter.
var (
	errTooLarge = errors.New("gateway: the answer is too large")
	errShape    = errors.New("gateway: the answer has not the agreed form")
)

// The mask of a value: as many stars whatever its length, so that the length
// is not told, and the last characters of a long text to recognise it by.
const (
	mask     = "*****"
	maskKeep = 3
	maskMin  = 8
)

// Filter lets the agreed fields of records through. It reads and writes as a
// stream; a value of a dropped field is never kept. Only the members of a
// record itself are fields: what an agreed field holds passes whole.
type Filter struct {
	// Fields say what happens to each field; one that is not named is dropped.
	Fields map[string]engine.Treatment
	// List says that the answer is a list: an object whose member Items holds
	// the records and whose members Counts hold numbers, or an array when Items
	// is empty. Otherwise the answer is one record or an array of records.
	List   bool
	Items  string
	Counts []string
}

// Apply filters the JSON of src into dst and returns how many records it held.
// After an error dst is of no use.
func (f *Filter) Apply(dst *bytes.Buffer, src io.Reader) (records int, err error) {
	limited := &io.LimitedReader{R: src, N: maxAnswer + 1}
	run := &filtering{Filter: f, out: dst, in: json.NewDecoder(limited)}
	run.in.UseNumber()
	err = run.document()
	if limited.N <= 0 {
		return 0, errTooLarge
	}
	if err != nil {
		return 0, err
	}
	return run.records, nil
}

// filtering is one run of a Filter.
type filtering struct {
	*Filter
	in      *json.Decoder
	out     *bytes.Buffer
	records int
}

func (f *filtering) document() error {
	first, err := f.token()
	if err != nil {
		return err
	}
	switch {
	case first == json.Delim('{') && f.List && f.Items != "":
		err = f.envelope()
	case first == json.Delim('{') && !f.List:
		err = f.record()
	case first == json.Delim('[') && (!f.List || f.Items == ""):
		err = f.array()
	default:
		return fmt.Errorf("%w: its first token", errShape)
	}
	if err != nil {
		return err
	}
	_, err = f.in.Token()
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: text after its end", errShape)
	}
	return nil
}

// token reads a token; the end of the text within a value is an error.
func (f *filtering) token() (json.Token, error) {
	token, err := f.in.Token()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errShape, err)
	}
	return token, nil
}

// envelope copies the list's object: its records and its counts.
func (f *filtering) envelope() error {
	f.out.WriteByte('{')
	var seen []string
	wrote := false
	for f.in.More() {
		name, err := f.name()
		if err != nil {
			return err
		}
		known := name == f.Items || slices.Contains(f.Counts, name)
		if known && slices.Contains(seen, name) {
			return fmt.Errorf("%w: a member stands twice", errShape)
		}
		if !known {
			err = f.skip()
			if err != nil {
				return err
			}
			continue
		}
		seen = append(seen, name)
		value, err := f.token()
		if err != nil {
			return err
		}
		count, isCount := value.(json.Number)
		if name == f.Items && value != json.Delim('[') || name != f.Items && !isCount {
			return fmt.Errorf("%w: member of a list", errShape)
		}
		f.comma(&wrote)
		f.text(name)
		f.out.WriteByte(':')
		if name != f.Items {
			f.out.WriteString(count.String())
			continue
		}
		err = f.array()
		if err != nil {
			return err
		}
	}
	if !slices.Contains(seen, f.Items) {
		return fmt.Errorf("%w: no records", errShape)
	}
	return f.end('}')
}

// array copies records; its bracket was read.
func (f *filtering) array() error {
	f.out.WriteByte('[')
	wrote := false
	for f.in.More() {
		first, err := f.token()
		if err != nil {
			return err
		}
		if first != json.Delim('{') {
			return fmt.Errorf("%w: a record that is no object", errShape)
		}
		f.comma(&wrote)
		err = f.record()
		if err != nil {
			return err
		}
	}
	return f.end(']')
}

// record copies the agreed members of an object; its brace was read.
func (f *filtering) record() error {
	f.records++
	if f.records > maxRecords {
		return errTooLarge
	}
	f.out.WriteByte('{')
	wrote := false
	for f.in.More() {
		name, err := f.name()
		if err != nil {
			return err
		}
		treatment := f.Fields[name]
		if treatment != engine.Plain && treatment != engine.Masked {
			err = f.skip()
			if err != nil {
				return err
			}
			continue
		}
		f.comma(&wrote)
		f.text(name)
		f.out.WriteByte(':')
		if treatment == engine.Masked {
			err = f.masked()
		} else {
			err = f.value(0)
		}
		if err != nil {
			return err
		}
	}
	return f.end('}')
}

// value copies a value whole.
func (f *filtering) value(depth int) error {
	token, err := f.token()
	if err != nil {
		return err
	}
	delim, nested := token.(json.Delim)
	if !nested {
		return f.scalar(token)
	}
	if depth >= maxDepth {
		return errTooLarge
	}
	f.out.WriteByte(byte(delim))
	wrote := false
	for f.in.More() {
		f.comma(&wrote)
		if delim == '{' {
			name, err := f.name()
			if err != nil {
				return err
			}
			f.text(name)
			f.out.WriteByte(':')
		}
		err = f.value(depth + 1)
		if err != nil {
			return err
		}
	}
	return f.end(delim + 2) // '}' and ']' stand two after '{' and '['
}

// masked reads a value and writes what its mask leaves.
func (f *filtering) masked() error {
	token, err := f.token()
	if err != nil {
		return err
	}
	switch value := token.(type) {
	case nil:
		f.out.WriteString("null")
	case string:
		f.text(maskText(value))
	case json.Delim:
		f.text(mask)
		return f.skipRest()
	default:
		f.text(mask)
	}
	return nil
}

func maskText(text string) string {
	if utf8.RuneCountInString(text) < maskMin {
		return mask
	}
	runes := []rune(text)
	return mask + string(runes[len(runes)-maskKeep:])
}

// skip reads a value and forgets it.
func (f *filtering) skip() error {
	token, err := f.token()
	if err != nil {
		return err
	}
	_, nested := token.(json.Delim)
	if !nested {
		return nil
	}
	return f.skipRest()
}

// skipRest reads to the end of a value whose opening was read.
func (f *filtering) skipRest() error {
	for depth := 1; depth > 0; {
		token, err := f.token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

func (f *filtering) name() (string, error) {
	token, err := f.token()
	if err != nil {
		return "", err
	}
	name, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("%w: a member without a name", errShape)
	}
	return name, nil
}

func (f *filtering) end(delim json.Delim) error {
	token, err := f.token()
	if err != nil {
		return err
	}
	if token != delim {
		return fmt.Errorf("%w: its brackets", errShape)
	}
	f.out.WriteByte(byte(delim))
	return nil
}

func (f *filtering) comma(wrote *bool) {
	if *wrote {
		f.out.WriteByte(',')
	}
	*wrote = true
}

func (f *filtering) scalar(token json.Token) error {
	switch value := token.(type) {
	case nil:
		f.out.WriteString("null")
	case string:
		f.text(value)
	case json.Number:
		f.out.WriteString(value.String())
	case bool:
		fmt.Fprint(f.out, value)
	default:
		return fmt.Errorf("%w: a token of another kind", errShape)
	}
	return nil
}

// text writes a string; encoding a string to JSON cannot fail.
func (f *filtering) text(s string) {
	quoted, _ := json.Marshal(s)
	f.out.Write(quoted)
}
