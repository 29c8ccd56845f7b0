package incident

import (
	_ "embed"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/antin-gov/antin/internal/event"
)

// ClassOther is the class of what no table line names.
const ClassOther = "other"

// metadataClass is the key of a rule's metadata that names the class outright.
const metadataClass = "antin_class"

//go:embed classes.yaml
var classesYAML []byte

// classes maps what rules say of themselves to the classes of incident.
type classes struct {
	Names      []string          `yaml:"classes"`
	Categories map[string]string `yaml:"categories"`
	Tags       map[string]string `yaml:"tags"`
}

func loadClasses() (*classes, error) {
	var c classes
	err := yaml.Unmarshal(classesYAML, &c)
	if err != nil {
		return nil, fmt.Errorf("read classes: %w", err)
	}
	known := map[string]bool{}
	for _, n := range c.Names {
		known[n] = true
	}
	for _, table := range []map[string]string{c.Categories, c.Tags} {
		for from, to := range table {
			if !known[to] {
				return nil, fmt.Errorf("read classes: %q leads to the unknown class %q", from, to)
			}
		}
	}
	return &c, nil
}

func (c *classes) ofAlert(a *event.Alert) string {
	for _, v := range a.Metadata[metadataClass] {
		for _, n := range c.Names {
			if v == n {
				return n
			}
		}
	}
	class, ok := c.Categories[strings.ToLower(a.Category)]
	if ok {
		return class
	}
	return ClassOther
}

// ofTags takes the first tag that the table knows: rules list the most telling
// technique first.
func (c *classes) ofTags(tags []string) string {
	for _, tag := range tags {
		class, ok := c.Tags[strings.ToLower(tag)]
		if ok {
			return class
		}
	}
	return ClassOther
}
