package sigma

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// expr is a condition's syntax tree.
type expr interface {
	eval(*evaluation) bool
}

type (
	andExpr []expr
	orExpr  []expr
	notExpr struct{ of expr }
	// nameExpr is one search identifier.
	nameExpr struct {
		name string
		of   search
	}
	// countExpr is "N of names": at least n of them.
	countExpr struct {
		n  int
		of []expr
	}
)

func (e andExpr) eval(v *evaluation) bool {
	for _, x := range e {
		if !x.eval(v) {
			return false
		}
	}
	return true
}

func (e orExpr) eval(v *evaluation) bool {
	for _, x := range e {
		if x.eval(v) {
			return true
		}
	}
	return false
}

func (e notExpr) eval(v *evaluation) bool { return !e.of.eval(v) }

func (e nameExpr) eval(v *evaluation) bool { return e.of.matches(v) }

func (e countExpr) eval(v *evaluation) bool {
	n := 0
	for _, x := range e.of {
		if x.eval(v) {
			n++
		}
		if n >= e.n {
			return true
		}
	}
	return false
}

const (
	maxConditionBytes = 16 << 10
	maxConditionDepth = 64
)

var (
	errConditionEnd   = errors.New("ends early")
	errConditionDepth = errors.New("nested too deeply")
	errAggregation    = errors.New("aggregation after | is deprecated by the specification")
)

// conditionParser reads: or := and ("or" and)*, and := not ("and" not)*,
// not := "not" not | "(" or ")" | N "of" names | name.
type conditionParser struct {
	tokens   []string
	searches map[string]search
	depth    int
}

func parseCondition(s string, searches map[string]search) (expr, error) {
	if len(s) > maxConditionBytes {
		return nil, fmt.Errorf("longer than %d bytes", maxConditionBytes)
	}
	if strings.Contains(s, "|") {
		return nil, errAggregation
	}
	s = strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s)
	p := &conditionParser{tokens: strings.Fields(s), searches: searches}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if len(p.tokens) > 0 {
		return nil, fmt.Errorf("unexpected %q", p.tokens[0])
	}
	return e, nil
}

func (p *conditionParser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *conditionParser) take(word string) bool {
	if strings.EqualFold(p.peek(), word) {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

func (p *conditionParser) or() (expr, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxConditionDepth {
		return nil, errConditionDepth
	}
	first, err := p.and()
	if err != nil {
		return nil, err
	}
	all := orExpr{first}
	for p.take("or") {
		e, err := p.and()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if len(all) == 1 {
		return first, nil
	}
	return all, nil
}

func (p *conditionParser) and() (expr, error) {
	first, err := p.not()
	if err != nil {
		return nil, err
	}
	all := andExpr{first}
	for p.take("and") {
		e, err := p.not()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if len(all) == 1 {
		return first, nil
	}
	return all, nil
}

func (p *conditionParser) not() (expr, error) {
	negated := false
	for p.take("not") {
		negated = !negated
	}
	e, err := p.primary()
	if err != nil || !negated {
		return e, err
	}
	return notExpr{e}, nil
}

func (p *conditionParser) primary() (expr, error) {
	if len(p.tokens) == 0 {
		return nil, errConditionEnd
	}
	if p.take("(") {
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, errors.New("parenthesis is not closed")
		}
		return e, nil
	}
	word := p.tokens[0]
	if len(p.tokens) > 1 && strings.EqualFold(p.tokens[1], "of") {
		return p.quantity(word)
	}
	s, ok := p.searches[word]
	if !ok {
		return nil, fmt.Errorf("no search is named %q", word)
	}
	p.tokens = p.tokens[1:]
	return nameExpr{word, s}, nil
}

// quantity reads "1 of x*", "any of them", "all of x*".
func (p *conditionParser) quantity(count string) (expr, error) {
	if len(p.tokens) < 3 {
		return nil, errConditionEnd
	}
	names := p.names(p.tokens[2])
	if len(names) == 0 {
		return nil, fmt.Errorf("no search matches %q", p.tokens[2])
	}
	p.tokens = p.tokens[3:]
	var of []expr
	for _, n := range names {
		of = append(of, nameExpr{n, p.searches[n]})
	}
	switch strings.ToLower(count) {
	case "all":
		return andExpr(of), nil
	case "any", "1":
		return orExpr(of), nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%q of is not a number, any or all", count)
	}
	return countExpr{n, of}, nil
}

// names resolves "them" and wildcards. Names that start with an underscore
// are left out unless the pattern does too.
func (p *conditionParser) names(pattern string) []string {
	var out []string
	for n := range p.searches {
		hidden := strings.HasPrefix(n, "_") && !strings.HasPrefix(pattern, "_")
		ok := strings.EqualFold(pattern, "them")
		if !ok {
			is, err := path.Match(pattern, n)
			ok = err == nil && is
		}
		if ok && !hidden {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}
