package sigma

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Record is what a rule is evaluated on.
type Record interface {
	// Lookup returns the values of a field and whether the field exists. A
	// field that is null exists and has no values.
	Lookup(field string) (values []any, ok bool)
	// Each calls f for every value of the record until f returns false.
	Each(f func(value any) bool)
}

// Fields is a decoded JSON object as a Record. A field is a key, or a path
// with dots through objects and lists.
type Fields map[string]any

// maxRecordDepth bounds how deep values are searched.
const maxRecordDepth = 32

// Lookup implements Record.
func (f Fields) Lookup(field string) ([]any, bool) {
	v, ok := f[field]
	if ok {
		return appendLeaves(nil, v, 0), true
	}
	if !strings.Contains(field, ".") {
		return nil, false
	}
	return walk(nil, map[string]any(f), field, 0)
}

// Each implements Record.
func (f Fields) Each(fn func(any) bool) {
	each(map[string]any(f), fn, 0)
}

func walk(out []any, v any, path string, depth int) ([]any, bool) {
	if depth > maxRecordDepth {
		return out, false
	}
	switch v := v.(type) {
	case map[string]any:
		key, rest, more := strings.Cut(path, ".")
		if !more {
			x, ok := v[key]
			if !ok {
				return out, false
			}
			return appendLeaves(out, x, depth), true
		}
		x, ok := v[key]
		if !ok {
			return out, false
		}
		return walk(out, x, rest, depth+1)
	case []any:
		found := false
		for _, x := range v {
			var ok bool
			out, ok = walk(out, x, path, depth+1)
			found = found || ok
		}
		return out, found
	}
	return out, false
}

// appendLeaves adds the scalars of a value: a list has several, null none.
func appendLeaves(out []any, v any, depth int) []any {
	switch v := v.(type) {
	case nil:
	case map[string]any:
	case []any:
		if depth > maxRecordDepth {
			return out
		}
		for _, x := range v {
			out = appendLeaves(out, x, depth+1)
		}
	default:
		out = append(out, v)
	}
	return out
}

func each(v any, fn func(any) bool, depth int) bool {
	if depth > maxRecordDepth {
		return true
	}
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		for _, x := range v {
			if !each(x, fn, depth+1) {
				return false
			}
		}
		return true
	case []any:
		for _, x := range v {
			if !each(x, fn, depth+1) {
				return false
			}
		}
		return true
	}
	return fn(v)
}

// value is one value of a field as text, with its lower-case form made once.
type value struct {
	text string
	low  string
	has  bool
}

func (v *value) lower() string {
	if !v.has {
		v.low, v.has = strings.ToLower(v.text), true
	}
	return v.low
}

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case int:
		return strconv.Itoa(v)
	}
	return fmt.Sprint(v)
}

// evaluation is one record under evaluation; it remembers look-ups, because
// many rules read the same fields.
type evaluation struct {
	record Record
	known  map[string]*looked
	all    []value
	hasAll bool
}

type looked struct {
	values []value
	ok     bool
}

func newEvaluation(r Record) *evaluation {
	return &evaluation{record: r, known: map[string]*looked{}}
}

func (e *evaluation) lookup(field string) ([]value, bool) {
	k := e.known[field]
	if k == nil {
		k = &looked{}
		raw, ok := e.record.Lookup(field)
		k.ok = ok
		for _, v := range raw {
			k.values = append(k.values, value{text: textOf(v)})
		}
		e.known[field] = k
	}
	return k.values, k.ok
}

// anyValue reports whether any value of the record satisfies f.
func (e *evaluation) anyValue(f func(*value) bool) bool {
	for i := range e.everything() {
		if f(&e.all[i]) {
			return true
		}
	}
	return false
}

func (e *evaluation) everything() []value {
	if !e.hasAll {
		e.hasAll = true
		e.record.Each(func(v any) bool {
			e.all = append(e.all, value{text: textOf(v)})
			return true
		})
	}
	return e.all
}
