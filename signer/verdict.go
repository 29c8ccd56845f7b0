package signer

import (
	"fmt"
	"time"

	"github.com/antin-gov/antin/signer/report"
	"github.com/antin-gov/antin/signer/validate"
)

// verdictView is a report as the pages show it: words in the visitor's
// language, and the place of each visible signature.
type verdictView struct {
	Verdict, Tone string
	Signatures    []signatureView
	Reasons       []string
	// Reports are the forms that are offered.
	Reports []report.Format
	// ReportsAt is where reports on the file are had; empty: by sending the file
	// once more.
	ReportsAt string
}

type signatureView struct {
	Field, Signer, Kind, Level   string
	Verdict, Tone, Sub           string
	Integrity, Coverage, Changes string
	Time                         time.Time
	Stamped                      bool
	Reasons                      []string
	// Later are the changes that came after it, those first that are not allowed;
	// More is how many are not named.
	Later []changeView
	More  int
	// Revision is the one that was signed, counted from 1; Signed its size in
	// bytes where more was added after it.
	Revision int
	Signed   int64
	Places   []placeView
}

// changeView is a change that came after a signature.
type changeView struct {
	Text      string
	Forbidden bool
}

// placeView is a place at which a signature shows.
type placeView struct {
	Page int    // from 1
	Rect string // x1,y1,x2,y2 in the page's own coordinates
}

// tone is the colour of a verdict: green, red, or amber.
func tone(verdict string) string {
	switch verdict {
	case string(validate.Passed):
		return "ok"
	case string(validate.Failed):
		return "bad"
	default:
		return "warn"
	}
}

func viewOf(r *validate.Report, lang string) *verdictView {
	if r == nil {
		return nil
	}
	v := &verdictView{Verdict: string(r.Verdict), Tone: tone(string(r.Verdict)), Reasons: reasons(r.Reasons, lang),
		Reports: []report.Format{report.DetailHTML, report.PDF, report.ETSI, report.DetailJSON}}
	for _, s := range r.Signatures {
		v.Signatures = append(v.Signatures, viewOfSignature(s, lang))
	}
	return v
}

func viewOfSignature(s validate.Signature, lang string) signatureView {
	v := signatureView{
		Field: s.Field, Signer: s.Signer, Kind: string(s.Kind), Level: s.Level, Verdict: string(s.Verdict), Tone: tone(string(s.Verdict)),
		Sub: string(s.SubIndication), Integrity: string(s.Integrity), Coverage: string(s.Coverage), Changes: string(s.Changes),
		Reasons: reasons(s.Reasons, lang), Stamped: s.Stamped,
	}
	v.Later, v.More = changes(s.Later, lang)
	v.Revision = s.Revision
	if s.Coverage == validate.CoversRevision {
		v.Signed = s.ByteRange[2] + s.ByteRange[3]
	}
	switch {
	case s.Stamped && s.BestTime != nil:
		v.Time = *s.BestTime
	case s.SignedAt != nil:
		v.Time = *s.SignedAt
	}
	for _, p := range s.Places {
		v.Places = append(v.Places, placeView{Page: p.Page, Rect: fmt.Sprintf("%.2f,%.2f,%.2f,%.2f", p.Rect[0], p.Rect[1], p.Rect[2], p.Rect[3])})
	}
	return v
}

// changes names the first changes and counts the others.
func changes(list []validate.Change, lang string) (views []changeView, more int) {
	const most = 12
	for _, forbidden := range []bool{true, false} {
		for _, c := range list {
			if c.Allowed != forbidden {
				views = append(views, changeView{Text: c.Text(validate.Lang(lang)), Forbidden: forbidden})
			}
		}
	}
	shown := min(len(views), most)
	return views[:shown], len(views) - shown
}

// reasons are the findings; changes of the file are told by themselves.
func reasons(list []validate.Reason, lang string) []string {
	var texts []string
	for _, r := range list {
		if r.Change == nil && r.Code != validate.CodeChangesMore {
			texts = append(texts, r.Text(validate.Lang(lang)))
		}
	}
	return texts
}
