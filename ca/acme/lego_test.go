package acme_test

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-acme/lego/v4/certcrypto"
	"github.com/go-acme/lego/v4/certificate"
	"github.com/go-acme/lego/v4/challenge/http01"
	"github.com/go-acme/lego/v4/challenge/tlsalpn01"
	"github.com/go-acme/lego/v4/lego"
	"github.com/go-acme/lego/v4/registration"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/acme"
	"github.com/antin-gov/antin/ca/catest"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// legoUser is a user of the library lego, an independent client.
type legoUser struct {
	key          crypto.PrivateKey
	registration *registration.Resource
}

func (u *legoUser) GetEmail() string                        { return "quan-tri@thue.example" }
func (u *legoUser) GetRegistration() *registration.Resource { return u.registration }
func (u *legoUser) GetPrivateKey() crypto.PrivateKey        { return u.key }

func (w *world) lego(t *testing.T) *lego.Client {
	t.Helper()
	c, secret := w.Credential(t, form())
	u := &legoUser{key: newKey(t)}
	cfg := lego.NewConfig(u)
	cfg.CADirURL, cfg.HTTPClient, cfg.Certificate.KeyType = w.url+"/acme/directory", w.client, certcrypto.EC256
	client, err := lego.NewClient(cfg)
	check(t, err)
	u.registration, err = client.Registration.RegisterWithExternalAccountBinding(registration.RegisterEABOptions{TermsOfServiceAgreed: true, Kid: c.ID, HmacEncoded: secret})
	check(t, err)
	return client
}

func TestLegoIssuesRenewsAndRevokes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, catest.Schema(acme.Schema()...), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, clock.System{}, nil)
		client := w.lego(t)
		check(t, client.Challenge.SetHTTP01Provider(http01.NewProviderServer("127.0.0.1", port(w.httpPort))))
		first, err := client.Certificate.Obtain(certificate.ObtainRequest{Domains: []string{"www.so.example", "mot-cua.so.example"}, Bundle: true})
		check(t, err)
		leaf := w.look(t, first.Certificate, "service", "www.so.example", "mot-cua.so.example")

		info, err := client.Certificate.GetRenewalInfo(certificate.RenewalInfoRequest{Cert: leaf})
		check(t, err)
		third := leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 3)
		if d := info.SuggestedWindow.Start.Sub(third).Abs(); d > time.Second || info.ShouldRenewAt(time.Now(), 0) != nil {
			t.Errorf("window %+v of a new certificate, want from %s", info.SuggestedWindow, third)
		}
		replaces, err := certificate.MakeARICertID(leaf)
		check(t, err)
		second, err := client.Certificate.Obtain(certificate.ObtainRequest{Domains: []string{"www.so.example"}, Bundle: true, ReplacesCertID: replaces})
		check(t, err)
		renewed := w.look(t, second.Certificate, "service", "www.so.example")
		if renewed.SerialNumber.Cmp(leaf.SerialNumber) == 0 {
			t.Error("the renewed certificate is the old one")
		}
		reason := uint(4)
		check(t, client.Certificate.RevokeWithReason(second.Certificate, &reason))
		row, err := w.Service.Get(catest.As(t, catest.Thu), profile.FormatSerial(renewed.SerialNumber))
		check(t, err)
		if row.RevokedAt == nil || row.RevocationReason != 4 || row.RevocationCause != ca.CauseDeviceDamaged || row.AgencyID != agency {
			t.Errorf("revoked as %+v", row)
		}
		info, err = client.Certificate.GetRenewalInfo(certificate.RenewalInfoRequest{Cert: renewed})
		check(t, err)
		if info.ShouldRenewAt(time.Now(), 0) == nil {
			t.Error("a revoked certificate is not to be renewed at once")
		}
		err = client.Certificate.Revoke(second.Certificate)
		if err == nil || !strings.Contains(err.Error(), "alreadyRevoked") {
			t.Errorf("a second revocation: %v", err)
		}
		for kind, want := range map[string]int{"ca.enrolment.create": 1, "ca.enrolment.approve": 1, "ca.acme.account.create": 1, "ca.acme.order.finalise": 2, "ca.acme.revoke": 1} {
			if n := w.Entries(t, kind); n != want {
				t.Errorf("%d ledger entries %s, want %d", n, kind, want)
			}
		}
	})
}

func TestLegoProvesByTLSAndForAnAddressAndAnotherProfile(t *testing.T) {
	t.Parallel()
	w := sqlite(t, nil)
	client := w.lego(t)
	check(t, client.Challenge.SetTLSALPN01Provider(tlsalpn01.NewProviderServer("127.0.0.1", port(w.tlsPort))))
	got, err := client.Certificate.Obtain(certificate.ObtainRequest{Domains: []string{"cam-bien.so.example", "127.0.0.1"}, Bundle: true, Profile: "sensor"})
	check(t, err)
	leaf := w.look(t, got.Certificate, "sensor", "cam-bien.so.example", "127.0.0.1")
	if len(leaf.IPAddresses) != 1 {
		t.Errorf("addresses %v", leaf.IPAddresses)
	}
	_, err = client.Certificate.Obtain(certificate.ObtainRequest{Domains: []string{"cam-bien.so.example"}, Profile: "official"})
	if err == nil || !strings.Contains(err.Error(), "invalidProfile") {
		t.Errorf("an official's certificate by ACME: %v", err)
	}
}

// look checks a chain as a relying party does.
func (w *world) look(t *testing.T, text []byte, profileName string, names ...string) *x509.Certificate {
	t.Helper()
	var chain []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		check(t, err)
		chain = append(chain, cert)
	}
	if len(chain) != 2 {
		t.Fatalf("%d certificates in the chain, want 2", len(chain))
	}
	middle := x509.NewCertPool()
	middle.AddCert(chain[1])
	for _, n := range names {
		_, err := chain[0].Verify(x509.VerifyOptions{Roots: w.Root(), Intermediates: middle, DNSName: n, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		check(t, err)
	}
	row, err := w.Service.Get(catest.As(t, catest.Thu), profile.FormatSerial(chain[0].SerialNumber))
	check(t, err)
	if row.Profile != profileName || row.AgencyID != agency || row.Actor != "system:acme" || row.State != ca.StateIssued || row.RequestID == "" {
		t.Errorf("recorded as %+v", row)
	}
	if chain[0].Subject.OrganizationalUnit[0] != agency || chain[0].Subject.CommonName != names[0] {
		t.Errorf("subject %s", chain[0].Subject)
	}
	return chain[0]
}

func TestDirectoryNamesEveryResourceAndProfile(t *testing.T) {
	t.Parallel()
	w := sqlite(t, nil)
	v := w.do(t, http.MethodGet, w.url+"/acme/directory", "", nil).want(t, http.StatusOK).json(t)
	for _, name := range []string{"newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo"} {
		if !strings.HasPrefix(v[name].(string), w.url+"/acme/") {
			t.Errorf("%s is %v", name, v[name])
		}
	}
	meta := v["meta"].(map[string]any)
	profiles := meta["profiles"].(map[string]any)
	if meta["externalAccountRequired"] != true || len(profiles) != 4 || profiles["service"] == "" || profiles["official"] != nil {
		t.Errorf("meta %v", meta)
	}
}
