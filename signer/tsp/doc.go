// Package tsp is the client side of the time-stamp protocol (RFC 3161, RFC
// 5816): it asks an authority for a token, checks the answer, and reads and
// verifies tokens found in documents.
//
// Verify says that a token was made by the key in its certificate over a given
// imprint and that the certificate is one for time-stamping; whether that
// certificate is to be believed is asked of package trust. The package does
// not issue tokens.
package tsp
