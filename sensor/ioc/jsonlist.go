package ioc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// jsonList walks a JSON document of any length in little memory: tokens are
// bounded, and so are the objects that are decoded as a whole.
type jsonList struct {
	dec *json.Decoder
	in  *lines
}

func newJSONList(r io.Reader) *jsonList {
	in := &lines{r: r, line: 1}
	return &jsonList{dec: json.NewDecoder(in), in: in}
}

// lines counts lines and bounds what is read between two steps.
type lines struct {
	r io.Reader
	// ends are the offsets of line ends that were read and not passed.
	ends   []int64
	offset int64
	line   int
	room   int
}

func (l *lines) Read(b []byte) (int, error) {
	if l.room <= 0 {
		return 0, fmt.Errorf("%w: an object longer than %d bytes", ErrFormat, maxObject)
	}
	n, err := l.r.Read(b[:min(len(b), l.room)])
	l.room -= n
	for i, c := range b[:n] {
		if c == '\n' {
			l.ends = append(l.ends, l.offset+int64(i))
		}
	}
	l.offset += int64(n)
	return n, err
}

// at is the line of an offset; offsets must not go back.
func (l *lines) at(offset int64) int {
	n := 0
	for n < len(l.ends) && l.ends[n] < offset {
		n++
	}
	l.line += n
	l.ends = append(l.ends[:0], l.ends[n:]...)
	return l.line
}

func (j *jsonList) fail(err error) error {
	line := j.in.at(j.dec.InputOffset())
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: line %d: %w", ErrFormat, line, err)
}

func (j *jsonList) token() (json.Token, error) {
	j.in.room = maxObject
	t, err := j.dec.Token()
	if err != nil {
		return nil, j.fail(err)
	}
	return t, nil
}

// elements decodes the objects of the array that was just opened and gives
// each with the line on which it starts.
func elements[T any](j *jsonList, each func(line int, v *T) error) error {
	for j.dec.More() {
		j.in.room = maxObject
		var raw json.RawMessage
		err := j.dec.Decode(&raw)
		if err != nil {
			return j.fail(err)
		}
		line := j.in.at(j.dec.InputOffset() - int64(len(raw)) + 1)
		var v T
		err = json.Unmarshal(raw, &v)
		var kind *json.UnmarshalTypeError
		if err != nil && !errors.As(err, &kind) {
			return j.fail(err)
		}
		// A member of another type than the format says stays empty.
		err = each(line, &v)
		if err != nil {
			return err
		}
	}
	_, err := j.token()
	return err
}

// walk goes through all arrays with a name; found is called with the array
// open and must read it to its end, or report that it did not.
func (j *jsonList) walk(found func(name string) (bool, error)) error {
	return j.value("", 0, found)
}

func (j *jsonList) value(name string, depth int, found func(string) (bool, error)) error {
	t, err := j.token()
	if err != nil {
		return err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth >= maxDepth {
		return j.fail(fmt.Errorf("nested deeper than %d", maxDepth))
	}
	if open == '[' {
		done, err := found(name)
		if done || err != nil {
			return err
		}
	}
	for j.dec.More() {
		key := ""
		if open == '{' {
			t, err = j.token()
			if err != nil {
				return err
			}
			key, _ = t.(string)
		}
		err = j.value(key, depth+1, found)
		if err != nil {
			return err
		}
	}
	_, err = j.token()
	return err
}
