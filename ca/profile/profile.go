// Package profile says what each kind of certificate looks like (RFC 5280
// §4), as data that a person can read: profiles.yaml, and a file of the
// operator's own over it. It turns a profile and the facts of the register into
// the content of a certificate, and lints that content with zlint before a real
// key comes near it.
//
// It does not decide who gets a certificate, and it signs nothing but a lint
// copy with a throw-away key.
package profile

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Errors of the profiles.
var (
	// ErrInvalid says that the profiles themselves are wrong.
	ErrInvalid = errors.New("profile: invalid")
	// ErrUnknown says that no profile has that name.
	ErrUnknown = errors.New("profile: unknown")
	// ErrFacts says that a fact which the profile needs is missing or unfit.
	ErrFacts = errors.New("profile: facts do not fit")
	// ErrKey says that the key is too weak or of a kind the profile excludes.
	ErrKey = errors.New("profile: key refused")
)

// Kinds of holder.
const (
	KindPerson         = "person"
	KindAgency         = "agency"
	KindMachine        = "machine"
	KindInfrastructure = "infrastructure"
	KindAuthority      = "authority"
)

// Names of issuers that stand for something else than one line of authorities.
const (
	IssuerEach = "each"
	IssuerRoot = "root"
	IssuerSelf = "self"
)

// lineOfficial is the line of authorities for official duty.
const lineOfficial = "official"

// Protocols by which certificates of a profile may be asked for without the
// desk's two persons at each one.
const (
	ProtocolACME = "acme"
	ProtocolEST  = "est"
)

// Longest validities, R5 (NĐ 68/2024 art. 9): 20 years for an authority, 5 for
// the first certificate of a subscriber and 3 for a renewed one, with the leap
// days that every such span has.
const (
	maxAuthorityDays  = 20*365 + 5
	maxSubscriberDays = 5*365 + 1
	maxRenewalDays    = 3*365 + 1
)

// Bounds of texts in profiles.
const (
	// maxNotice is RFC 5280 §4.2.1.4's bound of explicitText.
	maxNotice  = 200
	maxAddress = 500
	maxTitle   = 200
	maxPattern = 500
)

// Profile is one kind of certificate.
type Profile struct {
	Name    string `yaml:"-" json:"name"`
	Title   string `yaml:"title" json:"title"`
	TitleEN string `yaml:"title_en" json:"title_en"`
	// Issuer is the line of authorities that signs it, or IssuerEach, IssuerRoot
	// or IssuerSelf.
	Issuer string `yaml:"issuer" json:"issuer"`
	// Kind is whom it is for: KindPerson and so on.
	Kind             string   `yaml:"kind" json:"kind"`
	Usages           []string `yaml:"usages" json:"usages"`
	Purposes         []string `yaml:"purposes,omitempty" json:"purposes,omitempty"`
	CriticalPurposes bool     `yaml:"critical_purposes,omitempty" json:"critical_purposes,omitempty"`
	OCSPNoCheck      bool     `yaml:"ocsp_no_check,omitempty" json:"ocsp_no_check,omitempty"`
	// Days is the validity of a first certificate, RenewalDays that of a renewed
	// one; 0 means Days, or the longest that R5 allows when that is less.
	Days        int `yaml:"days" json:"days"`
	RenewalDays int `yaml:"renewal_days" json:"renewal_days"`
	// Policy is the last arcs of the certificate policy, below the configured arc.
	Policy string `yaml:"policy,omitempty" json:"policy,omitempty"`
	// CPS is the address of the certification practice statement, Notice the text
	// by which the certificate limits its use (RFC 5280 §4.2.1.4).
	CPS    string `yaml:"cps,omitempty" json:"cps,omitempty"`
	Notice string `yaml:"notice,omitempty" json:"notice,omitempty"`
	// Keys are the kinds of key that it takes.
	Keys       []string    `yaml:"keys" json:"keys"`
	PathLength *int        `yaml:"path_length,omitempty" json:"path_length,omitempty"`
	Subject    []Attribute `yaml:"subject" json:"subject"`
	Names      Names       `yaml:"names" json:"names"`
	// QC are the qualified-certificate statements (EN 319 412-5), when any.
	QC *QC `yaml:"qc,omitempty" json:"qc,omitempty"`
	// Hold allows certificateHold. Certificates of official duty have none (R6).
	Hold bool `yaml:"hold,omitempty" json:"hold,omitempty"`
	// Protocols lists ProtocolACME and ProtocolEST where they are allowed.
	Protocols []string `yaml:"protocols,omitempty" json:"protocols,omitempty"`
}

// Attribute is one attribute of the subject; {…} in its value is filled from
// the facts. Pattern (RE2, for the whole value), Min and Max are naming rules.
type Attribute struct {
	Type    string `yaml:"type" json:"type"`
	Value   string `yaml:"value" json:"value"`
	Pattern string `yaml:"pattern,omitempty" json:"pattern,omitempty"`
	Min     int    `yaml:"min,omitempty" json:"min,omitempty"`
	Max     int    `yaml:"max,omitempty" json:"max,omitempty"`

	pattern *regexp.Regexp
}

// Names says which alternative names a certificate may carry.
type Names struct {
	DNS      bool `yaml:"dns,omitempty" json:"dns,omitempty"`
	IP       bool `yaml:"ip,omitempty" json:"ip,omitempty"`
	Email    bool `yaml:"email,omitempty" json:"email,omitempty"`
	Required bool `yaml:"required,omitempty" json:"required,omitempty"`
	// Agency puts the URI urn:antin:agency:ID into the certificate: for machines
	// that speak for an agency, such as data clients. The id comes from the
	// directory, never from the request.
	Agency bool `yaml:"agency,omitempty" json:"agency,omitempty"`
	// UPN is a user principal name as otherName, filled as an attribute's value
	// is: for signing in to Windows domains.
	UPN string `yaml:"upn,omitempty" json:"upn,omitempty"`
	// DNSPattern and EmailPattern are naming rules (RE2, for the whole name).
	DNSPattern   string `yaml:"dns_pattern,omitempty" json:"dns_pattern,omitempty"`
	EmailPattern string `yaml:"email_pattern,omitempty" json:"email_pattern,omitempty"`

	dns, email *regexp.Regexp
}

// Validity is how long a first certificate of the profile is valid.
func (p *Profile) Validity() time.Duration { return time.Duration(p.Days) * 24 * time.Hour }

// Renewal is how long a certificate is valid that renews another: RenewalDays,
// or else as long as a first one, but never over three years (R5).
func (p *Profile) Renewal() time.Duration {
	days := p.RenewalDays
	if days == 0 {
		days = min(p.Days, maxRenewalDays)
	}
	return time.Duration(days) * 24 * time.Hour
}

// Allows says whether certificates may be asked for by the protocol.
func (p *Profile) Allows(protocol string) bool { return slices.Contains(p.Protocols, protocol) }

// Set is the checked set of all profiles.
type Set struct {
	byName map[string]*Profile
}

// Get returns the profile with the name.
func (s *Set) Get(name string) (*Profile, error) {
	p, ok := s.byName[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUnknown, name)
	}
	return p, nil
}

// All lists the profiles by name.
func (s *Set) All() []*Profile {
	list := make([]*Profile, 0, len(s.byName))
	for _, name := range slices.Sorted(maps.Keys(s.byName)) {
		list = append(list, s.byName[name])
	}
	return list
}

// policyArcs is what may follow the configured arc.
var policyArcs = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*$`)

// fieldError says which key of a profile is wrong.
type fieldError struct {
	field string
	err   error
}

func (e *fieldError) Error() string { return e.field + ": " + e.err.Error() }
func (e *fieldError) Unwrap() error { return e.err }

func wrong(field, format string, args ...any) error {
	return &fieldError{field, fmt.Errorf(format, args...)}
}

// check says what is wrong with a profile, and keeps the compiled naming rules.
func (p *Profile) check() error {
	kinds := []string{KindPerson, KindAgency, KindMachine, KindInfrastructure, KindAuthority}
	limit := maxSubscriberDays
	if p.Kind == KindAuthority {
		limit = maxAuthorityDays
	}
	switch {
	case !slices.Contains(kinds, p.Kind):
		return wrong("kind", "%q is none of %s", p.Kind, strings.Join(kinds, ", "))
	case p.Issuer == "":
		return wrong("issuer", "is missing")
	case utf8.RuneCountInString(p.Title) > maxTitle || utf8.RuneCountInString(p.TitleEN) > maxTitle:
		return wrong("title", "has more than %d characters", maxTitle)
	case p.Days <= 0 || p.Days > limit:
		return wrong("days", "%d, want 1 to %d (R5)", p.Days, limit)
	case p.RenewalDays < 0 || p.RenewalDays > min(p.Days, maxRenewalDays):
		return wrong("renewal_days", "%d, want at most days and %d (R5)", p.RenewalDays, maxRenewalDays)
	case len(p.Subject) == 0:
		return wrong("subject", "is missing")
	case (p.Kind == KindAuthority) != (p.PathLength != nil):
		return wrong("path_length", "belongs to authorities, and only to them")
	case p.PathLength != nil && (*p.PathLength < 0 || *p.PathLength > 3):
		return wrong("path_length", "%d, want 0 to 3", *p.PathLength)
	case p.Kind != KindAuthority && len(p.Purposes) == 0:
		return wrong("purposes", "are missing")
	case p.Kind != KindAuthority && !policyArcs.MatchString(p.Policy):
		return wrong("policy", "%q is not arcs such as 1.1", p.Policy)
	case p.Hold && (p.Issuer == lineOfficial || p.Kind == KindAuthority):
		return wrong("hold", "certificates of official duty and of authorities are not suspended (R6)")
	}
	_, err := keyUsage(p.Usages)
	if err != nil {
		return &fieldError{"usages", err}
	}
	_, err = purposeOIDs(p.Purposes)
	if err != nil {
		return &fieldError{"purposes", err}
	}
	for _, step := range []func() error{p.checkKeys, p.checkTexts, p.checkSubject, p.checkNames, p.QC.check} {
		err = step()
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Profile) checkKeys() error {
	if len(p.Keys) == 0 {
		return wrong("keys", "are missing")
	}
	for _, k := range p.Keys {
		if !slices.Contains(knownKeys(), k) {
			return wrong("keys", "%q is none of %s", k, strings.Join(knownKeys(), ", "))
		}
	}
	for _, protocol := range p.Protocols {
		if protocol != ProtocolACME && protocol != ProtocolEST {
			return wrong("protocols", "%q is none of acme, est", protocol)
		}
		if p.Kind != KindMachine {
			return wrong("protocols", "only machines enrol by %s", protocol)
		}
	}
	return nil
}

func (p *Profile) checkTexts() error {
	if utf8.RuneCountInString(p.Notice) > maxNotice || !utf8.ValidString(p.Notice) || strings.ContainsFunc(p.Notice, unprintable) {
		return wrong("notice", "must have at most %d printable characters (RFC 5280 §4.2.1.4)", maxNotice)
	}
	if (p.CPS != "" || p.Notice != "") && p.Policy == "" {
		return wrong("policy", "is missing: cps and notice stand in the policy")
	}
	if p.CPS == "" {
		return nil
	}
	u, err := url.Parse(p.CPS)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(p.CPS) > maxAddress || u.String() != p.CPS {
		return wrong("cps", "%q is not an address", p.CPS)
	}
	return nil
}

func (p *Profile) checkSubject() error {
	for i := range p.Subject {
		a := &p.Subject[i]
		_, limit, err := attributeType(a.Type)
		if err != nil {
			return &fieldError{"subject", err}
		}
		_, err = fill(a.Value, new(Facts).get)
		if err != nil {
			return wrong("subject", "%s: %w", a.Type, err)
		}
		if a.Min < 0 || a.Max < 0 || a.Max > limit || a.Max > 0 && a.Min > a.Max {
			return wrong("subject", "%s: min %d and max %d do not go with the limit of %d characters", a.Type, a.Min, a.Max, limit)
		}
		a.pattern, err = compile(a.Pattern)
		if err != nil {
			return wrong("subject", "%s: pattern: %w", a.Type, err)
		}
	}
	return nil
}

func (p *Profile) checkNames() error {
	var err error
	p.Names.dns, err = compile(p.Names.DNSPattern)
	if err != nil {
		return wrong("names", "dns_pattern: %w", err)
	}
	p.Names.email, err = compile(p.Names.EmailPattern)
	if err != nil {
		return wrong("names", "email_pattern: %w", err)
	}
	_, err = fill(p.Names.UPN, new(Facts).get)
	if err != nil {
		return wrong("names", "upn: %w", err)
	}
	return nil
}

// compile reads a naming rule, which is for the whole value.
func compile(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("over %d bytes", maxPattern)
	}
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}
