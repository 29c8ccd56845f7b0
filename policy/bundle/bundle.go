// Package bundle carries the policy of the platform in Rego: antin.authz (who
// may do what) and antin.sharing (who may have which fields of which shared
// database, for what), with their tests. It parses, compiles, formats and
// tests the modules with OPA; it evaluates no request (package engine does).
package bundle

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

//go:embed antin/*.rego
var files embed.FS

// testSuffix marks modules that hold tests; they are not part of a policy.
const testSuffix = "_test.rego"

// ErrInvalid means that the modules are not a policy that this program runs.
var ErrInvalid = errors.New("policy bundle: invalid")

// Source is a set of Rego modules by name.
type Source map[string][]byte

// Embedded returns the modules built into the program, tests included.
func Embedded() (Source, error) { return ReadFS(files) }

// ReadFS returns the Rego modules of a file system.
func ReadFS(fsys fs.FS) (Source, error) {
	source := Source{}
	err := fs.WalkDir(fsys, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".rego") {
			return err
		}
		text, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		source[path] = text
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read policy bundle: %w", err)
	}
	if len(source) == 0 {
		return nil, fmt.Errorf("%w: no Rego modules", ErrInvalid)
	}
	return source, nil
}

// Digest returns the hex SHA-256 over names and texts of the modules that
// decide; tests do not change it.
func (s Source) Digest() string {
	h := sha256.New()
	for _, name := range s.names() {
		if strings.HasSuffix(name, testSuffix) {
			continue
		}
		fmt.Fprintf(h, "%d:%s%d:", len(name), name, len(s[name]))
		h.Write(s[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Compile parses and compiles the modules that decide, in strict mode, with
// the restricted Capabilities.
func (s Source) Compile() (*ast.Compiler, error) { return s.compile(false) }

func (s Source) compile(withTests bool) (*ast.Compiler, error) {
	capabilities := Capabilities()
	modules := make(map[string]*ast.Module, len(s))
	for _, name := range s.names() {
		if !withTests && strings.HasSuffix(name, testSuffix) {
			continue
		}
		module, err := ast.ParseModuleWithOpts(name, string(s[name]), ast.ParserOptions{
			Capabilities: capabilities, RegoVersion: ast.RegoV1, ProcessAnnotation: true,
		})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		modules[name] = module
	}
	compiler := ast.NewCompiler().WithCapabilities(capabilities).WithStrict(!withTests)
	compiler.Compile(modules)
	if compiler.Failed() {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, compiler.Errors)
	}
	return compiler, nil
}

// Capabilities are OPA's without what would let a decision depend on anything
// but its input and data: the network, the process, chance and the clock.
func Capabilities() *ast.Capabilities {
	all := ast.CapabilitiesForThisVersion()
	kept := make([]*ast.Builtin, 0, len(all.Builtins))
	for _, builtin := range all.Builtins {
		if builtin.Nondeterministic || outside(builtin.Name) {
			continue
		}
		kept = append(kept, builtin)
	}
	all.Builtins = kept
	all.AllowNet = []string{}
	return all
}

func outside(name string) bool {
	for _, prefix := range []string{"http.", "net.", "opa.", "rand.", "providers.", "rego."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
