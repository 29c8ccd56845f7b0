package validate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/diff"
)

// Options say by whose trust and when a file is judged.
type Options struct {
	// Store holds the trust anchors; nil trusts nobody.
	Store *trust.Store
	// At is the time of validation; zero means the clock's.
	At time.Time
	// Collector fetches missing revocation data; nil stays offline. It is
	// used only for certificates that lead to an anchor of the store.
	Collector *trust.Collector
	// Offline tells in the report how old the revocation data is that a verdict
	// rests on: set it where Collector answers from a cache.
	Offline bool
	// Clock is used when At is zero; nil means the system's.
	Clock clock.Clock
	// File is the name for the report.
	File string
	// Policy are the constraints; nil: DefaultPolicy. Its Trust is the
	// caller's to read into Store.
	Policy *Policy
	// Password opens an encrypted file that the empty password does not.
	Password string
	// Content is what a detached signature is over. It is read once.
	Content io.Reader
}

// Validate judges every signature of a PDF file. The error is ErrUnreadable
// when the input is no PDF file that can be read, or what kept the input from
// being read; a bad signature is a report, never an error.
func Validate(ctx context.Context, in io.ReaderAt, size int64, o Options) (*Report, error) {
	report := &Report{File: o.File, Signatures: []Signature{}}
	file, openErr := cos.Open(in, size, cos.Options{Password: o.Password, Repair: true})
	var list []*found
	if openErr == nil {
		var err error
		list, err = findSignatures(file)
		if err != nil {
			report.Reasons = append(report.Reasons, newReason(CodeTooMany))
			report.Verdict = Indeterminate
			return report, nil
		}
	}
	var latest *cos.View
	if openErr == nil {
		latest = file.Latest()
	}
	orphans := scanOrphans(in, size, list, latest)
	if openErr != nil {
		if len(orphans) == 0 {
			return nil, fmt.Errorf("%w: %w", ErrUnreadable, openErr)
		}
		report.Reasons = append(report.Reasons, newReason(CodeStructure))
	}
	list = append(list, orphans...)
	run := newValidation(in, size, file, o)
	err := run.observe(ctx, list)
	if err != nil {
		return nil, err
	}
	run.judge(ctx)
	err = ctx.Err()
	if err != nil {
		return nil, fmt.Errorf("validate: %w", err)
	}
	for _, c := range run.list {
		c.Detail = run.detail(c)
		report.Signatures = append(report.Signatures, c.Signature)
	}
	report.conclude()
	if closed(openErr) && !report.contentChanged() {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, openErr)
	}
	return report, nil
}

// closed tells a file that is encrypted against us from one that is broken. A
// changed byte can make the one look like the other; what decides is whether
// the signed bytes, which are readable even so, are still those signed.
func closed(err error) bool {
	return errors.Is(err, cos.ErrPassword) || errors.Is(err, cos.ErrHandler)
}

func (r *Report) contentChanged() bool {
	for n := range r.Signatures {
		if r.Signatures[n].SubIndication == SubHash || r.Signatures[n].SubIndication == SubSignature {
			return true
		}
	}
	return false
}

// validation is the state of one Validate.
type validation struct {
	in        io.ReaderAt
	size      int64
	file      *cos.File // nil when it could not be opened
	analysis  *diff.Analysis
	options   Options
	now       time.Time
	inside    trust.Evidence // of the document
	evidence  trust.Evidence // that, and what was collected
	collected map[string]bool
	lists     trust.Lists // parsed once for all signatures
	policy    *Policy
	list      []*candidate
}

func newValidation(in io.ReaderAt, size int64, file *cos.File, o Options) *validation {
	v := &validation{in: in, size: size, file: file, options: o, policy: o.policy(), now: o.At, collected: make(map[string]bool)}
	if v.now.IsZero() {
		if o.Clock == nil {
			o.Clock = clock.System{}
		}
		v.now = o.Clock.Now()
	}
	if file != nil {
		v.analysis = diff.NewAnalysis(file)
		v.inside = readDSS(file)
		v.evidence.Add(v.inside)
	}
	return v
}

// observe looks at each signature by itself: byte range, container, integrity.
func (v *validation) observe(ctx context.Context, list []*found) error {
	ends := make(map[[4]int64]int)
	for _, f := range list {
		err := ctx.Err()
		if err != nil {
			return fmt.Errorf("validate: %w", err)
		}
		c := v.newCandidate(f)
		err = c.observe(v)
		if err != nil {
			return fmt.Errorf("validate field %q: %w", f.field, err)
		}
		ends[c.ByteRange]++
		v.list = append(v.list, c)
	}
	for _, c := range v.list {
		if c.rangeOK && ends[c.ByteRange] > 1 || c.found.recycled {
			c.Integrity = Broken
			c.fail(SubFormat, CodeRecycled)
		}
	}
	// In the order of signing: by what they cover.
	sort.SliceStable(v.list, func(i, j int) bool { return v.list[i].end() < v.list[j].end() })
	return nil
}

// judge applies trust and time, then the changes after signing.
func (v *validation) judge(ctx context.Context) {
	if v.file != nil && v.file.Repaired() {
		for _, c := range v.list {
			c.doubt(SubGeneric, CodeRepaired)
		}
	}
	v.judgeDocumentTimestamps(ctx)
	for _, c := range v.list {
		if c.Kind != KindTimestamp {
			v.judgeSignature(ctx, c)
		}
		v.judgeAfter(c)
		c.Level = v.level(c)
	}
	for _, c := range v.list {
		v.judgeCovers(c)
	}
}

// judgeAfter compares what came after the signed revision.
func (v *validation) judgeAfter(c *candidate) {
	if c.found.orphan || v.file == nil || v.file.Repaired() {
		c.Changes = ChangesUnknown
		if c.found.orphan {
			c.doubt(SubGeneric, CodeUnreachable)
		}
		return
	}
	if !c.found.latest {
		c.Changes = ChangesForbidden
		c.fail(SubFormat, CodeRemoved)
		return
	}
	if c.coveredRevision < 0 {
		c.Changes = ChangesUnknown
		return
	}
	if c.Coverage == CoversFile {
		c.Changes = ChangesNone
		return
	}
	p, locks := v.permission(c)
	c.judgeChanges(v.file, v.analysis, p, locks)
	if c.coveredRevision == len(v.file.Revisions())-1 {
		// Nothing but bytes that belong to no revision.
		if v.file.Trailing() > 0 {
			c.Changes = ChangesForbidden
			c.fail(SubFormat, CodeTrailing)
			return
		}
		c.Changes = ChangesUnknown
		c.doubt(SubGeneric, CodeTrailing)
	}
}

// permission is what the certification and the locks of the signatures up to
// this one allow afterwards.
func (v *validation) permission(c *candidate) (int, []diff.Lock) {
	p := 0
	var locks []diff.Lock
	for _, other := range v.list {
		if other.end() > c.end() || other.found.orphan {
			continue
		}
		locks = append(locks, other.found.locks...)
		if other.docMDP != 0 && (p == 0 || other.docMDP < p) {
			p = other.docMDP
		}
	}
	return p, locks
}
