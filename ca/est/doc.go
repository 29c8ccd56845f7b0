// Package est is enrolment over secure transport (RFC 7030, with the payloads
// as RFC 8951 clarifies them): devices and services of the agencies get their
// first certificate with a one-time secret that an officer made (ca/enrol), and
// the next ones with the certificate they hold. Where the secret says so, the
// request waits for an officer, and the client is told to ask again.
//
// A first enrolment is bound to the key that it began with: asked again with
// the same secret and key it gives the same certificate, with another key it
// is refused. Who the holder is comes from the credential and the register,
// not from the request.
//
// It does not make keys for clients (serverkeygen), does not speak CMC
// (fullcmc), and does not check the binding of a request to the TLS session
// (tls-unique, which TLS 1.3 does not have).
package est
