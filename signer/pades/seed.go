package pades

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/antin-gov/antin/signer/cos"
)

// Flags of a seed value dictionary (ISO 32000-2, table 237): what is set is
// demanded, else wished.
const (
	seedFilter = 1 << iota
	seedSubFilter
	seedVersion
	seedReasons
	seedAttestation
	seedRevocation
	seedDigest
	seedLock
	seedAppearance
)

// Flags of a certificate seed value dictionary (ISO 32000-2, table 238).
const (
	seedSubject  = 1 << 0
	seedIssuer   = 1 << 1
	seedOID      = 1 << 2
	seedName     = 1 << 3
	seedKeyUsage = 1 << 5
	seedURL      = 1 << 6 // where to get a certificate: no demand on it
)

// maxSeedVersion is the newest seed value dictionary known here.
const maxSeedVersion = 3

// seedValues refuses a signature that does not meet what the field demands.
func (f *form) seedValues(x field, o Options) error {
	v := f.doc.view
	sv := v.Dict(x.dict["SV"])
	if sv == nil {
		return nil
	}
	flags, _ := v.Int(sv["Ff"])
	demands := func(flag int64) bool { return flags&flag != 0 }
	no := func(format string, args ...any) error { return refuse(CodeSeedValue, fmt.Sprintf(format, args...)) }
	version, _ := v.Int(sv["V"])
	revocation, err := v.Resolve(sv["AddRevInfo"])
	if err != nil {
		return refusal(err)
	}
	mdp, certified := v.Int(v.Dict(sv["MDP"])["P"])
	stamp, _ := v.Int(v.Dict(sv["TimeStamp"])["Ff"])
	switch {
	case demands(seedFilter) && v.Name(sv["Filter"]) != "Adobe.PPKLite":
		return no("the field demands the signature handler %q", v.Name(sv["Filter"]))
	case demands(seedSubFilter) && !slices.ContainsFunc(v.Array(sv["SubFilter"]), func(o cos.Object) bool { return v.Name(o) == subFilterCAdES }):
		return no("the field demands another kind of signature than %s", subFilterCAdES)
	case demands(seedVersion) && version > maxSeedVersion:
		return no("the field's demands are of version %d, of which not all are known", version)
	case demands(seedDigest) && !slices.ContainsFunc(v.Array(sv["DigestMethod"]), func(m cos.Object) bool {
		s, _ := v.Bytes(m)
		return strings.ReplaceAll(string(s), "-", "") == strings.ReplaceAll(o.Hash.String(), "-", "")
	}):
		return no("the field demands another digest algorithm than %s", o.Hash)
	case demands(seedReasons) && !f.reasonFits(sv, o.Reason):
		return no("the field demands one of the reasons %s", strings.Join(f.reasons(sv), ", "))
	case demands(seedAttestation):
		return no("the field demands a legal attestation, which is not made here")
	case demands(seedRevocation) && revocation == true && !o.Level.long():
		return no("the field demands revocation data: sign at B-LT or B-LTA")
	case demands(seedLock) && v.Name(sv["LockDocument"]) != "false":
		return no("the field demands that the document is locked, which is not done here")
	case demands(seedAppearance):
		return no("the field demands an appearance of its own making")
	case stamp&1 != 0 && o.Timestamp == nil:
		return no("the field demands a time-stamp: sign at B-T or above")
	case certified && mdp != int64(o.Certify):
		if mdp == 0 {
			return no("the field is for an approval, not for a certification")
		}
		return no("the field demands a certification with P = %d", mdp)
	}
	return f.seedCertificate(v.Dict(sv["Cert"]), o.Chain, no)
}

// reasons are those that a field offers.
func (f *form) reasons(sv cos.Dict) []string {
	var out []string
	for _, o := range f.doc.view.Array(sv["Reasons"]) {
		s, _ := f.doc.view.Bytes(o)
		out = append(out, decodeText(s))
	}
	return out
}

// reasonFits tells whether a reason is among those that are demanded; none or
// a single full stop demands that none is given.
func (f *form) reasonFits(sv cos.Dict, reason string) bool {
	list := f.reasons(sv)
	if len(list) == 0 || len(list) == 1 && list[0] == "." {
		return reason == ""
	}
	return slices.Contains(list, reason)
}

// seedCertificate compares the signer's certificate with what is demanded.
func (f *form) seedCertificate(demand cos.Dict, chain []*x509.Certificate, no func(string, ...any) error) error {
	v := f.doc.view
	flags, _ := v.Int(demand["Ff"])
	if flags == 0 || len(chain) == 0 {
		return nil
	}
	listed := func(key cos.Name, certs ...*x509.Certificate) bool {
		return slices.ContainsFunc(v.Array(demand[key]), func(o cos.Object) bool {
			der, _ := v.Bytes(o)
			return slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return bytes.Equal(c.Raw, der) })
		})
	}
	switch {
	case flags&^(seedSubject|seedIssuer|seedOID|seedName|seedKeyUsage|seedURL) != 0:
		return no("the field demands of the certificate what is not known here (flags %d)", flags)
	case flags&seedSubject != 0 && !listed("Subject", chain[0]):
		return no("the field demands another signer's certificate")
	case flags&seedIssuer != 0 && !listed("Issuer", chain[1:]...):
		return no("the field demands a certificate of another issuer")
	case flags&seedOID != 0 && !f.policyFits(demand, chain[0]):
		return no("the field demands another certificate policy")
	case flags&seedName != 0 && !f.nameFits(demand, chain[0]):
		return no("the field demands another subject's name")
	case flags&seedKeyUsage != 0 && !f.usageFits(demand, chain[0]):
		return no("the field demands another key usage")
	}
	return nil
}

func (f *form) policyFits(demand cos.Dict, cert *x509.Certificate) bool {
	return slices.ContainsFunc(f.doc.view.Array(demand["OID"]), func(o cos.Object) bool {
		want, _ := f.doc.view.Bytes(o)
		return slices.ContainsFunc(cert.Policies, func(p x509.OID) bool { return p.String() == string(want) })
	})
}

// nameFits tells whether the subject has every attribute of one of the names.
func (f *form) nameFits(demand cos.Dict, cert *x509.Certificate) bool {
	v := f.doc.view
	have := map[string][]string{
		"CN": {cert.Subject.CommonName}, "SERIALNUMBER": {cert.Subject.SerialNumber}, "O": cert.Subject.Organization, "OU": cert.Subject.OrganizationalUnit,
		"C": cert.Subject.Country, "L": cert.Subject.Locality, "ST": cert.Subject.Province,
	}
	return slices.ContainsFunc(v.Array(demand["SubjectDN"]), func(o cos.Object) bool {
		name := v.Dict(o)
		for _, key := range name.Keys() {
			s, _ := v.Bytes(name[key])
			if !slices.Contains(have[strings.ToUpper(string(key))], decodeText(s)) {
				return false
			}
		}
		return len(name) > 0
	})
}

// usageFits compares key usage with strings such as "11X": set, set, either.
func (f *form) usageFits(demand cos.Dict, cert *x509.Certificate) bool {
	return slices.ContainsFunc(f.doc.view.Array(demand["KeyUsage"]), func(o cos.Object) bool {
		want, _ := f.doc.view.Bytes(o)
		for bit, c := range want {
			set := cert.KeyUsage&(1<<bit) != 0
			if c == '1' && !set || c == '0' && set {
				return false
			}
		}
		return true
	})
}
