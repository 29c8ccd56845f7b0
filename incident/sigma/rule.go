package sigma

import (
	"errors"
	"fmt"
)

// Rule is one Sigma rule.
type Rule struct {
	ID             string
	Title          string
	Status         string
	Description    string
	Author         string
	Level          string
	Tags           []string
	References     []string
	FalsePositives []string
	LogSource      LogSource
	// File is where the rule was read, when it came from a folder.
	File string

	searches map[string]search
	cond     expr
	fields   []string
	// unsupported says why the rule parses but cannot be evaluated.
	unsupported string
}

// LogSource says which records a rule is about.
type LogSource struct {
	Category, Product, Service string
}

// String returns the parts that are set.
func (l LogSource) String() string {
	return fmt.Sprintf("category=%q product=%q service=%q", l.Category, l.Product, l.Service)
}

// Fields returns the names of the fields that the rule reads, sorted.
func (r *Rule) Fields() []string { return r.fields }

var (
	// ErrRule means that the text is not a Sigma rule that follows the
	// specification.
	ErrRule = errors.New("sigma: not a valid rule")
	// ErrUnsupported means that a valid rule cannot be evaluated here.
	ErrUnsupported = errors.New("sigma: rule cannot be evaluated")
	// ErrUnfed means that a rule's log source or field does not exist in what
	// the sensors record.
	ErrUnfed = errors.New("sigma: log source is not fed")
)

// Match is a rule that an event meets.
type Match struct {
	Rule *Rule
}
