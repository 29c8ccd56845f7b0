package gateway

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/antin-gov/antin/policy/record"
)

// AgencyURN begins the subject alternative name (URI, RFC 5280 §4.2.1.6) of a
// service certificate that names the agency whose service it is:
// urn:antin:agency:thue. The CA issues it for that agency's services alone.
const AgencyURN = "urn:antin:agency:"

// ErrNoAgency means that a certificate does not name exactly one agency.
var ErrNoAgency = errors.New("gateway: the certificate names no agency")

// AgencyURI returns the subject alternative name of the agency's services.
func AgencyURI(agency string) (*url.URL, error) {
	if !record.IsCode(agency) {
		return nil, fmt.Errorf("%w: %.40q is no agency id", ErrNoAgency, agency)
	}
	return &url.URL{Scheme: "urn", Opaque: strings.TrimPrefix(AgencyURN, "urn:") + agency}, nil
}

// AgencyFrom returns the agency that a service certificate names. A
// certificate of two agencies speaks for neither.
func AgencyFrom(cert *x509.Certificate) (string, error) {
	agency := ""
	for _, uri := range cert.URIs {
		id, ours := strings.CutPrefix(uri.String(), AgencyURN)
		if !ours {
			continue
		}
		if agency != "" || !record.IsCode(id) {
			return "", fmt.Errorf("%w: serial %x", ErrNoAgency, cert.SerialNumber)
		}
		agency = id
	}
	if agency == "" {
		return "", fmt.Errorf("%w: serial %x", ErrNoAgency, cert.SerialNumber)
	}
	return agency, nil
}
