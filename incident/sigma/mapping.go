package sigma

import (
	_ "embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

//go:embed mapping.yml
var defaultMapping []byte

// Mapping says which EVE events feed which log sources and under which paths
// fields are found.
type Mapping struct {
	Common  map[string][]FieldPath `yaml:"common"`
	EVE     []string               `yaml:"eve"`
	Sources []Source               `yaml:"sources"`
}

// Source is one log source of a Mapping.
type Source struct {
	Name   string                 `yaml:"name"`
	When   map[string]string      `yaml:"when"`
	Events []string               `yaml:"events"`
	Fields map[string][]FieldPath `yaml:"fields"`
}

// FieldPath is a path in EVE and what to take of its value.
type FieldPath struct {
	Path string `yaml:"path"`
	Take string `yaml:"take"`
}

// UnmarshalYAML accepts a bare path.
func (p *FieldPath) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		p.Path = n.Value
		return nil
	}
	type plain FieldPath
	err := n.Decode((*plain)(p))
	if err != nil {
		return fmt.Errorf("field path: %w", err)
	}
	return nil
}

// DefaultMapping returns the mapping that is built in.
func DefaultMapping() (*Mapping, error) { return ParseMapping(defaultMapping) }

// ParseMapping reads a mapping file.
func ParseMapping(data []byte) (*Mapping, error) {
	var m Mapping
	err := yaml.Unmarshal(data, &m)
	if err != nil {
		return nil, fmt.Errorf("sigma: mapping: %w", err)
	}
	for i := range m.Sources {
		s := &m.Sources[i]
		if s.Name == "" || len(s.When) == 0 || len(s.Events) == 0 {
			return nil, fmt.Errorf("sigma: mapping: source %d needs name, when and events", i+1)
		}
		for k := range s.When {
			if k != "category" && k != "product" && k != "service" {
				return nil, fmt.Errorf("sigma: mapping: source %s: unknown key %q", s.Name, k)
			}
		}
		for f, paths := range s.Fields {
			err = checkTakes(paths)
			if err != nil {
				return nil, fmt.Errorf("sigma: mapping: source %s, field %s: %w", s.Name, f, err)
			}
		}
	}
	for f, paths := range m.Common {
		err = checkTakes(paths)
		if err != nil {
			return nil, fmt.Errorf("sigma: mapping: field %s: %w", f, err)
		}
	}
	return &m, nil
}

func checkTakes(paths []FieldPath) error {
	for _, p := range paths {
		switch p.Take {
		case "", "path", "query", "extension", "url":
		default:
			return fmt.Errorf("unknown take %q", p.Take)
		}
	}
	return nil
}

// source finds the log source that feeds a rule.
func (m *Mapping) source(l LogSource) *Source {
	want := map[string]string{"category": l.Category, "product": l.Product, "service": l.Service}
	for i := range m.Sources {
		s := &m.Sources[i]
		ok := true
		for k, v := range want {
			ok = ok && s.When[k] == v
		}
		if ok {
			return s
		}
	}
	return nil
}

// paths says where a field is found, nil if nowhere.
func (m *Mapping) paths(s *Source, field string) []FieldPath {
	p, ok := s.Fields[field]
	if ok {
		return p
	}
	p, ok = m.Common[field]
	if ok {
		return p
	}
	first, _, _ := strings.Cut(field, ".")
	if slices.Contains(m.EVE, first) {
		return []FieldPath{{Path: field}}
	}
	return nil
}

// unfed says why the system cannot feed a rule, or is empty.
func (m *Mapping) unfed(r *Rule) string {
	if r.unsupported != "" {
		return r.unsupported
	}
	s := m.source(r.LogSource)
	if s == nil {
		return "no sensor records this log source: " + r.LogSource.String()
	}
	for _, f := range r.fields {
		if m.paths(s, f) == nil {
			return fmt.Sprintf("field %q is not recorded for log source %s", f, s.Name)
		}
	}
	return ""
}

// mapped is an EVE record seen through a source of a mapping.
type mapped struct {
	mapping *Mapping
	source  *Source
	fields  Fields
}

// Lookup implements Record.
func (r mapped) Lookup(field string) ([]any, bool) {
	var out []any
	found := false
	for _, p := range r.mapping.paths(r.source, field) {
		values, ok := r.fields.Lookup(p.Path)
		if !ok {
			continue
		}
		if p.Take == "" {
			out, found = append(out, values...), true
			continue
		}
		for _, v := range values {
			taken, ok := r.take(p.Take, textOf(v))
			if ok {
				out, found = append(out, taken), true
			}
		}
	}
	return out, found
}

// Each implements Record.
func (r mapped) Each(f func(any) bool) { r.fields.Each(f) }

// take derives a part of a request target (RFC 9112 §3.2).
func (r mapped) take(what, url string) (string, bool) {
	target := url
	_, after, absolute := strings.Cut(url, "://")
	if absolute {
		slash := strings.IndexByte(after, '/')
		target = "/"
		if slash >= 0 {
			target = after[slash:]
		}
	}
	stem, query, hasQuery := strings.Cut(target, "?")
	switch what {
	case "path":
		return stem, true
	case "query":
		return query, hasQuery
	case "extension":
		ext := strings.TrimPrefix(path.Ext(stem), ".")
		return ext, ext != ""
	}
	if absolute {
		return url, true
	}
	host, ok := r.fields.Lookup("http.hostname")
	if !ok || len(host) == 0 {
		return "", false
	}
	return "http://" + textOf(host[0]) + target, true
}
