package rules

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// modbusTest asks for a request of Modbus: its unit, and its function or what
// it reads or writes. BufferModbus holds the request from its head on.
type modbusTest struct {
	unit                       *numberTest
	function, subfunction      int
	categories                 modbusCategory
	access                     modbusAccess
	address, value             *numberTest
	hasFunction, hasSub, hasIn bool
}

// modbusCategory is where the specification puts a function (V1.1b3 §5).
type modbusCategory uint8

const (
	modbusAssigned modbusCategory = 1 << iota
	modbusUnassigned
	modbusUser
	modbusReserved
)

var modbusCategories = map[string]modbusCategory{
	"assigned": modbusAssigned, "unassigned": modbusUnassigned, "public": modbusAssigned | modbusUnassigned,
	"user": modbusUser, "reserved": modbusReserved,
	"all": modbusAssigned | modbusUnassigned | modbusUser | modbusReserved,
}

// modbusAccess is what a function touches.
type modbusAccess uint8

const (
	modbusRead modbusAccess = 1 << iota
	modbusWrite
	modbusDiscretes
	modbusCoils
	modbusInput
	modbusHolding

	modbusTables = modbusDiscretes | modbusCoils | modbusInput | modbusHolding
)

var modbusTableNames = map[string]modbusAccess{
	"discretes": modbusDiscretes, "coils": modbusCoils, "input": modbusInput, "holding": modbusHolding,
}

// Functions that read or write (V1.1b3 §6).
const (
	modbusWriteCoil     = 5
	modbusWriteRegister = 6
	modbusDiagnostic    = 8
	modbusWriteCoils    = 15
	modbusWriteMany     = 16
	modbusMask          = 22
	modbusReadWrite     = 23
	modbusMEI           = 43
)

var modbusAccesses = map[byte]modbusAccess{
	1: modbusRead | modbusCoils, 2: modbusRead | modbusDiscretes, 3: modbusRead | modbusHolding, 4: modbusRead | modbusInput,
	modbusWriteCoil: modbusWrite | modbusCoils, modbusWriteRegister: modbusWrite | modbusHolding,
	modbusWriteCoils: modbusWrite | modbusCoils, modbusWriteMany: modbusWrite | modbusHolding, modbusMask: modbusWrite | modbusHolding,
	modbusReadWrite: modbusRead | modbusWrite | modbusHolding,
}

// modbusHead are the bytes before the function.
const modbusHead = 7

// modbusOption reads "modbus:" with a unit, a function and a subfunction, or
// an access with its table, address and value.
func (b *builder) modbusOption(o option) (bool, error) {
	if o.name != "modbus" {
		return false, nil
	}
	t := &modbusTest{}
	for _, part := range splitTrim(unquote(strings.TrimSpace(o.value))) {
		err := t.add(strings.Fields(part))
		if err != nil {
			return true, err
		}
	}
	switch {
	case t.value != nil && (t.address == nil || t.address.op != numEqual):
		return true, errors.New("a value needs one address")
	case t.value != nil && t.access&modbusWrite == 0:
		return true, errors.New("a value is only written")
	}
	return true, b.add(BufferModbus, nil, item{kind: itemRaw, raw: t})
}

var errModbus = errors.New("needs unit, function, subfunction, access, address or value")

// add reads one of the parts between commas.
func (t *modbusTest) add(words []string) error {
	if len(words) < 2 {
		return errModbus
	}
	const most = 1<<16 - 1
	var err error
	text := strings.Join(words[1:], "")
	switch words[0] {
	case "unit":
		t.unit, err = modbusNumber(text, most)
	case "function":
		return t.addFunction(text)
	case "subfunction":
		if !t.hasFunction {
			return errors.New("a subfunction needs its function")
		}
		t.hasSub = true
		t.subfunction, err = modbusPlain(text, most)
	case "access":
		return t.addAccess(words[1:])
	case "address":
		if !t.hasIn {
			return errors.New("an address needs its access")
		}
		t.address, err = modbusNumber(text, most)
	case "value":
		t.value, err = modbusNumber(text, most)
	default:
		return errModbus
	}
	return err
}

func (t *modbusTest) addFunction(word string) error {
	name, not := strings.CutPrefix(word, "!")
	c, ok := modbusCategories[strings.ToLower(name)]
	if ok {
		t.categories = c
		if not {
			t.categories = modbusCategories["all"] &^ c
		}
		return nil
	}
	var err error
	t.hasFunction = true
	t.function, err = modbusPlain(word, 255)
	if err == nil && t.function == 0 {
		return errors.New("there is no function 0")
	}
	return err
}

func (t *modbusTest) addAccess(words []string) error {
	t.hasIn = true
	switch words[0] {
	case "read":
		t.access = modbusRead
	case "write":
		t.access = modbusWrite
	default:
		return fmt.Errorf("%q is neither read nor write", clip(words[0]))
	}
	if len(words) == 1 {
		return nil
	}
	table, ok := modbusTableNames[words[1]]
	if !ok || len(words) > 2 {
		return fmt.Errorf("%q is no table", clip(strings.Join(words[1:], " ")))
	}
	if t.access == modbusWrite && table&(modbusDiscretes|modbusInput) != 0 {
		return fmt.Errorf("%s are only read", words[1])
	}
	t.access |= table
	return nil
}

func modbusNumber(s string, most int) (*numberTest, error) {
	n, err := parseNumberTest(s, most)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]numberOp{numEqual, numLess, numMore, numBetween}, n.op) {
		return nil, fmt.Errorf("%q is neither n, <n, >n nor a<>b", clip(s))
	}
	return &n, nil
}

func modbusPlain(s string, most int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > most {
		return 0, errNotNumber
	}
	return n, nil
}

// holds compares a request.
func (t *modbusTest) holds(raw []byte) bool {
	if len(raw) <= modbusHead {
		return false
	}
	function, data := raw[modbusHead], raw[modbusHead+1:]
	switch {
	case t.unit != nil && !t.unit.holds(int(raw[modbusHead-1])):
		return false
	case t.hasIn:
		return t.accessHolds(function, data)
	case t.categories != 0:
		return t.categories&modbusCategoryOf(function, data) != 0
	case t.hasFunction && t.function != int(function):
		return false
	case t.hasSub:
		return function == modbusDiagnostic && len(data) >= 2 && int(binary.BigEndian.Uint16(data)) == t.subfunction
	}
	return true
}

func (t *modbusTest) accessHolds(function byte, data []byte) bool {
	have := modbusAccesses[function]
	if have&t.access&(modbusRead|modbusWrite) == 0 {
		return false
	}
	if want := t.access & modbusTables; want != 0 && have&want == 0 {
		return false
	}
	if t.address == nil {
		return true
	}
	if function == modbusReadWrite && t.access&modbusWrite != 0 && len(data) >= 4 {
		// What is read comes before what is written.
		data = data[4:]
	}
	if len(data) < 4 {
		return false
	}
	first, n := int(binary.BigEndian.Uint16(data))+1, 1
	switch function {
	case modbusWriteCoil, modbusWriteRegister, modbusMask:
	default:
		n = int(binary.BigEndian.Uint16(data[2:]))
	}
	if n == 0 || !t.address.meets(first, first+n-1) {
		return false
	}
	if t.value == nil {
		return true
	}
	value, ok := modbusWritten(function, data, t.address.a-first)
	return ok && t.value.holds(value)
}

// meets reports whether the test holds for any of the numbers from a to z.
func (t *numberTest) meets(a, z int) bool {
	switch t.op {
	case numEqual:
		return a <= t.a && t.a <= z
	case numLess:
		return a < t.a
	case numMore:
		return z > t.a
	}
	return a < t.b && z > t.a
}

// modbusWritten is what a request writes at a place counted from its first.
func modbusWritten(function byte, data []byte, place int) (int, bool) {
	const head = 5
	switch function {
	case modbusWriteCoil:
		return min(int(binary.BigEndian.Uint16(data[2:])), 1), true
	case modbusWriteRegister:
		return int(binary.BigEndian.Uint16(data[2:])), true
	case modbusWriteCoils:
		at := head + place/8
		if at >= len(data) {
			return 0, false
		}
		return int(data[at]>>(place%8)) & 1, true
	case modbusWriteMany, modbusReadWrite:
		at := head + 2*place
		if at+2 > len(data) {
			return 0, false
		}
		return int(binary.BigEndian.Uint16(data[at:])), true
	}
	return 0, false
}

func modbusCategoryOf(f byte, data []byte) modbusCategory {
	switch {
	case f == modbusDiagnostic:
		if len(data) < 2 {
			return 0
		}
		code := binary.BigEndian.Uint16(data)
		if code > 4 && code < 10 || code > 21 {
			return modbusReserved
		}
		return modbusAssigned
	case f == modbusMEI:
		const canOpen, identification = 13, 14
		if len(data) > 0 && (data[0] == canOpen || data[0] == identification) {
			return modbusAssigned
		}
		return modbusReserved
	case f >= 1 && f <= 24:
		return modbusAssigned
	case f >= 65 && f <= 72, f >= 100 && f <= 110:
		return modbusUser
	case f == 41, f == 42, f == 90, f == 91, f >= 125 && f <= 127:
		return modbusReserved
	case f == 0, f > 127:
		return 0
	}
	return modbusUnassigned
}
