package sensor_test

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/sensor"
)

// adu puts the head of a Modbus message before a function and its data.
func adu(data string) string {
	return "\x00\x07\x00\x00\x00" + string(rune(len(data)+1)) + "\x01" + data
}

// TestModbusIsFoundRecordedAndJudged plays a talk with what breaks the
// protocol, and wants its records, its name in the flow, and an alert of the
// public rule for each event.
func TestModbusIsFoundRecordedAndJudged(t *testing.T) {
	text, err := os.ReadFile(testkit.Data(t, "rules/suricata-events/modbus-events.rules"))
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, `
alert modbus any any -> any 502 (msg:"a coil is switched on"; modbus:access write coils, address 20, value 1; sid:1;)
alert modbus any any -> any 502 (msg:"a coil is read"; modbus:unit 1, function 1; sid:2;)
`...)
	w := newWire(t)
	read := adu("\x01\x00\x00\x00\x08")
	turns := []turn{
		{0, read}, {1, adu("\x01\x01\xff")},
		{0, adu("\x0f\x00\x13\x00\x08\x01\x01")}, {1, adu("\x0f\x00\x13\x00\x08")},
		// Events: value, function, protocol, length, exception, mismatch, answer to nothing.
		{0, adu("\x05\x00\x00\x00\x01")}, {0, adu("\x00")}, {0, "\x00\x09\x00\x05\x00\x02\x01\x11"}, {0, adu("\x11x")},
		{0, read}, {1, adu("\x81\x09")}, {0, read}, {1, adu("\x01\x02ab")}, {1, adu("\x04\x02ab")},
	}
	for range 510 {
		turns = append(turns, turn{0, read})
	}
	talk(w, "10.0.0.1:40000", "10.0.0.2:502", turns, 0)
	sink, _, _ := runFiles(t, sensor.Config{Rules: ruleEngine(t, string(text))}, w.file())
	events := sink.events(t)
	got := map[string]bool{}
	for _, e := range of(events, "alert") {
		got[fmt.Sprint(part(e, "alert")["signature_id"])] = true
	}
	for _, sid := range []string{"1", "2", "2250001", "2250002", "2250003", "2250005", "2250006", "2250007", "2250008", "2250009"} {
		if !got[sid] {
			t.Errorf("no alert of rule %s", sid)
		}
	}
	const requests, lone = 518, 1
	if n := len(of(events, "modbus")); n != requests+lone {
		t.Errorf("%d records, want %d", n, requests+lone)
	}
	flows := of(events, "flow")
	if len(flows) != 1 || flows[0].Fields["app_proto"] != "modbus" {
		t.Errorf("flow is not told as Modbus: %v", flows)
	}
	var odd []string
	for _, e := range of(events, "anomaly") {
		odd = append(odd, fmt.Sprint(part(e, "anomaly")["event"]))
	}
	slices.Sort(odd)
	want := []string{"flooded", "invalid_exception_code", "invalid_function_code", "invalid_length", "invalid_protocol_id", "invalid_value", "unsolicited_response", "value_mismatch"}
	if odd = slices.Compact(odd); !slices.Equal(odd, want) {
		t.Errorf("noticed %v, want %v", odd, want)
	}
}
