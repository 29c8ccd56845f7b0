package sensor_test

import (
	"encoding/json"
	"testing"

	"github.com/antin-gov/antin/sensor"
)

func TestRecordsTellWhatRulesRememberOfTheirFlow(t *testing.T) {
	w := newWire(t)
	c := w.dial("10.0.0.1:40000", "10.0.0.2:8080")
	c.say(0, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1000)
	c.say(1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1000)
	c.seq[0] += 1 << 30
	c.say(0, "lost", 1000)
	w.udp("10.0.0.3:5000", "10.0.0.4:5001", "nothing that rules look for")
	sink, _, _ := runFiles(t, sensor.Config{
		Netflow: true, HeaderAnomalies: true,
		Rules: ruleEngine(t, `alert tcp any any -> any any (msg:"get"; flow:to_server; content:"GET /"; flowbits:set,seen; flowbits:set,traffic/label/web; flowint:gets,+,1; target:dest_ip; sid:1;)`),
	}, w.file())
	counts := map[string]int{}
	for _, e := range sink.events(t) {
		metadata, err := json.Marshal(e.Fields["metadata"])
		if err != nil {
			t.Fatal(err)
		}
		traffic, err := json.Marshal(e.Fields["traffic"])
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Type == "stats":
			continue
		case e.Src.Addr().String() == "10.0.0.3":
			if e.Fields["metadata"] != nil || e.Fields["traffic"] != nil {
				t.Errorf("%s of a flow that no rule met has %s %s", e.Type, metadata, traffic)
			}
			continue
		case string(metadata) != `{"flowbits":["seen"],"flowints":{"gets":1}}` || string(traffic) != `{"label":["web"]}`:
			t.Errorf("%s has %s %s", e.Type, metadata, traffic)
		}
		counts[e.Type]++
		if e.FlowID == 0 {
			t.Errorf("%s is of no flow", e.Type)
		}
		if e.Type == "alert" && (part(e, "alert")["target"] == nil || part(e, "alert")["source"] == nil) {
			t.Errorf("an alert of a rule with target has %v", part(e, "alert"))
		}
	}
	for _, kind := range []string{"alert", "http", "anomaly", "flow", "netflow"} {
		if counts[kind] == 0 {
			t.Errorf("no record of type %s among %v", kind, counts)
		}
	}
}
