package incident

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/web"
)

// What one page shows of a long case; the rest is a click away.
const (
	// evidenceShown records stand on the page at first.
	evidenceShown = 100
	// rawShown limits a record on the page; a longer one is for download.
	rawShown = 16 << 10
	// dumpShown limits the packet's bytes on the page.
	dumpShown = 2 << 10
)

// caseView is the page of one case.
type caseView struct {
	Case      Case
	Severity  severityView
	Class     string
	Agency    string
	Assignee  string
	Closed    string // the closing reason in words
	Clocks    []clockView
	Next      *clockView // the duty that falls due first
	Running   []clockView
	Hosts     []string
	Alerts    []alertView
	Evidence  []evidenceView
	Records   int // how many records there are in all
	Broken    int // how many are no longer what the sensor sent
	Steps     []stepView
	Intact    bool
	ChainHash string
	Can       canView
	People    []choice
	Reasons   []choice
	Me        string
	Form      caseForm
	Done      string
	Problem   string
	Errors    map[string]string // field → locale key
}

// canView says which acts the policy and the state of the case allow.
type canView struct{ Acknowledge, Assign, Comment, Close, Fulfil bool }

// Any says whether there is an act to offer.
func (c canView) Any() bool { return c.Acknowledge || c.Assign || c.Comment || c.Close || c.Fulfil }

type alertView struct {
	Alert
	Severity severityView
	Class    string
	Source   string
}

type evidenceView struct {
	Evidence
	From, To string
	Alert    string
	JSON     string
	Long     bool
	Dump     string
}

type stepView struct {
	History
	Who, What, Text string
	Tone            string
	Ledger          *int64
}

func (p *casePages) show(w http.ResponseWriter, r *http.Request) {
	done := r.URL.Query().Get("done")
	switch done {
	case ActionAcknowledge, ActionAssign, ActionComment, ActionClose, ActionFulfil:
	default:
		done = ""
	}
	p.renderCase(w, r, caseView{Done: done}, 0)
}

// renderCase shows the case of the request; view brings what a form typed and
// what was wrong with it.
func (p *casePages) renderCase(w http.ResponseWriter, r *http.Request, view caseView, status int) {
	d, err := p.service.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	err = p.fill(r, &view, d)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	k := &d.Case
	p.pages.Render(w, r, "case", web.Page{
		Title: "incidents.case", TitleText: k.Number + " · " + k.Title, ExerciseID: k.ExerciseID, Status: status, View: view,
	})
}

func (p *casePages) fill(r *http.Request, view *caseView, d *Detail) error {
	say := p.words(r)
	k := &d.Case
	view.Case, view.Severity, view.Class, view.Hosts = *k, say.severity(k.Severity), say.class(k.Class), d.Hosts
	view.Me = auth.SubjectFrom(r.Context()).AccountID
	if k.CloseReason != "" {
		view.Closed = say.orCode("incidents.reason.", k.CloseReason)
	}
	var err error
	view.Agency, err = say.agency(k.AgencyID)
	if err != nil {
		return err
	}
	view.Assignee, err = say.account(k.Assignee)
	if err != nil {
		return err
	}
	view.Clocks, err = say.clocks(k, d.Clocks)
	if err != nil {
		return err
	}
	for i := range view.Clocks {
		if view.Clocks[i].Running {
			view.Running = append(view.Running, view.Clocks[i])
		}
	}
	if len(view.Running) > 0 {
		view.Next = &view.Running[0]
	}
	titles := make(map[string]string, len(d.Alerts))
	for _, a := range d.Alerts {
		titles[a.ID] = a.Title
		view.Alerts = append(view.Alerts, alertView{
			Alert: a, Severity: say.severity(a.Severity), Class: say.class(a.Class), Source: say.orCode("incidents.source.", a.Source),
		})
	}
	view.evidence(d, titles, r.URL.Query().Get("evidence") == "all")
	err = view.steps(say, d, titles)
	if err != nil {
		return err
	}
	return p.offer(r, say, view)
}

// offer fills what may be done, and the choices of the forms.
func (p *casePages) offer(r *http.Request, say *words, view *caseView) error {
	k := &view.Case
	may := func(action string) bool {
		return p.service.may(r.Context(), action, auth.Resource{Kind: resourceCase, ID: k.ID, AgencyID: k.AgencyID, AssignedTo: k.Assignee})
	}
	open := k.State != StateClosed
	view.Can = canView{
		Acknowledge: k.State == StateNew && may("incident.acknowledge"), Assign: open && may("incident.assign"),
		Comment: may("incident.comment"), Close: open && may("incident.close"), Fulfil: view.Next != nil && may("incident.report"),
	}
	if view.Can.Close {
		reasons := []string{ReasonResolved, ReasonFalsePositive, ReasonDuplicate}
		if k.Exercise() {
			reasons = append(reasons, ReasonExercise)
		}
		for _, reason := range reasons {
			view.Reasons = append(view.Reasons, choice{reason, say.t("incidents.reason." + reason)})
		}
	}
	if !view.Can.Assign {
		return nil
	}
	var err error
	view.People, err = p.people(r, say)
	return err
}

// people are the accounts that work on cases.
func (p *casePages) people(r *http.Request, say *words) ([]choice, error) {
	accounts, err := p.d.Accounts.List(r.Context())
	if err != nil {
		return nil, err
	}
	var list []choice
	for i := range accounts {
		a := &accounts[i]
		who := a.Subject()
		if a.Disabled || !who.Has(auth.RoleAnalyst) && !who.Has(auth.RoleIncidentLead) {
			continue
		}
		name, err := say.person(a)
		if err != nil {
			return nil, err
		}
		list = append(list, choice{a.ID, name})
	}
	return list, nil
}

func (view *caseView) evidence(d *Detail, titles map[string]string, all bool) {
	seen := make(map[string]bool, len(d.Evidence))
	for _, e := range d.Evidence {
		// A record may stand behind several alerts: it is shown once.
		if seen[e.Event.ID] {
			continue
		}
		seen[e.Event.ID] = true
		view.Records++
		if !e.Intact {
			view.Broken++
		}
		if !all && view.Records > evidenceShown {
			continue
		}
		v := evidenceView{Evidence: e, From: endpoint(e.Event.SrcIP, e.Event.SrcPort), To: endpoint(e.Event.DstIP, e.Event.DstPort), Alert: titles[e.AlertID]}
		v.JSON, v.Long = pretty(e.Raw)
		if len(e.Packet) > 0 {
			v.Dump = hex.Dump(e.Packet[:min(len(e.Packet), dumpShown)])
		}
		view.Evidence = append(view.Evidence, v)
	}
}

func endpoint(addr string, port int) string {
	if addr == "" {
		return "–"
	}
	if port == 0 {
		return addr
	}
	return net.JoinHostPort(addr, strconv.Itoa(port))
}

// pretty lays the record out for reading; the download has its exact bytes.
func pretty(raw []byte) (text string, long bool) {
	if len(raw) > rawShown {
		return string(raw[:rawShown]), true
	}
	var out bytes.Buffer
	err := json.Indent(&out, raw, "", "  ")
	if err != nil {
		return string(raw), false
	}
	return out.String(), false
}

// steps tells the history, newest first.
func (view *caseView) steps(say *words, d *Detail, titles map[string]string) error {
	view.Intact = d.HistoryIntact
	if n := len(d.History); n > 0 {
		view.ChainHash = d.History[n-1].Hash
	}
	for i := len(d.History) - 1; i >= 0; i-- {
		h := &d.History[i]
		step := stepView{History: *h, What: say.orCode("incidents.action.", h.Action), Ledger: h.LedgerIndex}
		var err error
		step.Who, err = say.account(h.Actor)
		if err != nil {
			return err
		}
		switch h.Action {
		case ActionOpen:
			step.Text, step.Ledger = titles[h.Value("alert")], view.Case.OpenedLedger
		case ActionAlert:
			step.Text = titles[h.Value("alert")]
		case ActionSeverity:
			step.Text = say.orCode("incidents.severity.", h.Value("severity")) + " · " + say.class(h.Value("class"))
		case ActionAssign:
			step.Text, err = say.account(h.Value("assignee"))
			if err != nil {
				return err
			}
		case ActionComment:
			step.Text = h.Value("text")
		case ActionClose:
			step.Tone, step.Text = "done", joined(say.orCode("incidents.reason.", h.Value("reason")), h.Value("note"))
		case ActionFulfil:
			step.Tone, step.Text = "done", joined(say.orCode("incidents.clock.", h.Value("clock")), h.Value("reference"))
		case ActionWarn, ActionOverdue:
			step.Tone, step.Text = "now", say.orCode("incidents.clock.", h.Value("clock"))
		case ActionAcknowledge:
			step.Tone = "done"
		}
		view.Steps = append(view.Steps, step)
	}
	return nil
}

func joined(a, b string) string {
	if b == "" {
		return a
	}
	return a + " – " + b
}

// moment is for names of files.
func moment(at time.Time) string { return at.In(vietnamTime).Format("20060102T150405") }
