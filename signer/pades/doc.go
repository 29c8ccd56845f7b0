// Package pades signs PDF documents at the PAdES baseline levels B-B, B-T, B-LT
// and B-LTA (ETSI EN 319 142-1) by incremental updates: every signed file begins
// with the unchanged bytes of its input.
//
// Signing has two phases. Prepare writes the file with an empty signature and
// returns a value that can be stored; the signature over its digest may be made
// anywhere; Complete writes it into the reserved place. Sign does both and, for
// B-LT, appends the document security store with certificates, OCSP responses
// and CRLs, and for B-LTA a document time-stamp over all of it. The digest is streamed, so memory does not grow with the file.
//
// The package does not judge certificates (the caller does that before it
// signs or extends) and does not verify signatures. Extend raises the level of
// documents that others signed and renews their archive time-stamps.
package pades
