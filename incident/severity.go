package incident

import (
	"fmt"
	"strings"

	"github.com/antin-gov/antin/internal/event"
)

// Severity grades alerts and cases; a greater one is worse.
type Severity int

// The severities.
const (
	Info Severity = iota + 1
	Low
	Medium
	High
	Critical
)

var severityWords = map[Severity]string{Info: "info", Low: "low", Medium: "medium", High: "high", Critical: "critical"}

// String returns the word of the severity.
func (s Severity) String() string {
	word, ok := severityWords[s]
	if !ok {
		return "unknown"
	}
	return word
}

// MarshalText writes the word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *Severity) UnmarshalText(b []byte) error {
	v, err := ParseSeverity(string(b))
	if err != nil {
		return err
	}
	*s = v
	return nil
}

// ParseSeverity reads a severity from its word.
func ParseSeverity(word string) (Severity, error) {
	for s, w := range severityWords {
		if strings.EqualFold(w, word) {
			return s, nil
		}
	}
	return 0, fmt.Errorf("%w: severity %q", ErrInvalid, word)
}

// eveSeverity grades an EVE alert: the rule's own signature_severity (the
// convention of the Emerging Threats metadata) before the priority of its
// class, where 1 is the most severe.
func eveSeverity(a *event.Alert) Severity {
	for _, v := range a.Metadata["signature_severity"] {
		switch strings.ToLower(v) {
		case "critical":
			return Critical
		case "major":
			return High
		case "minor":
			return Low
		case "informational", "info":
			return Info
		}
	}
	switch a.Severity {
	case 1:
		return High
	case 2:
		return Medium
	case 3:
		return Low
	default:
		return Info
	}
}

// sigmaSeverity grades a Sigma rule by its level (Sigma specification, "level").
func sigmaSeverity(level string) Severity {
	switch strings.ToLower(level) {
	case "critical":
		return Critical
	case "high":
		return High
	case "medium":
		return Medium
	case "low":
		return Low
	default:
		return Info
	}
}
