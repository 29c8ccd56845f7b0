package rules

import (
	"fmt"
	"time"
)

// Tag asks for the packets that follow an alert.
type Tag struct {
	// Host follows the alert's source or, with Dst, destination; otherwise the
	// flow is followed.
	Host, Dst bool
	// Packets, Bytes and Time say how long; the one that is not zero counts.
	Packets, Bytes uint64
	Time           time.Duration
}

// tagPackets is how many packets are recorded when the rule does not say.
const tagPackets = 256

// addTag reads "session", "session,5,packets" or "host,60,seconds,src".
func (b *builder) addTag(value string) error {
	parts := splitTrim(value)
	t := &Tag{}
	switch parts[0] {
	case "session":
	case "host":
		t.Host = true
	default:
		return fmt.Errorf("%q is neither session nor host", clip(parts[0]))
	}
	if len(parts) == 1 {
		t.Packets = tagPackets
		b.rule.Tags = append(b.rule.Tags, t)
		return nil
	}
	n, err := parseInt(parts[1], 1, 1<<31-1)
	if err != nil {
		return err
	}
	metric := "packets"
	if len(parts) > 2 {
		metric = parts[2]
	}
	switch metric {
	case "packets":
		t.Packets = uint64(n)
	case "bytes":
		t.Bytes = uint64(n)
	case "seconds":
		t.Time = time.Duration(n) * time.Second
	default:
		return fmt.Errorf("unknown measure %q", clip(metric))
	}
	if len(parts) > 3 {
		if !t.Host || parts[3] != "src" && parts[3] != "dst" {
			return fmt.Errorf("unknown part %q", clip(parts[3]))
		}
		t.Dst = parts[3] == "dst"
	}
	b.rule.Tags = append(b.rule.Tags, t)
	return nil
}
