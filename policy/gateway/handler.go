package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/policy"
	"github.com/antin-gov/antin/policy/engine"
	"github.com/antin-gov/antin/policy/record"
)

// actor stands in the records for the gateway; who asked is the agency.
const actor = "system:gateway"

// codeCertificate is the reason of a request with a certificate that no
// longer stands.
const codeCertificate = "certificate"

// Handler answers data requests. It must stand behind TLSConfig: the agency is
// taken from the connection's client certificate and from nowhere else.
func (g *Gateway) Handler() http.Handler {
	shape := newForms()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case g.slots <- struct{}{}:
			defer func() { <-g.slots }()
		case <-r.Context().Done():
			return
		}
		if r.Method != http.MethodGet {
			wrongMethod().answer(w)
			return
		}
		request, err := shape.read(r)
		if err != nil {
			g.Logger.InfoContext(r.Context(), "malformed data request", slog.Any("error", err))
			malformed().answer(w)
			return
		}
		g.serve(w, r, request)
	})
}

// serve decides, asks the owner, records and answers, in this order.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, request *request) {
	ctx := r.Context()
	access, decision, err := g.decide(r, request)
	if err != nil {
		g.Logger.ErrorContext(ctx, "data request could not be decided", slog.Any("error", err))
		unavailable().answer(w)
		return
	}
	var answer Problem
	var body bytes.Buffer
	found := false
	if decision.Allow {
		found, answer = g.fetch(ctx, request, access, decision, &body)
	} else {
		answer = refused(access.ID, decision)
	}
	err = g.Sharing.Record(ctx, access)
	if err != nil {
		// Fail closed: what is not recorded is not given.
		g.Logger.ErrorContext(ctx, "access could not be recorded", slog.String("decision", access.ID), slog.Any("error", err))
		unavailable().answer(w)
		return
	}
	if !found {
		answer.answer(w)
		return
	}
	setHeaders(w.Header(), "application/json; charset=utf-8", access.ID)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	if access.AgreementID != "" {
		w.Header().Set("Antin-Agreement", access.AgreementID)
	}
	_, err = w.Write(body.Bytes())
	if err != nil {
		g.Logger.InfoContext(ctx, "the asker left before the answer", slog.String("decision", access.ID))
	}
}

// decide asks the policy on behalf of the agency of the client certificate.
func (g *Gateway) decide(r *http.Request, request *request) (*record.Access, *engine.Decision, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, nil, fmt.Errorf("%w: the connection has no client certificate", ErrNoAgency)
	}
	cert := r.TLS.PeerCertificates[0]
	agency, err := AgencyFrom(cert)
	if err != nil {
		return nil, nil, err
	}
	now := g.Clock.Now()
	request.query.Agency, request.query.At = agency, now
	id, err := policy.NewID()
	if err != nil {
		return nil, nil, err
	}
	decision, err := g.Sharing.Evaluate(r.Context(), request.query)
	if err != nil {
		return nil, nil, err
	}
	// Verified when the connection was made, and again: it may have lasted.
	_, err = g.Clients.Verify(r.Context(), r.TLS.PeerCertificates, trust.PurposeClient, "")
	if err == nil && g.CheckClient != nil {
		err = g.CheckClient(r.Context(), cert)
	}
	if err != nil {
		g.Logger.WarnContext(r.Context(), "client certificate no longer stands", slog.String("agency", agency), slog.Any("error", err))
		decision = certificateGone(decision.Revision)
	}
	access := policy.NewAccess(id, now, request.query, decision)
	sum := sha256.Sum256(cert.Raw)
	access.Actor, access.Certificate, access.Request = actor, hex.EncodeToString(sum[:]), request.content()
	return access, decision, nil
}

func certificateGone(revision string) *engine.Decision {
	return &engine.Decision{
		Reasons: []engine.Reason{{
			Code: codeCertificate,
			VI:   "Chứng thư số của dịch vụ đã hết hạn, bị thu hồi hoặc chưa kiểm tra được trạng thái. Đề nghị cấp chứng thư mới.",
			EN:   "The service's certificate has expired, is revoked or its status could not be checked. Request a new one.",
		}},
		LegalBasis: []string{"NĐ 194/2025/NĐ-CP Đ16", "NĐ 278/2025/NĐ-CP"}, Revision: revision,
	}
}

// fetch asks the owner's service and filters its answer into body. It sets
// what the record says of it; where there is nothing to send it returns the
// problem to answer with, which tells nothing of the owner's service.
func (g *Gateway) fetch(ctx context.Context, request *request, access *record.Access, decision *engine.Decision, body *bytes.Buffer) (bool, Problem) {
	status, records, err := g.ask(ctx, request, access.ID, decision, body)
	switch {
	case err != nil:
		g.Logger.ErrorContext(ctx, "the owner's service failed", slog.String("decision", access.ID), slog.String("dataset", access.DatasetID), slog.Any("error", err))
		access.Status, access.Given = record.StatusFailed, nil
		return false, upstreamFailed(access.ID)
	case status == http.StatusNotFound:
		// That there is no record is an answer too.
		access.Status, access.Given = record.StatusReleased, nil
		return false, missing(access.ID)
	}
	sum := sha256.Sum256(body.Bytes())
	access.Status, access.Records = record.StatusReleased, int64(records)
	access.DataSHA256, access.DataBytes = hex.EncodeToString(sum[:]), int64(body.Len())
	return true, Problem{}
}

// errUpstream means that the owner's service did not answer as it must.
var errUpstream = errors.New("gateway: owner's service")

func (g *Gateway) ask(ctx context.Context, request *request, id string, decision *engine.Decision, body *bytes.Buffer) (status, records int, err error) {
	upstream, known := g.upstreams[request.query.Dataset]
	if !known {
		return 0, 0, fmt.Errorf("%w: none is configured", errUpstream)
	}
	ctx, cancel := context.WithTimeout(ctx, upstreamTimeout)
	defer cancel()
	target := upstream.URL.JoinPath(request.segments...)
	target.RawQuery = request.params.Encode()
	// A request of our own: no header of the asker reaches the owner.
	question, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", errUpstream, withoutURL(err))
	}
	question.Header.Set("Accept", "application/json")
	question.Header.Set("User-Agent", "antin-gateway")
	question.Header.Set("Antin-Decision-Id", id)
	answer, err := upstream.Client.Do(question)
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", errUpstream, withoutURL(err))
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode == http.StatusNotFound && !request.list() {
		return answer.StatusCode, 0, nil
	}
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if answer.StatusCode != http.StatusOK || err != nil || kind != "application/json" {
		return 0, 0, fmt.Errorf("%w: status %d or content type", errUpstream, answer.StatusCode)
	}
	filter := &Filter{Fields: decision.Fields, List: request.list(), Items: upstream.Items, Counts: upstream.Counts}
	records, err = filter.Apply(body, answer.Body)
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", errUpstream, err)
	}
	return answer.StatusCode, records, nil
}

// withoutURL takes the address out of an error of the HTTP client: a query may
// hold personal data, which must not reach the log.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
