package sigma

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"unicode/utf16"

	"gopkg.in/yaml.v3"
)

// fieldTest is one "field|modifiers: values".
type fieldTest struct {
	field string
	tests []valueTest
	all   bool
	neq   bool
	// exists is nil or the wanted presence.
	exists *bool
}

// valueTest is one value to compare a field with.
type valueTest interface {
	// holds judges one value of the field.
	holds(*value, *evaluation) bool
}

// nullTest matches an absent or empty field; it is asked apart.
type nullTest struct{}

func (nullTest) holds(*value, *evaluation) bool { return false }

type textTest struct{ *pattern }

func (t textTest) holds(v *value, _ *evaluation) bool { return t.matchesText(v) }

// numberTest compares numbers; texts that are numbers count.
type numberTest struct {
	op string
	n  float64
}

func (t numberTest) holds(v *value, _ *evaluation) bool {
	n, err := strconv.ParseFloat(v.text, 64)
	if err != nil {
		return false
	}
	switch t.op {
	case "lt":
		return n < t.n
	case "lte":
		return n <= t.n
	case "gt":
		return n > t.n
	case "gte":
		return n >= t.n
	}
	return n == t.n
}

type regexTest struct{ re *regexp.Regexp }

func (t regexTest) holds(v *value, _ *evaluation) bool { return t.re.MatchString(v.text) }

type cidrTest struct{ prefix netip.Prefix }

func (t cidrTest) holds(v *value, _ *evaluation) bool {
	a, err := netip.ParseAddr(v.text)
	return err == nil && t.prefix.Contains(a.Unmap())
}

// refTest compares with the values of another field.
type refTest struct {
	field string
	place placement
	cased bool
}

func (t refTest) holds(v *value, e *evaluation) bool {
	others, _ := e.lookup(t.field)
	for i := range others {
		p := newPattern([]token{{tokenText, others[i].text}}, t.place, t.cased)
		if p.matchesText(v) {
			return true
		}
	}
	return false
}

// unsupportedError is a value that follows the specification but cannot be
// evaluated here.
type unsupportedError struct{ reason string }

func (e unsupportedError) Error() string { return e.reason }

func (t *fieldTest) matches(e *evaluation) bool {
	values, present := e.lookup(t.field)
	if t.exists != nil {
		return present == *t.exists
	}
	if t.neq {
		return present && !t.compare(values, e)
	}
	return t.compare(values, e)
}

func (t *fieldTest) compare(values []value, e *evaluation) bool {
	for _, test := range t.tests {
		ok := false
		if _, null := test.(nullTest); null {
			ok = len(values) == 0
		}
		for i := range values {
			if ok {
				break
			}
			ok = test.holds(&values[i], e)
		}
		if ok != t.all {
			return ok
		}
	}
	return t.all
}

// refs are the fields beside its own that the test reads.
func (t *fieldTest) refs() []string {
	var out []string
	for _, x := range t.tests {
		r, ok := x.(refTest)
		if ok {
			out = append(out, r.field)
		}
	}
	return out
}

// newFieldTest always returns a test; with an unsupportedError the rule is
// known but must not be evaluated.
func newFieldTest(field string, m modifiers, nodes []*yaml.Node) (*fieldTest, error) {
	t := &fieldTest{field: field, all: m.all, neq: m.neq}
	if m.expand {
		return t, unsupportedError{"expand needs a value for its placeholder"}
	}
	if len(nodes) == 0 {
		return t, errors.New("empty list")
	}
	var deferred error
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode {
			return t, errors.New("a value is neither text nor number")
		}
		err := t.add(n, m)
		var not unsupportedError
		if errors.As(err, &not) {
			deferred = err
			continue
		}
		if err != nil {
			return t, err
		}
	}
	return t, deferred
}

func (t *fieldTest) add(n *yaml.Node, m modifiers) error {
	s := n.Value
	switch {
	case m.exists:
		var want bool
		err := n.Decode(&want)
		if err != nil {
			return errors.New("exists needs true or false")
		}
		t.exists = &want
	case n.Tag == "!!null":
		t.tests = append(t.tests, nullTest{})
	case m.re:
		return t.addRegex(s, m)
	case m.cidr:
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return fmt.Errorf("not a CIDR network: %w", err)
		}
		t.tests = append(t.tests, cidrTest{p.Masked()})
	case m.compare != "":
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", s)
		}
		t.tests = append(t.tests, numberTest{m.compare, f})
	case m.fieldref:
		t.tests = append(t.tests, refTest{s, m.place, m.cased})
	case m.base64 || m.base64offset:
		return t.addBase64(s, m)
	case (n.Tag == "!!int" || n.Tag == "!!float") && m.place == placeWhole:
		var f float64
		err := n.Decode(&f)
		if err != nil {
			return fmt.Errorf("%q is not a number", s)
		}
		t.tests = append(t.tests, numberTest{"eq", f})
	default:
		tokens := parseTokens(s)
		if m.windash {
			tokens = withDashes(tokens)
		}
		t.tests = append(t.tests, textTest{newPattern(tokens, m.place, m.cased)})
	}
	return nil
}

func (t *fieldTest) addRegex(s string, m modifiers) error {
	flags := ""
	for _, f := range []struct {
		on   bool
		flag string
	}{{m.reI, "i"}, {m.reM, "m"}, {m.reS, "s"}} {
		if f.on {
			flags += f.flag
		}
	}
	if flags != "" {
		s = "(?" + flags + ")" + s
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return unsupportedError{"RE2 cannot hold the expression: " + err.Error()}
	}
	t.tests = append(t.tests, regexTest{re})
	return nil
}

// addBase64 encodes the text; base64offset gives the three forms that the
// text can take inside a longer encoded one, without the characters that
// depend on the neighbours.
func (t *fieldTest) addBase64(s string, m modifiers) error {
	tokens := parseTokens(s)
	if len(tokens) != 1 || tokens[0].kind != tokenText {
		return errors.New("wildcard inside base64, or nothing")
	}
	raw := encode(tokens[0].text, m.encoding)
	forms := []string{base64.StdEncoding.EncodeToString(raw)}
	if m.base64offset {
		forms = forms[:0]
		starts, ends := [3]int{0, 2, 3}, [3]int{0, 3, 2}
		for i := range 3 {
			padded := append(make([]byte, i), raw...)
			full := base64.StdEncoding.EncodeToString(padded)
			end := len(full) - ends[len(padded)%3]
			if starts[i] < end {
				forms = append(forms, full[starts[i]:end])
			}
		}
	}
	for _, f := range forms {
		t.tests = append(t.tests, textTest{newPattern([]token{{tokenText, f}}, m.place, m.cased)})
	}
	return nil
}

func encode(s, encoding string) []byte {
	if encoding == "" {
		return []byte(s)
	}
	var order binary.AppendByteOrder = binary.LittleEndian
	if encoding == "utf16be" {
		order = binary.BigEndian
	}
	var out []byte
	if encoding == "utf16" {
		out = order.AppendUint16(out, 0xFEFF)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return out
}
