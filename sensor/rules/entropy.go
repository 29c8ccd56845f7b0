package rules

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// entropyTest compares the Shannon entropy of bytes, 0 to 8 bits a byte.
type entropyTest struct {
	offset, size int
	op           string
	value        float64
}

// addEntropy reads "bytes 100, offset 0, value >= 4.5".
func (b *builder) addEntropy(value string) error {
	t := &entropyTest{}
	for _, part := range splitTrim(value) {
		key, arg, _ := strings.Cut(part, " ")
		arg = strings.TrimSpace(arg)
		var err error
		switch key {
		case "bytes":
			t.size, err = parseInt(arg, 0, maxOffset)
		case "offset":
			t.offset, err = parseInt(arg, 0, maxOffset)
		case "value":
			err = t.parseValue(arg)
		default:
			err = fmt.Errorf("unknown part %q", clip(part))
		}
		if err != nil {
			return err
		}
	}
	if t.op == "" {
		return errors.New("needs a value")
	}
	return b.add(b.buf, b.trans, item{kind: itemEntropy, entropy: t})
}

func (t *entropyTest) parseValue(s string) error {
	t.op = "="
	for _, op := range []string{"<=", ">=", "!=", "<", ">", "=", "!"} {
		rest, ok := strings.CutPrefix(s, op)
		if ok {
			t.op, s = op, rest
			break
		}
	}
	var err error
	t.value, err = strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || t.value < 0 || t.value > 8 {
		return errors.New("value is not a number from 0 to 8")
	}
	return nil
}

func (t *entropyTest) holds(raw []byte) bool {
	raw = raw[min(t.offset, len(raw)):]
	if t.size > 0 {
		raw = raw[:min(t.size, len(raw))]
	}
	e := entropy(raw)
	switch t.op {
	case "<=":
		return e <= t.value
	case ">=":
		return e >= t.value
	case "<":
		return e < t.value
	case ">":
		return e > t.value
	case "!", "!=":
		return math.Abs(e-t.value) >= 1e-3
	}
	return math.Abs(e-t.value) < 1e-3
}

func entropy(raw []byte) float64 {
	if len(raw) == 0 {
		return 0
	}
	var counts [256]int
	for _, c := range raw {
		counts[c]++
	}
	bits := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(raw))
			bits -= p * math.Log2(p)
		}
	}
	return bits
}
