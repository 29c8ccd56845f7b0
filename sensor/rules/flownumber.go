package rules

import (
	"fmt"
	"strings"
)

// flowKeyword finds the keywords on a flow's age and counts: flow.age,
// flow.pkts and flow.bytes with a side as a value, or with it in the name.
func flowKeyword(name string) (packetTest, bool) {
	switch name {
	case "flow.age":
		return packetTest{kind: packetFlowAge}, true
	case "flow.pkts", "flow.bytes":
		return packetTest{kind: packetFlowCount, bytes: name == "flow.bytes", side: "?"}, true
	}
	what, side, ok := strings.Cut(name, "_")
	if !ok || what != "flow.pkts" && what != "flow.bytes" || side != "toserver" && side != "toclient" {
		return packetTest{}, false
	}
	return packetTest{kind: packetFlowCount, bytes: what == "flow.bytes", side: side}, true
}

// parseFlowNumber reads the number and, where the name has no side, the side
// before it: "toserver,>10".
func parseFlowNumber(t packetTest, value string) (packetTest, error) {
	if t.side == "?" {
		side, rest, _ := strings.Cut(value, ",")
		t.side, value = strings.TrimSpace(side), rest
		switch t.side {
		case "toserver", "toclient", "both", "either":
		default:
			return t, fmt.Errorf("unknown side %q", clip(t.side))
		}
	}
	var err error
	t.number, err = parseNumberTest(value, 1<<62)
	return t, err
}

func (t *packetTest) flowCountHolds(in *Input) bool {
	counts := in.FlowPackets
	if t.bytes {
		counts = in.FlowBytes
	}
	client, server := int(counts[0]), int(counts[1])
	switch t.side {
	case "toserver":
		return t.number.holds(client)
	case "toclient":
		return t.number.holds(server)
	case "both":
		return t.number.holds(client + server)
	}
	return t.number.holds(client) || t.number.holds(server)
}
