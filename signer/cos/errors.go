package cos

import (
	"errors"
	"fmt"
)

var (
	// ErrNotPDF says that the input has no PDF header.
	ErrNotPDF = errors.New("cos: not a PDF file")
	// ErrNoXref says that no usable cross-reference was found.
	ErrNoXref = errors.New("cos: no usable cross-reference")
	// ErrPassword says that neither the empty password nor the given one opens the file.
	ErrPassword = errors.New("cos: the password does not open the file")
	// ErrHandler says that the file is encrypted in a way that is not supported.
	ErrHandler = errors.New("cos: unsupported encryption")
	// ErrLimit says that a limit on size, depth or count was exceeded.
	ErrLimit = errors.New("cos: limit exceeded")
	// ErrFilter says that a stream uses a filter that this package does not decode.
	ErrFilter = errors.New("cos: unsupported stream filter")
	// ErrRevision says that a revision does not exist.
	ErrRevision = errors.New("cos: no such revision")
)

// SyntaxError says where a file does not follow the grammar.
type SyntaxError struct {
	Offset int64
	What   string
}

// Error names the place and what is wrong there.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("cos: byte %d: %s", e.Offset, e.What)
}

// Codes of a RefusedError.
const (
	CodeRepaired   = "xref-repaired"        // the cross-reference was rebuilt by guessing
	CodeIrregular  = "xref-irregular"       // revisions overlap or are out of order
	CodeNoRoot     = "no-catalog"           // the last trailer names no catalog
	CodePermission = "encrypted-permission" // opened with the user password, changes forbidden
)

// RefusedError says that a file can be read but must not be extended.
type RefusedError struct {
	Code   string
	Reason string
}

// Error gives code and reason.
func (e *RefusedError) Error() string { return "cos: refused (" + e.Code + "): " + e.Reason }
