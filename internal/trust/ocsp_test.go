package trust_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
)

// vector is one file of BoringSSL's OCSP responses.
type vector struct {
	header            string
	response, request []byte
	issuer, cert      []byte
}

func loadVector(tb testing.TB, path string) vector {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	v := vector{header: strings.Join(strings.Fields(strings.SplitN(string(data), "$ openssl", 2)[0]), " ")}
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil {
			return v
		}
		switch block.Type {
		case "OCSP RESPONSE":
			v.response = block.Bytes
		case "CA CERTIFICATE":
			v.issuer = block.Bytes
		case "CERTIFICATE":
			v.cert = block.Bytes
		case "OCSP REQUEST":
			v.request = block.Bytes
		}
	}
}

// vectorTime is when BoringSSL's responses are to be judged.
var vectorTime = time.Date(2017, 3, 5, 0, 0, 0, 0, time.UTC)

func TestBoringSSLResponsesAreJudgedAsTheirHeadersSay(t *testing.T) {
	const (
		good    = trust.RevocationGood
		revoked = trust.RevocationRevoked
		unknown = trust.RevocationUnknown
	)
	cases := map[string]struct {
		header string // how the text above the PEM blocks begins
		status trust.RevocationStatus
		why    trust.RevocationWhy
	}{
		"bad_ocsp_type":                   {"Has an invalid OCSP OID", unknown, trust.WhyMalformed},
		"bad_signature":                   {"Has an invalid signature", unknown, trust.WhySignature},
		"bad_status":                      {"Has an invalid status larger", unknown, trust.WhyMalformed},
		"future_response":                 {"thisUpdate is after the current time", unknown, trust.WhyTime},
		"good_response":                   {"Is a valid response for the cert", good, ""},
		"good_response_invalid_serial":    {"Is a valid response for the cert, but the cert has an incorrectly encoded serial number", good, ""},
		"good_response_next_update":       {"Is a valid response for the cert until nextUpdate", good, ""},
		"good_response_sha256":            {"Is a valid response for the cert with a SHA256", good, ""},
		"has_critical_ct_extension":       {"Has a critical CT extension", good, ""},
		"has_critical_response_extension": {"Has a critical extension in the ResponseData", unknown, trust.WhyCritical},
		"has_critical_single_extension":   {"Has a critical extension in the SingleResponse", unknown, trust.WhyCritical},
		"has_extension":                   {"Includes an x509v3 extension", good, ""},
		"has_single_extension":            {"Has an extension in the SingleResponse", good, ""},
		"has_version":                     {"Includes a default version V1", good, ""},
		"invalid_response":                {"OCSPResponse cannot be parsed", unknown, trust.WhyMalformed},
		"invalid_response_data":           {"ResponseData cannot be parsed", unknown, trust.WhyMalformed},
		"malformed_request":               {"Has a status of MALFORMED_REQUEST", unknown, trust.WhyRefused},
		"missing_response":                {"Missing a response for the cert", unknown, trust.WhyNotOurs},
		"multiple_response":               {"Has multiple responses for the cert", unknown, trust.WhyConflict},
		"multiple_response_good_revoked":  {"Has both a good and a revoked response", revoked, ""},
		"no_response":                     {"No SingleResponses attached", unknown, trust.WhyNotOurs},
		"ocsp_extra_certs":                {"Includes extra certs", good, ""},
		"ocsp_sign_bad_indirect":          {"Signed through an intermediate without the correct key usage", unknown, trust.WhyResponder},
		"ocsp_sign_direct":                {"Signed directly by the issuer", good, ""},
		"ocsp_sign_indirect":              {"Signed indirectly through an intermediate", good, ""},
		"ocsp_sign_indirect_missing":      {"Signed indirectly through a missing intermediate", unknown, trust.WhyResponder},
		"old_response":                    {"thisUpdate is over a week before", unknown, trust.WhyTime},
		"other_response":                  {"Is a response for a different cert", unknown, trust.WhyNotOurs},
		"produced_early_response":         {"producedAt is before the cert's notBefore", unknown, trust.WhyTime},
		"produced_late_response":          {"producedAt is after the cert's notAfter", unknown, trust.WhyTime},
		"responder_id":                    {"Uses byKey", good, ""},
		"responder_name":                  {"Uses byName", good, ""},
		"revoke_response":                 {"Is a REVOKE response for the cert", revoked, ""},
		"revoke_response_reason":          {"Is a REVOKE response for the cert with a reason", revoked, ""},
		"stale_response":                  {"nextUpdate is before the current time", unknown, trust.WhyTime},
		"unknown_response":                {"Is an UNKNOWN response", unknown, trust.WhyUnknown},
	}
	files, err := filepath.Glob(filepath.Join(testkit.Data(t, "ocsp"), "*.pem"))
	if err != nil || len(files) != len(cases) {
		t.Fatalf("%d files, want %d: %v", len(files), len(cases), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".pem")
		t.Run(name, func(t *testing.T) {
			want, ok := cases[name]
			if !ok {
				t.Fatal("no expectation")
			}
			v := loadVector(t, file)
			if !strings.HasPrefix(v.header, want.header) {
				t.Fatalf("the header says %q, the table %q", v.header, want.header)
			}
			issuer, err := x509.ParseCertificate(v.issuer)
			if err != nil {
				t.Fatal(err)
			}
			cert, err := trust.ParseCertificate(v.cert)
			if err != nil {
				t.Fatal(err)
			}
			got := trust.CheckRevocation(trust.RevocationRequest{
				Certificate: cert, Issuer: issuer, At: vectorTime, AllowSHA1: true,
				Evidence: trust.Evidence{OCSPs: [][]byte{v.response}},
			})
			if got.Status != want.status || got.Why != want.why {
				t.Errorf("got %v (%s), want %v (%s)", got.Status, got.Why, want.status, want.why)
			}
			if want.status == revoked && !got.RevokedAt.Equal(time.Date(2017, 2, 1, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("revoked at %v", got.RevokedAt)
			}
			if name == "revoke_response_reason" && got.Reason != 1 {
				t.Errorf("reason %d, want keyCompromise", got.Reason)
			}
			request, err := trust.NewOCSPRequest(cert, issuer, crypto.SHA1, nil)
			if err != nil || !bytes.Equal(request, v.request) {
				t.Errorf("request differs from BoringSSL's (%v)", err)
			}
		})
	}
}

// The certificate of this vector has a serial number with a superfluous zero
// octet, which crypto/x509 refuses; the response must be representable
// nevertheless, with the octets as they stand.
func TestResponseForAnIncorrectlyEncodedSerialIsRead(t *testing.T) {
	v := loadVector(t, filepath.Join(testkit.Data(t, "ocsp"), "good_response_invalid_serial.pem"))
	r, err := trust.ParseOCSP(v.response)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Responses) != 1 || r.Responses[0].Status != trust.RevocationGood {
		t.Fatalf("responses: %+v", r.Responses)
	}
	if !bytes.Equal(r.Responses[0].Serial, []byte{0, 5}) {
		t.Errorf("serial octets %x, want 0005", r.Responses[0].Serial)
	}
}

func TestSHA1EvidenceIsWeakUnlessAllowed(t *testing.T) {
	v := loadVector(t, filepath.Join(testkit.Data(t, "ocsp"), "good_response.pem"))
	issuer, err := x509.ParseCertificate(v.issuer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(v.cert)
	if err != nil {
		t.Fatal(err)
	}
	got := trust.CheckRevocation(trust.RevocationRequest{Certificate: cert, Issuer: issuer, At: vectorTime, Evidence: trust.Evidence{OCSPs: [][]byte{v.response}}})
	if got.Status != trust.RevocationUnknown || got.Why != trust.WhyWeak {
		t.Errorf("got %v (%s)", got.Status, got.Why)
	}
}

func TestRefusalOfAResponderIsTyped(t *testing.T) {
	_, err := trust.ParseOCSP([]byte{0x30, 3, 0x0a, 1, 6})
	var status *trust.OCSPStatusError
	if !errors.As(err, &status) || status.Status != 6 {
		t.Fatalf("got %v", err)
	}
}

func TestOurReadingAgreesWithXCryptoOCSP(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	chain := p.Issue(t, "Nguyễn Văn A", trusttest.ECKey(t).Public())
	p.Revoke(chain[0], p.Clock.Now().Add(-time.Hour), 4)
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		der, err := p.OCSPResponse(chain[0].SerialNumber, p.Issuer, p.Responder, p.ResponderKey, h)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := xocsp.ParseResponseForCert(der, chain[0], p.Issuer)
		if err != nil {
			t.Fatal(err)
		}
		ours := trust.CheckRevocation(trust.RevocationRequest{
			Certificate: chain[0], Issuer: p.Issuer, At: p.Clock.Now(), Evidence: trust.Evidence{OCSPs: [][]byte{der}},
		})
		if ours.Status != trust.RevocationRevoked || !ours.RevokedAt.Equal(theirs.RevokedAt) || ours.Reason != theirs.RevocationReason {
			t.Errorf("%v: ours %v, theirs %+v", h, ours, theirs)
		}
		if !ours.Responder.Equal(p.Responder) {
			t.Errorf("%v: responder not told", h)
		}
	}
}

func FuzzParseOCSP(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(testkit.Data(f, "ocsp"), "*.pem"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(loadVector(f, file).response)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := trust.ParseOCSP(der)
		if err == nil && (r.ResponderName == nil) == (r.ResponderKey == nil) {
			t.Fatal("a response names its responder exactly once")
		}
	})
}
