package sigma

import (
	"embed"
	"fmt"
)

//go:embed rules/*.yml
var builtinFiles embed.FS

// BuiltinRules returns the rules that come with the system. Each file
// documents itself in Vietnamese and English.
func BuiltinRules() ([]*Rule, error) {
	rules, failures, err := loadFS(builtinFiles)
	if err != nil {
		return nil, err
	}
	if len(failures) > 0 {
		return nil, fmt.Errorf("sigma: built-in rule %s: %s", failures[0].File, failures[0].Reason)
	}
	return rules, nil
}
