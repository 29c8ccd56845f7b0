package acme

import (
	"fmt"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

// keyChange gives an account another key (RFC 8555 §7.3.5): the request is
// signed by the old key, and holds one signed by the new.
func (s *Server) keyChange(c *call) (*answer, error) {
	e, err := parse(c.payload, algorithms())
	if err != nil {
		return nil, err
	}
	next := e.header.JSONWebKey
	switch {
	case next == nil || e.header.KeyID != "":
		return nil, malformed("the inner JWS names the new key by jwk")
	case e.url != c.url:
		return nil, malformed("the inner JWS has another url")
	case e.header.Nonce != "":
		return nil, malformed("the inner JWS has no nonce")
	}
	err = checkKey(next, jose.SignatureAlgorithm(e.header.Algorithm))
	if err != nil {
		return nil, err
	}
	payload, err := e.jws.Verify(next)
	if err != nil {
		return nil, malformed("the inner signature is not that of the new key")
	}
	var form struct {
		Account string          `json:"account"`
		OldKey  jose.JSONWebKey `json:"oldKey"`
	}
	inner := call{Request: c.Request, payload: payload}
	err = inner.read(&form)
	if err != nil {
		return nil, err
	}
	if form.Account != s.url(pathAccount, c.account.ID) || form.OldKey.Key == nil {
		return nil, malformed("the inner JWS is for another account")
	}
	same, err := sameKey(&form.OldKey, c.key)
	if err != nil {
		return nil, err
	}
	if !same {
		return nil, malformed("oldKey is not the account's key")
	}
	return s.changeKey(c, next)
}

func (s *Server) changeKey(c *call, next *jose.JSONWebKey) (*answer, error) {
	print, err := thumbprint(next)
	if err != nil {
		return nil, err
	}
	taken, err := s.findAccount(c.Context(), "thumbprint", print)
	if err != nil {
		return nil, err
	}
	if taken != nil {
		p := problem(kindMalformed, http.StatusConflict, "the new key is that of an account")
		p.location = s.url(pathAccount, taken.ID)
		return nil, p
	}
	jwk, err := next.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	_, err = s.append(c.Context(), "ca.acme.account.change-key", c.account, "", map[string]string{"from": c.account.Thumbprint, "key": print})
	if err != nil {
		return nil, err
	}
	result, err := s.cfg.DB.NewUpdate().Model((*accountRow)(nil)).Set("thumbprint = ?", print).Set("jwk = ?", string(jwk)).
		Where("id = ?", c.account.ID).Where("thumbprint = ?", c.account.Thumbprint).Exec(c.Context())
	if err != nil {
		return nil, fmt.Errorf("record key of account %s: %w", c.account.ID, err)
	}
	n, err := result.RowsAffected()
	if err != nil || n != 1 {
		return nil, malformed("the account's key was changed meanwhile")
	}
	c.account.Thumbprint, c.account.JWK = print, string(jwk)
	return s.accountView(c.account, 0)
}
