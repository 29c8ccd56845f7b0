package validate

import (
	"strconv"

	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/diff"
)

// maxShownChanges bounds how many findings of the difference analysis are
// repeated as reasons.
const maxShownChanges = 8

// allowedChanges is the most that may come after a signature: what the
// certification in force says (ISO 32000-2 table 257), with validation data and
// document time-stamps allowed even by P=1. Without a certification it is as
// with P=2: people sign one after the other and fill in forms.
func allowedChanges(p int) diff.Level {
	switch p {
	case 1:
		return diff.LTAUpdates
	case 3:
		return diff.Annotations
	}
	return diff.FormFilling
}

// judgeChanges says what later revisions did. p is the permission in force:
// that of the certification, 0 when there is none.
func (c *candidate) judgeChanges(file *cos.File, analysis *diff.Analysis, p int, locks []diff.Lock) {
	if c.coveredRevision == len(file.Revisions())-1 {
		c.Changes = ChangesNone
		return
	}
	result, err := analysis.Compare(c.coveredRevision, diff.Permissions{DocMDP: p, Locks: locks})
	if err != nil {
		c.Changes = ChangesUnknown
		c.doubt(SubGeneric, CodeChangesUnknown)
		return
	}
	c.covers = result.Covers
	allowed := allowedChanges(p)
	c.tellChanges(result.Reasons, allowed)
	switch {
	case result.Level == diff.None:
		c.Changes = ChangesNone
	case result.Level <= allowed:
		c.Changes = ChangesAllowed
	default:
		c.Changes = ChangesForbidden
		c.failChanges()
	}
}

// tellChanges lists what later revisions did, each once.
func (c *candidate) tellChanges(list []diff.Reason, allowed diff.Level) {
	seen := map[Change]bool{}
	for _, reason := range list {
		change := Change{Reason: reason, Allowed: reason.Level <= allowed}
		if !seen[change.asShown()] {
			seen[change.asShown()] = true
			c.Later = append(c.Later, change)
		}
	}
}

// failChanges gives the changes that are not allowed as reasons of the verdict.
func (c *candidate) failChanges() {
	told, more := 0, 0
	for _, change := range c.Later {
		switch {
		case change.Allowed:
		case told == maxShownChanges:
			more++
		default:
			told++
			c.failFor(SubFormat, Reason{Code: CodeChangesForbidden, Change: &change})
		}
	}
	if told == 0 { // whatever it was, it is not allowed
		c.failFor(SubFormat, Reason{Code: CodeChangesForbidden, Change: &Change{Reason: diff.Reason{Code: diff.CodeChanged}}})
	}
	if more > 0 {
		c.note(CodeChangesMore, strconv.Itoa(more))
	}
}

// maxHidden is how much text, in points along the line, the mark of a believed
// signature may hide of what earlier ones covered: a word. Seals and scanned
// signatures lie over names and titles in practice, and who put them there is
// known.
const maxHidden = 80

// judgeCovers says what the marks of later signatures lie over. It comes when
// these have their verdicts.
func (v *validation) judgeCovers(c *candidate) {
	for _, cover := range c.covers {
		if cover.Over != "" {
			if cover.Over == c.Field {
				c.note(CodeSignatureOverlap, cover.Field)
			}
			continue
		}
		page := strconv.Itoa(cover.Page)
		later := v.latestOf(cover.Field)
		switch {
		case later == nil || later.Integrity == Broken:
			c.Changes = ChangesForbidden
			c.fail(SubFormat, CodeCovered, cover.Field, page)
		case later.Verdict != Passed || cover.Hidden > maxHidden:
			c.doubt(SubGeneric, CodeCovered, cover.Field, page)
		case cover.Hidden > 0:
			c.note(CodeCovered, cover.Field, page)
		}
	}
}

// latestOf finds the signature that a field holds now.
func (v *validation) latestOf(field string) *candidate {
	for _, c := range v.list {
		if c.Field == field && c.found.latest {
			return c
		}
	}
	return nil
}
