package trust

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// reasonMask is a set of revocation reasons as ReasonFlags numbers them (RFC
// 5280 §4.2.1.13); bit 0 is not used.
type reasonMask uint16

// allReasons are keyCompromise (1) to aACompromise (8).
const allReasons reasonMask = 0x1fe

// distributionPoint is one DistributionPoint of a certificate.
type distributionPoint struct {
	names    []generalName // fullName
	relative string        // nameRelativeToCRLIssuer
	hasName  bool
	reasons  reasonMask
	issuers  []generalName // cRLIssuer
}

// readDistributionPoints reads CRLDistributionPoints (RFC 5280 §4.2.1.13).
func readDistributionPoints(value cryptobyte.String) ([]distributionPoint, error) {
	var list cryptobyte.String
	if !value.ReadASN1(&list, casn1.SEQUENCE) || !value.Empty() {
		return nil, errDER
	}
	var points []distributionPoint
	for !list.Empty() {
		var seq cryptobyte.String
		if len(points) == maxPoints || !list.ReadASN1(&seq, casn1.SEQUENCE) {
			return nil, errDER
		}
		point, err := readDistributionPoint(seq)
		if err != nil {
			return nil, err
		}
		points = append(points, point)
	}
	return points, nil
}

func readDistributionPoint(in cryptobyte.String) (distributionPoint, error) {
	p := distributionPoint{reasons: allReasons}
	var name, issuers cryptobyte.String
	var present bool
	if !in.ReadOptionalASN1(&name, &p.hasName, ctx(0)) {
		return p, errDER
	}
	var err error
	if p.hasName {
		p.names, p.relative, err = readPointName(name)
		if err != nil {
			return p, err
		}
	}
	if tag := casn1.Tag(1).ContextSpecific(); in.PeekASN1Tag(tag) {
		p.reasons, err = readReasons(&in, tag)
		if err != nil {
			return p, err
		}
	}
	if !in.ReadOptionalASN1(&issuers, &present, ctx(2)) || !in.Empty() {
		return p, errDER
	}
	p.issuers, err = readGeneralNames(issuers)
	return p, err
}

// readPointName reads DistributionPointName: full names, or the part that is
// relative to the issuer of the list.
func readPointName(in cryptobyte.String) (names []generalName, relative string, err error) {
	var content cryptobyte.String
	if in.PeekASN1Tag(ctx(0)) {
		if !in.ReadASN1(&content, ctx(0)) || !in.Empty() {
			return nil, "", errDER
		}
		names, err = readGeneralNames(content)
		return names, "", err
	}
	if !in.ReadASN1(&content, ctx(1)) || !in.Empty() {
		return nil, "", errDER
	}
	relative, err = readRDN(content)
	return nil, relative, err
}

func readReasons(in *cryptobyte.String, tag casn1.Tag) (reasonMask, error) {
	var content cryptobyte.String
	if !in.ReadASN1(&content, tag) || len(content) < 1 || content[0] > 7 || len(content) > 3 {
		return 0, errDER
	}
	bits := asn1.BitString{Bytes: content[1:], BitLength: 8*(len(content)-1) - int(content[0])}
	var mask reasonMask
	for n := 1; n <= 8; n++ {
		if bits.At(n) != 0 {
			mask |= 1 << n
		}
	}
	return mask, nil
}

// pointNames are the names of a distribution point in comparable form; a
// relative name hangs below the issuer of the list.
func pointNames(names []generalName, relative string, issuer distinguished) map[string]bool {
	keys := make(map[string]bool, len(names)+1)
	for _, name := range names {
		keys[name.key()] = true
	}
	if relative != "" {
		whole := append(append(distinguished(nil), issuer...), relative)
		keys[generalName{form: formDirectory, name: whole}.key()] = true
	}
	return keys
}
