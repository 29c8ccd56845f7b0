package drill

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// Limits of a scenario's YAML. The library reports every pair of equal keys, so
// that a map of 60,000 of them would take all memory before it is refused; the
// shape is therefore looked at first.
const (
	maxNodes = 20000
	maxDepth = 12
	maxKeys  = 64
)

// checkYAML refuses text that is no YAML, or whose shape no scenario has:
// aliases, deep nesting, maps with many or equal keys.
func checkYAML(b []byte) error {
	var root yaml.Node
	err := yaml.Unmarshal(b, &root)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrScenario, err)
	}
	nodes := 0
	return checkNode(&root, 0, &nodes)
}

func checkNode(n *yaml.Node, depth int, nodes *int) error {
	*nodes++
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return fmt.Errorf("%w: line %d: anchors and aliases are not taken", ErrScenario, n.Line)
	case depth > maxDepth || *nodes > maxNodes:
		return fmt.Errorf("%w: line %d: nested too deep, or too many values", ErrScenario, n.Line)
	}
	if n.Kind == yaml.MappingNode {
		seen := map[string]bool{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || seen[key.Value] || len(seen) == maxKeys {
				return fmt.Errorf("%w: line %d: a key that is no word, stands twice, or is one too many", ErrScenario, key.Line)
			}
			seen[key.Value] = true
		}
	}
	for _, child := range n.Content {
		err := checkNode(child, depth+1, nodes)
		if err != nil {
			return err
		}
	}
	return nil
}
