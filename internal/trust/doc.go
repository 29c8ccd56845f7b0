// Package trust answers one question for every room: may this certificate be
// believed for this purpose at this time. It holds trust anchors, builds and
// validates certification paths, reads and judges OCSP responses and revocation
// lists, collects that evidence from the addresses that certificates name, and
// verifies the other side of TLS connections.
//
// Path validation is RFC 5280 §6.1 with the policy graph of RFC 9618: basic
// constraints, key usage, name constraints (directory, mail, DNS, URI and IP
// names), policies with mappings and their inhibitions, critical extensions,
// the strength of algorithms, several candidate issuers with backtracking.
// Revocation lists are those of RFC 5280 §6.3: full, delta, indirect and
// partitioned, by reasons too, signed by the issuer or by another key with a
// path of its own. OCSP is RFC 6960 and RFC 9654. crypto/x509 is used to parse
// certificates and to verify one signature by one key, not to validate.
//
// Every judgement is made at a stated time, over stated evidence; nothing is
// taken from the machine's own trust store and nothing is read from the clock
// behind the caller's back. Every search has limits: certificates, depth,
// signatures, paths, entries, comparisons, and the caller's context.
//
// It does not compare otherName, x400Address, ediPartyName and registeredID
// with name constraints (a certificate with such a name under such a constraint
// is refused), does not process critical qcStatements, attribute certificates
// and SCVP, and takes no delta list without its complete one.
package trust
