package conformance

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// matches reports whether a record meets all conditions.
func (f *filterSpec) matches(record map[string]any) bool {
	for key, want := range f.Match {
		if !condition(record, key, want) {
			return false
		}
	}
	return true
}

func condition(record map[string]any, key string, want any) bool {
	switch key {
	case "has-key", "not-has-key":
		for _, k := range list(want) {
			_, has := value(record, k)
			if has != (key == "has-key") {
				return false
			}
		}
		return true
	}
	path, op := key, ""
	i := strings.LastIndex(key, "__")
	if i > 0 {
		path, op = strings.TrimSuffix(key[:i], "."), key[i+2:]
	}
	got, ok := value(record, path)
	if !ok {
		return false
	}
	switch op {
	case "len":
		return equal(length(got), want)
	case "find", "contains":
		return contains(got, want)
	case "startswith":
		return strings.HasPrefix(text(got), text(want))
	case "endswith":
		return strings.HasSuffix(text(got), text(want))
	case "gt", "gte", "lt", "lte":
		return ordered(got, want, op)
	}
	return equal(got, want)
}

func list(v any) []string {
	l, ok := v.([]any)
	if !ok {
		return []string{text(v)}
	}
	var out []string
	for _, x := range l {
		out = append(out, text(x))
	}
	return out
}

func length(v any) any {
	switch v := v.(type) {
	case string:
		return len([]rune(v))
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	return nil
}

func contains(got, want any) bool {
	l, ok := got.([]any)
	if ok {
		return slices.ContainsFunc(l, func(x any) bool { return equal(x, want) })
	}
	return strings.Contains(text(got), text(want))
}

func ordered(got, want any, op string) bool {
	a, err := strconv.ParseFloat(text(got), 64)
	if err != nil {
		return false
	}
	b, err := strconv.ParseFloat(text(want), 64)
	if err != nil {
		return false
	}
	switch op {
	case "gt":
		return a > b
	case "gte":
		return a >= b
	case "lt":
		return a < b
	}
	return a <= b
}

// value finds a dotted path; "name[3]" is an element of a list.
func value(v any, path string) (any, bool) {
	for part := range strings.SplitSeq(path, ".") {
		name, index, indexed := strings.Cut(part, "[")
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		v, ok = m[name]
		if !ok {
			return nil, false
		}
		if !indexed {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		l, ok := v.([]any)
		if err != nil || !ok || n < 0 || n >= len(l) {
			return nil, false
		}
		v = l[n]
	}
	return v, true
}

// equal compares what JSON gave with what YAML asks: numbers by value, and
// else by their text, as the original runner does.
func equal(got, want any) bool {
	switch w := want.(type) {
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(g, w, equal)
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for k, x := range w {
			y, ok := g[k]
			if !ok || !equal(y, x) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(got, want) || text(got) == text(want)
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case json.Number:
		n, err := v.Float64()
		if err == nil && strings.ContainsAny(v.String(), ".eE") {
			return text(n)
		}
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}
