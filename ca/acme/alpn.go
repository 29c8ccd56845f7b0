package acme

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// alpnProtocol is that of RFC 8737 §4.
const alpnProtocol = "acme-tls/1"

// insecure accepts any certificate: it is what is to be proved, not a proof.
func insecure() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec // see above
}

// tryALPN is RFC 8737 §3, and RFC 8738 §6 for addresses.
func (s *Server) tryALPN(ctx context.Context, p proof) *Problem {
	conn, err := s.dialer.DialContext(ctx, "tcp", net.JoinHostPort(p.identifier.Value, strconv.Itoa(s.cfg.Validation.TLSPort)))
	if err != nil {
		return unreachable(err)
	}
	config := insecure()
	config.NextProtos, config.ServerName = []string{alpnProtocol}, serverName(p.identifier)
	session := tls.Client(conn, config)
	defer func() { _ = session.Close() }()
	err = session.HandshakeContext(ctx)
	if err != nil {
		return problem(kindTLS, http.StatusBadRequest, "no TLS session: %s", reason(err))
	}
	state := session.ConnectionState()
	if state.NegotiatedProtocol != alpnProtocol || len(state.PeerCertificates) == 0 {
		return problem(kindUnauthorized, http.StatusForbidden, "the server does not speak %s", alpnProtocol)
	}
	err = checkALPN(state.PeerCertificates[0], p)
	if err != nil {
		return problem(kindIncorrectResponse, http.StatusForbidden, "%s", err)
	}
	return nil
}

// serverName is the SNI: the name, or the reverse name of an address.
func serverName(id Identifier) string {
	a, err := netip.ParseAddr(id.Value)
	if err != nil {
		return id.Value
	}
	const digits = "0123456789abcdef"
	var name strings.Builder
	b := a.AsSlice()
	for i := len(b) - 1; i >= 0; i-- {
		if a.Is4() {
			name.WriteString(strconv.Itoa(int(b[i])) + ".")
			continue
		}
		name.WriteByte(digits[b[i]&15])
		name.WriteByte('.')
		name.WriteByte(digits[b[i]>>4])
		name.WriteByte('.')
	}
	if a.Is4() {
		return name.String() + "in-addr.arpa"
	}
	return name.String() + "ip6.arpa"
}

// checkALPN looks at the certificate of RFC 8737 §3: self-signed, one name, the
// digest in a critical extension.
func checkALPN(cert *x509.Certificate, p proof) error {
	names := len(cert.DNSNames) + len(cert.IPAddresses) + len(cert.EmailAddresses) + len(cert.URIs)
	named := len(cert.DNSNames) == 1 && strings.EqualFold(cert.DNSNames[0], p.identifier.Value)
	if p.identifier.Type == identifierIP {
		named = len(cert.IPAddresses) == 1 && cert.IPAddresses[0].Equal(net.ParseIP(p.identifier.Value))
	}
	if names != 1 || !named {
		return errors.New("the certificate is not for the name, and for it alone")
	}
	if !bytes.Equal(cert.RawIssuer, cert.RawSubject) || cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil {
		return errors.New("the certificate is not self-signed")
	}
	for _, ext := range cert.Extensions {
		if !ext.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}) {
			continue
		}
		var digest []byte
		rest, err := asn1.Unmarshal(ext.Value, &digest)
		if err != nil || len(rest) != 0 || !ext.Critical || !bytes.Equal(digest, p.digest()) {
			return errors.New("the extension acmeIdentifier does not hold the digest of the key authorization")
		}
		return nil
	}
	return errors.New("the certificate has no extension acmeIdentifier")
}
