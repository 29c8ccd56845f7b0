package appearance

import (
	"fmt"
	"strings"
)

// Copy is a form of copy of a document (NĐ 30/2020 art. 25 and Appendix I,
// part III).
type Copy string

// The forms of copies.
const (
	SaoY     Copy = "sao-y"     // the whole, from the original
	SaoLuc   Copy = "sao-luc"   // the whole, from a copy
	TrichSao Copy = "trich-sao" // a part
)

// Attachment is the mark of an attachment in a file of its own: the number and
// symbol of the document it belongs to, and the signing time, at the top right
// of the first page, without an image (Appendix I, II.8).
func Attachment(number string) (Spec, error) {
	number = strings.TrimSpace(number)
	if number == "" {
		return Spec{}, fmt.Errorf("%w: an attachment's mark needs the number and symbol of its document", ErrSpec)
	}
	return Spec{Preset: Text, Page: 1, Lines: []string{number}}, nil
}

// CopyOf is the mark of an electronic copy: its form, the agency that makes it
// and the time, at the same place (Appendix I, III.2).
func CopyOf(form Copy, agency string) (Spec, error) {
	title := map[Copy]string{SaoY: "SAO Y", SaoLuc: "SAO LỤC", TrichSao: "TRÍCH SAO"}[form]
	if title == "" || strings.TrimSpace(agency) == "" {
		return Spec{}, fmt.Errorf("%w: a copy is sao-y, sao-luc or trich-sao, made by an agency", ErrSpec)
	}
	return Spec{Preset: Text, Page: 1, Lines: []string{title, agency}}, nil
}
