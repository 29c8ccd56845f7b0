package engine

import (
	"context"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/antin-gov/antin/internal/auth"
)

var _ auth.Authorizer = (*Engine)(nil)

// Authorize implements auth.Authorizer: nil, or *auth.DeniedError with the
// policy's code (role, same-person, agency, default) or, where no rule
// answered, CodeUndefined. A failed evaluation is ErrFault, which is also a no.
//
// An action under the rule of the two persons needs Resource.CreatedBy, one
// under the agency scope Resource.AgencyID: without them it is refused.
func (e *Engine) Authorize(ctx context.Context, s auth.Subject, action string, r auth.Resource) error {
	roles := make([]*ast.Term, 0, len(s.Roles))
	for _, role := range s.Roles {
		roles = append(roles, ast.StringTerm(role))
	}
	input := ast.NewObject(
		member("action", ast.StringTerm(action)),
		member("subject", ast.ObjectTerm(
			member("account", ast.StringTerm(s.AccountID)),
			member("person", ast.StringTerm(s.PersonID)),
			member("agency", ast.StringTerm(s.AgencyID)),
			member("roles", ast.ArrayTerm(roles...)),
		)),
		member("resource", ast.ObjectTerm(
			member("kind", ast.StringTerm(r.Kind)),
			member("id", ast.StringTerm(r.ID)),
			member("agency", ast.StringTerm(r.AgencyID)),
			member("created_by", ast.StringTerm(r.CreatedBy)),
			member("assigned_to", ast.StringTerm(r.AssignedTo)),
			member("assigned_person", ast.StringTerm(r.AssignedPerson)),
			member("about_person", ast.StringTerm(r.AboutPerson)),
		)),
	)
	value, err := e.evaluate(ctx, e.current.Load().authz, input)
	if err != nil {
		return err
	}
	decision, _ := value.(map[string]any)
	allow, _ := decision["allow"].(bool)
	code, _ := decision["code"].(string)
	if allow && code == "allow" {
		return nil
	}
	if code == "" {
		code = CodeUndefined
	}
	return &auth.DeniedError{Action: action, Code: code}
}

func member(key string, value *ast.Term) [2]*ast.Term {
	return ast.Item(ast.InternedTerm(key), value)
}
