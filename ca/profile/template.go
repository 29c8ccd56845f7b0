package profile

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/text/unicode/norm"

	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/internal/trust"
)

// agencyURN names an agency as urn:antin:agency:ID (RFC 8141); data services
// take from it whose machine is asking.
const agencyURN = "antin:agency:"

// maxNames is how many alternative names of a kind one certificate may carry.
const maxNames = 32

// Facts are what the register knows of the holder. Which of them a profile
// uses stands in its subject template.
type Facts struct {
	Organization  string   `json:"organization,omitempty"` // of the authority itself
	AgencyID      string   `json:"agency_id,omitempty"`
	AgencyCode    string   `json:"agency_code,omitempty"`
	AgencyName    string   `json:"agency_name,omitempty"`
	PersonID      string   `json:"person_id,omitempty"`
	PersonName    string   `json:"person_name,omitempty"`
	PositionTitle string   `json:"position_title,omitempty"`
	MachineName   string   `json:"machine_name,omitempty"`
	Email         string   `json:"email,omitempty"`
	DNSNames      []string `json:"dns_names,omitempty"`
	IPs           []net.IP `json:"ips,omitempty"`
}

func (f *Facts) get(name string) (string, bool) {
	switch name {
	case "ca.organization":
		return f.Organization, true
	case "agency.id":
		return f.AgencyID, true
	case "agency.code":
		return f.AgencyCode, true
	case "agency.name":
		return f.AgencyName, true
	case "person.id":
		return f.PersonID, true
	case "person.name":
		return f.PersonName, true
	case "position.title":
		return f.PositionTitle, true
	case "machine.name":
		return f.MachineName, true
	case "email":
		return f.Email, true
	default:
		return "", false
	}
}

// Place is where a certificate stands: its issuer's addresses, the policy arc
// and its time.
type Place struct {
	// OCSP, IssuerURL and CRL are the addresses in AIA and CRLDP; empty ones
	// are left out (a root has none).
	OCSP, IssuerURL, CRL string
	// FreshestCRL is the address of the delta list (RFC 5280 §4.2.1.15); empty
	// for none.
	FreshestCRL string
	// PolicyArc is the object identifier below which policies stand.
	PolicyArc string
	NotBefore time.Time
	// NotAfterLimit is the end of the issuer's own validity; no certificate
	// outlives its issuer.
	NotAfterLimit time.Time
}

// Template is the content of a certificate without serial number and issuer.
func (p *Profile) Template(f Facts, pub crypto.PublicKey, at Place) (*x509.Certificate, error) {
	err := p.CheckKey(pub)
	if err != nil {
		return nil, err
	}
	subject, err := p.subject(f)
	if err != nil {
		return nil, err
	}
	keyID, err := SubjectKeyID(pub)
	if err != nil {
		return nil, err
	}
	usage, err := keyUsage(p.Usages)
	if err != nil {
		return nil, err
	}
	notBefore := at.NotBefore.UTC().Truncate(time.Second)
	// RFC 5280 §4.1.2.5: both ends are inside the validity.
	notAfter := notBefore.Add(p.Validity() - time.Second)
	if !at.NotAfterLimit.IsZero() && notAfter.After(at.NotAfterLimit) {
		notAfter = at.NotAfterLimit
	}
	if !notAfter.After(notBefore) {
		return nil, fmt.Errorf("%w: the issuer's validity is over", ErrFacts)
	}
	t := &x509.Certificate{
		RawSubject: subject, PublicKey: pub, SubjectKeyId: keyID, KeyUsage: usage,
		NotBefore: notBefore, NotAfter: notAfter,
		BasicConstraintsValid: true,
	}
	if p.PathLength != nil {
		t.IsCA, t.MaxPathLen, t.MaxPathLenZero = true, *p.PathLength, *p.PathLength == 0
	}
	err = p.addPurposes(t)
	if err != nil {
		return nil, err
	}
	err = p.addPolicy(t, at.PolicyArc)
	if err != nil {
		return nil, err
	}
	err = p.addNames(t, f)
	if err != nil {
		return nil, err
	}
	if p.QC != nil {
		statements, err := p.QC.extension()
		if err != nil {
			return nil, err
		}
		t.ExtraExtensions = append(t.ExtraExtensions, statements)
	}
	if at.OCSP != "" && !p.OCSPNoCheck {
		t.OCSPServer = []string{at.OCSP}
	}
	if at.IssuerURL != "" {
		t.IssuingCertificateURL = []string{at.IssuerURL}
	}
	if at.CRL != "" && !p.OCSPNoCheck {
		t.CRLDistributionPoints = []string{at.CRL}
	}
	return t, p.addFreshest(t, at.FreshestCRL)
}

func (p *Profile) subject(f Facts) ([]byte, error) {
	var name pkix.RDNSequence
	for _, a := range p.Subject {
		oid, limit, err := attributeType(a.Type)
		if err != nil {
			return nil, err
		}
		value, err := filled(a.Value, f)
		if err != nil {
			return nil, err
		}
		if a.Max > 0 {
			limit = a.Max
		}
		n := utf8.RuneCountInString(value)
		switch {
		case n > limit:
			return nil, fmt.Errorf("%w: %s has %d characters, the limit is %d (RFC 5280 appendix A.1)", ErrFacts, a.Type, n, limit)
		case n < a.Min:
			return nil, fmt.Errorf("%w: %s has %d characters, want at least %d", ErrFacts, a.Type, n, a.Min)
		case !utf8.ValidString(value) || strings.TrimSpace(value) != value || strings.ContainsFunc(value, unprintable):
			return nil, fmt.Errorf("%w: %s holds characters that cannot be shown", ErrFacts, a.Type)
		case a.pattern != nil && !a.pattern.MatchString(value):
			return nil, fmt.Errorf("%w: %s %q is not named as profile %s has it (%s)", ErrFacts, a.Type, value, p.Name, a.Pattern)
		}
		name = append(name, pkix.RelativeDistinguishedNameSET{{Type: oid, Value: value}})
	}
	der, err := asn1.Marshal(name)
	if err != nil {
		return nil, fmt.Errorf("encode subject: %w", err)
	}
	return der, nil
}

// filled is a text with the facts in their places, none of them missing.
func filled(text string, f Facts) (string, error) {
	missing := ""
	value, err := fill(text, func(fact string) (string, bool) {
		v, known := f.get(fact)
		if strings.TrimSpace(v) == "" {
			missing = fact
		}
		return norm.NFC.String(v), known
	})
	if err != nil {
		return "", err
	}
	if missing != "" {
		return "", fmt.Errorf("%w: %s is missing", ErrFacts, missing)
	}
	return value, nil
}

func unprintable(r rune) bool { return r != ' ' && !unicode.IsGraphic(r) }

func (p *Profile) addPurposes(t *x509.Certificate) error {
	oids, err := purposeOIDs(p.Purposes)
	if err != nil || len(oids) == 0 {
		return err
	}
	value, err := asn1.Marshal(oids)
	if err != nil {
		return fmt.Errorf("encode purposes: %w", err)
	}
	t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{
		Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: p.CriticalPurposes, Value: value})
	if p.OCSPNoCheck {
		// RFC 6960 §4.2.2.2.1: the value is NULL.
		t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: asn1.NullBytes})
	}
	return nil
}

func (p *Profile) addPolicy(t *x509.Certificate, arc string) error {
	text := "2.5.29.32.0" // anyPolicy for authorities: RFC 5280 §4.2.1.4
	switch {
	case p.Policy != "":
		text = arc + "." + p.Policy
	case p.Issuer == IssuerSelf:
		return nil
	}
	oid, err := x509.ParseOID(text)
	if err != nil {
		return fmt.Errorf("%w: policy %s", ErrInvalid, text)
	}
	if p.CPS == "" && p.Notice == "" {
		t.Policies = []x509.OID{oid}
		return nil
	}
	// crypto/x509 writes no qualifiers.
	value, err := policyExtension(oid, p.CPS, p.Notice)
	if err != nil {
		return err
	}
	t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 32}, Value: value})
	return nil
}

// policyExtension writes CertificatePolicies with one policy and its
// qualifiers (RFC 5280 §4.2.1.4).
func policyExtension(policy x509.OID, cps, notice string) ([]byte, error) {
	oid, err := policy.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encode policy: %w", err)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(oid) })
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				if cps != "" {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 2, 1})
						b.AddASN1(cbasn1.IA5String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(cps)) })
					})
				}
				if notice != "" {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 2, 2})
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(notice)) })
						})
					})
				}
			})
		})
	})
	value, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode policy: %w", err)
	}
	return value, nil
}

// dnsName is a host name (RFC 1123 §2.1), wildcard excluded.
var dnsName = regexp.MustCompile(`^([a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*$`)

func (p *Profile) addNames(t *x509.Certificate, f Facts) error {
	switch {
	case len(f.DNSNames) > maxNames || len(f.IPs) > maxNames:
		return fmt.Errorf("%w: more than %d alternative names", ErrFacts, maxNames)
	case len(f.DNSNames) > 0 && !p.Names.DNS, len(f.IPs) > 0 && !p.Names.IP:
		return fmt.Errorf("%w: profile %s takes no such alternative name", ErrFacts, p.Name)
	case p.Names.Required && len(f.DNSNames)+len(f.IPs) == 0:
		return fmt.Errorf("%w: profile %s needs a DNS name or an address", ErrFacts, p.Name)
	}
	for _, n := range f.DNSNames {
		if len(n) > 253 || !dnsName.MatchString(n) {
			return fmt.Errorf("%w: %q is no host name", ErrFacts, n)
		}
		if p.Names.dns != nil && !p.Names.dns.MatchString(n) {
			return fmt.Errorf("%w: %q is not named as profile %s has it (%s)", ErrFacts, n, p.Name, p.Names.DNSPattern)
		}
	}
	t.DNSNames, t.IPAddresses = f.DNSNames, f.IPs
	if p.Names.Agency && f.AgencyID != "" {
		t.URIs = []*url.URL{{Scheme: "urn", Opaque: agencyURN + f.AgencyID}}
	}
	if p.Names.Email && f.Email != "" {
		a, err := mail.ParseAddress(f.Email)
		if err != nil || a.Address != f.Email {
			return fmt.Errorf("%w: the e-mail address is not one", ErrFacts)
		}
		if p.Names.email != nil && !p.Names.email.MatchString(f.Email) {
			return fmt.Errorf("%w: the e-mail address is not as profile %s has it (%s)", ErrFacts, p.Name, p.Names.EmailPattern)
		}
		t.EmailAddresses = []string{f.Email}
	}
	if p.Names.UPN == "" {
		return nil
	}
	upn, err := filled(p.Names.UPN, f)
	if err != nil {
		return err
	}
	return addOtherName(t, upn)
}

// addOtherName writes the alternative names by hand, because crypto/x509 knows
// no otherName: a user principal name (1.3.6.1.4.1.311.20.2.3) first, then the
// others of the template.
func addOtherName(t *x509.Certificate, upn string) error {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3})
			b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(upn)) })
			})
		})
		text := func(tag uint8, s string) {
			b.AddASN1(cbasn1.Tag(tag).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
		}
		for _, e := range t.EmailAddresses {
			text(1, e)
		}
		for _, n := range t.DNSNames {
			text(2, n)
		}
		for _, u := range t.URIs {
			text(6, u.String())
		}
		for _, ip := range t.IPAddresses {
			if four := ip.To4(); four != nil {
				ip = four
			}
			text(7, string(ip))
		}
	})
	value, err := b.Bytes()
	if err != nil {
		return fmt.Errorf("encode alternative names: %w", err)
	}
	t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value})
	return nil
}

// addFreshest names the delta list, beside the complete one.
func (p *Profile) addFreshest(t *x509.Certificate, address string) error {
	if address == "" || len(t.CRLDistributionPoints) == 0 {
		return nil
	}
	value, err := crl.Freshest(address)
	if err != nil {
		return fmt.Errorf("encode freshestCRL: %w", err)
	}
	t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 46}, Value: value})
	return nil
}

// SubjectKeyID is the key identifier by RFC 7093 §2 method 1: the leftmost 160
// bits of the SHA-256 of the key's bits.
func SubjectKeyID(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	_, err = asn1.Unmarshal(der, &spki)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	sum := sha256.Sum256(spki.Key.Bytes)
	return sum[:20], nil
}

// SerialBits is the length of a serial number: random beyond the 64 bits that
// the CA/Browser Forum asks for, and under RFC 5280's 20 octets.
const SerialBits = 127

// FormatSerial writes a serial number as it stands in the database.
func FormatSerial(serial *big.Int) string { return trust.FormatSerial(serial) }
