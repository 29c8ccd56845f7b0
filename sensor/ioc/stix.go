package ioc

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// stixObject is what is read of an object of a bundle (STIX 2.1 §4.7).
type stixObject struct {
	Type        string   `json:"type"`
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Pattern     string   `json:"pattern"`
	PatternType string   `json:"pattern_type"`
	ValidUntil  string   `json:"valid_until"`
	Confidence  *int     `json:"confidence"`
	Revoked     bool     `json:"revoked"`
	Types       []string `json:"indicator_types"`
}

// stix reads the indicators of a bundle; other objects say who and how.
func (r *reader) stix(in io.Reader) error {
	j := newJSONList(in)
	seen := false
	err := j.walk(func(name string) (bool, error) {
		if name != "objects" || seen {
			return false, nil
		}
		seen = true
		return true, elements(j, r.stixObject)
	})
	if err != nil {
		return err
	}
	if !seen {
		return fmt.Errorf("%w: a bundle without objects", ErrFormat)
	}
	return nil
}

func (r *reader) stixObject(line int, o *stixObject) error {
	if o.Type != "indicator" {
		return nil
	}
	switch {
	case o.Revoked:
		r.refuse(line, o.Pattern, "revoked")
		return nil
	case o.PatternType != "" && o.PatternType != "stix":
		r.refuse(line, o.Pattern, fmt.Sprintf("pattern of type %.40q", o.PatternType))
		return nil
	}
	base := Indicator{Confidence: r.o.Confidence, Description: o.Name}
	if base.Description == "" {
		base.Description = o.Description
	}
	if base.Description == "" {
		base.Description = o.ID
	}
	if o.Confidence != nil {
		base.Confidence = uint8(min(max(*o.Confidence, 0), 100))
	}
	if o.ValidUntil != "" {
		until, err := time.Parse(time.RFC3339, o.ValidUntil)
		if err != nil {
			r.refuse(line, o.Pattern, "valid_until is no time of RFC 3339")
			return nil
		}
		base.Expires = until
	}
	terms, err := parsePattern(o.Pattern)
	if err != nil {
		r.refuse(line, o.Pattern, err.Error())
		return nil
	}
	for _, t := range terms {
		i := base
		i.Kind, i.Value = t.kind, t.value
		err = r.take(line, i)
		if err != nil {
			return err
		}
	}
	return nil
}

// errPattern means that a pattern says what a list cannot hold.
var errPattern = errors.New("pattern")
