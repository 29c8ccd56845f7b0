package rules

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// numberTest compares a number: n, <n, >n, <=n, >=n, !n, a<>b or a-b, which
// leave out their ends, !a-b, and &mask=n or &mask!=n.
type numberTest struct {
	op   numberOp
	a, b int
}

type numberOp uint8

const (
	numEqual numberOp = iota
	numNot
	numLess
	numLessEqual
	numMore
	numMoreEqual
	numBetween
	numOutside
	numMask
	numMaskNot
)

func (t numberTest) holds(n int) bool {
	switch t.op {
	case numEqual:
		return n == t.a
	case numNot:
		return n != t.a
	case numLess:
		return n < t.a
	case numLessEqual:
		return n <= t.a
	case numMore:
		return n > t.a
	case numMoreEqual:
		return n >= t.a
	case numOutside:
		return n <= t.a || n >= t.b
	case numMask:
		return n&t.a == t.b
	case numMaskNot:
		return n&t.a != t.b
	}
	return n > t.a && n < t.b
}

// numberInfo says what a keyword compares: the largest value, and the names
// or flags that stand for numbers.
type numberInfo struct {
	most  int
	names map[string]int
	flags map[string]int
}

func parseNumberTest(s string, most int) (numberTest, error) {
	return (&numberInfo{most: most}).parse(s)
}

// value reads a decimal or hexadecimal number, one with a unit, or a name.
func (f *numberInfo) value(s string) (int, error) {
	s = strings.TrimSpace(s)
	n, ok := f.names[strings.ToLower(s)]
	if ok {
		return n, nil
	}
	unit := 0
	for suffix, bits := range map[string]int{"kib": 10, "mib": 20, "gib": 30} {
		rest, ok := strings.CutSuffix(strings.ToLower(s), suffix)
		if ok {
			s, unit = strings.TrimSpace(rest), bits
		}
	}
	v, err := strconv.ParseInt(s, 0, 64)
	if err != nil || strings.HasPrefix(s, "+") {
		return 0, errNotNumber
	}
	if v<<unit>>unit != v {
		return 0, errNotNumber
	}
	v <<= unit
	if v < 0 || v > int64(f.most) {
		return 0, fmt.Errorf("%d is outside 0 to %d", v, f.most)
	}
	return int(v), nil
}

func (f *numberInfo) parse(s string) (numberTest, error) {
	s = strings.TrimSpace(s)
	rest, isMask := strings.CutPrefix(s, "&")
	if isMask {
		return f.parseMask(rest)
	}
	inner, outside := strings.CutPrefix(s, "!")
	lo, hi, between := strings.Cut(inner, "<>")
	if !between {
		lo, hi, between = strings.Cut(inner, "-")
		between = between && strings.TrimSpace(lo) != ""
	}
	if between {
		a, err := f.value(lo)
		if err != nil {
			return numberTest{}, err
		}
		b, err := f.value(hi)
		if err == nil && b <= a {
			err = errors.New("range is not ascending")
		}
		op := numBetween
		if outside {
			op = numOutside
		}
		return numberTest{op, a, b}, err
	}
	for _, p := range []struct {
		text string
		op   numberOp
	}{{"<=", numLessEqual}, {">=", numMoreEqual}, {"<", numLess}, {">", numMore}, {"!=", numNot}, {"!", numNot}, {"=", numEqual}, {"", numEqual}} {
		rest, ok := strings.CutPrefix(s, p.text)
		if ok {
			a, err := f.value(rest)
			return numberTest{op: p.op, a: a}, err
		}
	}
	return numberTest{}, errNotNumber
}

// parseMask reads "mask = value" or "mask != value".
func (f *numberInfo) parseMask(s string) (numberTest, error) {
	t := numberTest{op: numMask}
	mask, value, ok := strings.Cut(s, "=")
	if !ok {
		return t, errors.New("a mask needs = or != and a value")
	}
	mask, not := strings.CutSuffix(strings.TrimSpace(mask), "!")
	if not {
		t.op = numMaskNot
	}
	var err error
	t.a, err = f.value(mask)
	if err == nil {
		t.b, err = f.value(value)
	}
	return t, err
}

// parseFlags reads "flag,!flag": each must be set, or not.
func (f *numberInfo) parseFlags(s string) ([]numberTest, error) {
	var out []numberTest
	for _, word := range splitTrim(s) {
		word, not := strings.CutPrefix(word, "!")
		bit, ok := f.flags[strings.ToLower(strings.TrimSpace(word))]
		if !ok {
			return nil, fmt.Errorf("unknown flag %q", clip(word))
		}
		t := numberTest{op: numMask, a: bit, b: bit}
		if not {
			t.b = 0
		}
		out = append(out, t)
	}
	return out, nil
}

// quantifier says which of several numbers must hold.
type quantifier uint8

const (
	anyOf quantifier = iota
	allOf
	// allOrNone and anyOrNone hold without any number too.
	allOrNone
	anyOrNone
	// atIndex asks for one number, counted from the front or, negative, from
	// the back.
	atIndex
	// countOf compares how many numbers there are.
	countOf
)

// splitQuantifier cuts ",all" or ",1" off a number test.
func splitQuantifier(s string) (rest string, q quantifier, index int, err error) {
	rest, word, found := strings.Cut(s, ",")
	if !found {
		count, ok := strings.CutPrefix(strings.TrimSpace(s), "count")
		if ok {
			return count, countOf, 0, nil
		}
		return s, anyOf, 0, nil
	}
	switch word = strings.TrimSpace(word); word {
	case "any":
		return rest, anyOf, 0, nil
	case "all", "all1":
		return rest, allOf, 0, nil
	case "all_or_absent":
		return rest, allOrNone, 0, nil
	case "or_absent":
		return rest, anyOrNone, 0, nil
	}
	index, err = strconv.Atoi(word)
	if err != nil {
		return "", 0, 0, fmt.Errorf("%q is neither any, all nor a place", clip(word))
	}
	return rest, atIndex, index, nil
}

// addNumberKeyword adds the test of a keyword that compares a number of the
// transaction.
func (b *builder) addNumberKeyword(buf Buffer, value string) error {
	info := bufferTable[buf].number
	value = unquote(strings.TrimSpace(value))
	if value == "" {
		return errNoValue
	}
	var tests []numberTest
	it := item{kind: itemNumber}
	var err error
	if info.flags != nil {
		tests, err = info.parseFlags(value)
	}
	if info.flags == nil || err != nil {
		var one numberTest
		value, it.quantifier, it.at, err = splitQuantifier(value)
		if err != nil {
			return err
		}
		one, err = info.parse(value)
		tests = []numberTest{one}
	}
	if err != nil {
		return err
	}
	for _, t := range tests {
		it.size = t
		err = b.add(buf, nil, it)
		if err != nil {
			return err
		}
	}
	return nil
}

// Names that stand for numbers.
var (
	yesNo     = map[string]int{"yes": 1, "no": 0, "true": 1, "false": 0, "on": 1, "off": 0}
	dnsRcodes = map[string]int{
		"noerror": 0, "formerr": 1, "servfail": 2, "nxdomain": 3, "notimp": 4, "refused": 5, "yxdomain": 6,
		"yxrrset": 7, "nxrrset": 8, "notauth": 9, "notzone": 10,
	}
	dnsTypes = map[string]int{
		"a": 1, "ns": 2, "cname": 5, "soa": 6, "null": 10, "ptr": 12, "hinfo": 13, "mx": 15, "txt": 16, "aaaa": 28,
		"srv": 33, "naptr": 35, "dname": 39, "opt": 41, "ds": 43, "sshfp": 44, "rrsig": 46, "nsec": 47, "dnskey": 48,
		"tlsa": 52, "svcb": 64, "https": 65, "spf": 99, "axfr": 252, "any": 255, "caa": 257,
	}
	ftpModes        = map[string]int{"passive": 0, "active": 1}
	ftpDataCommands = map[string]int{"retr": FTPRetr, "stor": FTPStor}
	mqttTypes       = map[string]int{
		"connect": 1, "connack": 2, "publish": 3, "puback": 4, "pubrec": 5, "pubrel": 6, "pubcomp": 7, "subscribe": 8,
		"suback": 9, "unsubscribe": 10, "unsuback": 11, "pingreq": 12, "pingresp": 13, "disconnect": 14, "auth": 15,
	}
	mqttFlags        = map[string]int{"retain": 1, "dup": 8}
	mqttConnectFlags = map[string]int{
		"clean_session": 2, "will": 4, "will_retain": 32, "password": 64, "username": 128,
	}
	snmpPDUs = map[string]int{
		"get_request": 0, "get_next_request": 1, "response": 2, "set_request": 3, "trap_v1": 4, "get_bulk_request": 5,
		"inform_request": 6, "trap_v2": 7, "report": 8,
	}
	krb5Types = map[string]int{"as_req": 10, "as_rep": 11, "tgs_req": 12, "tgs_rep": 13, "error": 30}
	ntpModes  = map[string]int{
		"symmetric_active": 1, "symmetric_passive": 2, "client": 3, "server": 4, "broadcast": 5, "control": 6, "private": 7,
	}
)

// What BufferFTPDataCommand holds.
const (
	FTPRetr = 1
	FTPStor = 2
)
