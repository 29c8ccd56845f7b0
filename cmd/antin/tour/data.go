package tour

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/trust"
)

// maxAnswer limits what is read of the gateway's answer.
const maxAnswer = 8 << 20

// gateway asks for data as an agency with an agreement, as one without, and
// as nobody.
func (t *Tour) gateway(ctx context.Context) error {
	began := time.Now()
	status, body, id, err := t.ask(ctx, &app.ClientPermitted, "purpose=tax-administration&limit=3")
	if err != nil {
		return err
	}
	var page struct {
		Items []map[string]any `json:"items"`
	}
	err = json.Unmarshal(body, &page)
	if err != nil {
		return fmt.Errorf("the gateway's answer: %w", err)
	}
	err = must(status == http.StatusOK && len(page.Items) == 3, "the permitted agency got %d with %d records", status, len(page.Items))
	if err != nil {
		return err
	}
	fields := slices.Sorted(maps.Keys(page.Items[0]))
	for _, personal := range []string{"owner_id_number", "owner_name", "owner_phone"} {
		err = must(!slices.Contains(fields, personal), "the field %s left without an agreement", personal)
		if err != nil {
			return err
		}
	}
	t.note(began, "data, permitted", "200", "thue got %d agreed fields (%s) of 3 records, decision %s", len(fields), strings.Join(fields, " "), id)

	began = time.Now()
	status, body, id, err = t.ask(ctx, &app.ClientRefused, "purpose=tax-administration")
	if err != nil {
		return err
	}
	var problem struct {
		Detail     string `json:"detail"`
		LegalBasis any    `json:"legal_basis"`
	}
	err = json.Unmarshal(body, &problem)
	if err != nil {
		return fmt.Errorf("the gateway's refusal: %w", err)
	}
	err = must(status == http.StatusForbidden && problem.LegalBasis != nil, "the refused agency got %d: %s", status, body)
	if err != nil {
		return err
	}
	t.note(began, "data, refused", "403", "xa-tan-lap: %s; legal basis %v; decision %s", problem.Detail, problem.LegalBasis, id)

	began = time.Now()
	_, _, _, err = t.ask(ctx, nil, "purpose=tax-administration")
	var alert tls.AlertError
	err = must(errors.As(err, &alert) || err != nil && strings.Contains(err.Error(), "tls: "), "without a certificate: %v", err)
	if err != nil {
		return err
	}
	t.note(began, "data, no certificate", "no TLS session", "the gateway asks for a certificate of our service authority")
	return nil
}

func (t *Tour) ask(ctx context.Context, client *app.Machine, query string) (status int, body []byte, decision string, err error) {
	pem, err := os.ReadFile(t.s.AnchorsFile())
	if err != nil {
		return 0, nil, "", err
	}
	anchors, err := trust.ParsePEM(pem)
	if err != nil {
		return 0, nil, "", err
	}
	store, err := trust.NewStore(anchors, nil)
	if err != nil {
		return 0, nil, "", err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if client != nil {
		pair, err := t.s.Certify(ctx, *client)
		if err != nil {
			return 0, nil, "", err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	// The gateway's certificate must not be revoked: its authority is up.
	peers := &trust.Peers{Store: store, Clock: t.s.Clock, Revocation: trust.PeerRevocation{
		Evidence: func(ctx context.Context, path *trust.Path) (trust.Evidence, error) {
			return t.s.Collector().Collect(ctx, path.Certificates)
		},
	}}
	transport := &http.Transport{DialTLSContext: peers.DialTLS(config)}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+t.s.Config.Gateway.Listen+"/data/enterprises?"+query, nil)
	if err != nil {
		return 0, nil, "", err
	}
	answer, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return answer.StatusCode, body, answer.Header.Get("Antin-Decision-Id"), err
}

// ledger verifies the whole log off-line.
func (t *Tour) ledger(ctx context.Context) error {
	began := time.Now()
	// The newest entries are in the next signed checkpoint.
	err := t.settle(ctx)
	if err != nil {
		return err
	}
	report, err := ledger.Verify(ctx, t.s.Path(app.LedgerDir), ledger.VerifyOptions{})
	if err != nil {
		return err
	}
	err = must(report.OK(), "the ledger has %d problems", len(report.Problems))
	if err != nil {
		return err
	}
	t.note(began, "ledger", "verified", "%d entries, root %s", report.Entries, report.Root)
	return nil
}
