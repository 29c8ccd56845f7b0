package pades

import (
	"errors"

	"github.com/antin-gov/antin/signer/cos"
)

// Codes of a *cos.RefusedError that signing adds to those of package cos.
const (
	CodeNotPDF          = "not-pdf"
	CodeDamaged         = "damaged"
	CodePassword        = "password-needed"
	CodeEncryption      = "encryption-unsupported"
	CodeTooLarge        = "limit-exceeded"
	CodePages           = "pages-unusable"
	CodeFieldSigned     = "field-already-signed"
	CodeFieldKind       = "field-not-for-signatures"
	CodeFieldName       = "field-name"
	CodeFieldLocked     = "field-locked"
	CodePlaces          = "signature-in-several-places"
	CodeSeedValue       = "seed-value"
	CodeCertified       = "certified-no-changes"
	CodeNotFirst        = "certify-not-first"
	CodeDynamicForm     = "xfa-dynamic"
	CodeFormDamaged     = "form-damaged"
	CodeTrailingBytes   = "bytes-after-end"
	CodeNotSigned       = "not-signed"
	CodeSignatureBroken = "signature-unreadable"
)

func refuse(code, reason string) error { return &cos.RefusedError{Code: code, Reason: reason} }

// refusal gives an error of reading the input its code. What is no fault of
// the document, such as a failing disk, stays as it is.
func refusal(err error) error {
	var syntax *cos.SyntaxError
	var refused *cos.RefusedError
	switch {
	case err == nil, errors.As(err, &refused):
		return err
	case errors.Is(err, cos.ErrLimit):
		return refuse(CodeTooLarge, err.Error())
	case errors.Is(err, cos.ErrNotPDF):
		return refuse(CodeNotPDF, err.Error())
	case errors.Is(err, cos.ErrPassword):
		return refuse(CodePassword, err.Error())
	case errors.Is(err, cos.ErrHandler):
		return refuse(CodeEncryption, err.Error())
	case errors.Is(err, cos.ErrNoXref), errors.Is(err, cos.ErrFilter), errors.As(err, &syntax):
		return refuse(CodeDamaged, err.Error())
	}
	return err
}
