package app_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/go-acme/lego/v4/certificate"
	"github.com/go-acme/lego/v4/challenge/http01"
	"github.com/go-acme/lego/v4/lego"
	"github.com/go-acme/lego/v4/registration"
	"github.com/smallstep/pkcs7"

	credentials "github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/internal/auth"
)

// robot is an account of lego, an independent ACME client.
type robot struct {
	key crypto.PrivateKey
	reg *registration.Resource
}

func (r *robot) GetEmail() string                        { return "" }
func (r *robot) GetRegistration() *registration.Resource { return r.reg }
func (r *robot) GetPrivateKey() crypto.PrivateKey        { return r.key }

// testMachines has a server and a device certified by the policy as shipped.
func (p *platform) testMachines(t *testing.T) {
	as := func(name string) context.Context {
		account, err := p.sys.Accounts.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return auth.WithSubject(t.Context(), account.Subject())
	}
	credential := func(f credentials.Form) (*credentials.Credential, string) {
		c, secret, err := p.sys.Enrolment.Create(as("minh.pq"), f)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.sys.Enrolment.Approve(as("minh.pq"), f.Kind, c.ID)
		if err == nil {
			t.Error("who made a credential approved it")
		}
		c, err = p.sys.Enrolment.Approve(as("thu.vt"), f.Kind, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		return c, secret
	}
	c, secret := credential(credentials.Form{Kind: credentials.KindACME, AgencyID: "thue", Profiles: []string{"service"}, Domains: []string{"localhost"}})
	p.byACME(t, c.ID, secret)
	c, secret = credential(credentials.Form{Kind: credentials.KindEST, AgencyID: "thue", Profiles: []string{"device"}, Machine: "may-in-7"})
	p.byEST(t, c.ID, secret)
}

func (p *platform) byACME(t *testing.T, id, secret string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := &robot{key: key}
	cfg := lego.NewConfig(r)
	cfg.CADirURL, cfg.HTTPClient = p.sys.ACMEURL()+"/acme/directory", p.client(t)
	client, err := lego.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.reg, err = client.Registration.RegisterWithExternalAccountBinding(registration.RegisterEABOptions{TermsOfServiceAgreed: true, Kid: id, HmacEncoded: secret})
	if err != nil {
		t.Fatal(err)
	}
	err = client.Challenge.SetHTTP01Provider(http01.NewProviderServer("127.0.0.1", strconv.FormatInt(p.sys.Config.ACME.HTTPPort, 10)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Certificate.Obtain(certificate.ObtainRequest{Domains: []string{"localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(got.Certificate)
	p.ofTax(t, block.Bytes)
	err = client.Certificate.Revoke(got.Certificate)
	if err != nil {
		t.Error(err)
	}
}

func (p *platform) byEST(t *testing.T, id, secret string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "may-in-7"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.sys.ESTURL()+"/.well-known/est/device/simpleenroll", strings.NewReader(base64.StdEncoding.EncodeToString(der)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/pkcs10")
	r.SetBasicAuth(id, secret)
	response, err := p.client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %d %s %v", response.StatusCode, b, err)
	}
	der, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(b)), ""))
	if err != nil {
		t.Fatal(err)
	}
	message, err := pkcs7.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	p.ofTax(t, message.Certificates[0].Raw)
}

// ofTax looks at a certificate of a machine of the tax office.
func (p *platform) ofTax(t *testing.T, der []byte) {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.sys.CA.Chain(cert)
	if err != nil || cert.Subject.OrganizationalUnit[0] != "thue" {
		t.Errorf("certificate of %s: %v", cert.Subject, err)
	}
}
