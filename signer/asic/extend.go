package asic

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto"
	"fmt"
	"io"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cades"
)

// Extended tells what Extend added.
type Extended struct {
	Signatures int
	Stamps     []time.Time
	Evidence   trust.Evidence
}

// Extend writes a container whose CAdES signatures are raised to B-LT or B-LTA,
// or have their archive time-stamps renewed. Every other entry is copied as it
// is packed. o.Digest is not used: the signed entries are in the container.
func Extend(ctx context.Context, w io.Writer, in io.ReaderAt, size int64, o cades.ExtendOptions) (*Extended, error) {
	c, err := Open(in, size)
	if err != nil {
		return nil, err
	}
	if len(c.Signatures) == 0 {
		return nil, fmt.Errorf("%w: no signature", cades.ErrNotExtendable)
	}
	e := &Extended{}
	raised := map[string][]byte{}
	for _, s := range c.Signatures {
		if s.Err != nil || s.Signed == "" {
			return nil, fmt.Errorf("%w: %s does not tell what it is over", cades.ErrNotExtendable, s.Name)
		}
		o.Digest = func(h crypto.Hash) ([]byte, error) { return c.Digest(s.Signed, h) }
		one, err := cades.Extend(ctx, s.CMS, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		raised[s.Name] = one.CMS
		e.Signatures++
		e.Stamps = append(e.Stamps, one.Stamps...)
		e.Evidence.Add(one.Evidence)
	}
	err = rewrite(w, in, size, raised)
	if err != nil {
		return nil, fmt.Errorf("asic: write container: %w", err)
	}
	return e, nil
}

// rewrite copies a container with some entries replaced.
func rewrite(w io.Writer, in io.ReaderAt, size int64, replaced map[string][]byte) error {
	old, err := zip.NewReader(in, size)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	for _, f := range old.File {
		data, ok := replaced[f.Name]
		if !ok {
			err = z.Copy(f)
		} else {
			err = add(z, f.Name, bytes.NewReader(data), f.Modified)
		}
		if err != nil {
			return fmt.Errorf("entry %q: %w", f.Name, err)
		}
	}
	return z.Close()
}
