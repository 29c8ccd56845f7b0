package profile

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
)

// attributeType gives the object identifier of a subject attribute and its
// upper bound in characters (RFC 5280 appendix A.1).
func attributeType(name string) (asn1.ObjectIdentifier, int, error) {
	switch name {
	case "C":
		return asn1.ObjectIdentifier{2, 5, 4, 6}, 2, nil
	case "O":
		return asn1.ObjectIdentifier{2, 5, 4, 10}, 64, nil
	case "OU":
		return asn1.ObjectIdentifier{2, 5, 4, 11}, 64, nil
	case "title":
		return asn1.ObjectIdentifier{2, 5, 4, 12}, 64, nil
	case "CN":
		return asn1.ObjectIdentifier{2, 5, 4, 3}, 64, nil
	case "serialNumber":
		return asn1.ObjectIdentifier{2, 5, 4, 5}, 64, nil
	case "organizationIdentifier": // EN 319 412-1 §5.1.4; X.520 gives no bound, 64 keeps it in line
		return asn1.ObjectIdentifier{2, 5, 4, 97}, 64, nil
	default:
		return nil, 0, fmt.Errorf("subject attribute %q", name)
	}
}

// NameText writes a distinguished name (DER) for people and records in the form
// of RFC 4514 §2: the last attribute of the name first, each by its short
// name. Attributes that profiles do not use stand by their object
// identifier, bytes that are no name in hexadecimal behind "#".
func NameText(raw []byte) string {
	var name pkix.RDNSequence
	rest, err := asn1.Unmarshal(raw, &name)
	if err != nil || len(rest) > 0 {
		return fmt.Sprintf("#%x", raw)
	}
	var parts []string
	for _, rdn := range slices.Backward(name) {
		var values []string
		for _, a := range rdn {
			label := a.Type.String()
			for _, known := range []string{"C", "O", "OU", "title", "CN", "serialNumber", "organizationIdentifier"} {
				oid, _, err := attributeType(known)
				if err == nil && oid.Equal(a.Type) {
					label = known
				}
			}
			// pkix escapes values; it names two of the types by number.
			a.Type = asn1.ObjectIdentifier{2, 5, 4, 3}
			values = append(values, label+strings.TrimPrefix(pkix.RDNSequence{{a}}.String(), "CN"))
		}
		parts = append(parts, strings.Join(values, "+"))
	}
	return strings.Join(parts, ",")
}

// CommonName is the name of the holder in a distinguished name as NameText
// writes it, the whole text when it has none.
func CommonName(subject string) string {
	for _, prefix := range []string{"CN=", ",CN="} {
		_, rest, found := strings.Cut(subject, prefix)
		if !found || prefix == "CN=" && !strings.HasPrefix(subject, prefix) {
			continue
		}
		name := strings.Builder{}
		for i := 0; i < len(rest) && rest[i] != ',' && rest[i] != '+'; i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			}
			name.WriteByte(rest[i])
		}
		return name.String()
	}
	return subject
}

func keyUsage(names []string) (x509.KeyUsage, error) {
	var usage x509.KeyUsage
	for _, n := range names {
		switch n {
		case "digitalSignature":
			usage |= x509.KeyUsageDigitalSignature
		case "contentCommitment":
			usage |= x509.KeyUsageContentCommitment
		case "keyEncipherment":
			usage |= x509.KeyUsageKeyEncipherment
		case "keyAgreement":
			usage |= x509.KeyUsageKeyAgreement
		case "keyCertSign":
			usage |= x509.KeyUsageCertSign
		case "cRLSign":
			usage |= x509.KeyUsageCRLSign
		default:
			return 0, fmt.Errorf("key usage %q", n)
		}
	}
	if usage == 0 {
		return 0, fmt.Errorf("no key usage")
	}
	return usage, nil
}

func purposeOIDs(names []string) ([]asn1.ObjectIdentifier, error) {
	kp := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3}
	var oids []asn1.ObjectIdentifier
	for _, n := range names {
		var last int
		switch n {
		case "serverAuth":
			last = 1
		case "clientAuth":
			last = 2
		case "emailProtection":
			last = 4
		case "timeStamping":
			last = 8
		case "ocspSigning":
			last = 9
		case "documentSigning": // RFC 9336 §3
			last = 36
		default:
			return nil, fmt.Errorf("purpose %q", n)
		}
		oids = append(oids, append(kp[:len(kp):len(kp)], last))
	}
	return oids, nil
}

// fill replaces each {name} in text by its fact.
func fill(text string, fact func(string) (string, bool)) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", fmt.Errorf("%q is not closed", "{"+rest)
		}
		value, known := fact(name)
		if !known {
			return "", fmt.Errorf("{%s} is no known fact", name)
		}
		out.WriteString(value)
		text = after
	}
}
