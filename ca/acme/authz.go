package acme

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

// Kinds of challenge.
const (
	challengeHTTP = "http-01"     // RFC 8555 §8.3
	challengeDNS  = "dns-01"      // RFC 8555 §8.4
	challengeALPN = "tls-alpn-01" // RFC 8737
)

// challengesOf gives the challenges for a kind of identifier; dns-01 proves no
// address (RFC 8738 §7).
func challengesOf(kind string) []string {
	if kind == identifierIP {
		return []string{challengeHTTP, challengeALPN}
	}
	return []string{challengeHTTP, challengeDNS, challengeALPN}
}

// pollAfter is when a client may look again.
const pollAfter = time.Second

// readAuthz reads an authorization of the calling account.
func (s *Server) readAuthz(c *call, id string) (*authzRow, error) {
	var row authzRow
	err := s.cfg.DB.NewSelect().Model(&row).Where("id = ?", id).Scan(c.Context())
	if store.IsNotFound(err) {
		return nil, missing("authorization")
	}
	if err != nil {
		return nil, fmt.Errorf("read authorization: %w", err)
	}
	return &row, c.own(row.AccountID)
}

// authorization is read, or given up (RFC 8555 §7.5 and §7.5.2).
func (s *Server) authorization(c *call) (*answer, error) {
	row, err := s.readAuthz(c, c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if !c.fetch() {
		err = s.giveUp(c, row)
		if err != nil {
			return nil, err
		}
	}
	var challenges []challengeRow
	err = s.cfg.DB.NewSelect().Model(&challenges).Where("authz_id = ?", row.ID).OrderExpr("position").Scan(c.Context())
	if err != nil {
		return nil, fmt.Errorf("read challenges: %w", err)
	}
	a := &answer{}
	var views []any
	state := row.status(s.cfg.Clock.Now())
	for i := range challenges {
		ch := &challenges[i]
		// RFC 8555 §7.1.4: of a decided authorization, the challenge that
		// decided it.
		if state != statusPending && ch.State == statusPending {
			continue
		}
		view, err := s.challengeView(ch)
		if err != nil {
			return nil, err
		}
		views = append(views, view)
		if ch.State == statusProcessing {
			a.retry = pollAfter
		}
	}
	if views == nil {
		views = []any{}
	}
	a.body = map[string]any{"status": state, "expires": row.ExpiresAt.Format(time.RFC3339), "identifier": row.identifier(), "challenges": views}
	return a, nil
}

func (s *Server) giveUp(c *call, row *authzRow) error {
	var form struct {
		Status string `json:"status"`
	}
	err := c.read(&form)
	if err != nil {
		return err
	}
	state := row.status(s.cfg.Clock.Now())
	if form.Status != statusDeactivated || state != statusPending && state != statusValid {
		return malformed("an authorization that is pending or valid can be deactivated, nothing else")
	}
	_, err = s.cfg.DB.NewUpdate().Model((*authzRow)(nil)).Set("state = ?", statusDeactivated).Set("changed_at = ?", s.cfg.Clock.Now().UTC()).
		Where("id = ?", row.ID).Where("state IN (?, ?)", statusPending, statusValid).Exec(c.Context())
	if err != nil {
		return fmt.Errorf("record authorization: %w", err)
	}
	row.State = statusDeactivated
	return nil
}

// challengeView is the object of RFC 8555 §8.
func (s *Server) challengeView(ch *challengeRow) (map[string]any, error) {
	view := map[string]any{"type": ch.Kind, "url": s.url(pathChallenge, ch.ID), "status": ch.State, "token": ch.Token}
	if ch.ValidatedAt != nil {
		view["validated"] = ch.ValidatedAt.UTC().Format(time.RFC3339)
	}
	if ch.Fault != "" {
		var p Problem
		err := json.Unmarshal([]byte(ch.Fault), &p)
		if err != nil {
			return nil, fmt.Errorf("fault of challenge %s: %w", ch.ID, err)
		}
		view["error"] = p
	}
	return view, nil
}

// challenge is read, or taken up (RFC 8555 §7.5.1).
func (s *Server) challenge(c *call) (*answer, error) {
	var ch challengeRow
	err := s.cfg.DB.NewSelect().Model(&ch).Where("id = ?", c.PathValue("id")).Scan(c.Context())
	if store.IsNotFound(err) {
		return nil, missing("challenge")
	}
	if err != nil {
		return nil, fmt.Errorf("read challenge: %w", err)
	}
	authz, err := s.readAuthz(c, ch.AuthzID)
	if err != nil {
		return nil, err
	}
	if !c.fetch() {
		var form struct{}
		err = c.read(&form)
		if err != nil {
			return nil, err
		}
		if ch.State == statusPending {
			if authz.status(s.cfg.Clock.Now()) != statusPending {
				return nil, malformed("the authorization is %s", authz.status(s.cfg.Clock.Now()))
			}
			err = s.takeUp(c.Context(), &ch)
			if err != nil {
				return nil, err
			}
		}
	}
	view, err := s.challengeView(&ch)
	if err != nil {
		return nil, err
	}
	a := &answer{body: view, links: []string{"<" + s.url(pathAuthz, authz.ID) + `>;rel="up"`}, location: s.url(pathChallenge, ch.ID)}
	if ch.State == statusProcessing {
		a.retry = pollAfter
	}
	return a, nil
}

// takeUp hands a challenge to the workers, of this replica or another.
func (s *Server) takeUp(ctx context.Context, ch *challengeRow) error {
	_, err := s.cfg.DB.NewUpdate().Model((*challengeRow)(nil)).Set("state = ?", statusProcessing).
		Where("id = ?", ch.ID).Where("state = ?", statusPending).Exec(ctx)
	if err != nil {
		return fmt.Errorf("record challenge: %w", err)
	}
	ch.State = statusProcessing
	select {
	case s.work <- ch.ID:
	default: // the sweep finds it
	}
	return nil
}

// decide records what came of a challenge, and with it of its authorization.
func (s *Server) decide(ctx context.Context, ch *challengeRow, fault *Problem) error {
	now := s.cfg.Clock.Now().UTC()
	state, text := statusValid, ""
	if fault != nil {
		b, err := json.Marshal(fault)
		if err != nil {
			return fmt.Errorf("write fault: %w", err)
		}
		state, text = statusInvalid, string(b)
	}
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		q := tx.NewUpdate().Model((*challengeRow)(nil)).Set("state = ?", state).Set("fault = ?", text).
			Where("id = ?", ch.ID).Where("state = ?", statusProcessing)
		if fault == nil {
			q = q.Set("validated_at = ?", now)
		}
		result, err := q.Exec(ctx)
		if err != nil {
			return fmt.Errorf("record challenge: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil || n != 1 {
			return err // another replica decided
		}
		_, err = tx.NewUpdate().Model((*authzRow)(nil)).Set("state = ?", state).Set("changed_at = ?", now).
			Where("id = ?", ch.AuthzID).Where("state = ?", statusPending).Exec(ctx)
		if err != nil {
			return fmt.Errorf("record authorization: %w", err)
		}
		return nil
	})
}
