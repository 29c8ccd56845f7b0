package acme

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/go-jose/go-jose/v4"

	"github.com/antin-gov/antin/ca/enrol"
)

// bound checks the external account binding of a new account (RFC 8555 §7.3.4)
// and gives its credential. Whoever cannot prove the shared key learns nothing
// of which credentials there are.
func (s *Server) bound(c *call, raw json.RawMessage) (*enrol.Credential, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, problem(kindExternalAccount, http.StatusForbidden,
			"accounts are bound by a key that an officer of the certification centre makes (antin ca acme eab create)")
	}
	e, err := parse(raw, macs())
	if err != nil {
		return nil, err
	}
	if e.header.KeyID == "" || e.header.JSONWebKey != nil || e.header.Nonce != "" {
		return nil, malformed("a binding has a kid, no jwk and no nonce")
	}
	if e.url != c.url {
		return nil, malformed("the binding's url is not that of the request")
	}
	refused := unauthorized("the binding is not by a key that is in force here")
	credential, err := s.cfg.Desk.Find(c.Context(), enrol.KindACME, e.header.KeyID)
	if errors.Is(err, enrol.ErrNotFound) {
		return nil, refused
	}
	if err != nil {
		return nil, err
	}
	key, err := s.cfg.Desk.Key(credential)
	if err != nil {
		return nil, err
	}
	payload, err := e.jws.Verify(key)
	if err != nil {
		return nil, refused
	}
	var inner jose.JSONWebKey
	err = inner.UnmarshalJSON(payload)
	if err != nil {
		return nil, malformed("the binding's payload is not a key")
	}
	same, err := sameKey(&inner, c.key)
	if err != nil {
		return nil, err
	}
	if !same {
		return nil, malformed("the binding is of another key than the request's")
	}
	if credential.State != enrol.StateActive {
		return nil, unauthorized("the key of the binding is %s", credential.State)
	}
	return credential, nil
}

func sameKey(a, b *jose.JSONWebKey) (bool, error) {
	one, err := thumbprint(a)
	if err != nil {
		return false, malformed("a key of this kind is not taken")
	}
	two, err := thumbprint(b)
	return one == two, err
}
