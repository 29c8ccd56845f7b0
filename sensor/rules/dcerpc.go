package rules

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// rawTest is a test on all bytes of a buffer.
type rawTest interface{ holds(raw []byte) bool }

// ifaceTest asks for an interface, and perhaps its version. BufferDCEIface
// holds the UUID in its text's order and the major version in two bytes.
type ifaceTest struct {
	uuid    [16]byte
	version numberTest
	any     bool
}

func (t *ifaceTest) holds(raw []byte) bool {
	const size = 18
	return len(raw) == size && string(raw[:16]) == string(t.uuid[:]) &&
		(t.any || t.version.holds(int(binary.BigEndian.Uint16(raw[16:]))))
}

// opnumTest asks for one of the numbers: each pair is the ends of a range.
type opnumTest [][2]uint16

func (t opnumTest) holds(raw []byte) bool {
	n := uint16(bufferNumber(raw))
	for _, r := range t {
		if r[0] <= n && n <= r[1] {
			return true
		}
	}
	return false
}

// dceOption reads "dcerpc.iface:UUID[,>1][,any_frag]" and
// "dcerpc.opnum:1,3-5". A request of several fragments is judged when it is
// whole, so any_frag makes no difference.
func (b *builder) dceOption(o option) (bool, error) {
	switch o.name {
	case "dcerpc.iface", "dce_iface":
		t, err := parseIface(unquote(o.value))
		if err != nil {
			return true, err
		}
		return true, b.add(BufferDCEIface, nil, item{kind: itemRaw, raw: t})
	case "dcerpc.opnum", "dce_opnum":
		t, err := parseOpnums(unquote(o.value))
		if err != nil {
			return true, err
		}
		return true, b.add(BufferDCEOpnum, nil, item{kind: itemRaw, raw: t})
	}
	return false, nil
}

func parseIface(s string) (*ifaceTest, error) {
	parts := splitTrim(s)
	t := &ifaceTest{any: true}
	id, err := hex.DecodeString(strings.ReplaceAll(parts[0], "-", ""))
	if err != nil || len(id) != len(t.uuid) || strings.Count(parts[0], "-") != 4 {
		return nil, fmt.Errorf("%q is not a UUID", clip(parts[0]))
	}
	copy(t.uuid[:], id)
	for _, part := range parts[1:] {
		if part == "any_frag" {
			continue
		}
		if part == "" || !strings.ContainsAny(part[:1], "<>=!") {
			return nil, fmt.Errorf("%q is neither a version nor any_frag", clip(part))
		}
		t.any = false
		t.version, err = parseNumberTest(part, 1<<16-1)
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

func parseOpnums(s string) (opnumTest, error) {
	var t opnumTest
	for _, part := range splitTrim(s) {
		lo, hi, ranged := strings.Cut(part, "-")
		if !ranged {
			hi = lo
		}
		a, err := strconv.ParseUint(strings.TrimSpace(lo), 10, 16)
		if err != nil {
			return nil, errNotNumber
		}
		z, err := strconv.ParseUint(strings.TrimSpace(hi), 10, 16)
		if err != nil {
			return nil, errNotNumber
		}
		if z < a {
			return nil, errors.New("range is not ascending")
		}
		t = append(t, [2]uint16{uint16(a), uint16(z)})
	}
	return t, nil
}
