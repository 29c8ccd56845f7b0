package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/internal/store"
)

const (
	// maxIdentifiers is what a certificate of a profile may carry.
	maxIdentifiers = 32
	// maxCommonName is ub-common-name (RFC 5280 appendix A.1); the first
	// identifier that fits becomes the common name.
	maxCommonName = 64
	// orderLife is how long an order and its authorizations stand open.
	orderLife = 24 * time.Hour
	// ordersPage is how many orders one page of the list has.
	ordersPage = 50
)

// orderForm is the payload of RFC 8555 §7.4, with replaces of RFC 9773 §5 and
// profile of draft-ietf-acme-profiles §4.
type orderForm struct {
	Identifiers []Identifier `json:"identifiers"`
	NotBefore   string       `json:"notBefore"`
	NotAfter    string       `json:"notAfter"`
	Profile     string       `json:"profile"`
	Replaces    string       `json:"replaces"`
}

// newOrder answers RFC 8555 §7.4.
func (s *Server) newOrder(c *call) (*answer, error) {
	var form orderForm
	err := c.read(&form)
	if err != nil {
		return nil, err
	}
	if form.NotBefore != "" || form.NotAfter != "" {
		return nil, malformed("the times of a certificate are those of its profile; leave notBefore and notAfter out")
	}
	credential, err := s.standing(c.Context(), c.account)
	if err != nil {
		return nil, err
	}
	if form.Profile == "" {
		form.Profile = credential.Profiles[0]
	}
	if s.profiles[form.Profile] == nil || !slices.Contains(credential.Profiles, form.Profile) {
		return nil, problem(kindInvalidProfile, http.StatusBadRequest, "the account has no profile %q; it has %s", form.Profile, strings.Join(credential.Profiles, ", "))
	}
	identifiers, err := s.identifiers(form, credential)
	if err != nil {
		return nil, err
	}
	err = s.limit(c.Context(), c.account, identifiers)
	if err != nil {
		return nil, err
	}
	err = s.replaceable(c.Context(), c.account, form.Replaces, identifiers)
	if err != nil {
		return nil, err
	}
	order, authzs, err := s.place(c.Context(), c.account, form, identifiers, s.cfg.Validation.SkipChallenges && credential.Preauthorised)
	if err != nil {
		return nil, err
	}
	return s.orderView(order, authzs, http.StatusCreated)
}

// standing gives the credential of an account, if it and its agency still
// stand. Expiry and use of a credential end new bindings, not the accounts.
func (s *Server) standing(ctx context.Context, a *accountRow) (*enrol.Credential, error) {
	credential, err := s.cfg.Desk.Find(ctx, enrol.KindACME, a.CredentialID)
	if err != nil {
		return nil, err
	}
	if credential.State == enrol.StateRevoked {
		return nil, unauthorized("the key that the account was bound by is revoked")
	}
	agency, err := s.cfg.Directory.Agency(ctx, a.AgencyID)
	if err != nil {
		return nil, err
	}
	if agency.ValidTo != nil && !s.cfg.Clock.Now().Before(*agency.ValidTo) {
		return nil, unauthorized("the agency of the account no longer exists")
	}
	return credential, nil
}

// hostName is a host name in lower case (RFC 1123 §2.1).
var hostName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)

const maxHostName = 253

// identifiers puts the names of an order in order, and refuses what the account
// may not have; all faults are told at once (RFC 8555 §6.7.1).
func (s *Server) identifiers(form orderForm, credential *enrol.Credential) ([]Identifier, error) {
	if len(form.Identifiers) == 0 || len(form.Identifiers) > maxIdentifiers {
		return nil, malformed("an order has 1 to %d identifiers", maxIdentifiers)
	}
	var list []Identifier
	var faults []Subproblem
	named := false
	for _, id := range form.Identifiers {
		clean, fault := normal(id)
		if fault == nil {
			var dns []string
			var ips []net.IP
			if clean.Type == identifierDNS {
				dns = []string{clean.Value}
			} else {
				ips = []net.IP{net.ParseIP(clean.Value)}
			}
			if credential.Allows(form.Profile, dns, ips) != nil {
				fault = problem(kindRejected, 0, "the name is not among those agreed for this account")
			}
		}
		if fault != nil {
			faults = append(faults, Subproblem{Type: fault.Type, Detail: fault.Detail, Identifier: id})
			continue
		}
		named = named || len(clean.Value) <= maxCommonName
		if !slices.Contains(list, clean) {
			list = append(list, clean)
		}
	}
	switch {
	case len(faults) == 1:
		p := problem(strings.TrimPrefix(faults[0].Type, urn), http.StatusBadRequest, "%s", faults[0].Detail)
		p.Identifier, p.Subproblems = &faults[0].Identifier, faults
		return nil, p
	case len(faults) > 1:
		p := problem(kindRejected, http.StatusBadRequest, "%d names are refused", len(faults))
		p.Subproblems = faults
		return nil, p
	case !named:
		return nil, problem(kindRejected, http.StatusBadRequest, "one name must have at most %d characters, for the common name", maxCommonName)
	}
	return list, nil
}

func normal(id Identifier) (Identifier, *Problem) {
	switch id.Type {
	case identifierDNS:
		value := strings.ToLower(id.Value)
		if strings.HasPrefix(value, "*.") {
			return id, problem(kindRejected, 0, "wildcard names are not certified")
		}
		_, err := netip.ParseAddr(value)
		if len(value) > maxHostName || !hostName.MatchString(value) || err == nil {
			return id, problem(kindMalformed, 0, "not a host name")
		}
		return Identifier{Type: identifierDNS, Value: value}, nil
	case identifierIP:
		a, err := netip.ParseAddr(id.Value)
		if err != nil || a.Zone() != "" {
			return id, problem(kindMalformed, 0, "not an address")
		}
		return Identifier{Type: identifierIP, Value: a.Unmap().String()}, nil
	default:
		return id, problem(kindUnsupIdentifier, 0, "identifiers are dns and ip")
	}
}

// limit keeps one account from taking the server for itself.
func (s *Server) limit(ctx context.Context, a *accountRow, identifiers []Identifier) error {
	now := s.cfg.Clock.Now().UTC()
	hour := now.Add(-time.Hour)
	recent, err := s.cfg.DB.NewSelect().Model((*orderRow)(nil)).Where("account_id = ?", a.ID).Where("created_at > ?", hour).Count(ctx)
	if err != nil {
		return fmt.Errorf("count orders: %w", err)
	}
	open, err := s.cfg.DB.NewSelect().Model((*orderRow)(nil)).Where("account_id = ?", a.ID).
		Where("state IN (?, ?)", statusPending, statusProcessing).Where("expires_at > ?", now).
		Where("NOT EXISTS (SELECT 1 FROM acme_authz AS z WHERE z.order_id = o.id AND z.state IN (?, ?))", statusInvalid, statusDeactivated).Count(ctx)
	if err != nil {
		return fmt.Errorf("count orders: %w", err)
	}
	if recent >= s.cfg.Limits.OrdersPerHour || open >= s.cfg.Limits.OpenOrders {
		return problem(kindRateLimited, http.StatusTooManyRequests, "%d orders in the last hour, of %d; %d stand open, of %d", recent, s.cfg.Limits.OrdersPerHour,
			open, s.cfg.Limits.OpenOrders).after(10 * time.Minute)
	}
	for _, id := range identifiers {
		failed, err := s.cfg.DB.NewSelect().Model((*authzRow)(nil)).Where("account_id = ?", a.ID).Where("value = ?", id.Value).
			Where("state = ?", statusInvalid).Where("changed_at > ?", hour).Count(ctx)
		if err != nil {
			return fmt.Errorf("count failures: %w", err)
		}
		if failed >= s.cfg.Limits.FailuresPerHour {
			p := problem(kindRateLimited, http.StatusTooManyRequests, "%d proofs of %s failed in the last hour", failed, id.Value).after(time.Hour)
			p.Identifier = &id
			return p
		}
	}
	return nil
}

// place writes an order with its authorizations and challenges.
func (s *Server) place(ctx context.Context, a *accountRow, form orderForm, identifiers []Identifier, agreed bool) (*orderRow, []authzRow, error) {
	now := s.cfg.Clock.Now().UTC()
	text, err := json.Marshal(identifiers)
	if err != nil {
		return nil, nil, fmt.Errorf("write identifiers: %w", err)
	}
	order := &orderRow{AccountID: a.ID, AgencyID: a.AgencyID, Profile: form.Profile, Identifiers: string(text), Replaces: form.Replaces,
		State: statusPending, CreatedAt: now, ExpiresAt: now.Add(orderLife)}
	order.ID, err = newID()
	if err != nil {
		return nil, nil, err
	}
	var authzs []authzRow
	var challenges []challengeRow
	for i, id := range identifiers {
		authz := authzRow{OrderID: order.ID, AccountID: a.ID, Position: int64(i), Kind: id.Type, Value: id.Value, State: statusPending,
			ChangedAt: now, ExpiresAt: order.ExpiresAt}
		if agreed {
			authz.State = statusValid
		}
		authz.ID, err = newID()
		if err != nil {
			return nil, nil, err
		}
		authzs = append(authzs, authz)
		for j, kind := range challengesOf(id.Type) {
			ch := challengeRow{AuthzID: authz.ID, Position: int64(j), Kind: kind, State: statusPending}
			ch.ID, err = newID()
			if err != nil {
				return nil, nil, err
			}
			ch.Token, err = newID()
			if err != nil {
				return nil, nil, err
			}
			challenges = append(challenges, ch)
		}
	}
	return order, authzs, s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var errs []error
		for _, model := range []any{order, &authzs, &challenges} {
			_, err := tx.NewInsert().Model(model).Exec(ctx)
			errs = append(errs, err)
			if err != nil {
				break
			}
		}
		return errors.Join(errs...)
	})
}

// orderView is the object of RFC 8555 §7.1.3.
func (s *Server) orderView(o *orderRow, authzs []authzRow, status int) (*answer, error) {
	identifiers, err := o.identifiers()
	if err != nil {
		return nil, err
	}
	state := o.status(authzs, s.cfg.Clock.Now())
	urls := []string{}
	for i := range authzs {
		urls = append(urls, s.url(pathAuthz, authzs[i].ID))
	}
	view := map[string]any{"status": state, "expires": o.ExpiresAt.Format(time.RFC3339), "identifiers": identifiers, "profile": o.Profile,
		"authorizations": urls, "finalize": s.url(pathOrder, o.ID, "/finalize")}
	if o.Replaces != "" {
		view["replaces"] = o.Replaces
	}
	if state == statusValid {
		view["certificate"] = s.url(pathCert, o.Serial)
	}
	if state == statusInvalid {
		view["error"] = unauthorized("a name was not proved in time, or its authorization was given up")
	}
	a := &answer{status: status, location: s.url(pathOrder, o.ID), body: view}
	if state == statusProcessing {
		a.retry = 3 * time.Second
	}
	return a, nil
}

// readOrder reads an order of the calling account, with its authorizations.
func (s *Server) readOrder(c *call, id string) (*orderRow, []authzRow, error) {
	var order orderRow
	err := s.cfg.DB.NewSelect().Model(&order).Where("id = ?", id).Scan(c.Context())
	if store.IsNotFound(err) {
		return nil, nil, missing("order")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read order: %w", err)
	}
	err = c.own(order.AccountID)
	if err != nil {
		return nil, nil, err
	}
	authzs, err := s.authzs(c.Context(), order.ID)
	return &order, authzs, err
}

func (s *Server) authzs(ctx context.Context, orderID string) ([]authzRow, error) {
	var list []authzRow
	err := s.cfg.DB.NewSelect().Model(&list).Where("order_id = ?", orderID).OrderExpr("position").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read authorizations: %w", err)
	}
	return list, nil
}

func (s *Server) order(c *call) (*answer, error) {
	err := c.onlyFetch()
	if err != nil {
		return nil, err
	}
	order, authzs, err := s.readOrder(c, c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return s.orderView(order, authzs, 0)
}

// orders lists an account's orders, newest first (RFC 8555 §7.1.2.1).
func (s *Server) orders(c *call) (*answer, error) {
	err := errors.Join(c.own(c.PathValue("id")), c.onlyFetch())
	if err != nil {
		return nil, err
	}
	q := s.cfg.DB.NewSelect().Model((*orderRow)(nil)).Column("id", "created_at").Where("account_id = ?", c.account.ID).
		OrderExpr("created_at DESC, id DESC").Limit(ordersPage + 1)
	cursor := c.URL.Query().Get("cursor")
	if cursor != "" {
		last, _, err := s.readOrder(c, cursor)
		if err != nil {
			return nil, err
		}
		q = q.Where("(created_at < ? OR created_at = ? AND id < ?)", last.CreatedAt, last.CreatedAt, last.ID)
	}
	var list []orderRow
	err = q.Scan(c.Context(), &list)
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	urls := []string{}
	a := &answer{}
	for i := range list {
		if i == ordersPage {
			a.links = append(a.links, "<"+s.url(pathAccount, c.account.ID, "/orders?cursor=", list[i-1].ID)+`>;rel="next"`)
			break
		}
		urls = append(urls, s.url(pathOrder, list[i].ID))
	}
	a.body = map[string]any{"orders": urls}
	return a, nil
}
