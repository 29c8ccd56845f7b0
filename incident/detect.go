package incident

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/event"
)

// Sources of alerts.
const (
	SourceEVE   = "eve"
	SourceSigma = "sigma"
)

// maxTitle limits the text that a rule may put on a page.
const maxTitle = 300

// notEvaluated are the event types that report on the sensor, not the traffic.
var notEvaluated = map[string]bool{"stats": true}

// detection is one rule that one event met.
type detection struct {
	event          *event.Event
	source, ruleID string
	title, class   string
	severity       Severity
	agency         string
	client, server string
}

// detect asks the event's own alert and the rules.
func (s *Service) detect(ev *event.Event, agency, client, server string) []detection {
	if notEvaluated[ev.Type] {
		return nil
	}
	base := detection{event: ev, agency: agency, client: client, server: server}
	var found []detection
	if ev.Alert != nil {
		d := base
		d.source, d.ruleID = SourceEVE, fmt.Sprintf("%d:%d", max(ev.Alert.GID, 1), ev.Alert.SID)
		d.title, d.class, d.severity = clip(ev.Alert.Signature), s.classes.ofAlert(ev.Alert), eveSeverity(ev.Alert)
		found = append(found, d)
	}
	if s.rules == nil {
		return found
	}
	for _, m := range s.rules.Match(ev) {
		d := base
		d.source, d.ruleID, d.title = SourceSigma, m.RuleID, clip(m.Title)
		d.class, d.severity = s.classes.ofTags(m.Tags), sigmaSeverity(m.Level)
		found = append(found, d)
	}
	return found
}

// key names what is deduplicated: the rule, the agency and the pair of hosts,
// apart for each exercise.
func (d *detection) key() string {
	a, b := d.client, d.server
	if b < a {
		a, b = b, a
	}
	return d.event.ExerciseID + "|" + d.source + "|" + d.ruleID + "|" + d.agency + "|" + a + "|" + b
}

func (d *detection) at() time.Time { return d.event.Time.Truncate(time.Microsecond) }

func clip(s string) string {
	s = clean(s)
	r := []rune(s)
	if len(r) > maxTitle {
		return string(r[:maxTitle-1]) + "…"
	}
	return s
}

// clean takes out the zero characters that JSON may carry and PostgreSQL's
// text may not. The raw bytes keep them.
func clean(s string) string { return strings.ReplaceAll(s, "\x00", "") }

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
