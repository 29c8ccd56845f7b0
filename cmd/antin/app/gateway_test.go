package app_test

import (
	"crypto/tls"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/policy/record"
)

// agreed are the fields of the demonstration's agreement of the tax office.
func agreed() []string {
	return []string{"address", "charter_capital", "code", "commune", "employees", "industry", "industry_code", "kind", "name", "registered_on", "status", "tax_debt"}
}

func (p *platform) testGateway(t *testing.T) {
	url := "https://" + p.addr.Gateway + "/data/enterprises?purpose=tax-administration&limit=5"
	permitted, err := p.sys.Certify(t.Context(), app.ClientPermitted)
	if err != nil {
		t.Fatal(err)
	}
	status, body, header := fetch(t, p.client(t, permitted), url)
	var page struct{ Items []map[string]any }
	err = json.Unmarshal(body, &page)
	if err != nil || status != http.StatusOK || len(page.Items) != 5 {
		t.Fatalf("permitted: %d %v %.300s", status, err, body)
	}
	access := p.access(t, header, "policy.release")
	for _, item := range page.Items {
		fields := slices.Sorted(maps.Keys(item))
		if !slices.Equal(fields, agreed()) {
			t.Errorf("fields %v left, %v are agreed", fields, agreed())
		}
	}
	if !slices.Equal(slices.Sorted(slices.Values(access.Given)), agreed()) || access.Records != 5 {
		t.Errorf("the access log holds %+v", access)
	}

	refused, err := p.sys.Certify(t.Context(), app.ClientRefused)
	if err != nil {
		t.Fatal(err)
	}
	status, body, header = fetch(t, p.client(t, refused), url)
	var problem struct {
		Detail     string
		LegalBasis []json.RawMessage `json:"legal_basis"`
	}
	err = json.Unmarshal(body, &problem)
	if err != nil || status != http.StatusForbidden || problem.Detail == "" || len(problem.LegalBasis) == 0 {
		t.Errorf("refused: %d %v %.300s", status, err, body)
	}
	denied := p.access(t, header, "policy.refuse")
	if len(denied.Given) != 0 || len(denied.Codes) == 0 {
		t.Errorf("refused, and yet %+v", denied)
	}
	p.withoutCertificate(t, url)
}

// access finds what the gateway kept of a request, and its ledger entry.
func (p *platform) access(t *testing.T, header http.Header, kind string) *record.Access {
	t.Helper()
	id := header.Get("Antin-Decision-Id")
	a := &record.Access{}
	err := p.sys.DB.NewSelect().Model(a).Where("id = ?", id).Scan(t.Context())
	if err != nil {
		t.Fatalf("access %q: %v", id, err)
	}
	entry, err := p.sys.Ledger.Entry(t.Context(), a.LedgerIndex)
	if err != nil || entry.Object != id || entry.Kind != kind || entry.Agency != a.AgencyID {
		t.Errorf("ledger entry %d of %s: %+v, %v", a.LedgerIndex, id, entry, err)
	}
	return a
}

func (p *platform) withoutCertificate(t *testing.T, url string) {
	t.Helper()
	_, err := p.client(t).Get(url)
	if err == nil || !strings.Contains(err.Error(), "bad certificate") {
		t.Errorf("without a certificate: %v", err)
	}
	size, err := p.sys.Ledger.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	recorded := false
	for i := range size {
		entry, err := p.sys.Ledger.Entry(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		recorded = recorded || entry.Kind == "policy.session.refuse"
	}
	if !recorded {
		t.Error("the refused connection is not in the ledger")
	}
	// A person's certificate is of our authority, but of no machine's.
	official, err := p.sys.Register.Get(t.Context(), "demo-official")
	if err != nil {
		t.Fatal(err)
	}
	chain, err := official.Certificates()
	if err != nil {
		t.Fatal(err)
	}
	key, err := p.sys.Keys.Signer(t.Context(), "demo-official")
	if err != nil {
		t.Fatal(err)
	}
	pair := tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, cert := range chain {
		pair.Certificate = append(pair.Certificate, cert.Raw)
	}
	client := p.client(t)
	config := client.Transport.(*http.Transport).TLSClientConfig
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	_, err = client.Get(url)
	if err == nil || !strings.Contains(err.Error(), "remote error: tls") {
		t.Errorf("with an official's certificate: %v", err)
	}
}
