package trust

import "encoding/asn1"

// The object identifiers read and written here. Nobody changes them.
var (
	oidExtKeyUsage       = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidOCSPNoCheck       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5} // RFC 6960 §4.2.2.2.1
	oidOCSPBasic         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1} // RFC 6960 §4.2.1
	oidOCSPNonce         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2} // RFC 9654
	oidOCSPCrlID         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 3} // RFC 6960 §4.4.2
	oidOCSPArchiveCutoff = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 6} // RFC 6960 §4.4.4
	oidOCSPExtRevoked    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 9} // RFC 6960 §4.4.8
	oidSCTList           = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 5}
	oidReasonCode        = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidInvalidityDate    = asn1.ObjectIdentifier{2, 5, 29, 24}

	oidBasicConstraints   = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidKeyUsage           = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName     = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidNameConstraints    = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidPolicies           = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidPolicyMappings     = asn1.ObjectIdentifier{2, 5, 29, 33}
	oidPolicyConstraints  = asn1.ObjectIdentifier{2, 5, 29, 36}
	oidInhibitAnyPolicy   = asn1.ObjectIdentifier{2, 5, 29, 54}
	oidDistributionPoints = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidFreshestCRL        = asn1.ObjectIdentifier{2, 5, 29, 46}
	oidSubjectKeyID       = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidAuthorityInfo      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	oidAccessOCSP         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}
	oidAccessIssuers      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}
	oidEmailAddress       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	oidDSA                = asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}

	oidCRLNumber         = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidAuthorityKeyID    = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidIssuingDistPoint  = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidDeltaCRLIndicator = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidExpiredCertsOnCRL = asn1.ObjectIdentifier{2, 5, 29, 60} // ITU-T X.509 §9.5.2.8

	oidSHA1   = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
)

// The policy and the purposes that stand for all, and the purposes of TLS, as
// the dotted text that views hold.
const (
	anyPolicy       = "2.5.29.32.0"
	anyUsage        = "2.5.29.37.0"
	usageServerAuth = "1.3.6.1.5.5.7.3.1"
	usageClientAuth = "1.3.6.1.5.5.7.3.2"
)
