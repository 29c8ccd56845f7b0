package validate

import (
	"crypto/x509"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/tsp"
)

// facts are what was found on the way to a verdict, for the detailed report.
type facts struct {
	signer  *trial // nil when the signer's certificate was not asked about
	stamps  []*stamp
	poes    []POE
	ignored []Reason // broken constraints that the policy ignores
	decided Code     // of the finding that made the verdict
	// counted says what each kind of finding that counts came to.
	counted map[Code]Conclusion
}

// count keeps the gravest that findings of a kind came to.
func (f *facts) count(code Code, c Conclusion) {
	if f.counted == nil {
		f.counted = make(map[Code]Conclusion)
	}
	if f.counted[code].Indication != IndicationFailed {
		f.counted[code] = c
	}
}

// trial is how believing one certificate went.
type trial struct {
	cert       *x509.Certificate
	purpose    trust.Purpose
	at         time.Time
	signed     *cms.SignedData
	noStore    bool
	path       *trust.Path
	failure    *trust.PathError // why there is no path
	algorithms []algorithm
	steps      []step // one for each certificate asked about, leaf first
	sub        SubIndication
	reason     Reason
}

// step is what was found about the revocation of one certificate.
type step struct {
	cert    *x509.Certificate
	status  trust.Revocation
	old     bool // older than the policy allows
	allowed time.Duration
}

// stampKind says where a time-stamp stands.
type stampKind string

const (
	stampSignature stampKind = "signature-time-stamp"
	stampArchive   stampKind = "archive-time-stamp"
	stampDocument  stampKind = "document-time-stamp"
)

func (k stampKind) source() Source {
	switch k {
	case stampArchive:
		return SourceArchive
	case stampDocument:
		return SourceDocument
	}
	return SourceSignature
}

// stamp is how believing one time-stamp went.
type stamp struct {
	kind    stampKind
	token   *tsp.Token // nil: not readable
	control time.Time
	broken  Code // of what ended it before its signer was asked about
	weak    bool
	retired *retired
	future  bool
	trial   *trial
	counts  bool // it proves its time
}

// trials are those of the signer and of the time-stamps.
func (f *facts) trials() []*trial {
	var list []*trial
	if f.signer != nil {
		list = append(list, f.signer)
	}
	for _, s := range f.stamps {
		if s.trial != nil {
			list = append(list, s.trial)
		}
	}
	return list
}

func (f *facts) addStamp(kind stampKind, token *tsp.Token, control time.Time, b belief) *stamp {
	s := &stamp{kind: kind, token: token, control: control, trial: b.trial}
	f.stamps = append(f.stamps, s)
	return s
}

func (f *facts) brokenStamp(kind stampKind, code Code, token *tsp.Token) {
	f.stamps = append(f.stamps, &stamp{kind: kind, token: token, broken: code})
}
