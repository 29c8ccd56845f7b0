// Package engine evaluates the policy bundle with OPA embedded (exactly
// v1.22.2: 1.21.0 to 1.22.0 lose matches of `in`). It answers two questions:
// may this account do that (antin.authz) and may this agency have those fields
// (antin.sharing). What is undefined or fails is a no with a code of its own.
//
// It keeps nothing and records nothing: decisions are recorded by their
// caller, because OPA's own decision log drops entries under load.
package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/antin-gov/antin/policy/bundle"
)

// The entry points of the bundle.
const (
	authzQuery   = "data.antin.authz.decision"
	sharingQuery = "data.antin.sharing.decision"
)

// Codes of a refusal that no rule gave.
const (
	CodeUndefined = "undefined" // the policy has no answer
	CodeFault     = "fault"     // the evaluation failed
)

// ErrFault means that a question could not be answered; the answer is no.
var ErrFault = errors.New("policy engine: evaluation failed")

// Engine answers from one revision at a time. It is safe for concurrent use:
// a revision is never changed, only replaced whole.
type Engine struct {
	compiler *ast.Compiler
	digest   string
	current  atomic.Pointer[revision]
	// indexing is false in the differential test alone.
	indexing bool
}

// revision is the bundle with the data that it decides over.
type revision struct {
	id      string
	authz   rego.PreparedEvalQuery
	sharing rego.PreparedEvalQuery
}

// New compiles the bundle. Until Load the sharing registry is empty, so every
// data request is refused; Authorize answers at once.
func New(ctx context.Context, source bundle.Source) (*Engine, error) {
	compiler, err := source.Compile()
	if err != nil {
		return nil, err
	}
	e := &Engine{compiler: compiler, digest: source.Digest(), indexing: true}
	err = e.Load(ctx, Registry{})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Load replaces the data that sharing decisions are made over. Questions under
// way finish on the revision on which they began.
func (e *Engine) Load(ctx context.Context, registry Registry) error {
	document, sum, err := registry.document()
	if err != nil {
		return err
	}
	data := inmem.NewFromObjectWithOpts(map[string]any{"registry": document}, inmem.OptReturnASTValuesOnRead(true))
	prepare := func(query string) (rego.PreparedEvalQuery, error) {
		return rego.New(rego.Query(query), rego.Compiler(e.compiler), rego.Store(data),
			rego.StoreReadAST(true), rego.StrictBuiltinErrors(true)).PrepareForEval(ctx)
	}
	next := &revision{id: e.digest[:12] + "-" + sum[:12]}
	next.authz, err = prepare(authzQuery)
	if err != nil {
		return fmt.Errorf("prepare %s: %w", authzQuery, err)
	}
	next.sharing, err = prepare(sharingQuery)
	if err != nil {
		return fmt.Errorf("prepare %s: %w", sharingQuery, err)
	}
	e.current.Store(next)
	return nil
}

// Revision names the policy and data in force: the beginnings of the digests
// of the bundle and of the registry.
func (e *Engine) Revision() string { return e.current.Load().id }

// evaluate returns the one value of the query, nil when it is undefined.
func (e *Engine) evaluate(ctx context.Context, query rego.PreparedEvalQuery, input ast.Value) (any, error) {
	results, err := query.Eval(ctx, rego.EvalParsedInput(input), rego.EvalRuleIndexing(e.indexing))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFault, err)
	}
	if len(results) == 0 {
		return nil, nil
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return nil, fmt.Errorf("%w: %d results", ErrFault, len(results))
	}
	return results[0].Expressions[0].Value, nil
}
