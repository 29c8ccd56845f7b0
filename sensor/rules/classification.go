package rules

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Classification is one line of classification.config.
type Classification struct {
	Name        string
	Description string
	Priority    int
}

// maxClassifications bounds the file; the public one has 60 lines.
const maxClassifications = 4096

// ErrClassification is a line of classification.config that cannot be read.
var ErrClassification = errors.New("rules: bad classification")

// ParseClassifications reads classification.config, keyed by name:
//
//	config classification: name,description,priority
func ParseClassifications(r io.Reader) (map[string]Classification, error) {
	out := map[string]Classification{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		rest, ok := strings.CutPrefix(text, "config classification:")
		parts := strings.Split(rest, ",")
		if !ok || len(parts) != 3 {
			return nil, fmt.Errorf("%w: line %d is not name,description,priority", ErrClassification, n)
		}
		priority, err := strconv.Atoi(strings.TrimSpace(parts[2]))
		if err != nil || priority < 1 || priority > 255 {
			return nil, fmt.Errorf("%w: line %d: priority %q", ErrClassification, n, clip(parts[2]))
		}
		if len(out) == maxClassifications {
			return nil, fmt.Errorf("%w: more than %d lines", ErrClassification, maxClassifications)
		}
		c := Classification{strings.TrimSpace(parts[0]), strings.TrimSpace(parts[1]), priority}
		out[c.Name] = c
	}
	err := lines.Err()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrClassification, err)
	}
	return out, nil
}
