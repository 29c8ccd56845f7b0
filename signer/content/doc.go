// Package content reads the text of a PDF page with the place where each piece
// stands (ISO 32000-2, 9): what the interpreter of a viewer would show, as runs
// of letters in the page's coordinates and as lines in millimetres from the
// visible top left corner.
//
// Letters come from a font's ToUnicode table, else from its encoding. Text
// without either is told as unreadable, not guessed. Only horizontal writing is
// measured; text in pictures is not read.
package content

import "errors"

var (
	// ErrLimit says that a page holds more than any office document.
	ErrLimit = errors.New("content: over a limit")
	// ErrPage says that there is no such page.
	ErrPage = errors.New("content: no such page")
)

const (
	maxBytes     = 32 << 20  // decoded content of one page with its forms
	maxOperators = 2_000_000 // of one page with its forms
	maxRuns      = 200_000   // a page of small print has some 10,000 letters
	maxDepth     = 12        // of forms in forms, and of saved states per form
	maxStates    = 512       // q without Q
	maxFontBytes = 4 << 20   // of a table that maps codes to letters
	maxMappings  = 131_072   // in such a table: two bytes a code, twice
	maxFonts     = 512       // of one page
	maxAnnots    = 2000      // of one page
)
