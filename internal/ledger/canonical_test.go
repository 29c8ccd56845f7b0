package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestCanonical(t *testing.T) {
	// The first cases are those of RFC 8785 §3.2.2, §3.2.3 and Appendix B.
	cases := []struct{ name, in, want string }{
		{"the example of RFC 8785 §3.2.2", `{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}`, `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`},
		{"the order of RFC 8785 §3.2.3", `{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`,
			"{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\ufb33\":3}"},
		{"minus zero is zero", `[-0, 0.0]`, `[0,0]`},
		{"the smallest and the largest double", `[5e-324, 1.7976931348623157e308, -5e-324]`, `[5e-324,1.7976931348623157e+308,-5e-324]`},
		{"the borders of the exponent", `[1e21, 999999999999999900000, 1e-6, 1e-7, 295147905179352830000]`, `[1e+21,999999999999999900000,0.000001,1e-7,295147905179352830000]`},
		{"no character is escaped without need", `"<>&\u2028 ư"`, "\"<>&\u2028 ư\""},
		{"nested empties", `{"b":{},"a":[ [ ] ]}`, `{"a":[[]],"b":{}}`},
	}
	for _, tc := range cases {
		got, err := Canonical([]byte(tc.in))
		if err != nil || string(got) != tc.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", tc.name, got, err, tc.want)
		}
	}
	for name, in := range map[string]string{
		"a member named twice":   `{"a":1,"a":2}`,
		"a number beyond double": `1e400`,
		"two values":             `1 2`,
		"an open array":          `[1`,
		"no value":               ``,
		"not UTF-8":              "\"\xff\"",
		"nested too deep":        strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		_, err := Canonical([]byte(in))
		if !errors.Is(err, ErrNotCanonical) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-22T01:02:03Z","kind":"ca.issue","actor":"a","object":"o","n":[1.5e3,null]}`))
	f.Add([]byte(`"\ud83d\ude00\u0000"`))
	f.Fuzz(func(t *testing.T, in []byte) {
		once, err := Canonical(in)
		if err != nil {
			return
		}
		twice, err := Canonical(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("not stable: %q, then %q, %v", once, twice, err)
		}
		if !json.Valid(once) {
			t.Fatalf("not JSON: %q", once)
		}
	})
}

func FuzzParse(f *testing.F) {
	raw, err := leaf(testEntry("x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, "antin.test/ledger+00000000+AjBZ", "tile/0/x001/002.p/3")
	f.Add(append([]byte{0, byte(len(raw))}, raw...), "", "tile/entries/000")
	f.Fuzz(func(t *testing.T, data []byte, vkey, path string) {
		e, err := parseLeaf(data)
		if err == nil {
			again, err := leaf(e)
			if err == nil && len(again) > maxEntry {
				t.Error("an entry grew beyond its limit")
			}
		}
		_, _ = splitBundle(data, 3)
		_, _ = splitTile(data, 3)
		v, err := newVerifier(vkey)
		if err == nil {
			_, _ = openCheckpoint(data, v)
		}
		tile, ok := parseTilePath(path)
		if ok && tile.String() != path {
			t.Errorf("%q reads as %q", path, tile)
		}
	})
}
