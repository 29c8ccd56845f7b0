package validate

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/antin-gov/antin/internal/trust"
)

//go:embed policy.yaml
var defaultPolicy []byte

// maxPolicy bounds a file of policy in bytes.
const maxPolicy = 256 << 10

// ErrPolicy says that a policy cannot be used; what is wrong and where is
// wrapped.
var ErrPolicy = errors.New("validate: policy")

// Level says what a broken constraint does to the verdict.
type Level string

// The levels, as in the policies of the reference tools of the EU.
const (
	// LevelFail takes TOTAL-PASSED away: the signature is TOTAL-FAILED or
	// INDETERMINATE, as EN 319 102-1 has it for the constraint.
	LevelFail Level = "FAIL"
	// LevelWarn and LevelInform leave the verdict and tell the finding.
	LevelWarn   Level = "WARN"
	LevelInform Level = "INFORM"
	// LevelIgnore leaves the verdict and the finding out of the simple report.
	LevelIgnore Level = "IGNORE"
)

func (l Level) known() bool {
	return l == LevelFail || l == LevelWarn || l == LevelInform || l == LevelIgnore
}

// Policy is a signature validation policy (EN 319 102-1, 4.2.3): the constraints
// that signatures are held against, as data.
type Policy struct {
	// Name stands in reports.
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	// Constraints give the level of constraints, by the code of the finding
	// that a broken one makes; the others have the level of the built-in
	// policy.
	Constraints map[Code]Level `yaml:"constraints"`
	Algorithms  *Algorithms    `yaml:"algorithms"`
	Revocation  RevocationRule `yaml:"revocation"`
	// Trust are the anchors; none: those that the caller has.
	Trust []TrustList `yaml:"trust"`

	levels map[Code]Level // of the built-in policy under these
}

// RevocationRule is about the age of revocation data (EN 319 102-1, 5.2.5).
type RevocationRule struct {
	// MaxAge is how old data may be when the state of a certificate is asked;
	// zero: as old as its nextUpdate allows. Data made after the time asked
	// about is always fresh.
	MaxAge Duration `yaml:"max_age"`
	// MaxAgeAuthority is the same for certificates of authorities and services;
	// zero: as their nextUpdate allows.
	MaxAgeAuthority Duration `yaml:"max_age_authority"`
}

// Duration is a time.Duration that YAML writes like 36h.
type Duration time.Duration

// UnmarshalYAML reads the form of time.ParseDuration.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	value, err := time.ParseDuration(node.Value)
	if err != nil || value < 0 {
		return fmt.Errorf("line %d: %q is no length of time such as 36h", node.Line, node.Value)
	}
	*d = Duration(value)
	return nil
}

// TrustList is a folder of certificates and what its anchors are trusted for.
type TrustList struct {
	// Folder holds PEM files; root-*.pem are anchors.
	Folder string `yaml:"folder"`
	// For lists "signatures" and "timestamps"; empty: both.
	For []string `yaml:"for"`
}

// What an anchor may be trusted for.
const (
	ForSignatures = "signatures"
	ForTimestamps = "timestamps"
)

// Purposes are what the anchors of the list are believed for.
func (l TrustList) Purposes() []trust.Purpose {
	var purposes []trust.Purpose
	if len(l.For) == 0 || slices.Contains(l.For, ForSignatures) {
		purposes = append(purposes, trust.PurposeSignature)
	}
	if len(l.For) == 0 || slices.Contains(l.For, ForTimestamps) {
		purposes = append(purposes, trust.PurposeTimestamp)
	}
	return purposes
}

// DefaultPolicy is the one that holds when nothing else is asked for.
func DefaultPolicy() (*Policy, error) {
	p, err := decodePolicy(bytes.NewReader(defaultPolicy))
	if err != nil {
		return nil, err
	}
	p.levels, p.Constraints = p.Constraints, nil
	for _, c := range constraints() {
		for _, code := range c.codes {
			if !c.fixed && !p.levels[code].known() {
				return nil, fmt.Errorf("%w: the built-in policy has no level for %q", ErrPolicy, code)
			}
		}
	}
	p.Algorithms, err = DefaultAlgorithms()
	if err != nil {
		return nil, err
	}
	return p, nil
}

// DefaultPolicyText is the built-in policy with its comments.
func DefaultPolicyText() []byte { return bytes.Clone(defaultPolicy) }

// ReadPolicy reads the YAML form, of which policy.yaml is an example. What it
// leaves out is as in the built-in policy.
func ReadPolicy(r io.Reader) (*Policy, error) {
	p, err := decodePolicy(r)
	if err != nil {
		return nil, err
	}
	built, err := DefaultPolicy()
	if err != nil {
		return nil, err
	}
	p.levels = built.levels
	if p.Algorithms == nil {
		p.Algorithms = built.Algorithms
	}
	return p, p.check()
}

func decodePolicy(r io.Reader) (*Policy, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPolicy+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	if len(data) > maxPolicy {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrPolicy, maxPolicy)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	var p Policy
	err = decoder.Decode(&p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	err = decoder.Decode(new(any))
	if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one YAML document", ErrPolicy)
	}
	return &p, nil
}

// check refuses what would not do what it seems to say.
func (p *Policy) check() error {
	if strings.TrimSpace(p.Name) == "" {
		return fmt.Errorf("%w: name: a policy needs one, it stands in reports", ErrPolicy)
	}
	for code, level := range p.Constraints {
		if !level.known() {
			return fmt.Errorf("%w: constraints: %s: %q is none of FAIL, WARN, INFORM, IGNORE", ErrPolicy, code, level)
		}
		_, adjustable := p.levels[code]
		if !adjustable {
			return fmt.Errorf("%w: constraints: %s: %s (constraints whose level can be set: %s)", ErrPolicy, code, whyFixed(code), adjustables(p.levels))
		}
	}
	err := p.Algorithms.check()
	if err != nil {
		return fmt.Errorf("%w: algorithms: %w", ErrPolicy, err)
	}
	for n, list := range p.Trust {
		if list.Folder == "" {
			return fmt.Errorf("%w: trust: entry %d names no folder", ErrPolicy, n+1)
		}
		for _, purpose := range list.For {
			if purpose != ForSignatures && purpose != ForTimestamps {
				return fmt.Errorf("%w: trust: entry %d: for: %q is neither %s nor %s", ErrPolicy, n+1, purpose, ForSignatures, ForTimestamps)
			}
		}
	}
	return nil
}

func whyFixed(code Code) string {
	if slices.Contains(Codes(), code) {
		return "without it a verdict would mean nothing, so its level is FAIL always"
	}
	return "no such constraint"
}

func adjustables(levels map[Code]Level) string {
	var names []string
	for code := range levels {
		names = append(names, string(code))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// level of the constraint that makes a finding; given is the one that the
// finding has by itself where no level can be set.
func (p *Policy) level(code Code, given Level) Level {
	if p == nil {
		return given
	}
	level, ok := p.Constraints[code]
	if !ok {
		level, ok = p.levels[code]
	}
	if !ok {
		return given
	}
	return level
}

// raised tells whether the policy makes a constraint fail that the built-in one
// does not.
func (p *Policy) raised(code Code) bool {
	return p != nil && p.Constraints[code] == LevelFail && p.levels[code] != LevelFail
}

// policy is that of the options, else the built-in one.
func (o Options) policy() *Policy {
	p := o.Policy
	if p == nil {
		built, err := DefaultPolicy()
		if err != nil {
			built = &Policy{Algorithms: &Algorithms{}} // which accepts nothing
		}
		p = built
	}
	return p
}

// tooOld tells whether data on a certificate is older at a time than the
// policy lets it be, and the age allowed.
func (r RevocationRule) tooOld(thisUpdate, at time.Time, signer bool) (time.Duration, bool) {
	allowed := time.Duration(r.MaxAgeAuthority)
	if signer {
		allowed = time.Duration(r.MaxAge)
	}
	return allowed, allowed > 0 && at.Sub(thisUpdate) > allowed
}
