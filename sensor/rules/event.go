package rules

import (
	"fmt"
	"slices"
	"strings"
)

// Events: what a decoder, the reassembly or a protocol's parser noticed. Rules
// name them by decode-event, stream-event, app-layer-event and the checksum
// keywords; the caller reports them in Input.Events under their full names:
// "decode.ipv4.hlen_too_small", "stream.fin_syn", "dns.z_flag_set",
// "csum.tcpv4".

// Prefixes of event names that do not belong to an application protocol.
const (
	EventDecode   = "decode."
	EventStream   = "stream."
	EventChecksum = "csum."
)

// EventWants says which kinds of events the rules of an engine ask for, so
// that nobody looks for what no rule needs.
type EventWants struct {
	Decode, Stream, Checksum, App bool
	// Files, FileSums and FileMagic say that rules look at files at all, at
	// their digests, and at their kind.
	Files, FileSums, FileMagic bool
	// Store says that rules choose files that are kept.
	Store bool
}

// wantFiles notes what the engine's buffers say of files.
func (w *EventWants) wantFiles(keys []keyGroup) {
	for i := range keys {
		switch keys[i].buf {
		case BufferFileMD5, BufferFileSHA1, BufferFileSHA256:
			w.FileSums, w.Files = true, true
		case BufferFileMagic:
			w.FileMagic, w.Files = true, true
		case BufferFileData, BufferFileName, BufferFileExt, BufferFileSize:
			w.Files = true
		}
	}
}

// wantStore notes whether rules choose files.
func (w *EventWants) wantStore(rules []*Rule) {
	for _, r := range rules {
		if r.store != nil {
			w.Store, w.Files = true, true
		}
	}
}

// Wants returns the kinds of events that rules ask for.
func (e *Engine) Wants() EventWants { return e.wants }

func (b *builder) eventOption(o option) (bool, error) {
	value := strings.ToLower(strings.TrimSpace(o.value))
	switch o.name {
	case "decode-event":
		return true, b.addEvent(EventDecode + value)
	case "engine-event":
		return true, b.addEvent(EventDecode + value)
	case "stream-event":
		return true, b.addEvent(EventStream + value)
	case "app-layer-event":
		return true, b.addEvent(value)
	}
	layer, ok := strings.CutSuffix(o.name, "-csum")
	if !ok {
		return false, nil
	}
	if value != "invalid" {
		return true, fmt.Errorf("%q: only invalid checksums are events", clip(value))
	}
	return true, b.addEvent(EventChecksum + layer)
}

// addEvent asks for an event. One that nothing here raises is refused, so
// that no rule waits in vain.
func (b *builder) addEvent(name string) error {
	_, ok := slices.BinarySearch(raisedEvents[:], name)
	if !ok {
		return fmt.Errorf("event %q is not raised here", clip(name))
	}
	b.items++
	if b.items > maxItems {
		return fmt.Errorf("more than %d tests in one rule", maxItems)
	}
	b.rule.events = append(b.rule.events, name)
	return nil
}

// appEvents says whether the rule asks for a protocol's events.
func (r *Rule) appEvents() bool {
	for _, name := range r.events {
		if !strings.HasPrefix(name, EventDecode) && !strings.HasPrefix(name, EventStream) && !strings.HasPrefix(name, EventChecksum) {
			return true
		}
	}
	return false
}

// eventsHold tests that all events of the rule were reported.
func (r *Rule) eventsHold(in *Input) bool {
	for _, name := range r.events {
		if !slices.Contains(in.Events, name) {
			return false
		}
	}
	return true
}

// placeEvent puts a rule under its first event.
func (e *Engine) placeEvent(r *Rule, id int32) {
	for _, name := range r.events {
		switch {
		case strings.HasPrefix(name, EventDecode):
			e.wants.Decode = true
		case strings.HasPrefix(name, EventStream):
			e.wants.Stream = true
		case strings.HasPrefix(name, EventChecksum):
			e.wants.Checksum = true
		default:
			e.wants.App = true
		}
	}
	e.byEvent[r.events[0]] = append(e.byEvent[r.events[0]], id)
}
