package validate

import (
	"crypto/x509"
	"errors"
	"time"

	"github.com/antin-gov/antin/internal/trust"
)

// ErrUnreadable says that the input cannot be read as a PDF file at all, so
// that nothing about signatures can be said. The cause is wrapped.
var ErrUnreadable = errors.New("validate: not readable")

// Verdict is the main indication of EN 319 102-1 §5.1.3.
type Verdict string

// The verdicts.
const (
	Passed        Verdict = "TOTAL-PASSED"
	Indeterminate Verdict = "INDETERMINATE"
	Failed        Verdict = "TOTAL-FAILED"
)

// SubIndication is the sub-indication of EN 319 102-1 table 5.
type SubIndication string

// The sub-indications used here.
const (
	SubNone                SubIndication = ""
	SubFormat              SubIndication = "FORMAT_FAILURE"
	SubHash                SubIndication = "HASH_FAILURE"
	SubSignature           SubIndication = "SIG_CRYPTO_FAILURE"
	SubRevoked             SubIndication = "REVOKED"
	SubRevokedNoPOE        SubIndication = "REVOKED_NO_POE"
	SubRevokedCANoPOE      SubIndication = "REVOKED_CA_NO_POE"
	SubNoSigner            SubIndication = "NO_SIGNING_CERTIFICATE_FOUND"
	SubNoChain             SubIndication = "NO_CERTIFICATE_CHAIN_FOUND"
	SubChainConstraints    SubIndication = "CHAIN_CONSTRAINTS_FAILURE"
	SubChainGeneral        SubIndication = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
	SubCryptoConstraints   SubIndication = "CRYPTO_CONSTRAINTS_FAILURE"
	SubCryptoNoPOE         SubIndication = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
	SubSignatureConstraint SubIndication = "SIG_CONSTRAINTS_FAILURE"
	SubOutOfBounds         SubIndication = "OUT_OF_BOUNDS_NO_POE"
	SubTryLater            SubIndication = "TRY_LATER"
	SubGeneric             SubIndication = "GENERIC"
	SubNoData              SubIndication = "SIGNED_DATA_NOT_FOUND"
)

// Integrity says whether the signed bytes are those that were signed.
type Integrity string

// Integrity is intact only where that was shown.
const (
	Intact Integrity = "intact"
	Broken Integrity = "broken"
)

// Coverage says how much of the file a signature covers.
type Coverage string

// A signature covers the whole file, a whole earlier revision, or less.
const (
	CoversFile     Coverage = "file"
	CoversRevision Coverage = "revision"
	CoversPart     Coverage = "partial"
)

// Changes says what happened to the file after the signature.
type Changes string

// The changes.
const (
	ChangesNone      Changes = "none"
	ChangesAllowed   Changes = "allowed"
	ChangesForbidden Changes = "forbidden"
	ChangesUnknown   Changes = "unknown"
)

// Kind of a signature.
type Kind string

// The kinds.
const (
	KindSignature     Kind = "signature"
	KindCertification Kind = "certification"
	KindTimestamp     Kind = "timestamp"
)

// Report is what is said about one file.
type Report struct {
	File       string      `json:"file"`
	Verdict    Verdict     `json:"verdict"`
	Reasons    []Reason    `json:"reasons,omitempty"`
	Signatures []Signature `json:"signatures"`
}

// Signature is what is said about one signature or document time-stamp.
type Signature struct {
	Field         string        `json:"field"`
	Kind          Kind          `json:"kind"`
	Level         string        `json:"level"`
	Verdict       Verdict       `json:"verdict"`
	SubIndication SubIndication `json:"sub_indication"`
	Integrity     Integrity     `json:"integrity"`
	Coverage      Coverage      `json:"coverage"`
	Changes       Changes       `json:"changes"`
	// Signer is the common name in the signer's certificate.
	Signer string `json:"signer"`
	// SignedAt is what the signer claims; BestTime is what is proven: the
	// earliest trusted time-stamp, else the time of validation.
	SignedAt *time.Time `json:"signed_at"`
	BestTime *time.Time `json:"best_time"`
	// Revision is the one that the signature covers, counted from 1; 0 when
	// it covers none.
	Revision int      `json:"revision"`
	Reasons  []Reason `json:"reasons"`
	// Later are the changes that came after it, allowed or not.
	Later []Change `json:"later,omitempty"`

	// Places are where the signature shows, none when it is invisible.
	Places []Place `json:"places,omitempty"`
	// Path is the accepted certification path, nil when there is none.
	Path *trust.Path `json:"-"`
	// Stamped tells that BestTime is proven by a trusted time-stamp.
	Stamped bool `json:"-"`
	// ByteRange is the array as found.
	ByteRange [4]int64 `json:"-"`
	// Detail says step by step how it was judged.
	Detail *Detail `json:"-"`

	paths  []*trust.Path
	states []State
	stamps []Stamp
}

// Place is where a signature shows: the page, counted from 1, and the rectangle
// in PDF user space, x1 y1 x2 y2.
type Place struct {
	Page int        `json:"page"`
	Rect [4]float64 `json:"rect"`
}

// Paths are the accepted certification paths of the signer and of the
// time-stamps that were looked at.
func (s *Signature) Paths() []*trust.Path { return s.paths }

// State is what was found about the revocation of one certificate.
type State struct {
	Certificate *x509.Certificate
	Revocation  trust.Revocation
}

// Stamp is a time-stamp that was looked at; Counts tells that it proves its time.
type Stamp struct {
	Source Source
	Token  []byte
	Time   time.Time
	Counts bool
}

// States are the revocation states that the verdict rests on, signer first.
func (s *Signature) States() []State { return s.states }

// Stamps are the readable time-stamps of the signature.
func (s *Signature) Stamps() []Stamp { return s.stamps }

// Visible tells whether the signature shows on a page.
func (s *Signature) Visible() bool { return len(s.Places) > 0 }

// Exit codes of `antin verify`.
const (
	ExitPassed        = 0
	ExitFailed        = 1
	ExitUnreadable    = 3
	ExitIndeterminate = 4
)

// ExitCode maps the verdict to the exit code of the command line.
func (r *Report) ExitCode() int {
	switch r.Verdict {
	case Passed:
		return ExitPassed
	case Failed:
		return ExitFailed
	}
	return ExitIndeterminate
}

// conclude folds the signatures' verdicts: one failure fails the file, one
// doubt leaves it in doubt, and a file without signatures proves nothing.
func (r *Report) conclude() {
	r.Verdict = Passed
	if len(r.Signatures) == 0 {
		r.Verdict = Indeterminate
		r.Reasons = append(r.Reasons, newReason(CodeNoSignature))
	}
	for n := range r.Signatures {
		switch r.Signatures[n].Verdict {
		case Failed:
			r.Verdict = Failed
		case Indeterminate:
			if r.Verdict == Passed {
				r.Verdict = Indeterminate
			}
		}
	}
}

// fail, doubt and note record a reason; the first and gravest decides. The
// policy may lower the level of a constraint, or raise that of a note.
func (c *candidate) fail(sub SubIndication, code Code, args ...string) {
	c.failFor(sub, newReason(code, args...))
}

func (c *candidate) failFor(sub SubIndication, r Reason) {
	if !c.grave(r) {
		return
	}
	c.facts.count(r.Code, Conclusion{Indication: IndicationFailed, Sub: sub})
	if c.Verdict != Failed {
		c.Verdict, c.SubIndication, c.facts.decided = Failed, sub, r.Code
	}
}

func (c *candidate) doubt(sub SubIndication, code Code, args ...string) {
	if !c.grave(newReason(code, args...)) {
		return
	}
	c.facts.count(code, Conclusion{Indication: IndicationUnknown, Sub: sub})
	if c.Verdict == Passed {
		c.Verdict, c.SubIndication, c.facts.decided = Indeterminate, sub, code
	}
}

// grave notes a broken constraint and tells whether it counts.
func (c *candidate) grave(r Reason) bool {
	r.Level = c.policy.level(r.Code, LevelFail)
	c.tell(r)
	return r.Level == LevelFail
}

func (c *candidate) note(code Code, args ...string) {
	level := c.policy.level(code, LevelInform)
	if level == LevelFail && !c.policy.raised(code) {
		// A finding of a graver kind, which is no more than a note here.
		level = LevelInform
	}
	r := newReason(code, args...)
	r.Level = level
	c.tell(r)
	if level != LevelFail {
		return
	}
	c.facts.count(code, Conclusion{Indication: IndicationUnknown, Sub: SubSignatureConstraint})
	if c.Verdict == Passed {
		c.Verdict, c.SubIndication, c.facts.decided = Indeterminate, SubSignatureConstraint, code
	}
}

// tell keeps a finding once, with the gravest level that it had.
func (c *candidate) tell(r Reason) {
	if r.Level == LevelIgnore {
		c.facts.ignored = append(c.facts.ignored, r)
		return
	}
	for n, have := range c.Reasons {
		if have.same(r) {
			if r.Level == LevelFail {
				c.Reasons[n].Level = LevelFail
			}
			return
		}
	}
	c.Reasons = append(c.Reasons, r)
}
