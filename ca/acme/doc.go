// Package acme is the server by which services and devices of the agencies get
// their certificates themselves: ACME (RFC 8555) with external account binding
// required (§7.3.4), identifiers dns and ip (RFC 8738), challenges http-01,
// dns-01 and tls-alpn-01 (RFC 8737), renewal information (RFC 9773) and
// profiles (draft-ietf-acme-profiles).
//
// An account belongs to the agency of the credential it was bound by, and gets
// only the profiles and names that an officer wrote into that credential
// (ca/enrol). Certificates are made by ca.Service, recorded before they are
// signed. Everything is in the database, so that several replicas serve the
// same accounts; only unspent nonces are nowhere, because they carry their own
// proof.
//
// It does not offer wildcard names, pre-authorisation (newAuthz), notBefore and
// notAfter in orders, CAA checks (the names are those of a closed network), nor
// the reuse of authorizations between orders.
package acme
