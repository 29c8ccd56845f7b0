package pades

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/antin-gov/antin/signer/cms"
)

// ErrPrepared says that a stored preparation does not fit the file or the
// signature.
var ErrPrepared = errors.New("pades: preparation does not fit")

// TooSmallError says that a signature does not fit into its reserved place.
type TooSmallError struct{ Need, Have int }

// Error tells both sizes.
func (e *TooSmallError) Error() string {
	return fmt.Sprintf("pades: the signature has %d bytes, %d are reserved", e.Need, e.Have)
}

// Prepared is a file that waits for its signature. It can be stored as JSON and
// completed elsewhere; it holds no secret.
type Prepared struct {
	Version   int      `json:"version"`
	Field     string   `json:"field"`
	Hash      string   `json:"hash"`   // such as "SHA-256"
	Digest    []byte   `json:"digest"` // of the byte range
	ByteRange [4]int64 `json:"byte_range"`
	Size      int64    `json:"size"` // of the prepared file
}

const preparedVersion = 1

// ParsePrepared reads a stored preparation and checks that it makes sense.
func ParsePrepared(data []byte) (*Prepared, error) {
	var p Prepared
	err := json.Unmarshal(data, &p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPrepared, err)
	}
	h, err := p.algorithm()
	if err != nil {
		return nil, err
	}
	r := p.ByteRange
	ordered := r[0] == 0 && r[1] > 0 && r[2] > r[1]+2 && r[3] > 0 && r[2]+r[3] == p.Size && p.Size > r[2]
	if p.Version != preparedVersion || !ordered || len(p.Digest) != h.Size() {
		return nil, fmt.Errorf("%w: values contradict one another", ErrPrepared)
	}
	return &p, nil
}

func (p *Prepared) algorithm() (crypto.Hash, error) {
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA512_256, crypto.SHA3_256, crypto.SHA3_384, crypto.SHA3_512} {
		if h.String() == p.Hash && h.Available() {
			return h, nil
		}
	}
	return 0, fmt.Errorf("%w: digest algorithm %q", ErrPrepared, p.Hash)
}

// Prepare writes the input and the update with an empty signature to out. The
// signer's key is not used; its certificate decides how much room is kept.
func Prepare(ctx context.Context, in io.ReaderAt, size int64, out Output, o Options) (*Prepared, error) {
	o = o.withDefaults()
	err := o.check()
	if err != nil {
		return nil, err
	}
	if len(o.Chain) == 0 || !o.Hash.Available() {
		return nil, fmt.Errorf("%w: a certificate and a digest algorithm are needed", ErrOptions)
	}
	d, err := openDocument(in, size, o.Password, o.Limits)
	if err != nil {
		return nil, err
	}
	if o.Level == LevelLTA {
		// Before the key is used: a time-stamp needs a field of its own.
		err = d.mayAddField()
		if err != nil {
			return nil, err
		}
	}
	name, err := d.place(o)
	if err != nil {
		return nil, err
	}
	err = d.declare(o)
	if err != nil {
		return nil, err
	}
	return d.reserve(ctx, in, size, out, out, name, o.Hash)
}

// reserve digests the input on its way to copied and writes the update
// with an empty signature to out.
func (d *document) reserve(ctx context.Context, in io.ReaderAt, size int64, copied, out io.Writer, name string, algorithm crypto.Hash) (*Prepared, error) {
	d.finish()
	var section bytes.Buffer
	w, err := d.update.Write(&section)
	if err != nil {
		return nil, refusal(err)
	}
	contents, ranges := w.Reserved[reservedSig], w.Reserved[reservedRange]
	after := contents.Offset + int64(contents.Width)
	p := &Prepared{
		Version: preparedVersion, Field: name, Hash: algorithm.String(), Size: w.End,
		ByteRange: [4]int64{0, contents.Offset, after, w.End - after},
	}
	new := section.Bytes()
	r := p.ByteRange
	copy(new[ranges.Offset-size:], fmt.Sprintf("[%d %d %d %d]", r[0], r[1], r[2], r[3]))
	gap := new[contents.Offset-size : after-size]
	for i := range gap {
		gap[i] = '0'
	}
	gap[0], gap[len(gap)-1] = '<', '>'
	h := algorithm.New()
	err = copyInput(ctx, copied, in, size, h)
	if err != nil {
		return nil, err
	}
	h.Write(new[:contents.Offset-size])
	h.Write(new[after-size:])
	p.Digest = h.Sum(nil)
	_, err = out.Write(new)
	if err != nil {
		return nil, fmt.Errorf("pades: write output: %w", err)
	}
	return p, nil
}

// copyBuffer is small enough that what was read is digested and written while
// the processor's cache still holds it.
const copyBuffer = 64 << 10

// copyInput streams the input to the output and into the digest.
func copyInput(ctx context.Context, out io.Writer, in io.ReaderAt, size int64, h io.Writer) error {
	buf := make([]byte, copyBuffer)
	for at := int64(0); at < size; {
		err := ctx.Err()
		if err != nil {
			return err
		}
		n, err := in.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		if n == 0 && err != nil {
			return fmt.Errorf("pades: read input: %w", err)
		}
		_, _ = h.Write(buf[:n])
		_, err = out.Write(buf[:n])
		if err != nil {
			return fmt.Errorf("pades: write output: %w", err)
		}
		at += int64(n)
	}
	return nil
}

// Complete writes a signature into the prepared file. It is refused unless it
// is a detached CMS signature over the prepared digest and the reserved place
// is still empty.
func (p *Prepared) Complete(out Output, signature []byte) error {
	parsed, err := cms.Parse(signature)
	if err != nil {
		return fmt.Errorf("pades: signature: %w", err)
	}
	if !bytes.Equal(parsed.Signer.MessageDigest, p.Digest) {
		return fmt.Errorf("%w: the signature is over another digest", ErrPrepared)
	}
	return p.fill(out, signature)
}

// fill writes DER into the reserved place, which must be empty.
func (p *Prepared) fill(out Output, signature []byte) error {
	width := int(p.ByteRange[2] - p.ByteRange[1])
	have := (width - 2) / 2
	if len(signature) > have {
		return &TooSmallError{Need: len(signature), Have: have}
	}
	place := make([]byte, width)
	_, err := out.ReadAt(place, p.ByteRange[1])
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("pades: read reserved place: %w", err)
	}
	digits := place[1 : width-1]
	if place[0] != '<' || place[width-1] != '>' || len(bytes.Trim(digits, "0")) != 0 {
		return fmt.Errorf("%w: the reserved place is not empty", ErrPrepared)
	}
	_, err = out.WriteAt(fmt.Appendf(nil, "%x", signature), p.ByteRange[1]+1)
	if err != nil {
		return fmt.Errorf("pades: write signature: %w", err)
	}
	return nil
}
