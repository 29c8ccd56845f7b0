package crl

import (
	"fmt"
	"strconv"
	"strings"
)

// deltaSuffix ends the name of a delta list.
const deltaSuffix = "-delta"

// Scope is the certificates that a list speaks for: all of an issuer
// (Partition 0), or one partition of them.
type Scope struct {
	Issuer    string
	Partition int
}

// Name is the name of the scope's complete or delta list.
func (s Scope) Name(delta bool) string {
	name := s.Issuer
	if s.Partition > 0 {
		name += "-p" + strconv.Itoa(s.Partition)
	}
	if delta {
		name += deltaSuffix
	}
	return name
}

// ParseName reads the name of a list. Names of issuers may hold hyphens, but
// must not end as a list's name does: see CheckIssuerName.
func ParseName(name string) (s Scope, delta bool) {
	rest, delta := strings.CutSuffix(name, deltaSuffix)
	issuer, partition := cutPartition(rest)
	return Scope{Issuer: issuer, Partition: partition}, delta
}

// cutPartition cuts "-pN" from the end; 0 when there is none.
func cutPartition(name string) (string, int) {
	at := strings.LastIndex(name, "-p")
	if at < 0 {
		return name, 0
	}
	n, err := strconv.Atoi(name[at+2:])
	if err != nil || n < 1 || n > MaxPartitions || strconv.Itoa(n) != name[at+2:] {
		return name, 0
	}
	return name[:at], n
}

// CheckIssuerName refuses a name that would read as the name of another
// issuer's list.
func CheckIssuerName(name string) error {
	s, delta := ParseName(name)
	if delta || s.Partition > 0 {
		return fmt.Errorf("%w: an issuer must not be called %q", ErrConfig, name)
	}
	return nil
}
