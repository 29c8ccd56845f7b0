// Package trust answers one question for every room: may this certificate be
// believed for this purpose at this time. It holds trust anchors, builds and
// validates certification paths (RFC 5280), reads and judges OCSP responses
// (RFC 6960, RFC 9654) and CRLs (RFC 5280 §5), and collects that evidence from
// the addresses that certificates name.
//
// Every judgement is made at a stated time, over stated evidence; nothing is
// taken from the machine's own trust store and nothing is read from the clock
// behind the caller's back.
//
// It does not do delta or indirect CRLs, certificate policies, and the parts
// of RFC 5280 path validation that crypto/x509 leaves out (directory-name
// constraints are refused as an unhandled critical extension).
package trust
