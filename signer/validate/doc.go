// Package validate judges the signatures of a PDF file in the order of EN 319
// 102-1: coverage of the byte range, integrity, the signer's certification
// path and revocation at the best proven time, changes after signing, verdict
// with sub-indication.
//
// What was observed (integrity, coverage, changes, times) is told apart from
// how it is judged, and is told also when nobody is trusted. Every reason has
// a code and a text in Vietnamese and English.
//
// It does not apply signature policies, does not validate evidence records,
// and looks at what changed after signing, not at whether the document
// deceives by itself.
package validate
