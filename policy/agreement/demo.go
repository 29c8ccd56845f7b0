package agreement

import (
	_ "embed"
	"fmt"

	"gopkg.in/yaml.v3"
)

//go:embed demo.yaml
var demo []byte

// Demo returns the agreements of the demonstration: in force, proposed,
// suspended and expired ones.
func Demo() ([]Agreement, error) {
	var file struct {
		Agreements []Agreement `yaml:"agreements"`
	}
	err := yaml.Unmarshal(demo, &file)
	if err != nil {
		return nil, fmt.Errorf("%w: demo agreements: %w", ErrInvalid, err)
	}
	return file.Agreements, nil
}
