package pades

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/cos"
)

// Level is a baseline level of EN 319 142-1, clause 6.
type Level string

// Levels returns all levels, the lowest first.
func Levels() []Level { return []Level{LevelB, LevelT, LevelLT, LevelLTA} }

// long tells whether a level has a document security store.
func (l Level) long() bool { return l == LevelLT || l == LevelLTA }

// The levels.
const (
	LevelB   Level = "B-B"
	LevelT   Level = "B-T"
	LevelLT  Level = "B-LT"
	LevelLTA Level = "B-LTA"
)

// ErrOptions says that the options contradict one another or miss something.
var ErrOptions = errors.New("pades: options")

// Output takes the signed file, from its first byte on; *os.File is one. It
// must be empty.
type Output interface {
	io.Writer
	io.WriterAt
	io.ReaderAt
}

// Options say who signs, how, and what is shown.
type Options struct {
	Signer crypto.Signer
	Chain  []*x509.Certificate // the signer's first, up to the root
	Hash   crypto.Hash         // SHA-256 when zero
	PSS    bool
	Level  Level // B-B when empty

	Password string // opens an encrypted input
	Field    string // an existing empty signature field, or the name of a new one; chosen when empty
	Reason   string
	Location string
	Name     string
	// Certify makes this a certification signature: 1 no changes, 2 forms and
	// signatures, 3 also annotations (ISO 32000-2, 12.8.2.2); 0 approves only.
	Certify int
	Visible *appearance.Spec // nil: nothing is shown

	// Timestamp returns an RFC 3161 token over a digest; all but B-B need it.
	Timestamp func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error)
	// TokenSize is the room kept for a token; 16 kB when zero.
	TokenSize int
	// Collect fetches certificates and revocation data for one chain; B-LT and
	// B-LTA need it.
	Collect func(ctx context.Context, chain []*x509.Certificate) (trust.Evidence, error)

	Now    time.Time // claimed as signing time (/M)
	Limits cos.Limits
}

// Result tells what was written.
type Result struct {
	Level     Level
	Field     string
	Size      int64 // of the whole output
	Signed    int64 // end of the signed revision
	ByteRange [4]int64
	Digest    []byte
	CMS       []byte
	Evidence  trust.Evidence // what the document security store got
	Archive   time.Time      // of the document time-stamp of B-LTA
}

const (
	// defaultTokenSize is generous: tokens of public authorities with their
	// chain have 6-8 kB, and too little room costs a second authorisation.
	defaultTokenSize = 16 << 10
	maxText          = 2048 // bytes of reason, location and name
	maxFieldName     = 256
)

func (o Options) check() error {
	if !slices.Contains(Levels(), o.Level) {
		return fmt.Errorf("%w: level %q", ErrOptions, string(o.Level))
	}
	if o.Certify < 0 || o.Certify > 3 {
		return fmt.Errorf("%w: certification level %d", ErrOptions, o.Certify)
	}
	if o.Level != LevelB && o.Timestamp == nil {
		return fmt.Errorf("%w: level %s needs a time-stamp authority", ErrOptions, o.Level)
	}
	if o.Level.long() && o.Collect == nil {
		return fmt.Errorf("%w: level %s needs a source of revocation data", ErrOptions, o.Level)
	}
	if o.Level.long() && o.Certify == 1 {
		// ISO 32000-2 allows it, but widely used readers call it a forbidden change.
		return fmt.Errorf("%w: a document that forbids all changes cannot get a security store afterwards", ErrOptions)
	}
	if o.Now.IsZero() {
		return fmt.Errorf("%w: no signing time", ErrOptions)
	}
	if len(o.Reason) > maxText || len(o.Location) > maxText || len(o.Name) > maxText || len(o.Field) > maxFieldName {
		return fmt.Errorf("%w: text too long", ErrOptions)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.Level == "" {
		o.Level = LevelB
	}
	if o.Hash == 0 {
		o.Hash = crypto.SHA256
	}
	if o.TokenSize == 0 {
		o.TokenSize = defaultTokenSize
	}
	if o.Level == LevelB {
		o.Timestamp = nil
	}
	return o
}

func (o Options) params() cms.Params {
	return cms.Params{Signer: o.Signer, Chain: o.Chain, Hash: o.Hash, PSS: o.PSS, Timestamp: o.Timestamp}
}

// room is how many bytes /Contents holds: what CMS asks for and half of it
// again, because a signature that does not fit must be authorised anew; of the
// half only what the longest string of PDF/A leaves.
func (o Options) room() int {
	token := 0
	if o.Timestamp != nil {
		token = o.TokenSize
	}
	size := cms.MaxSize(o.params(), token)
	return max(size, min(size+size/2, maxString))
}
