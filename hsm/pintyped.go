package hsm

import (
	"bytes"
	"context"
	"fmt"
)

// pinTyped is a PIN that a person gave to the program that started the worker.
// It came over the worker's standard input and is kept in its memory alone,
// because a token that is found again, or a key that asks for the PIN at each
// use, needs it anew.
type pinTyped struct {
	raw     []byte
	refused string
}

func (p pinTyped) marker() string { return p.refused }

func (p pinTyped) read(context.Context) (pinValue, error) {
	if len(p.raw) == 0 {
		return pinValue{}, fmt.Errorf("%w: none was given", ErrPIN)
	}
	return checkPIN(pinValue{raw: bytes.Clone(p.raw), state: "typed\n"}, "what was typed")
}
