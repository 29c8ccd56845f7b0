// Package auth knows who is acting: accounts with a password (argon2id) and a
// second factor (TOTP, RFC 6238, or a passkey, WebAuthn), their sessions, and
// the question "may this account do that", which the policy engine answers.
// It decides nothing itself.
package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Roles of accounts. What a role may do stands in the policy bundle.
const (
	RoleOfficial     = "official"      // signs documents
	RoleClerk        = "clerk"         // văn thư: numbers and seals
	RoleRegistrar    = "registrar"     // managing agency: requests certificates
	RoleCAOfficer    = "ca-officer"    // approves, issues, revokes
	RoleAnalyst      = "analyst"       // alerts and cases
	RoleIncidentLead = "incident-lead" // decides on cases and reports
	RoleDrillPlanner = "drill-coordinator"
	RoleDrillLead    = "drill-approver"
	RoleSteward      = "data-steward"
	RoleRequester    = "data-requester"
	RoleLeader       = "leader"
	RoleAuditor      = "auditor"
	RoleAdmin        = "admin"
	// RolePlatform is no person's: the system itself, signing its own reports.
	RolePlatform = "platform"
	// RoleEnrolment is no person's: the ACME and EST servers, acting for a
	// machine of an agency that proved who it is.
	RoleEnrolment = "enrolment"
)

// Subject is who acts.
type Subject struct {
	AccountID string   `json:"account"`
	PersonID  string   `json:"person,omitempty"`
	AgencyID  string   `json:"agency,omitempty"`
	Roles     []string `json:"roles"`
}

// Has says whether the subject holds the role.
func (s Subject) Has(role string) bool { return slices.Contains(s.Roles, role) }

// Resource is what is acted upon.
type Resource struct {
	Kind     string `json:"kind"`
	ID       string `json:"id,omitempty"`
	AgencyID string `json:"agency,omitempty"`
	// CreatedBy is the account that asked for or made the resource: the rule of
	// the two persons compares it with the subject (R52).
	CreatedBy string `json:"created_by,omitempty"`
	// AssignedTo is the account that the resource was given to: an analyst
	// closes the case assigned to them, no other.
	AssignedTo string `json:"assigned_to,omitempty"`
	// AssignedPerson is the person of the directory who has to act on it.
	AssignedPerson string `json:"assigned_person,omitempty"`
	// AboutPerson is whom it gives something: nobody gives it to themselves.
	AboutPerson string `json:"about_person,omitempty"`
}

// Authorizer answers whether the subject may do the action to the resource:
// nil, a *DeniedError, or another error, which is also a no. Actions are named
// room first: "ca.request.approve", "incident.case.close", "drill.start".
type Authorizer interface {
	Authorize(ctx context.Context, s Subject, action string, r Resource) error
}

// ErrDenied is what a DeniedError unwraps to.
var ErrDenied = errors.New("auth: denied")

// DeniedError is a refusal by policy.
type DeniedError struct {
	Action string
	// Code is the policy's reason: "role", "same-person", "agency", "default".
	Code string
}

// Error says which action was refused and why.
func (e *DeniedError) Error() string {
	return fmt.Sprintf("not allowed to %s (%s)", e.Action, e.Code)
}

// Unwrap returns ErrDenied.
func (e *DeniedError) Unwrap() error { return ErrDenied }

type subjectKey struct{}

// WithSubject returns a context that carries who acts.
func WithSubject(ctx context.Context, s Subject) context.Context {
	return context.WithValue(ctx, subjectKey{}, s)
}

// SubjectFrom returns who acts; the zero Subject, who may nothing, when nobody
// is signed in.
func SubjectFrom(ctx context.Context) Subject {
	s, _ := ctx.Value(subjectKey{}).(Subject)
	return s
}
