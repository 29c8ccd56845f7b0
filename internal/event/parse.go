package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// ErrRecord means that a record is not EVE: not a JSON object, or without a
// timestamp or an event type.
var ErrRecord = errors.New("event: not an EVE record")

// timestampLayouts are the forms of EVE's "timestamp": Suricata writes the
// zone without a colon, other writers use RFC 3339.
var timestampLayouts = []string{"2006-01-02T15:04:05.999999999-0700", time.RFC3339Nano}

type wire struct {
	Timestamp   string `json:"timestamp"`
	EventType   string `json:"event_type"`
	SrcIP       string `json:"src_ip"`
	SrcPort     uint16 `json:"src_port"`
	DestIP      string `json:"dest_ip"`
	DestPort    uint16 `json:"dest_port"`
	Proto       string `json:"proto"`
	FlowID      uint64 `json:"flow_id"`
	CommunityID string `json:"community_id"`
	ExerciseID  string `json:"exercise_id"`
	Alert       *struct {
		SID       int64               `json:"signature_id"`
		GID       int64               `json:"gid"`
		Rev       int64               `json:"rev"`
		Signature string              `json:"signature"`
		Category  string              `json:"category"`
		Severity  int                 `json:"severity"`
		Metadata  map[string][]string `json:"metadata"`
	} `json:"alert"`
}

// Parse reads one EVE record. ID, Sensor and Site are left to the caller, who
// knows the batch. The record's bytes are kept as they are.
func Parse(raw []byte) (*Event, error) {
	if len(raw) > MaxRawBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrBatchSize, len(raw))
	}
	var w wire
	err := json.Unmarshal(raw, &w)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if w.EventType == "" {
		return nil, fmt.Errorf("%w: no event_type", ErrRecord)
	}
	at, err := parseTime(w.Timestamp)
	if err != nil {
		return nil, err
	}
	e := &Event{
		Raw: raw, Time: at, Type: w.EventType, Proto: w.Proto,
		CommunityID: w.CommunityID, FlowID: w.FlowID, ExerciseID: w.ExerciseID,
		Src: addrPort(w.SrcIP, w.SrcPort), Dst: addrPort(w.DestIP, w.DestPort),
	}
	if w.Alert != nil {
		e.Alert = &Alert{
			SID: w.Alert.SID, GID: w.Alert.GID, Rev: w.Alert.Rev, Signature: w.Alert.Signature,
			Category: w.Alert.Category, Severity: w.Alert.Severity, Metadata: w.Alert.Metadata,
		}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	err = dec.Decode(&e.Fields)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return e, nil
}

func parseTime(s string) (time.Time, error) {
	for _, layout := range timestampLayouts {
		t, err := time.Parse(layout, s)
		if err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: timestamp %q", ErrRecord, s)
}

// addrPort is the zero value when the record has no address: an EVE record
// without one (stats, say) is not an error.
func addrPort(ip string, port uint16) netip.AddrPort {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Unmap(), port)
}
