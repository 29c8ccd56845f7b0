package gateway_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/antin-gov/antin/policy/engine"
	"github.com/antin-gov/antin/policy/gateway"
	"github.com/antin-gov/antin/policy/registry"
)

func fields() map[string]engine.Treatment {
	return map[string]engine.Treatment{
		"code": engine.Plain, "name": engine.Plain, "owner_id": engine.Masked, "owner_name": engine.Drop, "address": engine.Plain,
	}
}

func list() *gateway.Filter {
	return &gateway.Filter{Fields: fields(), List: true, Items: "items", Counts: []string{"total"}}
}

func TestFilterLetsTheAgreedFieldsThrough(t *testing.T) {
	one := &gateway.Filter{Fields: fields()}
	array := &gateway.Filter{Fields: fields(), List: true}
	for _, c := range []struct {
		name, in, want string
		filter         *gateway.Filter
		records        int
	}{
		{"a record", `{"code":"1","secret":"x","name":"A"}`, `{"code":"1","name":"A"}`, one, 1},
		{"a dropped field", `{"owner_name":"x","code":"1"}`, `{"code":"1"}`, one, 1},
		{"a masked text keeps its end", `{"owner_id":"079185001234"}`, `{"owner_id":"*****234"}`, one, 1},
		{"a short masked text keeps nothing", `{"owner_id":"1234567"}`, `{"owner_id":"*****"}`, one, 1},
		{"a masked Vietnamese text is cut at characters", `{"owner_id":"Nguyễn Thị Yến"}`, `{"owner_id":"*****Yến"}`, one, 1},
		{"a masked number", `{"owner_id":79185001234}`, `{"owner_id":"*****"}`, one, 1},
		{"a masked object", `{"owner_id":{"a":["b"]},"code":"1"}`, `{"owner_id":"*****","code":"1"}`, one, 1},
		{"a masked null", `{"owner_id":null}`, `{"owner_id":null}`, one, 1},
		{"a dropped structure", `{"secret":{"name":"x","a":[{"code":1}]},"code":"1"}`, `{"code":"1"}`, one, 1},
		{"an agreed structure", `{"address":{"street":"a","no":[1,true,null]}}`, `{"address":{"street":"a","no":[1,true,null]}}`, one, 1},
		{"numbers stay as they are", `{"code":1234567890123456789.10}`, `{"code":1234567890123456789.10}`, one, 1},
		{"a name with an escape is the same name", `{"c\u006fde":"1","owner_n\u0061me":"x"}`, `{"code":"1"}`, one, 1},
		{"a name in other case is another name", `{"Code":"1"}`, `{}`, one, 1},
		{"records of a sub-resource", `[{"code":"1"},{"secret":1}]`, `[{"code":"1"},{}]`, one, 2},
		{"an array", ` [ {"code" : "1" } ] `, `[{"code":"1"}]`, array, 1},
		{"a list", `{"total":2,"note":"x","items":[{"code":"1","secret":1},{"name":"B"}]}`, `{"total":2,"items":[{"code":"1"},{"name":"B"}]}`, list(), 2},
		{"an empty list", `{"items":[]}`, `{"items":[]}`, list(), 0},
	} {
		var out bytes.Buffer
		n, err := c.filter.Apply(&out, strings.NewReader(c.in))
		if err != nil || out.String() != c.want || n != c.records {
			t.Errorf("%s: got %s, %d, %v, want %s", c.name, out.String(), n, err, c.want)
		}
	}
}

func TestFilterRefusesWhatHasNotTheAgreedForm(t *testing.T) {
	one := &gateway.Filter{Fields: fields()}
	for _, c := range []struct {
		name, in string
		filter   *gateway.Filter
	}{
		{"nothing", ``, one},
		{"a text", `"x"`, one},
		{"half a record", `{"code":"1"`, one},
		{"text after the record", `{"code":"1"} {"code":"2"}`, one},
		{"a record that is a text", `["x"]`, one},
		{"a list that is a record", `{"code":"1"}`, list()},
		{"a list that is an array", `[{"code":"1"}]`, list()},
		{"records that are no array", `{"items":{"code":"1"}}`, list()},
		{"records twice", `{"items":[],"items":[]}`, list()},
		{"a count that is a text", `{"total":"Nguyễn Văn A","items":[]}`, list()},
		{"a record as an array where a list is agreed", `{"items":[[{"code":"1"}]]}`, list()},
		{"too deep", `{"address":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, one},
		{"too large", `{"secret":"` + strings.Repeat("x", 9<<20) + `"}`, one},
		{"too many records", `[` + strings.Repeat(`{},`, 10_000) + `{}]`, one},
		{"no JSON", `<html>`, one},
	} {
		var out bytes.Buffer
		_, err := c.filter.Apply(&out, strings.NewReader(c.in))
		if err == nil {
			t.Errorf("%s was let through: %.60s", c.name, out.String())
		}
	}
}

// reference filters the whole document in memory.
func reference(f *gateway.Filter, value any) any {
	record := func(object map[string]any) any {
		out := map[string]any{}
		for name, field := range object {
			switch f.Fields[name] {
			case engine.Plain:
				out[name] = field
			case engine.Masked:
				out[name] = field
				text, isText := field.(string)
				runes := []rune(text)
				switch {
				case field == nil:
				case isText && len(runes) >= 8:
					out[name] = "*****" + string(runes[len(runes)-3:])
				default:
					out[name] = "*****"
				}
			}
		}
		return out
	}
	array := func(items []any) any {
		out := []any{}
		for _, item := range items {
			out = append(out, record(item.(map[string]any)))
		}
		return out
	}
	switch value := value.(type) {
	case []any:
		return array(value)
	case map[string]any:
		if !f.List {
			return record(value)
		}
		out := map[string]any{f.Items: array(value[f.Items].([]any))}
		for _, name := range f.Counts {
			if value[name] != nil {
				out[name] = value[name]
			}
		}
		return out
	}
	return nil
}

func decode(tb testing.TB, text []byte) any {
	tb.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var value any
	err := dec.Decode(&value)
	if err != nil {
		tb.Fatalf("not JSON: %v: %.200q", err, text)
	}
	return value
}

func FuzzFilter(f *testing.F) {
	page, err := json.Marshal(registry.Page{Items: registry.Generate(1, 3), Total: 3, Limit: 50})
	if err != nil {
		f.Fatal(err)
	}
	one, err := json.Marshal(registry.Generate(1, 1)[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(page, true)
	f.Add(one, false)
	f.Add([]byte(`[{"code":{"a":[1,{"b":null}]},"owner_id":"12345678"}]`), false)
	f.Add([]byte(`{"items":[{"c\u006fde":1}],"total":1e3}`), true)
	f.Fuzz(func(t *testing.T, text []byte, isList bool) {
		filter := &gateway.Filter{Fields: fields()}
		if isList {
			filter = list()
		}
		var out bytes.Buffer
		_, err := filter.Apply(&out, bytes.NewReader(text))
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("let through what is no JSON: %q as %q", text, out.Bytes())
		}
		if diff := cmp.Diff(reference(filter, decode(t, text)), decode(t, out.Bytes())); diff != "" {
			t.Fatalf("%q: filtered otherwise than the whole document:\n%s", text, diff)
		}
	})
}

func BenchmarkFilter(b *testing.B) {
	page, err := json.Marshal(registry.Page{Items: registry.Generate(1, 50), Total: 50, Limit: 50})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(page)))
	filter := list()
	for b.Loop() {
		var out bytes.Buffer
		_, err = filter.Apply(&out, bytes.NewReader(page))
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(page)), "bytes/page")
}
