package est

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
)

// maxBody holds a request with an RSA-4096 key and many names, in base64.
const maxBody = 64 << 10

// readCSR reads the PKCS#10 request of a body (RFC 7030 §4.2.1).
func readCSR(w http.ResponseWriter, r *http.Request) (*x509.CertificateRequest, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/pkcs10" {
		return nil, refuse(http.StatusUnsupportedMediaType, "the content type is application/pkcs10 (RFC 7030 §4.2.1)")
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return nil, refuse(http.StatusRequestEntityTooLarge, "a request has at most %d bytes", maxBody)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the body could not be read")
	}
	return parseCSR(b)
}

// parseCSR reads base64 of a DER request, whatever white space stands in it
// (RFC 8951 §3.1), and checks that its key signed it.
func parseCSR(b []byte) (*x509.CertificateRequest, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(b)), ""))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the body is base64 of a DER PKCS#10 request, without PEM lines")
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the body is not a PKCS#10 request")
	}
	err = csr.CheckSignature()
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the request is not signed by its own key")
	}
	return csr, nil
}

// attributes answers RFC 7030 §4.5: which key and signature the server would
// best have.
func (s *Server) attributes(w http.ResponseWriter, _ *http.Request, _ string) error {
	p256 := asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	type attribute struct {
		Type   asn1.ObjectIdentifier
		Values []asn1.ObjectIdentifier `asn1:"set"`
	}
	key, err := asn1.Marshal(attribute{asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, []asn1.ObjectIdentifier{p256}})
	if err != nil {
		return err
	}
	signature, err := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}) // ecdsa-with-SHA256
	if err != nil {
		return err
	}
	der, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: bytes.Join([][]byte{key, signature}, nil)})
	if err != nil {
		return err
	}
	writeBase64(w, "application/csrattrs", der)
	return nil
}
