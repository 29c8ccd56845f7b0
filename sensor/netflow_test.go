package sensor_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor"
)

func TestEachDirectionIsRecordedByItselfOnlyWhenAskedFor(t *testing.T) {
	name := attackFile(t, 5)
	for _, c := range []struct {
		what string
		cfg  sensor.Config
		both bool
	}{
		{"nothing said", sensor.Config{}, false},
		{"netflow set", sensor.Config{Netflow: true}, true},
		{"other types", sensor.Config{Types: []string{"flow"}}, false},
		{"among the types", sensor.Config{Types: []string{"netflow"}}, true},
		{"beside the types", sensor.Config{Types: []string{"dns"}, Netflow: true}, true},
	} {
		got, _, _ := runFiles(t, c.cfg, name)
		var lines []string
		for line := range bytes.Lines(got.lines.Bytes()) {
			if bytes.Contains(line, []byte(`"event_type":"netflow"`)) {
				lines = append(lines, string(line))
			}
		}
		if (len(lines) > 0) != c.both {
			t.Errorf("%s: %d records", c.what, len(lines))
		}
		for _, line := range lines {
			for _, field := range []string{`"netflow":{"pkts":`, `"bytes":`, `"min_ttl":`, `"max_ttl":`, `"age":`, `"community_id":`} {
				if !strings.Contains(line, field) {
					t.Errorf("%s: no %s in %s", c.what, field, line)
				}
			}
			// Transactions are counted where somebody asks for what is in them.
			if c.cfg.Types == nil && !strings.Contains(line, `"tx_cnt":1}`) {
				t.Errorf("%s: %s", c.what, line)
			}
		}
	}
}
