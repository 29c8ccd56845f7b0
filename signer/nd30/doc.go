// Package nd30 reads a document in the form of NĐ 30/2020/NĐ-CP, Appendix I:
// where its parts stand, where the marks of signatures belong, what it breaks of
// the form, and whether it is marked as a state secret.
//
// It reads the text of the file (signer/content). A scan without text has no
// parts: the places are then the usual ones of an A4 page, and a mark of secrecy
// that is only a picture is not seen.
package nd30

import "errors"

// ErrUnreadable means that the file cannot be read as a PDF.
var ErrUnreadable = errors.New("nd30: not a PDF that can be read")

// maxPages is how many pages are read at most, counted from the end but for
// the first: the signature of a document stands on its last page or before its
// annexes.
const maxPages = 60
