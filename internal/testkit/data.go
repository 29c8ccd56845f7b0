// Package testkit holds what tests of several rooms share: the way to the
// real inputs and to a real database.
package testkit

import (
	"os"
	"path/filepath"
	"testing"
)

// EnvData names the folder of real inputs.
const EnvData = "ANTIN_TESTDATA"

// Data returns the path of a file or folder among the real inputs. The test
// is skipped when the inputs are not on this machine.
func Data(tb testing.TB, name string) string {
	tb.Helper()
	root := os.Getenv(EnvData)
	if root == "" {
		root = filepath.Join(Root(tb), "..", "shared", "data")
	}
	path := filepath.Join(root, filepath.FromSlash(name))
	_, err := os.Stat(path)
	if err != nil {
		tb.Skipf("real inputs absent: %s (set %s to their folder)", name, EnvData)
	}
	return path
}

// Root is the folder of the module.
func Root(tb testing.TB) string {
	tb.Helper()
	module, err := moduleRoot()
	if err != nil {
		tb.Fatalf("find the module's root: %v", err)
	}
	return module
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err = os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", os.ErrNotExist
		}
		dir = parent
	}
}
