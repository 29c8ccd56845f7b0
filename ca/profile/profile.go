// Package profile says what each kind of certificate looks like (RFC 5280
// §4), as data that a person can read: profiles.yaml. It turns a profile and
// the facts of the register into the content of a certificate, and lints that
// content with zlint before a real key comes near it.
//
// It does not decide who gets a certificate, and it signs nothing but a lint
// copy with a throw-away key.
package profile

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"gopkg.in/yaml.v3"
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

// Names of issuers that stand for something else than one authority.
const (
	IssuerEach = "each"
	IssuerRoot = "root"
	IssuerSelf = "self"
)

// Longest validities, NĐ 68/2024 art. 9: 20 years for an authority and 5 for
// the first certificate of a subscriber, with the leap days that every such
// span has.
const (
	maxAuthorityDays  = 20*365 + 5
	maxSubscriberDays = 5*365 + 1
)

// Profile is one kind of certificate.
type Profile struct {
	Name             string      `yaml:"-"`
	Title            string      `yaml:"title"`
	TitleEN          string      `yaml:"title_en"`
	Issuer           string      `yaml:"issuer"`
	Kind             string      `yaml:"kind"`
	Usages           []string    `yaml:"usages"`
	Purposes         []string    `yaml:"purposes"`
	CriticalPurposes bool        `yaml:"critical_purposes"`
	OCSPNoCheck      bool        `yaml:"ocsp_no_check"`
	Days             int         `yaml:"days"`
	Policy           string      `yaml:"policy"`
	Keys             []string    `yaml:"keys"`
	PathLength       *int        `yaml:"path_length"`
	Subject          []Attribute `yaml:"subject"`
	Names            Names       `yaml:"names"`
}

// Attribute is one attribute of the subject; {…} in its value is filled from
// the facts.
type Attribute struct {
	Type  string `yaml:"type"`
	Value string `yaml:"value"`
}

// Names says which alternative names a certificate may carry.
type Names struct {
	DNS      bool `yaml:"dns"`
	IP       bool `yaml:"ip"`
	Email    bool `yaml:"email"`
	Required bool `yaml:"required"`
	// Agency puts the URI urn:antin:agency:ID into the certificate: for machines
	// that speak for an agency, such as data clients. The id comes from the
	// directory, never from the request.
	Agency bool `yaml:"agency"`
}

// Validity is how long a certificate of the profile is valid.
func (p *Profile) Validity() time.Duration { return time.Duration(p.Days) * 24 * time.Hour }

// Set is the checked set of all profiles.
type Set struct {
	byName map[string]*Profile
}

//go:embed profiles.yaml
var builtin []byte

// Builtin returns the profiles of the product.
func Builtin() (*Set, error) { return Parse(builtin) }

// Parse reads and checks profiles.
func Parse(text []byte) (*Set, error) {
	var file struct {
		Profiles map[string]*Profile `yaml:"profiles"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	err := dec.Decode(&file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(file.Profiles) == 0 {
		return nil, fmt.Errorf("%w: no profile", ErrInvalid)
	}
	for _, name := range slices.Sorted(maps.Keys(file.Profiles)) {
		p := file.Profiles[name]
		if p == nil {
			return nil, fmt.Errorf("%w: %s is empty", ErrInvalid, name)
		}
		p.Name = name
		err = p.check()
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, name, err)
		}
	}
	return &Set{byName: file.Profiles}, nil
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

func (p *Profile) check() error {
	kinds := []string{KindPerson, KindAgency, KindMachine, KindInfrastructure, KindAuthority}
	limit := maxSubscriberDays
	if p.Kind == KindAuthority {
		limit = maxAuthorityDays
	}
	switch {
	case !slices.Contains(kinds, p.Kind):
		return fmt.Errorf("kind %q", p.Kind)
	case p.Issuer == "":
		return errors.New("no issuer")
	case p.Days <= 0 || p.Days > limit:
		return fmt.Errorf("%d days, want 1 to %d", p.Days, limit)
	case len(p.Keys) == 0:
		return errors.New("no kind of key")
	case len(p.Subject) == 0:
		return errors.New("no subject")
	case (p.Kind == KindAuthority) != (p.PathLength != nil):
		return errors.New("path_length belongs to authorities, and only to them")
	case p.Kind != KindAuthority && len(p.Purposes) == 0:
		return errors.New("no purpose")
	case p.Kind != KindAuthority && !policyArcs.MatchString(p.Policy):
		return fmt.Errorf("policy %q", p.Policy)
	case p.PathLength != nil && (*p.PathLength < 0 || *p.PathLength > 1):
		return fmt.Errorf("path length %d", *p.PathLength)
	}
	_, err := keyUsage(p.Usages)
	if err != nil {
		return err
	}
	_, err = purposeOIDs(p.Purposes)
	if err != nil {
		return err
	}
	for _, k := range p.Keys {
		if !slices.Contains(knownKeys(), k) {
			return fmt.Errorf("key %q", k)
		}
	}
	for _, a := range p.Subject {
		_, _, err = attributeType(a.Type)
		if err != nil {
			return err
		}
		_, err = fill(a.Value, new(Facts).get)
		if err != nil {
			return err
		}
	}
	return nil
}
