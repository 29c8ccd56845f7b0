// Package hsmpages shows the key room in the console: the tokens with their
// state, the keys, the ceremonies that were held, and the register of devices
// with its acts of two persons. It holds no keys and signs nothing.
package hsmpages

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/ceremony"
	"github.com/antin-gov/antin/hsm/device"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/web"
)

//go:embed all:templates locales
var room embed.FS

// Where the pages stand.
const (
	pathKeys       = "/keys"
	pathCeremonies = "/keys/ceremonies"
	pathDevices    = "/keys/devices"
)

// Key is a key of a token with what the register knows of it.
type Key struct {
	Label, Algorithm string
	// Holder is the name in its certificate, Until the day on which that ends.
	Holder, Until string
}

// Deps is what the pages show.
type Deps struct {
	// Tokens lists the tokens of the key worker for who may see them, Keys the
	// keys in them.
	Tokens func(ctx context.Context) ([]hsm.TokenInfo, error)
	Keys   func(ctx context.Context) ([]Key, error)
	// SetState drains, quarantines or activates a token, as an act that is recorded.
	SetState   func(ctx context.Context, token string, state hsm.TokenState) error
	Ceremonies func(ctx context.Context) ([]ceremony.Record, error)
	Devices    *device.Service
}

type pages struct {
	site  *web.Site
	deps  Deps
	pages *web.Pages
}

// Register adds the pages.
func Register(site *web.Site, d Deps) error {
	read, err := site.Pages(room)
	if err != nil {
		return fmt.Errorf("pages of the key room: %w", err)
	}
	p := &pages{site: site, deps: d, pages: read}
	staff := []string{auth.RoleCAOfficer, auth.RoleAuditor}
	site.Nav(
		web.NavItem{Group: "trust", Path: pathKeys, Key: "keys.nav", Roles: staff},
		web.NavItem{Group: "trust", Path: pathCeremonies, Key: "keys.nav.ceremonies", Roles: staff},
		web.NavItem{Group: "trust", Path: pathDevices, Key: "keys.nav.devices", Roles: append(staff, auth.RoleRegistrar)},
	)
	site.Handle("GET /keys", web.SignedIn, p.tokens)
	site.Handle("POST /keys/tokens/{token}/{state}", web.SignedIn, p.setState)
	site.Handle("GET /keys/ceremonies", web.SignedIn, p.ceremonies)
	site.Handle("GET /keys/devices", web.SignedIn, p.devices)
	site.Handle("POST /keys/devices", web.SignedIn, p.register)
	site.Handle("GET /keys/devices/{serial}", web.SignedIn, p.device)
	site.Handle("POST /keys/devices/{serial}/propose", web.SignedIn, p.propose)
	site.Handle("POST /keys/devices/{serial}/recovery", web.SignedIn, p.recovery)
	site.Handle("POST /keys/acts/{id}/{act}", web.SignedIn, p.decide)
	site.Handle("GET /keys/acts/{id}/minutes", web.SignedIn, p.minutes)
	return nil
}

func officer(who auth.Subject) bool { return who.Has(auth.RoleCAOfficer) || who.Has(auth.RoleAdmin) }

func (p *pages) tokens(w http.ResponseWriter, r *http.Request) { p.showTokens(w, r, "", 0) }

func (p *pages) showTokens(w http.ResponseWriter, r *http.Request, problem string, status int) {
	v := struct {
		Tokens  []hsm.TokenInfo
		Keys    []Key
		May     bool
		Problem string
	}{May: officer(auth.SubjectFrom(r.Context())), Problem: problem}
	var err error
	v.Tokens, err = p.deps.Tokens(r.Context())
	if errors.Is(err, hsm.ErrUnavailable) {
		v.Problem = "keys.problem.unavailable"
		p.pages.Render(w, r, "tokens", web.Page{Title: "keys.title", Status: http.StatusServiceUnavailable, View: v})
		return
	}
	if err == nil {
		v.Keys, err = p.deps.Keys(r.Context())
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	p.pages.Render(w, r, "tokens", web.Page{Title: "keys.title", Status: status, View: v})
}

func (p *pages) setState(w http.ResponseWriter, r *http.Request) {
	state := hsm.TokenState(r.PathValue("state"))
	if state != hsm.StateActive && state != hsm.StateDrained && state != hsm.StateQuarantined {
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	}
	err := p.deps.SetState(r.Context(), r.PathValue("token"), state)
	switch {
	case err == nil:
		http.Redirect(w, r, pathKeys, http.StatusSeeOther)
	case errors.Is(err, hsm.ErrNotFound), errors.Is(err, hsm.ErrTokenNotFound):
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
	case errors.Is(err, hsm.ErrUnavailable), errors.Is(err, hsm.ErrBadRequest):
		p.showTokens(w, r, "keys.problem.state", http.StatusConflict)
	default:
		p.site.Fail(w, r, err)
	}
}

func (p *pages) ceremonies(w http.ResponseWriter, r *http.Request) {
	list, err := p.deps.Ceremonies(r.Context())
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	p.pages.Render(w, r, "ceremonies", web.Page{Title: "keys.ceremonies", View: list})
}

// devicesView is the register of devices.
type devicesView struct {
	Devices []device.Device
	Due     []device.Due
	Waiting []waiting
	Kinds   []string
	May     bool
	Problem string
	Filled  url.Values
}

// waiting is an act that waits for its second person.
type waiting struct {
	device.Act
	Own bool
}

func (p *pages) devices(w http.ResponseWriter, r *http.Request) {
	p.showDevices(w, r, devicesView{Filled: url.Values{}}, 0)
}

func (p *pages) showDevices(w http.ResponseWriter, r *http.Request, v devicesView, status int) {
	who := auth.SubjectFrom(r.Context())
	v.Kinds, v.May = device.Kinds(), officer(who)
	var err error
	v.Devices, err = p.deps.Devices.List(r.Context(), device.Filter{})
	if err == nil {
		v.Due, err = p.deps.Devices.Due(r.Context(), false)
	}
	var acts []device.Act
	if err == nil {
		acts, err = p.deps.Devices.Waiting(r.Context())
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	for _, act := range acts {
		v.Waiting = append(v.Waiting, waiting{Act: act, Own: act.ProposedBy == who.AccountID})
	}
	p.pages.Render(w, r, "devices", web.Page{Title: "keys.devices", Status: status, View: v})
}

// problem is the text for a refusal that the person can act on.
func problem(err error) string {
	switch {
	case errors.Is(err, device.ErrExists):
		return "keys.problem.exists"
	case errors.Is(err, device.ErrInvalid):
		return "keys.problem.invalid"
	case errors.Is(err, device.ErrState):
		return "keys.problem.device-state"
	default:
		return ""
	}
}

func (p *pages) register(w http.ResponseWriter, r *http.Request) {
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	d, err := p.deps.Devices.Register(r.Context(), device.Entry{Serial: get("serial"), Kind: get("kind"), Maker: get("maker"), Model: get("model"), Note: get("note")})
	if err == nil {
		http.Redirect(w, r, pathDevices+"/"+url.PathEscape(d.Serial), http.StatusSeeOther)
		return
	}
	if problem(err) == "" {
		p.site.Fail(w, r, err)
		return
	}
	p.showDevices(w, r, devicesView{Problem: problem(err), Filled: r.PostForm}, http.StatusUnprocessableEntity)
}

func (p *pages) device(w http.ResponseWriter, r *http.Request) { p.showDevice(w, r, "", 0) }

func (p *pages) showDevice(w http.ResponseWriter, r *http.Request, problem string, status int) {
	d, acts, err := p.deps.Devices.Get(r.Context(), r.PathValue("serial"))
	if errors.Is(err, device.ErrNotFound) {
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	who := auth.SubjectFrom(r.Context())
	v := struct {
		Device  *device.Device
		Acts    []waiting
		Changes []device.Change
		Pending bool
		May     bool
		Problem string
	}{Device: d, Changes: device.Changes(), May: officer(who) || who.Has(auth.RoleRegistrar), Problem: problem}
	for _, act := range acts {
		v.Acts = append(v.Acts, waiting{Act: act, Own: act.ProposedBy == who.AccountID})
		v.Pending = v.Pending || act.State == device.ActPending
	}
	p.pages.Render(w, r, "device", web.Page{TitleText: d.Serial, Status: status, View: v})
}

// answer goes back to the device, or shows what was wrong above it.
func (p *pages) answer(w http.ResponseWriter, r *http.Request, serial string, err error) {
	switch {
	case err == nil:
		http.Redirect(w, r, pathDevices+"/"+url.PathEscape(serial), http.StatusSeeOther)
	case errors.Is(err, device.ErrNotFound):
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
	case problem(err) != "" && serial != "":
		r.SetPathValue("serial", serial)
		p.showDevice(w, r, problem(err), http.StatusConflict)
	default:
		p.site.Fail(w, r, err)
	}
}

func (p *pages) propose(w http.ResponseWriter, r *http.Request) {
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	serial := r.PathValue("serial")
	_, err := p.deps.Devices.Propose(r.Context(), device.Proposal{Serial: serial, Change: device.Change(get("change")), PersonID: get("person"), Certificate: get("certificate"), Note: get("note")})
	p.answer(w, r, serial, err)
}

func (p *pages) recovery(w http.ResponseWriter, r *http.Request) {
	serial := r.PathValue("serial")
	_, err := p.deps.Devices.AskRecovery(r.Context(), serial)
	p.answer(w, r, serial, err)
}

func (p *pages) decide(w http.ResponseWriter, r *http.Request) {
	act, err := p.deps.Devices.Act(r.Context(), r.PathValue("id"))
	if err != nil {
		p.answer(w, r, "", err)
		return
	}
	switch r.PathValue("act") {
	case "confirm":
		_, err = p.deps.Devices.Confirm(r.Context(), act.ID)
	case "refuse":
		_, err = p.deps.Devices.Refuse(r.Context(), act.ID)
	default:
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	}
	p.answer(w, r, act.Serial, err)
}

func (p *pages) minutes(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	pdf, err := p.deps.Devices.Minutes(r.Context(), id)
	if err != nil {
		p.answer(w, r, "", err)
		return
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", id+".pdf"))
	_, _ = w.Write(pdf) // the asker has gone
}
