// Package backup is the form of a wrapped backup of keys: a file with private
// keys that were encrypted inside the token (AES-256 key wrap with padding,
// RFC 5649, over PKCS #8), and one share of the wrapping key for each custodian
// (Shamir's secret sharing over GF(2^8), M of N), encrypted to that custodian
// (age X25519).
//
// The file is one line of JSON, the header, and one line of base64: the list of
// keys, sealed with AES-256-GCM under a key that HKDF (RFC 5869) draws from the
// wrapping key, with the header as associated data. So neither a label nor a key
// nor a custodian can be exchanged without the custodians' notice. The header
// commits to each share by its SHA-256, so a wrong or damaged share is named.
//
// The wrapping key exists outside the custodians' shares only while a backup or a
// restore runs: in the memory of that process and of the key worker, which puts it
// into the token as a session object. It is overwritten afterwards.
//
// The keys of a backup are those that were made for it (CKA_EXTRACTABLE and
// CKA_SENSITIVE: they leave the token only wrapped). CKA_WRAP_WITH_TRUSTED would
// bind them to one wrapping key marked by the security officer; SoftHSM cannot
// mark a private key object so, and it is not asked for.
package backup
