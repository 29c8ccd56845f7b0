package acme

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"strings"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

const (
	maxContacts = 5
	maxContact  = 254
)

// newAccountForm is the payload of RFC 8555 §7.3.
type newAccountForm struct {
	Contact            []string        `json:"contact"`
	OnlyReturnExisting bool            `json:"onlyReturnExisting"`
	ExternalAccount    json.RawMessage `json:"externalAccountBinding"`
}

// accountView is the object of RFC 8555 §7.1.2.
func (s *Server) accountView(a *accountRow, status int) (*answer, error) {
	var contact []string
	err := json.Unmarshal([]byte(a.Contact), &contact)
	if err != nil {
		return nil, fmt.Errorf("contact of account %s: %w", a.ID, err)
	}
	return &answer{status: status, location: s.url(pathAccount, a.ID), body: map[string]any{
		"status": a.Status, "contact": contact, "orders": s.url(pathAccount, a.ID, "/orders")}}, nil
}

func (s *Server) findAccount(ctx context.Context, column, value string) (*accountRow, error) {
	var row accountRow
	err := s.cfg.DB.NewSelect().Model(&row).Where("? = ?", bun.Ident(column), value).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read account: %w", err)
	}
	return &row, nil
}

func (s *Server) newAccount(c *call) (*answer, error) {
	var form newAccountForm
	err := c.read(&form)
	if err != nil {
		return nil, err
	}
	print, err := thumbprint(c.key)
	if err != nil {
		return nil, err
	}
	known, err := s.findAccount(c.Context(), "thumbprint", print)
	if err != nil {
		return nil, err
	}
	switch {
	case known != nil && known.Status != statusValid:
		return nil, unauthorized("the account of this key is %s", known.Status)
	case known != nil:
		return s.accountView(known, http.StatusOK)
	case form.OnlyReturnExisting:
		return nil, problem(kindAccountMissing, http.StatusBadRequest, "no account has this key")
	}
	contact, err := contacts(form.Contact)
	if err != nil {
		return nil, err
	}
	credential, err := s.bound(c, form.ExternalAccount)
	if err != nil {
		return nil, err
	}
	jwk, err := c.key.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	row := &accountRow{AgencyID: credential.AgencyID, CredentialID: credential.ID, Thumbprint: print, JWK: string(jwk), Status: statusValid,
		Contact: contact, CreatedAt: s.cfg.Clock.Now().UTC()}
	row.ID, err = newID()
	if err != nil {
		return nil, err
	}
	err = s.recordAccount(c.Context(), row)
	if err != nil {
		return nil, err
	}
	return s.accountView(row, http.StatusCreated)
}

func (s *Server) recordAccount(ctx context.Context, row *accountRow) error {
	var err error
	row.CreateIndex, err = s.append(ctx, "ca.acme.account.create", row, "", map[string]string{"credential": row.CredentialID, "key": row.Thumbprint})
	if err != nil {
		return err
	}
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		err := s.cfg.Desk.Use(ctx, tx, row.CredentialID)
		if err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(row).Exec(ctx)
		if err != nil {
			return fmt.Errorf("record account: %w", err)
		}
		return nil
	})
}

// append writes an act of an account to the ledger.
func (s *Server) append(ctx context.Context, kind string, a *accountRow, digest string, detail map[string]string) (int64, error) {
	receipt, err := s.cfg.Ledger.Append(ctx, ledger.Entry{Time: s.cfg.Clock.Now().UTC(), Kind: kind, Actor: actorName, Agency: a.AgencyID,
		Object: a.ID, Digest: digest, Detail: detail})
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", enrol.ErrLedger, kind, err)
	}
	return int64(receipt.Index), nil
}

// contacts checks the addresses of RFC 8555 §7.3 and gives them as JSON.
func contacts(list []string) (string, error) {
	if len(list) > maxContacts {
		return "", problem(kindInvalidContact, http.StatusBadRequest, "at most %d contacts", maxContacts)
	}
	for _, text := range list {
		address, ok := strings.CutPrefix(text, "mailto:")
		if !ok {
			return "", problem(kindUnsupContact, http.StatusBadRequest, "contacts are mailto: addresses")
		}
		parsed, err := mail.ParseAddress(address)
		if err != nil || parsed.Address != address || len(address) > maxContact || strings.ContainsAny(address, ",?") {
			return "", problem(kindInvalidContact, http.StatusBadRequest, "a contact is not one e-mail address")
		}
	}
	if list == nil {
		list = []string{}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("write contacts: %w", err)
	}
	return string(text), nil
}

// own refuses the resources of another account.
func (c *call) own(accountID string) error {
	if c.account.ID != accountID {
		return unauthorized("this belongs to another account")
	}
	return nil
}

// account is read, updated or deactivated: RFC 8555 §7.3.2 and §7.3.6.
func (s *Server) account(c *call) (*answer, error) {
	err := c.own(c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if c.fetch() {
		return s.accountView(c.account, 0)
	}
	var form struct {
		Status  string    `json:"status"`
		Contact *[]string `json:"contact"`
	}
	err = c.read(&form)
	if err != nil {
		return nil, err
	}
	q := s.cfg.DB.NewUpdate().Model((*accountRow)(nil)).Where("id = ?", c.account.ID).Where("status = ?", statusValid)
	switch {
	case form.Status == statusDeactivated:
		_, err = s.append(c.Context(), "ca.acme.account.deactivate", c.account, "", nil)
		if err != nil {
			return nil, err
		}
		c.account.Status = statusDeactivated
		q = q.Set("status = ?", statusDeactivated)
	case form.Status != "" && form.Status != statusValid:
		return nil, malformed("an account can be deactivated, nothing else")
	case form.Contact != nil:
		c.account.Contact, err = contacts(*form.Contact)
		if err != nil {
			return nil, err
		}
		q = q.Set("contact = ?", c.account.Contact)
	default:
		return s.accountView(c.account, 0)
	}
	_, err = q.Exec(c.Context())
	if err != nil {
		return nil, fmt.Errorf("record account %s: %w", c.account.ID, err)
	}
	return s.accountView(c.account, 0)
}
