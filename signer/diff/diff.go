package diff

import (
	"fmt"
	"slices"

	"github.com/antin-gov/antin/signer/cos"
)

// Level is the most that later revisions did, in rising order.
type Level int

// Levels.
const (
	None        Level = iota // nothing, or rewrites with the same content
	LTAUpdates               // validation data, document time-stamps, dates
	FormFilling              // signatures in new or empty fields, filled form fields
	Annotations              // comments
	Other                    // anything else
)

// String names the level.
func (l Level) String() string {
	switch l {
	case None:
		return "none"
	case LTAUpdates:
		return "lta-updates"
	case FormFilling:
		return "form-filling"
	case Annotations:
		return "annotations"
	}
	return "other"
}

// Lock is what a signature says about fields that must not change (FieldMDP,
// ISO 32000-2, 12.8.2.4): All, Include or Exclude.
type Lock struct {
	Action string
	Fields []string
}

// Permissions are those of the signature that the changes came after.
type Permissions struct {
	DocMDP int // P of the certification, 0 when there is none
	Locks  []Lock
}

// Result is what came after the signed revision.
type Result struct {
	Level   Level
	Reasons []Reason
	Covers  []Cover
}

// Limits of the analysis. What is larger is judged Other, not passed over.
const (
	maxObjects   = 3_000_000 // pairs of objects over all revisions
	maxRevisions = 500
	maxReasons   = 100
	maxBytes     = 512 << 20 // of rewritten streams that must be compared
	maxDecoded   = 128 << 20 // of streams that must be read to be judged
	maxOperators = 2_000_000 // of page content that is followed
)

// Compare judges all revisions after the signed one, each against the one
// before, so that a later revision cannot hide what an earlier one did.
func Compare(f *cos.File, signedRevision int, p Permissions) (*Result, error) {
	return NewAnalysis(f).Compare(signedRevision, p)
}

// Analysis compares the revisions of a file for several signatures: what one
// revision did is judged once, as most signatures ask the same of it.
type Analysis struct {
	file  *cos.File
	steps map[step]*Result
}

// step is one revision under certain permissions, judged as if the revision
// before it were the signed one.
type step struct {
	revision    int
	permissions string
}

// NewAnalysis begins with a file.
func NewAnalysis(f *cos.File) *Analysis {
	return &Analysis{file: f, steps: map[step]*Result{}}
}

// Compare is the function Compare for one signature of the file.
func (a *Analysis) Compare(signedRevision int, p Permissions) (*Result, error) {
	f := a.file
	revisions := f.Revisions()
	_, err := f.View(signedRevision)
	if err != nil {
		return nil, fmt.Errorf("compare revisions: %w", err)
	}
	r := &Result{}
	budget := &budget{objects: maxObjects, bytes: maxBytes, decoded: maxDecoded, operators: maxOperators}
	if f.Irregular() != "" {
		r.add(Reason{Revision: signedRevision, Level: Other, Code: irregular(f.Irregular())})
		return r, nil
	}
	if f.Trailing() > 0 {
		r.add(Reason{Revision: len(revisions) - 1, Level: Other, Code: CodeTrailing})
	}
	if len(revisions)-signedRevision > maxRevisions {
		r.add(Reason{Revision: signedRevision, Level: Other, Code: CodeTooManyRevisions})
		return r, nil
	}
	for rev := signedRevision + 1; rev < len(revisions); rev++ {
		if revisions[rev].Doubled {
			r.add(Reason{Revision: rev, Level: Other, Code: CodeDoubled})
		}
		if hides(f, revisions, signedRevision, rev) {
			r.add(Reason{Revision: rev, Level: Other, Code: CodeHidden})
		}
		did, err := a.did(signedRevision, rev, p, budget)
		if err != nil {
			return nil, err
		}
		r.merge(did)
	}
	return r, nil
}

// did judges what a revision did. Against the revision just before it the
// judgement is the strictest: of what came after a signature more may change
// again. So it holds for every earlier signature unless it is no.
func (a *Analysis) did(signedRevision, rev int, p Permissions, b *budget) (*Result, error) {
	key := step{rev, fmt.Sprintf("%d %q", p.DocMDP, p.Locks)}
	known := a.steps[key]
	if known == nil {
		known = &Result{}
		err := compareRevision(a.file, rev-1, rev, p, known, b)
		if err != nil {
			return nil, err
		}
		a.steps[key] = known
	}
	if known.Level != Other || signedRevision == rev-1 {
		return known, nil
	}
	own := &Result{}
	err := compareRevision(a.file, signedRevision, rev, p, own, b)
	return own, err
}

// hides tells whether a hybrid section calls objects free that were in use
// before, and gives them anew in its stream (ISO 32000-2, 7.5.8.4): readers that
// do not know such streams would lose them. Office programs write documents so,
// and signing programs go on in that way, for objects that are new; careless
// ones copy the reference to a stream that was there when it was signed.
func hides(f *cos.File, revisions []cos.Revision, signed, rev int) bool {
	at := revisions[rev].XRefStm
	known := slices.ContainsFunc(revisions[:signed+1], func(r cos.Revision) bool { return r.XRefStm == at })
	before, err := f.View(rev - 1)
	return err == nil && !known && slices.ContainsFunc(revisions[rev].Hidden, before.Defined)
}

func compareRevision(f *cos.File, signedRevision, rev int, p Permissions, r *Result, b *budget) error {
	signed, err := f.View(signedRevision)
	if err != nil {
		return fmt.Errorf("compare revisions: %w", err)
	}
	old, err := f.View(rev - 1)
	if err != nil {
		return fmt.Errorf("compare revisions: %w", err)
	}
	now, err := f.View(rev)
	if err != nil {
		return fmt.Errorf("compare revisions: %w", err)
	}
	c := &comparer{
		old: old, new: now, revision: rev, permissions: p, result: r, budget: b,
		seen: map[pair]bool{}, pages: map[cos.Ref]int{}, nodes: map[cos.Ref]bool{},
		fields: map[cos.Ref]*field{}, added: map[cos.Ref]*newWidget{}, names: map[string]bool{},
		computed: map[cos.Ref]bool{}, comments: map[cos.Ref]bool{}, noted: map[cos.Ref]bool{}, signed: signed, ink: map[cos.Ref]*ink{},
	}
	c.run()
	return nil
}

func (r *Result) add(x Reason) {
	r.Level = max(r.Level, x.Level)
	if len(r.Reasons) < maxReasons {
		r.Reasons = append(r.Reasons, x)
		return
	}
	// A graver one takes the place of the last that is not.
	for n := len(r.Reasons) - 1; n >= 0 && x.Level > LTAUpdates; n-- {
		if r.Reasons[n].Level < x.Level {
			r.Reasons[n] = x
			return
		}
	}
}

func (r *Result) merge(x *Result) {
	r.Level = max(r.Level, x.Level)
	for _, reason := range x.Reasons {
		r.add(reason)
	}
	r.Covers = append(r.Covers, x.Covers...)
}

// budget bounds the work over all revisions.
type budget struct {
	objects   int
	bytes     int64
	decoded   int64
	operators int
}
