// Package ca is the certification authority: a root, three issuing
// authorities by trust domain (official duty, services and devices,
// time-stamping), their status services and their register.
//
// A certificate comes to be in fixed steps, so that a crash leaves evidence and
// never an unrecorded certificate: draw a serial number, lint a copy signed by a
// throw-away key, record the intent (which takes the serial number), sign in
// the token, record the result, release. Each record stands in the database and
// in the ledger; certificates under way together share their transactions and
// batches.
// Issuance to subscribers goes through smallstep's authority, one for each
// issuing authority, embedded over this package's own signing service.
//
// Standards: RFC 5280, RFC 6960, RFC 3161; roles, causes and validities by
// NĐ 68/2024.
//
// It does not do ACME, EST, SCEP, delta lists and the suspension of
// certificates, and it keeps the root's key in the same token as the others.
package ca
