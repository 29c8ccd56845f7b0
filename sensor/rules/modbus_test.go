package rules

import (
	"strings"
	"testing"
)

func TestModbusRequestsAreJudged(t *testing.T) {
	const head = "\x00\x07\x00\x00\x00\x06\x0a"
	const coils = head + "\x0f\x00\x13\x00\x0a\x02\x41\x01"
	const registers = head + "\x10\x00\x63\x00\x02\x04\x00\x05\x01\x00"
	const both = head + "\x17\x00\x00\x00\x01\x00\x63\x00\x01\x02\x00\x05"
	for _, c := range []struct {
		name, options, request string
		want                   bool
	}{
		{"a function", "function 15", coils, true},
		{"another function", "function 16", coils, false},
		{"a subfunction", "function 8, subfunction 4", head + "\x08\x00\x04\x00\x00", true},
		{"another subfunction", "function 8, subfunction 4", head + "\x08\x00\x01\x00\x00", false},
		{"a category", "function user", head + "\x41", true},
		{"a category that it is not", "function !assigned", coils, false},
		{"reserved diagnosis", "function reserved", head + "\x08\x00\x06\x00\x00", true},
		{"a unit", "unit 10", coils, true},
		{"a unit between", "unit 10<>20", coils, false},
		{"a unit and a function", "unit 5<>20, function 15", coils, true},
		{"a unit and an access", "unit >9, access write coils", coils, true},
		{"an access of another table", "access write holding", coils, false},
		{"a read that writes", "access read", coils, false},
		{"an address inside", "access write coils, address 25", coils, true},
		{"an address before", "access write coils, address 19", coils, false},
		{"addresses that overlap", "access write coils, address >28", coils, true},
		{"addresses after", "access write coils, address >29", coils, false},
		{"a coil that is set", "access write coils, address 20, value 1", coils, true},
		{"a coil that is not", "access write coils, address 21, value 1", coils, false},
		{"the last coil but one", "access write coils, address 28, value 1", coils, true},
		{"a register's value", "access write holding, address 101, value >255", registers, true},
		{"a register's value below", "access write holding, address 100, value >255", registers, false},
		{"what a read and write writes", "access write holding, address 100, value 5", both, true},
		{"what a read and write reads", "access read holding, address 1", both, true},
		{"a coil on", "access write coils, address 1, value 1", head + "\x05\x00\x00\xff\x00", true},
		{"a request that ends early", "access write coils, address 1, value 1", head + "\x0f\x00", false},
	} {
		rule := `alert modbus any any -> any any (modbus: ` + c.options + `; sid:1;)`
		got := inspectFields(t, nil, rule, "modbus", true, text(BufferModbus, c.request).buffers())
		if got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestModbusOptionsThatMeanNothingAreRefused(t *testing.T) {
	for _, options := range []string{
		"function", "function 0", "function 256", "function some", "subfunction 4", "access", "access execute", "access write input",
		"access write discretes", "access read coils, value 1", "access read, address 1, value 1", "address 1", "access write, address 1<>5, value 1",
		"unit x", "unit 5<>2", "speed 1",
	} {
		rule := `alert modbus any any -> any any (modbus: ` + options + `; sid:1;)`
		_, refused := Parse(strings.NewReader(rule), "t.rules", DefaultVars("any"))
		if len(refused) != 1 {
			t.Errorf("%q is taken", options)
		}
	}
}
