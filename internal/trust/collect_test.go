package trust_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
)

func TestCollectBringsEverythingThatProvesAChain(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	chain := p.Issue(t, "A", trusttest.ECKey(t).Public())
	// Only the leaf is given: the issuers come by caIssuers.
	evidence, err := p.Collector().Collect(context.Background(), chain[:1])
	if err != nil {
		t.Fatal(err)
	}
	if len(evidence.OCSPs) != 2 || len(evidence.CRLs) != 0 {
		t.Errorf("%d OCSP responses and %d CRLs, want 2 and 0", len(evidence.OCSPs), len(evidence.CRLs))
	}
	for _, want := range []*x509.Certificate{chain[0], p.Issuer, p.Root, p.Responder} {
		found := false
		for _, cert := range evidence.Certificates {
			found = found || cert.Equal(want)
		}
		if !found {
			t.Errorf("certificate %s is missing", want.Subject.CommonName)
		}
	}
	path, err := p.Store(t).ValidatePath(context.Background(), chain[0], trust.Request{At: p.Clock.Now(), Evidence: evidence})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		got := trust.CheckRevocation(trust.RevocationRequest{
			Certificate: path.Certificates[n], Issuer: path.Issuer(n), At: p.Clock.Now(), Evidence: evidence,
		})
		if got.Status != trust.RevocationGood {
			t.Errorf("certificate %d: %v", n, got)
		}
	}
}

func TestARespondersAnswerIsNotTakenWhenItIsRevokedItself(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	chain := p.Issue(t, "A", trusttest.ECKey(t).Public())
	p.ListResponder(t)
	evidence, err := p.Collector().Collect(t.Context(), chain)
	if err != nil || len(evidence.OCSPs) == 0 {
		t.Fatalf("a good responder: %d responses, %v", len(evidence.OCSPs), err)
	}
	p.Revoke(p.Responder, p.Clock.Now().Add(-time.Hour), 1)
	evidence, err = p.Collector().Collect(t.Context(), chain[:1])
	if err != nil || len(evidence.CRLs) == 0 {
		t.Errorf("a revoked responder: %d lists, %v", len(evidence.CRLs), err)
	}
}

func TestCollectLivesWithOneSourceAndNamesTheFailingOne(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	chain := p.Issue(t, "A", trusttest.ECKey(t).Public())
	p.Down(trusttest.OCSP, true)
	evidence, err := p.Collector().Collect(context.Background(), chain)
	if err != nil || len(evidence.CRLs) != 2 {
		t.Fatalf("CRLs alone: %d, %v", len(evidence.CRLs), err)
	}
	p.Down(trusttest.CRL, true)
	_, err = p.Collector().Collect(context.Background(), chain)
	var failure *trust.FetchError
	if !errors.As(err, &failure) {
		t.Fatalf("both down: %v", err)
	}
	if failure.Serial != trust.SerialText(chain[0]) || failure.URL != p.URL+trusttest.OCSP {
		t.Errorf("the error names %s at %s", failure.Serial, failure.URL)
	}
	p.Down(trusttest.OCSP, false)
	evidence, err = p.Collector().Collect(context.Background(), chain)
	if err != nil || len(evidence.OCSPs) != 2 {
		t.Fatalf("OCSP alone: %d, %v", len(evidence.OCSPs), err)
	}
}

func TestCollectTellsARevokedCertificateWithItsEvidence(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	chain := p.Issue(t, "A", trusttest.ECKey(t).Public())
	p.Revoke(chain[0], p.Clock.Now().Add(-time.Minute), 1)
	evidence, err := p.Collector().Collect(context.Background(), chain)
	var revoked *trust.RevokedError
	if !errors.As(err, &revoked) || !revoked.Certificate.Equal(chain[0]) || revoked.Reason != 1 {
		t.Fatalf("got %v", err)
	}
	if len(evidence.OCSPs) == 0 {
		t.Error("the evidence of the revocation is missing")
	}
}

func TestCollectRefusesWhatDoesNotVerify(t *testing.T) {
	p, liar := trusttest.New(t, time.Time{}), trusttest.New(t, time.Time{})
	chain := p.Issue(t, "A", trusttest.ECKey(t).Public(), func(c *x509.Certificate) {
		// The addresses lead to somebody else's authority.
		c.OCSPServer = []string{liar.URL + trusttest.OCSP}
		c.CRLDistributionPoints = []string{liar.URL + trusttest.CRL + "issuer.crl"}
	})
	_, err := p.Collector().Collect(context.Background(), chain)
	var unusable *trust.UnusableError
	if !errors.As(err, &unusable) {
		t.Fatalf("got %v", err)
	}
}

func TestCollectKeepsItsLimits(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	mux := http.NewServeMux()
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) })
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not see the client leave
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	cases := []struct{ name, url string }{
		{"a redirection loop", server.URL + "/loop"},
		{"a redirection to a file", server.URL + "/file"},
		{"an endless answer", server.URL + "/big"},
		{"an answer that never comes", server.URL + "/slow"},
		{"a file address", "file:///etc/passwd"},
		{"an LDAP address", "ldap://127.0.0.1/x"},
		{"an address with a password", "http://a:b@127.0.0.1/"},
		{"an overlong address", "http://127.0.0.1/" + strings.Repeat("a", 4096)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			chain := p.Issue(t, "A", trusttest.ECKey(t).Public(), func(cert *x509.Certificate) {
				cert.OCSPServer, cert.CRLDistributionPoints = []string{c.url}, nil
			})
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			_, err := p.Collector().Collect(ctx, chain)
			if !errors.Is(err, trust.ErrFetch) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestACertificateThatNamesNothingCannotBeProven(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	chain := p.Issue(t, "A", trusttest.ECKey(t).Public(), func(cert *x509.Certificate) {
		cert.OCSPServer, cert.CRLDistributionPoints = nil, nil
	})
	_, err := p.Collector().Collect(context.Background(), chain)
	if !errors.Is(err, trust.ErrNoRevocation) {
		t.Errorf("got %v", err)
	}
}
