package sigma

import (
	"errors"
	"fmt"

	"gopkg.in/yaml.v3"
)

// search is what stands under one name of the detection.
type search interface {
	matches(*evaluation) bool
}

type (
	// mapSearch is a mapping: all of its field tests must hold.
	mapSearch []*fieldTest
	// listSearch is a list of mappings or of lists: any may hold.
	listSearch []search
	// keywordSearch is text that may stand in any field.
	keywordSearch struct {
		patterns []*pattern
		all      bool
	}
)

func (s mapSearch) matches(v *evaluation) bool {
	for _, t := range s {
		if !t.matches(v) {
			return false
		}
	}
	return true
}

func (s listSearch) matches(v *evaluation) bool {
	for _, x := range s {
		if x.matches(v) {
			return true
		}
	}
	return false
}

func (s keywordSearch) matches(v *evaluation) bool {
	for _, p := range s.patterns {
		found := v.anyValue(p.matchesText)
		if found && !s.all {
			return true
		}
		if !found && s.all {
			return false
		}
	}
	return s.all
}

var errSearchKind = errors.New("neither a mapping nor a list nor a keyword")

func parseSearch(n *yaml.Node, r *Rule) (search, error) {
	switch n.Kind {
	case yaml.MappingNode:
		return parseMapSearch(n, r)
	case yaml.ScalarNode:
		return parseKeywords([]*yaml.Node{n}, false)
	case yaml.SequenceNode:
		return parseListSearch(n, r)
	}
	return nil, errSearchKind
}

// parseListSearch reads a list: its scalars are keywords together.
func parseListSearch(n *yaml.Node, r *Rule) (search, error) {
	if len(n.Content) == 0 {
		return nil, errors.New("empty list")
	}
	var list listSearch
	var keywords []*yaml.Node
	for _, c := range n.Content {
		if c.Kind == yaml.ScalarNode {
			keywords = append(keywords, c)
			continue
		}
		s, err := parseSearch(c, r)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	if len(keywords) > 0 {
		s, err := parseKeywords(keywords, false)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}

func parseKeywords(nodes []*yaml.Node, all bool) (search, error) {
	s := keywordSearch{all: all}
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			return nil, errors.New("a keyword is not text")
		}
		s.patterns = append(s.patterns, newPattern(parseTokens(n.Value), placeContains, false))
	}
	return s, nil
}

func parseMapSearch(n *yaml.Node, r *Rule) (search, error) {
	var s mapSearch
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field, mods, err := splitModifiers(key.Value)
		if err != nil {
			return nil, err
		}
		nodes := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			nodes = value.Content
		}
		if field == "" {
			if mods != (modifiers{all: true}) || len(n.Content) != 2 {
				return nil, fmt.Errorf("field name missing before %q", key.Value)
			}
			return parseKeywords(nodes, true)
		}
		t, err := newFieldTest(field, mods, nodes)
		if err != nil {
			var not unsupportedError
			if !errors.As(err, &not) {
				return nil, fmt.Errorf("%s: %w", key.Value, err)
			}
			r.unsupported = fmt.Sprintf("%s: %s", key.Value, not.reason)
		}
		r.fields = append(r.fields, field)
		r.fields = append(r.fields, t.refs()...)
		s = append(s, t)
	}
	if len(s) == 0 {
		return nil, errors.New("empty mapping")
	}
	return s, nil
}
