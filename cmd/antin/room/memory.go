package room

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/pades"
)

// memory is a file in memory: what the platform signs of its own is small.
type memory struct{ data []byte }

var _ pades.Output = (*memory)(nil)

// Write appends.
func (m *memory) Write(p []byte) (int, error) {
	m.data = append(m.data, p...)
	return len(p), nil
}

// WriteAt overwrites what is there.
func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	if at < 0 || at+int64(len(p)) > int64(len(m.data)) {
		return 0, errors.New("write outside of the file")
	}
	return copy(m.data[at:], p), nil
}

// ReadAt reads what is there.
func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 || at >= int64(len(m.data)) {
		return 0, io.EOF
	}
	n := copy(p, m.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// completeCMS signs a prepared file and writes the signature into it.
func completeCMS(ctx context.Context, p *pades.Prepared, out pades.Output, o pades.Options) error {
	der, err := cms.Sign(ctx, p.Digest, cms.Params{Signer: o.Signer, Chain: o.Chain, Hash: o.Hash, PSS: o.PSS})
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	return p.Complete(out, der)
}
