package rules

import (
	"fmt"
	"strconv"
	"strings"
)

// dnp3Functions are the functions of DNP3's application layer (IEEE 1815
// §4.2.2.5) by the names that rules have for them.
var dnp3Functions = map[string]int{
	"confirm": 0, "read": 1, "write": 2, "select": 3, "operate": 4, "direct_operate": 5, "direct_operate_nr": 6,
	"immed_freeze": 7, "immed_freeze_nr": 8, "freeze_clear": 9, "freeze_clear_nr": 10, "freeze_at_time": 11,
	"freeze_at_time_nr": 12, "cold_restart": 13, "warm_restart": 14, "initialize_data": 15, "initialize_appl": 16,
	"start_appl": 17, "stop_appl": 18, "save_config": 19, "enable_unsolicited": 20, "disable_unsolicited": 21,
	"assign_class": 22, "delay_measure": 23, "record_current_time": 24, "open_file": 25, "close_file": 26,
	"delete_file": 27, "get_file_info": 28, "authenticate_file": 29, "abort_file": 30, "activate_config": 31,
	"authenticate_req": 32, "authenticate_err": 33, "response": 129, "unsolicited_response": 130, "authenticate_resp": 131,
}

// dnp3Indications are the bits of an answer's two octets of indications
// (§4.2.2.6); the first octet is the upper one.
var dnp3Indications = map[string]int{
	"all_stations": 0x0100, "class_1_events": 0x0200, "class_2_events": 0x0400, "class_3_events": 0x0800, "need_time": 0x1000,
	"local_control": 0x2000, "device_trouble": 0x4000, "device_restart": 0x8000, "no_func_code_support": 0x0001,
	"object_unknown": 0x0002, "parameter_error": 0x0004, "event_buffer_overflow": 0x0008, "already_executing": 0x0010,
	"config_corrupt": 0x0020, "reserved_2": 0x0040, "reserved_1": 0x0080,
}

// dnp3Option reads "dnp3_ind:need_time,device_restart" and "dnp3_obj:12,1".
func (b *builder) dnp3Option(o option) (bool, error) {
	switch o.name {
	case "dnp3_ind", "dnp3.ind":
		t, err := parseIndications(unquote(o.value))
		if err != nil {
			return true, err
		}
		return true, b.add(BufferDNP3Indications, nil, item{kind: itemNumber, size: t})
	case "dnp3_obj", "dnp3.obj":
		t, err := parseDNP3Object(unquote(o.value))
		if err != nil {
			return true, err
		}
		return true, b.add(BufferDNP3Object, nil, item{kind: itemNumber, size: t})
	}
	return false, nil
}

// parseIndications reads a list of indications: any of them must be set, after
// "+" all, after "-" none, after "=" these and no others. A number is compared as
// those of other keywords are.
func parseIndications(s string) (numberTest, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return numberTest{}, errNoValue
	}
	op, names := s[0], s
	switch op {
	case '*', '+', '-', '=':
		names = s[1:]
	default:
		op = '*'
	}
	mask := 0
	for i, name := range splitTrim(names) {
		bit, ok := dnp3Indications[strings.ToLower(name)]
		if !ok && i == 0 {
			t, err := parseNumberTest(s, 1<<16-1)
			if err == nil {
				return t, nil
			}
		}
		if !ok {
			return numberTest{}, fmt.Errorf("unknown indication %q", clip(name))
		}
		mask |= bit
	}
	switch op {
	case '+':
		return numberTest{op: numMask, a: mask, b: mask}, nil
	case '-':
		return numberTest{op: numMask, a: mask}, nil
	case '=':
		return numberTest{op: numEqual, a: mask}, nil
	}
	return numberTest{op: numMaskNot, a: mask}, nil
}

// parseDNP3Object reads "group,variation" as the number that the buffer holds.
func parseDNP3Object(s string) (numberTest, error) {
	parts := splitTrim(s)
	if len(parts) != 2 {
		return numberTest{}, fmt.Errorf("%q is not a group and a variation", clip(s))
	}
	n := 0
	for _, part := range parts {
		v, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return numberTest{}, errNotNumber
		}
		n = n<<8 | int(v)
	}
	return numberTest{op: numEqual, a: n}, nil
}
