package acme

import (
	"fmt"
	"net/http"
	"time"
)

// urn is the namespace of ACME's error types (RFC 8555 §6.7).
const urn = "urn:ietf:params:acme:error:"

// Types of problems: RFC 8555 §6.7, RFC 9773 §7.4, draft-ietf-acme-profiles §6.
const (
	kindAccountMissing    = "accountDoesNotExist"
	kindAlreadyReplaced   = "alreadyReplaced"
	kindAlreadyRevoked    = "alreadyRevoked"
	kindBadCSR            = "badCSR"
	kindBadNonce          = "badNonce"
	kindBadPublicKey      = "badPublicKey"
	kindBadReason         = "badRevocationReason"
	kindBadAlgorithm      = "badSignatureAlgorithm"
	kindConnection        = "connection"
	kindDNS               = "dns"
	kindExternalAccount   = "externalAccountRequired"
	kindIncorrectResponse = "incorrectResponse"
	kindInvalidContact    = "invalidContact"
	kindInvalidProfile    = "invalidProfile"
	kindMalformed         = "malformed"
	kindNotReady          = "orderNotReady"
	kindRateLimited       = "rateLimited"
	kindRejected          = "rejectedIdentifier"
	kindInternal          = "serverInternal"
	kindTLS               = "tls"
	kindUnauthorized      = "unauthorized"
	kindUnsupContact      = "unsupportedContact"
	kindUnsupIdentifier   = "unsupportedIdentifier"
)

// Problem is a problem document (RFC 7807) as ACME has it.
type Problem struct {
	Type        string       `json:"type"`
	Detail      string       `json:"detail"`
	Status      int          `json:"status,omitempty"`
	Algorithms  []string     `json:"algorithms,omitempty"`
	Identifier  *Identifier  `json:"identifier,omitempty"`
	Subproblems []Subproblem `json:"subproblems,omitempty"`

	retryAfter time.Duration
	location   string
}

// Subproblem tells what is wrong with one identifier (RFC 8555 §6.7.1).
type Subproblem struct {
	Type       string     `json:"type"`
	Detail     string     `json:"detail"`
	Identifier Identifier `json:"identifier"`
}

// Error says what is wrong.
func (p *Problem) Error() string { return p.Type + ": " + p.Detail }

func problem(kind string, status int, format string, args ...any) *Problem {
	return &Problem{Type: urn + kind, Status: status, Detail: fmt.Sprintf(format, args...)}
}

func malformed(format string, args ...any) *Problem {
	return problem(kindMalformed, http.StatusBadRequest, format, args...)
}

func unauthorized(format string, args ...any) *Problem {
	return problem(kindUnauthorized, http.StatusForbidden, format, args...)
}

func missing(what string) *Problem {
	return problem(kindMalformed, http.StatusNotFound, "there is no such %s", what)
}

func (p *Problem) after(d time.Duration) *Problem {
	p.retryAfter = d
	return p
}
