// Package pades signs PDF documents at the PAdES baseline levels B-B, B-T and
// B-LT (ETSI EN 319 142-1) by incremental updates: every signed file begins
// with the unchanged bytes of its input.
//
// Signing has two phases. Prepare writes the file with an empty signature and
// returns a value that can be stored; the signature over its digest may be made
// anywhere; Complete writes it into the reserved place. Sign does both and, for
// B-LT, appends the document security store with certificates, OCSP responses
// and CRLs. The digest is streamed, so memory does not grow with the file.
//
// The package does not judge certificates (the caller does that before it
// signs), does not verify signatures, and does not make document time-stamps.
package pades
