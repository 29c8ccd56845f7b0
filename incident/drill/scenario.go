package drill

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/incident/drill/traffic"
)

// Limits of a scenario: what people can run in a week, with room.
const (
	maxScenario = 128 << 10
	maxInjects  = 200
	maxTeams    = 100
	maxMembers  = 500
	maxDuration = 14 * 24 * time.Hour
	maxText     = 16 << 10
)

// Errors of scenarios.
var (
	ErrScenario = errors.New("drill: scenario")
	// ErrRoster means that an address or account is not on the drill's roster.
	ErrRoster = errors.New("drill: not on the roster")
)

//go:embed scenarios/*.yaml
var library embed.FS

// Kinds of inject.
const (
	KindPackets  = "packets"
	KindMail     = "mail"
	KindQuestion = "question"
)

// Text is a text in both languages.
type Text struct {
	VI string `yaml:"vi" json:"vi"`
	EN string `yaml:"en" json:"en"`
}

// In returns the text in the language, Vietnamese unless it is "en" and there.
func (t Text) In(lang string) string {
	if lang == "en" && t.EN != "" {
		return t.EN
	}
	return t.VI
}

// Scenario is what is played.
type Scenario struct {
	ID       string        `yaml:"id" json:"id"`
	Title    Text          `yaml:"title" json:"title"`
	Aim      Text          `yaml:"aim" json:"aim"`
	Scope    Text          `yaml:"scope" json:"scope"`
	Tools    Text          `yaml:"tools" json:"tools"`
	Depth    Text          `yaml:"depth" json:"depth"`
	StopRule Text          `yaml:"stop_rule" json:"stop_rule"`
	Duration time.Duration `yaml:"duration" json:"duration"`
	Teams    []Team        `yaml:"teams" json:"teams"`
	Injects  []Inject      `yaml:"injects" json:"injects"`
}

// Team is a group of players of one agency.
type Team struct {
	ID      string   `yaml:"id" json:"id"`
	Name    Text     `yaml:"name" json:"name"`
	Agency  string   `yaml:"agency" json:"agency"`
	Members []Member `yaml:"members" json:"members"`
}

// Member is a player.
type Member struct {
	Account string `yaml:"account" json:"account"`
	Email   string `yaml:"email" json:"email"`
}

// Inject is something that happens to the players at an offset in exercise
// time.
type Inject struct {
	ID       string        `yaml:"id" json:"id"`
	At       time.Duration `yaml:"at" json:"at"`
	Kind     string        `yaml:"kind" json:"kind"`
	Team     string        `yaml:"team" json:"team"`
	Title    Text          `yaml:"title" json:"title"`
	Packets  *Packets      `yaml:"packets" json:"packets,omitempty"`
	Mail     *Mail         `yaml:"mail" json:"mail,omitempty"`
	Question *Text         `yaml:"question" json:"question,omitempty"`
	Expect   Expect        `yaml:"expect" json:"expect"`
}

// Packets is a generated attack.
type Packets struct {
	Victim netip.Addr     `yaml:"victim" json:"victim"`
	Steps  []traffic.Step `yaml:"steps" json:"steps"`
}

// Mail is a message to the team, or to those of the roster that To names.
type Mail struct {
	To      []string `yaml:"to" json:"to,omitempty"`
	Subject string   `yaml:"subject" json:"subject"`
	Body    string   `yaml:"body" json:"body"`
}

// Expect holds the times in which the players are to act; zero expects nothing.
type Expect struct {
	Detect      time.Duration `yaml:"detect" json:"detect,omitempty"`
	Acknowledge time.Duration `yaml:"acknowledge" json:"acknowledge,omitempty"`
	Close       time.Duration `yaml:"close" json:"close,omitempty"`
	Answer      time.Duration `yaml:"answer" json:"answer,omitempty"`
}

// Library lists the scenarios that come with the program.
func Library() ([]*Scenario, error) {
	entries, err := library.ReadDir("scenarios")
	if err != nil {
		return nil, fmt.Errorf("read scenarios: %w", err)
	}
	var all []*Scenario
	for _, e := range entries {
		b, err := library.ReadFile("scenarios/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read scenario %s: %w", e.Name(), err)
		}
		s, err := ParseScenario(b)
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", e.Name(), err)
		}
		all = append(all, s)
	}
	return all, nil
}

// LibraryFile returns the text of a scenario of the library.
func LibraryFile(id string) ([]byte, error) {
	if strings.ContainsAny(id, "/\\") {
		return nil, fmt.Errorf("%w: %q is not in the library", ErrScenario, id)
	}
	b, err := library.ReadFile("scenarios/" + id + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("%w: %q is not in the library", ErrScenario, id)
	}
	return b, nil
}

// ParseScenario reads a scenario and refuses one that could not be run: unknown
// keys, teams or steps, offsets beyond its duration, recipients who are not on
// its roster.
func ParseScenario(b []byte) (*Scenario, error) {
	if len(b) > maxScenario {
		return nil, fmt.Errorf("%w: over %d bytes", ErrScenario, maxScenario)
	}
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		return nil, fmt.Errorf("%w: not UTF-8 text", ErrScenario)
	}
	err := checkYAML(b)
	if err != nil {
		return nil, err
	}
	var s Scenario
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	err = dec.Decode(&s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScenario, err)
	}
	err = dec.Decode(&yaml.Node{})
	if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one document", ErrScenario)
	}
	return &s, s.check()
}

func (s *Scenario) check() error {
	switch {
	case !incident.ValidID(s.ID):
		return fmt.Errorf("%w: id %.64q", ErrScenario, s.ID)
	case s.Title.VI == "" || s.Aim.VI == "" || s.Scope.VI == "" || s.StopRule.VI == "":
		return fmt.Errorf("%w: title, aim, scope and stop_rule are needed in Vietnamese", ErrScenario)
	case s.Duration <= 0 || s.Duration > maxDuration:
		return fmt.Errorf("%w: duration %s", ErrScenario, s.Duration)
	case len(s.Teams) == 0 || len(s.Teams) > maxTeams:
		return fmt.Errorf("%w: %d teams, want 1 to %d", ErrScenario, len(s.Teams), maxTeams)
	case len(s.Injects) == 0 || len(s.Injects) > maxInjects:
		return fmt.Errorf("%w: %d injects, want 1 to %d", ErrScenario, len(s.Injects), maxInjects)
	}
	for _, t := range []Text{s.Title, s.Aim, s.Scope, s.Tools, s.Depth, s.StopRule} {
		if len(t.VI) > maxText || len(t.EN) > maxText {
			return fmt.Errorf("%w: a text over %d bytes", ErrScenario, maxText)
		}
	}
	err := s.checkTeams()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range s.Injects {
		in := &s.Injects[i]
		if seen[in.ID] {
			return fmt.Errorf("%w: inject %q stands twice", ErrScenario, in.ID)
		}
		seen[in.ID] = true
		err = s.checkInject(in)
		if err != nil {
			return fmt.Errorf("%w: inject %q: %w", ErrScenario, in.ID, err)
		}
	}
	return nil
}

func (s *Scenario) checkTeams() error {
	seen := map[string]bool{}
	for _, t := range s.Teams {
		if !incident.ValidID(t.ID) || !incident.ValidID(t.Agency) || seen[t.ID] {
			return fmt.Errorf("%w: team %.64q stands twice or lacks an id or agency", ErrScenario, t.ID)
		}
		seen[t.ID] = true
		if len(t.Members) == 0 || len(t.Members) > maxMembers {
			return fmt.Errorf("%w: team %s has %d members, want 1 to %d", ErrScenario, t.ID, len(t.Members), maxMembers)
		}
		for _, m := range t.Members {
			if !incident.ValidID(m.Account) || !plainAddress(m.Email) {
				return fmt.Errorf("%w: team %s: member %.64q without account or address", ErrScenario, t.ID, m.Account)
			}
		}
	}
	return nil
}

// plainAddress takes an address only in its bare form: no name, no list, no
// line break that could write headers.
func plainAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Name == "" && a.Address == s && len(s) <= 254 && !strings.ContainsAny(s, "\r\n")
}

func (s *Scenario) checkInject(in *Inject) error {
	team := s.team(in.Team)
	bodies := 0
	for _, set := range []bool{in.Packets != nil, in.Mail != nil, in.Question != nil} {
		if set {
			bodies++
		}
	}
	e := in.Expect
	switch {
	case !incident.ValidID(in.ID):
		return errors.New("no id")
	case in.Title.VI == "" || len(in.Title.VI) > maxText || len(in.Title.EN) > maxText:
		return errors.New("no title, or one too long")
	case in.At < 0 || in.At > s.Duration:
		return fmt.Errorf("offset %s is outside the duration %s", in.At, s.Duration)
	case team == nil:
		return fmt.Errorf("team %.64q is unknown", in.Team)
	case bodies != 1:
		return errors.New("exactly one of packets, mail and question is needed")
	case e.Detect < 0 || e.Acknowledge < 0 || e.Close < 0 || e.Answer < 0:
		return errors.New("an expected time below zero")
	}
	switch in.Kind {
	case KindPackets:
		if in.Packets == nil || e.Answer > 0 {
			return errors.New("packets need their part, and expect no answer")
		}
		return in.Packets.check()
	case KindMail:
		if in.Mail == nil || e != (Expect{}) {
			return errors.New("a mail needs its part, and expects nothing")
		}
		return s.checkMail(in.Mail)
	case KindQuestion:
		if in.Question == nil || in.Question.VI == "" || len(in.Question.VI)+len(in.Question.EN) > maxText ||
			e.Detect > 0 || e.Acknowledge > 0 || e.Close > 0 {
			return errors.New("a question needs its text, and expects an answer only")
		}
		return nil
	}
	return fmt.Errorf("kind %.32q is unknown", in.Kind)
}

func (p *Packets) check() error {
	if !p.Victim.Is4() {
		return errors.New("packets need an IPv4 victim")
	}
	for _, step := range p.Steps {
		if !slices.Contains(traffic.Steps(), step) {
			return fmt.Errorf("step %.32q is unknown", step)
		}
	}
	return nil
}

func (s *Scenario) checkMail(m *Mail) error {
	if m.Subject == "" || m.Body == "" || len(m.Subject) > 500 || len(m.Body) > maxText || strings.ContainsAny(m.Subject, "\r\n") {
		return errors.New("a mail needs a subject of one line and a body")
	}
	return s.CheckRoster(m.To...)
}

// CheckRoster refuses addresses that are not on the roster.
func (s *Scenario) CheckRoster(addresses ...string) error {
	for _, a := range addresses {
		known := false
		for _, t := range s.Teams {
			known = known || slices.ContainsFunc(t.Members, func(m Member) bool { return strings.EqualFold(m.Email, a) })
		}
		if !known {
			return fmt.Errorf("%w: %.254q", ErrRoster, a)
		}
	}
	return nil
}

// Team returns the team with the id, nil when there is none.
func (s *Scenario) team(id string) *Team {
	for i := range s.Teams {
		if s.Teams[i].ID == id {
			return &s.Teams[i]
		}
	}
	return nil
}

// Inject returns the inject with the id, nil when there is none.
func (s *Scenario) inject(id string) *Inject {
	for i := range s.Injects {
		if s.Injects[i].ID == id {
			return &s.Injects[i]
		}
	}
	return nil
}

// recipients are the addresses that the mail goes to.
func (s *Scenario) recipients(in *Inject) []string {
	if len(in.Mail.To) > 0 {
		return in.Mail.To
	}
	var to []string
	for _, m := range s.team(in.Team).Members {
		to = append(to, m.Email)
	}
	return to
}
