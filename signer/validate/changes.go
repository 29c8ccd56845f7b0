package validate

import (
	"fmt"

	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/diff"
)

// maxShownChanges bounds how many findings of the difference analysis are
// repeated as reasons.
const maxShownChanges = 5

// judgeChanges says what later revisions did. p is the permission in force:
// that of the certification, 0 when there is none.
func judgeChanges(s *Signature, file *cos.File, revision int, p int, locks []diff.Lock) {
	if revision == len(file.Revisions())-1 {
		s.Changes = ChangesNone
		return
	}
	result, err := diff.Compare(file, revision, diff.Permissions{DocMDP: p, Locks: locks})
	if err != nil {
		s.Changes = ChangesUnknown
		s.doubt(SubGeneric, CodeChangesUnknown)
		return
	}
	// ISO 32000-2 table 257: validation data and document time-stamps are
	// allowed even with P=1; signing and filling in with P=2. An ordinary
	// signature is treated as P=2.
	allowed := diff.FormFilling
	if p == 1 {
		allowed = diff.LTAUpdates
	}
	switch {
	case result.Level == diff.None:
		s.Changes = ChangesNone
	case result.Level <= allowed:
		s.Changes = ChangesAllowed
	default:
		s.Changes = ChangesForbidden
		shown := 0
		for _, reason := range result.Reasons {
			if reason.Level <= allowed || shown == maxShownChanges {
				continue
			}
			shown++
			s.fail(SubFormat, CodeChangesForbidden, describe(reason))
		}
		if shown == 0 {
			s.fail(SubFormat, CodeChangesForbidden, result.Level.String())
		}
	}
}

func describe(reason diff.Reason) string {
	text := reason.Why
	if reason.Object != "" {
		text += " (" + reason.Object + ")"
	}
	if reason.Page > 0 {
		text += fmt.Sprintf(", trang/page %d", reason.Page)
	}
	return text
}
