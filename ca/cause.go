package ca

import (
	"fmt"
	"slices"
)

// Cause is why a certificate is revoked: the closed list of NĐ 68/2024 art. 17.
type Cause string

// The causes.
const (
	CauseExpired         Cause = "expired"
	CauseKeyExposed      Cause = "key-exposed"
	CauseKeySuspected    Cause = "key-suspected"
	CauseDeviceLost      Cause = "device-lost"
	CauseDeviceDamaged   Cause = "device-damaged"
	CausePostChanged     Cause = "post-changed"
	CauseRetired         Cause = "retired"
	CauseResigned        Cause = "resigned"
	CauseDied            Cause = "died"
	CauseAgencyDissolved Cause = "agency-dissolved"
	CauseAgencySplit     Cause = "agency-split"
	CauseAgencyMerged    Cause = "agency-merged"
	CauseStopped         Cause = "software-stopped"
	CauseAuthority       Cause = "authority-request"
)

// Reason codes of RFC 5280 §5.3.1.
const (
	reasonUnspecified        = 0
	reasonKeyCompromise      = 1
	reasonCACompromise       = 2
	reasonAffiliationChanged = 3
	reasonSuperseded         = 4
	reasonCessation          = 5
	reasonPrivilegeWithdrawn = 9
)

// Causes lists the closed list in the order of the decree.
func Causes() []Cause {
	return []Cause{CauseExpired, CauseKeyExposed, CauseKeySuspected, CauseDeviceLost, CauseDeviceDamaged, CausePostChanged,
		CauseRetired, CauseResigned, CauseDied, CauseAgencyDissolved, CauseAgencySplit, CauseAgencyMerged, CauseStopped, CauseAuthority}
}

// ParseCause reads a cause.
func ParseCause(text string) (Cause, error) {
	c := Cause(text)
	if !slices.Contains(Causes(), c) {
		return "", fmt.Errorf("%w: %q", ErrCause, text)
	}
	return c, nil
}

// Reason is the CRLReason for the cause. A lost device counts as a compromised
// key, because nobody can say who holds it.
func (c Cause) Reason(authority bool) int {
	switch c {
	case CauseKeyExposed, CauseKeySuspected, CauseDeviceLost:
		if authority {
			return reasonCACompromise
		}
		return reasonKeyCompromise
	case CauseDeviceDamaged:
		return reasonSuperseded
	case CausePostChanged, CauseRetired, CauseResigned:
		return reasonAffiliationChanged
	case CauseDied, CauseAgencyDissolved, CauseAgencySplit, CauseAgencyMerged, CauseStopped:
		return reasonCessation
	case CauseAuthority:
		return reasonPrivilegeWithdrawn
	default:
		return reasonUnspecified
	}
}
