package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"

	"github.com/danielgtaylor/huma/v2"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/ra"
)

// formBody is a request as a caller files it.
type formBody struct {
	Kind     ra.Kind  `json:"kind,omitempty" enum:"new,renew,change,rekey,revoke,recover" doc:"new when left out"`
	Profile  string   `json:"profile,omitempty" maxLength:"64" doc:"may be left out where a certificate is named"`
	Serial   string   `json:"serial,omitempty" maxLength:"64" doc:"the certificate that the request is about"`
	Person   string   `json:"person,omitempty" maxLength:"128"`
	Agency   string   `json:"agency,omitempty" maxLength:"128"`
	Machine  string   `json:"machine,omitempty" maxLength:"128"`
	DNSNames []string `json:"dns_names,omitempty" maxItems:"32"`
	IPs      []string `json:"ips,omitempty" maxItems:"32"`
	Key      string   `json:"key,omitempty" maxLength:"128" doc:"label of a key in the token"`
	MakeKey  string   `json:"make_key,omitempty" maxLength:"16" doc:"algorithm of a key to be made in the token"`
	CSR      string   `json:"csr,omitempty" maxLength:"65536" doc:"PKCS#10 as PEM"`
	Cause    string   `json:"cause,omitempty" maxLength:"64"`
	Device   string   `json:"device,omitempty" maxLength:"64"`
	Note     string   `json:"note,omitempty" maxLength:"2000"`
}

func (f formBody) form() (ra.Form, error) {
	form := ra.Form{Kind: f.Kind, Profile: f.Profile, Serial: f.Serial, PersonID: f.Person, AgencyID: f.Agency, Machine: f.Machine, DNSNames: f.DNSNames,
		KeyLabel: f.Key, MakeKey: f.MakeKey, Cause: f.Cause, Device: f.Device, Note: f.Note}
	if f.CSR != "" {
		form.CSR = []byte(f.CSR)
	}
	for _, text := range f.IPs {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return form, fmt.Errorf("%w: ips: %.80q is not an address", ra.ErrForm, text)
		}
		form.IPs = append(form.IPs, net.IP(addr.AsSlice()))
	}
	return form, nil
}

type noteBody struct {
	Note string `json:"note,omitempty" maxLength:"2000"`
}

type idInput struct {
	ID string `path:"id" maxLength:"64"`
}

type actInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body noteBody
}

type requestFilter struct {
	State   []ra.State `query:"state" doc:"requested, confirmed, approved, issuing, returned, issued, done, rejected, withdrawn"`
	Kind    ra.Kind    `query:"kind"`
	Profile string     `query:"profile"`
	Agency  string     `query:"agency"`
	Manager string     `query:"manager" doc:"managed by this agency"`
	Person  string     `query:"person"`
	Job     string     `query:"job"`
	Open    bool       `query:"open" doc:"only where somebody has still to act"`
	Overdue bool       `query:"overdue" doc:"only those whose term is over"`
	After   string     `query:"after" doc:"next of the page before"`
	Limit   int        `query:"limit" minimum:"0" maximum:"500"`
}

// requestView is a request with what was done to it.
type requestView struct {
	Request   *ra.Request   `json:"request"`
	History   []ra.Event    `json:"history"`
	Documents []ra.Document `json:"documents"`
}

func (a *API) requests(h huma.API) {
	desk := a.deps.CA.Desk()
	register(a, h, operation{"list-requests", http.MethodGet, "/requests", "List requests, newest first", "requests", ScopeRead, 0, 0},
		func(ctx context.Context, in *requestFilter) (*body[*ra.Page], error) {
			return answer(desk.List(ctx, ra.Filter{States: in.State, Kind: in.Kind, Profile: in.Profile, AgencyID: in.Agency, ManagerID: in.Manager,
				PersonID: in.Person, JobID: in.Job, Open: in.Open, Overdue: in.Overdue, After: in.After, Limit: in.Limit}))
		})
	register(a, h, operation{"create-request", http.MethodPost, "/requests", "File a request", "requests", ScopeRequest, http.StatusCreated, 0},
		func(ctx context.Context, in *struct{ Body formBody }) (*body[*ra.Request], error) {
			form, err := in.Body.form()
			if err != nil {
				return nil, err
			}
			return answer(a.deps.CA.Request(ctx, form))
		})
	register(a, h, operation{"get-request", http.MethodGet, "/requests/{id}", "A request with its history and documents", "requests", ScopeRead, 0, 0},
		func(ctx context.Context, in *idInput) (*body[requestView], error) { return a.view(ctx, in.ID) })
	register(a, h, operation{"resubmit-request", http.MethodPost, "/requests/{id}/resubmit", "File a returned request again", "requests", ScopeRequest, 0, 0},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" maxLength:"64"`
			Body formBody
		}) (*body[*ra.Request], error) {
			form, err := in.Body.form()
			if err != nil {
				return nil, err
			}
			return answer(desk.Resubmit(ctx, in.ID, form))
		})
	for _, act := range []struct {
		verb, summary, scope string
		do                   func(ctx context.Context, id, note string) (*ra.Request, error)
	}{
		{"confirm", "Confirm a request as the managing agency", ScopeDecide, desk.Confirm},
		{"approve", "Approve a request", ScopeDecide, desk.Approve},
		{"reject", "Reject a request; the note says why", ScopeDecide, desk.Reject},
		{"return", "Send a request back for correction; the note says what", ScopeDecide, desk.Return},
		{"withdraw", "Take a request back", ScopeRequest, desk.Withdraw},
	} {
		register(a, h, operation{act.verb + "-request", http.MethodPost, "/requests/{id}/" + act.verb, act.summary, "requests", act.scope, 0, 0},
			func(ctx context.Context, in *actInput) (*body[*ra.Request], error) {
				return answer(act.do(ctx, in.ID, in.Body.Note))
			})
	}
	register(a, h, operation{"issue-request", http.MethodPost, "/requests/{id}/issue", "Carry out an approved request", "requests", ScopeIssue, 0, 0},
		func(ctx context.Context, in *idInput) (*body[certificateView], error) {
			c, err := a.deps.Issue(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return answer(a.certificateView(c))
		})
	register(a, h, operation{"hand-over-request", http.MethodPost, "/requests/{id}/hand-over", "Record that certificate or device was handed over", "requests", ScopeIssue, 0, 0},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" maxLength:"64"`
			Body struct {
				To     string `json:"to,omitempty" maxLength:"128" doc:"a person; the holder when left out"`
				Device string `json:"device,omitempty" maxLength:"64"`
			}
		}) (*body[*ra.Request], error) {
			return answer(desk.HandOver(ctx, in.ID, in.Body.To, in.Body.Device))
		})
	a.documents(h, desk)
}

func (a *API) view(ctx context.Context, id string) (*body[requestView], error) {
	desk := a.deps.CA.Desk()
	r, err := desk.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	v := requestView{Request: r}
	v.History, err = desk.History(ctx, id)
	if err != nil {
		return nil, err
	}
	v.Documents, err = desk.Documents(ctx, id)
	return answer(v, err)
}

// file is an answer with a file.
type file struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (a *API) documents(h huma.API, desk *ra.Desk) {
	register(a, h, operation{"attach-document", http.MethodPost, "/requests/{id}/documents", "Attach a document; the body is the file", "requests", ScopeRequest, http.StatusCreated, ra.MaxDocument + 1},
		func(ctx context.Context, in *struct {
			ID      string `path:"id" maxLength:"64"`
			Name    string `query:"name" required:"true" maxLength:"200"`
			RawBody []byte `contentType:"application/octet-stream"`
		}) (*body[*ra.Document], error) {
			return answer(desk.Attach(ctx, in.ID, in.Name, in.RawBody))
		})
	register(a, h, operation{"get-document", http.MethodGet, "/requests/{id}/documents/{document}", "A document", "requests", ScopeRead, 0, 0},
		func(ctx context.Context, in *struct {
			ID       string `path:"id" maxLength:"64"`
			Document string `path:"document" maxLength:"64"`
		}) (*file, error) {
			doc, err := desk.Document(ctx, in.ID, in.Document)
			if err != nil {
				return nil, err
			}
			return &file{ContentType: doc.MIME, Disposition: ra.Disposition(doc), Body: doc.Content}, nil
		})
}

// certificateView is a certificate with its chain.
type certificateView struct {
	*ca.Certificate
	PEM   string `json:"pem,omitempty"`
	Chain string `json:"chain,omitempty" doc:"PEM, the certificate first, the root last"`
}
