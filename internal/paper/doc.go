// Package paper composes administrative documents as PDF in the form of
// NĐ 30/2020/NĐ-CP, Appendix I: A4, margins, national title, agency, number,
// place and date, type and abstract, body, signature block and recipients, in
// Liberation Serif (the free twin of Times New Roman) embedded as a subset.
//
// It tells where the signature block came to stand, so that a signer can put
// the marks of NĐ 30 there; it signs nothing and numbers nothing itself.
package paper
