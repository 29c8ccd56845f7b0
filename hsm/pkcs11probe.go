package hsm

import (
	"context"
	"fmt"
)

// probe finds out by trying what the token does.
func (t *token) probe(context.Context) (Probe, error) {
	return Probe{}, fmt.Errorf("%w: probe", ErrUnsupported)
}
