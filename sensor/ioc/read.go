package ioc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// Format of a list.
type Format string

// The formats. Auto tells them by their content.
const (
	FormatAuto Format = ""
	FormatSTIX Format = "stix"
	FormatMISP Format = "misp"
	FormatCSV  Format = "csv"
)

// Limits of reading.
const (
	// MaxList bounds a list: the largest public ones are some 100 MB.
	MaxList = 2 << 30
	// maxObject bounds one object of a JSON list, or one line.
	maxObject = 1 << 20
	// maxRefusals is how many are kept; all are counted.
	maxRefusals = 10_000
	// maxDepth bounds the nesting that a list is followed into.
	maxDepth = 32
	// formatPeek is how much is looked at to tell a format.
	formatPeek = 64 << 10
)

// ReadOptions say how a list is read.
type ReadOptions struct {
	// Source is the name that the entries get.
	Source string
	Format Format
	// Kind is that of lines which do not say theirs; zero guesses.
	Kind Kind
	// Confidence is that of entries which do not say theirs.
	Confidence uint8
	// Lifetime makes entries without an end expire so long after Now; zero
	// keeps them.
	Lifetime time.Duration
	Now      time.Time
	// Private takes private addresses.
	Private bool
}

// Refusal is an entry that was not taken.
type Refusal struct {
	Line   int    `json:"line"`
	Value  string `json:"value"`
	Reason string `json:"reason"`
}

// Result is what became of a list.
type Result struct {
	Source string `json:"source"`
	Format Format `json:"format"`
	// Added were taken, Expired were over already, Refused were not taken.
	Added   int       `json:"added"`
	Expired int       `json:"expired"`
	Refused int       `json:"refused"`
	Reasons []Refusal `json:"reasons"`
}

// reader is a list in work.
type reader struct {
	b      *Builder
	o      ReadOptions
	result Result
}

// Read adds the entries of a list to the builder. Entries that cannot be taken
// are in the result; an error means that the list could not be read to its
// end, and then the builder must not be written.
func Read(r io.Reader, b *Builder, o ReadOptions) (Result, error) {
	in := bufio.NewReaderSize(&capped{r: r, left: MaxList}, formatPeek)
	head, err := in.Peek(formatPeek)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return Result{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		_, err = in.Discard(3)
		if err != nil {
			return Result{}, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		head = head[3:]
	}
	if o.Format == FormatAuto {
		o.Format = formatOf(head)
	}
	rd := &reader{b: b, o: o, result: Result{Source: o.Source, Format: o.Format, Reasons: []Refusal{}}}
	switch o.Format {
	case FormatSTIX:
		err = rd.stix(in)
	case FormatMISP:
		err = rd.misp(in)
	case FormatCSV:
		err = rd.csv(in)
	default:
		err = fmt.Errorf("%w: no such format %q", ErrFormat, o.Format)
	}
	return rd.result, err
}

// formatOf tells JSON by its first character and STIX by what all bundles
// name (STIX 2.1 §8).
func formatOf(head []byte) Format {
	text := bytes.TrimLeft(head, " \t\r\n")
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return FormatCSV
	}
	if text[0] == '[' && len(text) > 1 && text[1] != '{' && text[1] != '\n' && text[1] != ' ' && text[1] != ']' {
		return FormatCSV
	}
	if bytes.Contains(text, []byte(`"bundle"`)) || bytes.Contains(text, []byte(`"spec_version"`)) {
		return FormatSTIX
	}
	return FormatMISP
}

// take adds one entry, or says why not.
func (r *reader) take(line int, i Indicator) error {
	i.Source = r.o.Source
	if i.Expires.IsZero() && r.o.Lifetime > 0 {
		i.Expires = r.o.Now.Add(r.o.Lifetime)
	}
	if !i.Expires.IsZero() && !i.Expires.After(r.o.Now) {
		r.result.Expired++
		return nil
	}
	err := r.b.Add(i, r.o.Private)
	if errors.Is(err, ErrFull) {
		return err
	}
	if err != nil {
		r.refuse(line, i.Value, err.Error())
		return nil
	}
	r.result.Added++
	return nil
}

func (r *reader) refuse(line int, value, reason string) {
	r.result.Refused++
	if len(r.result.Reasons) < maxRefusals {
		const shown = 120
		if len(value) > shown {
			value = value[:shown] + "…"
		}
		r.result.Reasons = append(r.result.Reasons, Refusal{Line: line, Value: string(bytes.ToValidUTF8([]byte(value), []byte("?"))), Reason: reason})
	}
}

// capped ends in an error where io.LimitReader would end in silence.
type capped struct {
	r    io.Reader
	left int64
}

func (c *capped) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("%w: longer than %d bytes", ErrFormat, int64(MaxList))
	}
	n, err := c.r.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}
