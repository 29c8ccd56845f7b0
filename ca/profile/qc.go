package profile

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/url"
)

// QC are statements of a qualified certificate (RFC 3739 §3.2.6, EN 319
// 412-5). Which of them may be made is a matter of law, not of this package.
type QC struct {
	// Compliance states that the certificate is qualified, SSCD that its key is
	// in a qualified device.
	Compliance bool `yaml:"compliance,omitempty" json:"compliance,omitempty"`
	SSCD       bool `yaml:"sscd,omitempty" json:"sscd,omitempty"`
	// Types are "esign", "eseal" and "web".
	Types []string `yaml:"types,omitempty" json:"types,omitempty"`
	// Legislation are countries (ISO 3166-1) under whose law it is qualified.
	Legislation []string `yaml:"legislation,omitempty" json:"legislation,omitempty"`
	// RetentionYears is how long the register keeps the evidence.
	RetentionYears int `yaml:"retention_years,omitempty" json:"retention_years,omitempty"`
	// PDS are the disclosure statements.
	PDS []PDS `yaml:"pds,omitempty" json:"pds,omitempty"`
}

// PDS is the address of a disclosure statement in a language (ISO 639-1).
type PDS struct {
	URL      string `yaml:"url" json:"url"`
	Language string `yaml:"language" json:"language"`
}

// maxStatements bounds the lists of a QC.
const maxStatements = 8

func (q *QC) check() error {
	if q == nil {
		return nil
	}
	if len(q.Types) > maxStatements || len(q.Legislation) > maxStatements || len(q.PDS) > maxStatements || q.RetentionYears < 0 || q.RetentionYears > 100 {
		return wrong("qc", "too many statements, or retention_years out of 0 to 100")
	}
	for _, t := range q.Types {
		_, err := qcType(t)
		if err != nil {
			return &fieldError{"qc", err}
		}
	}
	for _, c := range q.Legislation {
		if !letters(c, 'A', 'Z') {
			return wrong("qc", "legislation %q is not two capital letters", c)
		}
	}
	for _, d := range q.PDS {
		u, err := url.Parse(d.URL)
		if err != nil || u.Scheme != "https" || u.Host == "" || len(d.URL) > maxAddress || !letters(d.Language, 'a', 'z') {
			// EN 319 412-5 §4.3.4 asks for https
			return wrong("qc", "pds %q in %q: want an https address and two small letters", d.URL, d.Language)
		}
	}
	return nil
}

// letters says whether text is two letters between from and to.
func letters(text string, from, to byte) bool {
	return len(text) == 2 && text[0] >= from && text[0] <= to && text[1] >= from && text[1] <= to
}

func qcType(name string) (asn1.ObjectIdentifier, error) {
	arc := asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 6} // id-etsi-qcs-QcType
	switch name {
	case "esign":
		return append(arc, 1), nil
	case "eseal":
		return append(arc, 2), nil
	case "web":
		return append(arc, 3), nil
	default:
		return nil, fmt.Errorf("type %q is none of esign, eseal, web", name)
	}
}

// statement is a QCStatement.
type statement struct {
	ID   asn1.ObjectIdentifier
	Info asn1.RawValue `asn1:"optional"`
}

// extension is the qcStatements extension.
func (q *QC) extension() (pkix.Extension, error) {
	etsi := func(last int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{0, 4, 0, 1862, 1, last} }
	var list []statement
	add := func(id asn1.ObjectIdentifier, info any) error {
		der, err := asn1.Marshal(info)
		if err != nil {
			return fmt.Errorf("encode statement %s: %w", id, err)
		}
		list = append(list, statement{ID: id, Info: asn1.RawValue{FullBytes: der}})
		return nil
	}
	var err error
	if q.Compliance {
		list = append(list, statement{ID: etsi(1)})
	}
	if q.SSCD {
		list = append(list, statement{ID: etsi(4)})
	}
	if q.RetentionYears > 0 {
		err = add(etsi(3), q.RetentionYears)
	}
	if err == nil && len(q.PDS) > 0 {
		err = add(etsi(5), pdsLocations(q.PDS))
	}
	if err == nil && len(q.Types) > 0 {
		var types []asn1.ObjectIdentifier
		for _, t := range q.Types {
			oid, err := qcType(t)
			if err != nil {
				return pkix.Extension{}, err
			}
			types = append(types, oid)
		}
		err = add(etsi(6), types)
	}
	if err == nil && len(q.Legislation) > 0 {
		var countries []asn1.RawValue
		for _, c := range q.Legislation {
			countries = append(countries, printable(c))
		}
		err = add(etsi(7), countries)
	}
	if err != nil {
		return pkix.Extension{}, err
	}
	value, err := asn1.Marshal(list)
	if err != nil {
		return pkix.Extension{}, fmt.Errorf("encode statements: %w", err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 3}, Value: value}, nil
}

// pdsLocation is a PdsLocation (EN 319 412-5 §4.3.4).
type pdsLocation struct {
	URL      string `asn1:"ia5"`
	Language string `asn1:"printable"`
}

func pdsLocations(list []PDS) []pdsLocation {
	var out []pdsLocation
	for _, d := range list {
		out = append(out, pdsLocation(d))
	}
	return out
}

func printable(text string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagPrintableString, Bytes: []byte(text)}
}
