// Package cms builds and reads the signatures that stand in documents:
// SignedData of RFC 5652 with the attributes of CAdES baseline signatures
// (EN 319 122-1 §5, EN 319 142-1 §6).
//
// Sign needs a digest and a crypto.Signer only, so the document never passes
// through it and the key never leaves its token. What it returns was verified
// with the certificate's public key first. Parse reads what others wrote,
// strictly: DER, one signer, the mandatory attributes.
//
// Parse reads a document's signature as PAdES has it, ParseAll one that stands
// by itself, with its content or without. Extend adds certificates, revocation
// data and unsigned attributes to a container without touching what is signed.
//
// It does not build certification paths or judge revocation.
package cms
