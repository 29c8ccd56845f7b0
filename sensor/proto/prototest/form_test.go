package prototest

import "testing"

func TestFormToldApart(t *testing.T) {
	for _, c := range []struct {
		name, record, want string
	}{
		{"a record", `{"a":1,"b":{"c":["x",{"d":false}]},"e":""}`, ""},
		{"a field twice", `{"a":{"b":1,"b":2}}`, ".a.b stands twice"},
		{"the same name in two objects", `{"a":{"b":1},"c":{"b":2}}`, ""},
		{"an empty list", `{"a":{"b":[]}}`, ".a.b is an empty list"},
		{"an empty object in a list", `{"a":[{"b":1},{}]}`, ".a[] is an empty object"},
		{"a list that may be empty", `{"pop3":{"request":{"args":[]}}}`, ""},
		{"null", `{"a":null}`, ".a is null"},
		{"nothing but the header that stands before", `{}`, ""},
		{"a list", `[1]`, "not an object"},
		{"two objects", `{"a":1}{"a":1}`, "more than one object"},
		{"cut", `{"a":[1`, "not JSON: EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := Form([]byte(c.record)); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
