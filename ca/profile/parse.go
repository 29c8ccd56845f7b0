package profile

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFile bounds a file of profiles, maxProfiles how many there may be.
const (
	maxFile     = 1 << 20
	maxProfiles = 500
)

// OwnFile is the name of the operator's own profiles in the data folder.
const OwnFile = "profiles.yaml"

//go:embed profiles.yaml
var builtin []byte

// PlaceError says where in a file of profiles what is wrong.
type PlaceError struct {
	File    string
	Line    int
	Profile string
	Err     error
}

// Error names the place first.
func (e *PlaceError) Error() string {
	where := fmt.Sprintf("%s:%d", e.File, e.Line)
	if e.Profile == "" {
		return fmt.Sprintf("%s: %v", where, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", where, e.Profile, e.Err)
}

// Unwrap gives ErrInvalid and the cause.
func (e *PlaceError) Unwrap() []error { return []error{ErrInvalid, e.Err} }

// Builtin returns the profiles of the product.
func Builtin() (*Set, error) { return Parse("built-in profiles.yaml", builtin) }

// Load returns the profiles of the product with those of the file over them: a
// profile of the same name takes the place of the product's, others are added.
// Without the file, the product's alone.
func Load(path string) (*Set, error) {
	base, err := Builtin()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return base, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	err = errors.Join(err, f.Close())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	own, err := Parse(path, text)
	if err != nil {
		return nil, err
	}
	maps.Copy(base.byName, own.byName)
	return base, nil
}

// Parse reads and checks profiles; name is the file's, for errors (PlaceError).
func Parse(name string, text []byte) (*Set, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("%w: %s: over %d bytes", ErrInvalid, name, maxFile)
	}
	var root yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	err := dec.Decode(&root)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, name, err)
	}
	p := parser{file: name}
	nodes, err := p.profiles(&root)
	if err != nil {
		return nil, err
	}
	set := &Set{byName: make(map[string]*Profile)}
	for _, key := range slices.Sorted(maps.Keys(nodes)) {
		set.byName[key], err = p.profile(key, nodes[key])
		if err != nil {
			return nil, err
		}
	}
	return set, nil
}

// parser reads one file.
type parser struct {
	file string
}

func (p parser) at(node *yaml.Node, profile string, err error) error {
	return &PlaceError{File: p.file, Line: node.Line, Profile: profile, Err: err}
}

// profiles finds the mapping of profiles in the document.
func (p parser) profiles(root *yaml.Node) (map[string]*yaml.Node, error) {
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return nil, p.at(root, "", errors.New("want a mapping with the key profiles"))
	}
	var all *yaml.Node
	top := root.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		if top.Content[i].Value != "profiles" || all != nil {
			return nil, p.at(top.Content[i], "", fmt.Errorf("unknown or repeated key %q", top.Content[i].Value))
		}
		all = top.Content[i+1]
	}
	if all == nil || all.Kind != yaml.MappingNode || len(all.Content) == 0 {
		return nil, p.at(top, "", errors.New("no profile"))
	}
	if len(all.Content)/2 > maxProfiles {
		return nil, p.at(all, "", fmt.Errorf("more than %d profiles", maxProfiles))
	}
	nodes := make(map[string]*yaml.Node)
	for i := 0; i+1 < len(all.Content); i += 2 {
		key, value := all.Content[i], all.Content[i+1]
		switch {
		case !profileName(key.Value):
			return nil, p.at(key, "", fmt.Errorf("%q is no name: want small letters, digits and hyphens", key.Value))
		case nodes[key.Value] != nil:
			return nil, p.at(key, key.Value, errors.New("stands there twice"))
		case value.Kind != yaml.MappingNode:
			return nil, p.at(value, key.Value, errors.New("is empty or no mapping"))
		}
		nodes[key.Value] = value
	}
	return nodes, nil
}

// maxName bounds a profile's name.
const maxName = 64

func profileName(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

func (p parser) profile(name string, node *yaml.Node) (*Profile, error) {
	err := p.knownKeys(node, reflect.TypeFor[Profile](), name)
	if err != nil {
		return nil, err
	}
	out := &Profile{Name: name}
	err = node.Decode(out)
	if err != nil {
		return nil, p.at(node, name, err) // yaml's own text names the line again
	}
	err = out.check()
	if err != nil {
		return nil, p.at(placeOf(node, err), name, err)
	}
	return out, nil
}

// placeOf finds the line of the key that an error names.
func placeOf(node *yaml.Node, err error) *yaml.Node {
	var field *fieldError
	if !errors.As(err, &field) {
		return node
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == field.field {
			return node.Content[i]
		}
	}
	return node
}

// maxDepth bounds how deep profiles nest: the deepest there is has four levels.
const maxDepth = 8

// knownKeys refuses keys that the type does not have, and aliases, by which a
// small text could become a large one.
func (p parser) knownKeys(node *yaml.Node, t reflect.Type, profile string) error {
	return p.known(node, t, profile, maxDepth)
}

func (p parser) known(node *yaml.Node, t reflect.Type, profile string, depth int) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case depth == 0:
		return p.at(node, profile, errors.New("nested too deep"))
	case node.Kind == yaml.AliasNode || node.Anchor != "":
		return p.at(node, profile, errors.New("aliases and anchors are not taken"))
	case node.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for _, item := range node.Content {
			err := p.known(item, t.Elem(), profile, depth-1)
			if err != nil {
				return err
			}
		}
		return nil
	case node.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		return p.knownFields(node, t, profile, depth)
	case node.Kind == yaml.ScalarNode:
		return nil
	default:
		return p.at(node, profile, errors.New("a list or a mapping where another form is expected"))
	}
}

func (p parser) knownFields(node *yaml.Node, t reflect.Type, profile string, depth int) error {
	seen := make(map[string]bool)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		field, known := fieldOf(t, key.Value)
		if !known || seen[key.Value] {
			return p.at(key, profile, fmt.Errorf("unknown or repeated key %q", key.Value))
		}
		seen[key.Value] = true
		err := p.known(node.Content[i+1], field, profile, depth-1)
		if err != nil {
			return err
		}
	}
	return nil
}

func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if f.IsExported() && tag == name && name != "-" {
			return f.Type, true
		}
	}
	return nil, false
}

// YAML writes the profile as it may stand in a file.
func (p *Profile) YAML() ([]byte, error) {
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	err := enc.Encode(map[string]any{"profiles": map[string]*Profile{p.Name: p}})
	if err != nil {
		return nil, fmt.Errorf("write profile %s: %w", p.Name, err)
	}
	return out.Bytes(), nil
}
