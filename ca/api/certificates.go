package api

import (
	"context"
	"encoding/pem"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/antin-gov/antin/ca"
)

type certificateFilter struct {
	Agency  string   `query:"agency"`
	Person  string   `query:"person"`
	Profile string   `query:"profile"`
	State   ca.State `query:"state"`
	Revoked string   `query:"revoked" enum:"true,false"`
	After   string   `query:"after" doc:"next of the page before"`
	Limit   int      `query:"limit" minimum:"0" maximum:"500"`
}

type certificatePage struct {
	Certificates []ca.Certificate `json:"certificates"`
	Next         string           `json:"next,omitempty"`
}

type serialInput struct {
	Serial string `path:"serial" maxLength:"64" pattern:"^[0-9A-Fa-f:]+$"`
}

func serial(text string) string { return strings.ToLower(strings.ReplaceAll(text, ":", "")) }

func (a *API) certificates(h huma.API) {
	s := a.deps.CA
	register(a, h, operation{"list-certificates", http.MethodGet, "/certificates", "List certificates, newest first", "certificates", ScopeRead, 0, 0},
		func(ctx context.Context, in *certificateFilter) (*body[certificatePage], error) {
			f := ca.Filter{AgencyID: in.Agency, PersonID: in.Person, Profile: in.Profile, State: in.State}
			if in.Revoked != "" {
				revoked := in.Revoked == "true"
				f.Revoked = &revoked
			}
			list, next, err := s.ListPage(ctx, f, in.After, in.Limit)
			return answer(certificatePage{Certificates: list, Next: next}, err)
		})
	register(a, h, operation{"get-certificate", http.MethodGet, "/certificates/{serial}", "A certificate with its chain", "certificates", ScopeRead, 0, 0},
		func(ctx context.Context, in *serialInput) (*body[certificateView], error) {
			c, err := s.Get(ctx, serial(in.Serial))
			if err != nil {
				return nil, err
			}
			return answer(a.certificateView(c))
		})
	register(a, h, operation{"revoke-certificate", http.MethodPost, "/certificates/{serial}/revoke", "Revoke a certificate", "certificates", ScopeRevoke, 0, 0},
		func(ctx context.Context, in *struct {
			Serial string `path:"serial" maxLength:"64" pattern:"^[0-9A-Fa-f:]+$"`
			Body   struct {
				Cause string `json:"cause" maxLength:"64" doc:"of the closed list of NĐ 68/2024"`
				Note  string `json:"note,omitempty" maxLength:"2000"`
			}
		}) (*body[*ca.Certificate], error) {
			return answer(s.Revoke(ctx, serial(in.Serial), ca.Cause(in.Body.Cause), in.Body.Note))
		})
	for _, act := range []struct {
		verb, summary string
		do            func(ctx context.Context, serial, note string) (*ca.Certificate, error)
	}{
		{"hold", "Put a certificate on hold, where its profile allows it", s.Hold},
		{"release", "Take a certificate off hold", s.Release},
	} {
		register(a, h, operation{act.verb + "-certificate", http.MethodPost, "/certificates/{serial}/" + act.verb, act.summary, "certificates", ScopeRevoke, 0, 0},
			func(ctx context.Context, in *struct {
				Serial string `path:"serial" maxLength:"64" pattern:"^[0-9A-Fa-f:]+$"`
				Body   noteBody
			}) (*body[*ca.Certificate], error) {
				return answer(act.do(ctx, serial(in.Serial), in.Body.Note))
			})
	}
}

func (a *API) certificateView(c *ca.Certificate) (certificateView, error) {
	v := certificateView{Certificate: c}
	if len(c.DER) == 0 {
		return v, nil
	}
	cert, err := c.X509()
	if err != nil {
		return v, err
	}
	chain, err := a.deps.CA.Chain(cert)
	if err != nil {
		return v, err
	}
	var text strings.Builder
	for _, link := range chain {
		err = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: link.Raw})
		if err != nil {
			return v, err
		}
	}
	v.PEM, v.Chain = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.DER})), text.String()
	return v, nil
}
