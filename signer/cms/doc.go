// Package cms builds and reads the signatures that stand in documents:
// SignedData of RFC 5652 with the attributes of CAdES baseline signatures
// (EN 319 122-1 §5, EN 319 142-1 §6).
//
// Sign needs a digest and a crypto.Signer only, so the document never passes
// through it and the key never leaves its token. What it returns was verified
// with the certificate's public key first. Parse reads what others wrote,
// strictly: DER, one signer, the mandatory attributes.
//
// It does not build certification paths, judge revocation, or sign attached
// content; it reads attached content only for time-stamp tokens (RFC 3161)
// and the legacy adbe.pkcs7.sha1.
package cms
