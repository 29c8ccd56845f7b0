package sigma

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Limits on a rule file. The largest rule of SigmaHQ has 30 KB, 1,400 nodes
// and a depth of seven.
const (
	maxFileBytes = 1 << 20
	maxDepth     = 24
	maxNodes     = 50_000
	maxDocuments = 256
)

// Parse reads the rules of one YAML file, which may hold several documents.
func Parse(data []byte) ([]*Rule, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrRule, maxFileBytes)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var rules []*Rule
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRule, err)
		}
		if len(rules) == maxDocuments {
			return nil, fmt.Errorf("%w: more than %d documents", ErrRule, maxDocuments)
		}
		r, err := parseDocument(&doc)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	if len(rules) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrRule)
	}
	return rules, nil
}

func parseDocument(doc *yaml.Node) (*Rule, error) {
	nodes := 0
	err := checkTree(doc, 0, &nodes)
	if err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%w: not a mapping", ErrRule)
	}
	top := doc.Content[0]
	if child(top, "correlation") != nil {
		return nil, fmt.Errorf("%w: correlation rules are not supported", ErrRule)
	}
	r := &Rule{
		ID: text(top, "id"), Title: text(top, "title"), Status: text(top, "status"),
		Description: text(top, "description"), Author: text(top, "author"), Level: text(top, "level"),
		Tags: texts(top, "tags"), References: texts(top, "references"), FalsePositives: texts(top, "falsepositives"),
		searches: map[string]search{},
	}
	if r.Title == "" {
		return nil, fmt.Errorf("%w: no title", ErrRule)
	}
	source := child(top, "logsource")
	if source == nil || source.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%w: no logsource", ErrRule)
	}
	r.LogSource = LogSource{text(source, "category"), text(source, "product"), text(source, "service")}
	return r, r.parseDetection(child(top, "detection"))
}

// checkTree bounds the document and refuses aliases, which can stand for far
// more than they show.
func checkTree(n *yaml.Node, depth int, nodes *int) error {
	*nodes++
	switch {
	case depth > maxDepth:
		return fmt.Errorf("%w: nested deeper than %d (line %d)", ErrRule, maxDepth, n.Line)
	case *nodes > maxNodes:
		return fmt.Errorf("%w: more than %d nodes", ErrRule, maxNodes)
	case n.Kind == yaml.AliasNode:
		return fmt.Errorf("%w: YAML alias (line %d)", ErrRule, n.Line)
	}
	for _, c := range n.Content {
		err := checkTree(c, depth+1, nodes)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Rule) parseDetection(n *yaml.Node) error {
	if n == nil || n.Kind != yaml.MappingNode {
		return fmt.Errorf("%w: no detection", ErrRule)
	}
	var conditions []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1]
		switch name {
		case "condition":
			conditions = scalars(value)
		case "timeframe":
		default:
			s, err := parseSearch(value, r)
			if err != nil {
				return fmt.Errorf("%w: detection %q (line %d): %w", ErrRule, name, value.Line, err)
			}
			r.searches[name] = s
		}
	}
	if len(conditions) == 0 {
		return fmt.Errorf("%w: no condition", ErrRule)
	}
	var all orExpr
	for _, c := range conditions {
		e, err := parseCondition(c, r.searches)
		if err != nil {
			return fmt.Errorf("%w: condition %q: %w", ErrRule, c, err)
		}
		all = append(all, e)
	}
	r.cond = all
	if len(all) == 1 {
		r.cond = all[0]
	}
	slices.Sort(r.fields)
	r.fields = slices.Compact(r.fields)
	return nil
}

// child returns the value of a key of a mapping.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func text(n *yaml.Node, key string) string {
	c := child(n, key)
	if c == nil || c.Kind != yaml.ScalarNode || c.Tag == "!!null" {
		return ""
	}
	return strings.TrimSpace(c.Value)
}

func texts(n *yaml.Node, key string) []string {
	c := child(n, key)
	if c == nil {
		return nil
	}
	return scalars(c)
}

func scalars(n *yaml.Node) []string {
	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!!null" {
			return nil
		}
		return []string{n.Value}
	}
	var out []string
	for _, c := range n.Content {
		if n.Kind == yaml.SequenceNode && c.Kind == yaml.ScalarNode {
			out = append(out, c.Value)
		}
	}
	return out
}
