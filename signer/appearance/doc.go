// Package appearance draws what a signature shows on the page, after
// NĐ 30/2020/NĐ-CP, Appendix I: the personal signature (a blue image between
// title and full name), the agency's seal (a red image at its real size, over
// about a third of the personal signature on its left), and the line of text at
// the top right of the first page of attachments and copies.
//
// Images come as PNG with transparency; where none is given a default is drawn.
// Text is set in an embedded subset of Liberation Serif, which has the metrics
// of Times New Roman and all Vietnamese letters (TCVN 6909:2001). Colours are
// device independent and fonts are embedded, so that PDF/A stays PDF/A.
//
// The package makes objects for signer/pades; it does not sign, does not read
// page contents, and does not decide where on a page a signature belongs.
package appearance
