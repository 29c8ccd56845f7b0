package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
)

// Setup is what the sensor is to do in a measure.
type Setup struct {
	Name string `json:"name"`
	// Rules is how many of the rules are loaded, evenly taken from all; All loads
	// every one.
	Rules int `json:"rules"`
	// Types are the event types that are written; nil writes all
	// (output.types).
	Types []string `json:"types"`
	// Detect has behaviour judged as well, with the detectors' defaults.
	Detect bool `json:"detect"`
}

// All is the Setup.Rules of all rules.
const All = -1

// Spec is what the process of a measure is told.
type Spec struct {
	Setup  Setup    `json:"setup"`
	Files  []string `json:"files"`
	Rounds int      `json:"rounds"`
	// FlowLimit bounds the flow table; zero is the default.
	FlowLimit int `json:"flow_limit"`
	// Dir is where records are written; empty throws them away.
	Dir string `json:"dir"`
}

// Result is what it answers.
type Result struct {
	Spec    Spec    `json:"-"`
	Figures Figures `json:"figures"`
	// Loaded are the rules that were loaded and Refused those that were not, in
	// LoadSeconds.
	Loaded      int     `json:"rules_loaded"`
	Refused     int     `json:"rules_refused"`
	LoadSeconds float64 `json:"rules_load_seconds"`
}

// ErrChild means that the process of a measure failed.
var ErrChild = errors.New("measure failed")

// Run starts the process of a measure, confined to as many processors as there
// are files, and waits for it.
func Run(ctx context.Context, command []string, spec Spec) (Result, error) {
	var r Result
	in, err := json.Marshal(spec)
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &said
	err = startConfined(cmd, len(spec.Files))
	if err != nil {
		return r, err
	}
	err = cmd.Wait()
	if err != nil {
		return r, fmt.Errorf("%w: %w: %s", ErrChild, err, bytes.TrimSpace(said.Bytes()))
	}
	err = json.Unmarshal(out.Bytes(), &r)
	r.Spec = spec
	return r, err
}
