package ca

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/tsa"
	"github.com/antin-gov/antin/internal/clock"
)

// StatusConfig is the part of Config that says how status is told: lists,
// answers and time-stamps. The zero value of each field means its default.
type StatusConfig struct {
	// DeltaValidity is nextUpdate − thisUpdate of delta lists, and has new
	// certificates and complete lists name them (freshestCRL). Default 12 hours;
	// negative for no delta lists.
	DeltaValidity time.Duration `yaml:"delta_validity"`
	// CRLPartitions spreads the new certificates of a line over that many lists.
	// Default none: all are on the complete list alone.
	CRLPartitions map[string]int `yaml:"crl_partitions"`
	// OCSPMaxStale is for how long OCSP answers leave from memory while the
	// database cannot be asked; then clients are told to try later. Default 30
	// seconds.
	OCSPMaxStale time.Duration `yaml:"ocsp_max_stale"`
	// OCSPFile keeps answers made in advance over a restart. Default none.
	OCSPFile string `yaml:"ocsp_file"`
	// TimeSources are what the clock is held against before a time-stamp; see
	// tsa.Source. Default steps and kernel-once.
	TimeSources []tsa.Source `yaml:"time_sources"`
	// NTPServers are the servers of the time source ntp.
	NTPServers []string `yaml:"ntp_servers"`
	// TSAPolicies are the policies of time-stamps, the first for who asks for
	// none. Default: see defaultPolicies.
	TSAPolicies []TSAPolicy `yaml:"tsa_policies"`
	// AuditEvery is how often Run compares register, lists, answers and ledger.
	// Default 24 hours; negative for never.
	AuditEvery time.Duration `yaml:"audit_every"`
}

// TSAPolicy is a policy of time-stamps as the configuration has it.
type TSAPolicy struct {
	// Suffix is its object identifier below the policy arc.
	Suffix string `yaml:"suffix"`
	// Name is the last part of its address /tsa/NAME; empty for none.
	Name string `yaml:"name"`
	// Hashes are sha256, sha384, sha512, sha3-256, sha3-384, sha3-512.
	Hashes []string `yaml:"hashes"`
	// Accuracy is what its tokens claim, a second at most.
	Accuracy time.Duration `yaml:"accuracy"`
	// Ordering and NoCertificates: see tsa.Policy.
	Ordering       bool `yaml:"ordering"`
	NoCertificates bool `yaml:"no_certificates"`
}

// defaultPolicies: "2.1" by EN 319 422; "2.2" with SHA-3 for archives; "2.3"
// whose tokens can be put in order by their times; "2.4" without certificates,
// for devices that keep many.
func defaultPolicies() []TSAPolicy {
	sha2 := []string{"sha256", "sha384", "sha512"}
	return []TSAPolicy{
		{Suffix: "2.1", Name: "general", Hashes: sha2, Accuracy: time.Second},
		{Suffix: "2.2", Name: "archive", Hashes: []string{"sha512", "sha3-256", "sha3-384", "sha3-512"}, Accuracy: time.Second},
		{Suffix: "2.3", Name: "ordered", Hashes: sha2, Accuracy: time.Second, Ordering: true},
		{Suffix: "2.4", Name: "compact", Hashes: sha2, Accuracy: time.Second, NoCertificates: true},
	}
}

const (
	defaultDelta = 12 * time.Hour
	defaultAudit = 24 * time.Hour
)

func (c StatusConfig) withDefaults(crlValidity time.Duration) StatusConfig {
	switch {
	case c.DeltaValidity < 0:
		c.DeltaValidity = 0
	case c.DeltaValidity == 0:
		c.DeltaValidity = min(defaultDelta, crlValidity)
	}
	if len(c.TimeSources) == 0 {
		c.TimeSources = []tsa.Source{tsa.SourceSteps, tsa.SourceKernelOnce}
	}
	if len(c.TSAPolicies) == 0 {
		c.TSAPolicies = defaultPolicies()
	}
	if c.AuditEvery == 0 {
		c.AuditEvery = defaultAudit
	}
	return c
}

// listAddress is where a list is served.
func (c Config) listAddress(name string) string { return c.BaseURL + "/crl/" + name + ".crl" }

// placeLists says which lists a new certificate names: one of the partitions of
// its issuer at random, for good, or the complete list.
func (c Config) placeLists(p *profile.Place, issuer *authority) {
	s := crl.Scope{Issuer: issuer.name}
	n := c.CRLPartitions[issuer.line]
	if n > 0 {
		s.Partition = 1 + rand.IntN(n)
	}
	p.CRL = c.listAddress(s.Name(false))
	if c.DeltaValidity > 0 && issuer.signs() {
		p.FreshestCRL = c.listAddress(s.Name(true))
	}
}

// partitionOf is the partition of the list that a certificate names.
func partitionOf(cert *x509.Certificate) int64 {
	if len(cert.CRLDistributionPoints) == 0 {
		return 0
	}
	address := cert.CRLDistributionPoints[0]
	name, _ := strings.CutSuffix(address[strings.LastIndex(address, "/")+1:], ".crl")
	s, _ := crl.ParseName(name)
	return int64(s.Partition)
}

func digestNames() map[string]crypto.Hash {
	return map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512,
		"sha3-256": crypto.SHA3_256, "sha3-384": crypto.SHA3_384, "sha3-512": crypto.SHA3_512}
}

// policies are the policies of time-stamps.
func (c Config) policies() ([]tsa.Policy, error) {
	var list []tsa.Policy
	for _, p := range c.TSAPolicies {
		oid, err := parseOID(c.PolicyArc + "." + p.Suffix)
		if err != nil {
			return nil, err
		}
		out := tsa.Policy{Name: p.Name, OID: oid, Accuracy: p.Accuracy, Ordering: p.Ordering, NoCertificates: p.NoCertificates}
		for _, name := range p.Hashes {
			h, known := digestNames()[name]
			if !known {
				return nil, fmt.Errorf("%w: time-stamp policy %s: digest %q", ErrConfig, p.Suffix, name)
			}
			out.Hashes = append(out.Hashes, h)
		}
		list = append(list, out)
	}
	return list, nil
}

func parseOID(text string) (asn1.ObjectIdentifier, error) {
	var oid asn1.ObjectIdentifier
	for _, part := range strings.Split(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%w: object identifier %q", ErrConfig, text)
		}
		oid = append(oid, n)
	}
	return oid, nil
}

// newStamper makes the time-stamping authority over its unit.
func (s *Service) newStamper(units []unit) (*tsa.Authority, error) {
	policies, err := s.cfg.policies()
	if err != nil {
		return nil, err
	}
	u, err := s.stampUnit(units)
	if err != nil {
		return nil, err
	}
	source := s.deps.Time
	_, still := s.deps.Clock.(*clock.Fake) // one that stands still cannot be held against anything
	if source == nil && !still {
		watch, err := tsa.NewClockWatch(tsa.WatchConfig{Sources: s.cfg.TimeSources, NTP: s.cfg.NTPServers, Logger: s.deps.Logger}, s.deps.Clock.Now())
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
		s.watch, source = watch, watch
	}
	stamper, err := tsa.New(tsa.Config{Unit: u, Policies: policies, Journal: &journal{records: s.engine.records, ledger: s.deps.Ledger, clock: s.deps.Clock},
		Clock: s.deps.Clock, Time: source, Logger: s.deps.Logger})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return stamper, nil
}

// checkStatus refuses settings of status that cannot work.
func (c Config) checkStatus() error {
	for line, n := range c.CRLPartitions {
		if n < 0 || n > crl.MaxPartitions || !slices.Contains(append(issuingLines(), lineRoot), line) {
			return fmt.Errorf("%w: %d partitions of %q (the limit is %d)", ErrConfig, n, line, crl.MaxPartitions)
		}
	}
	_, err := c.policies()
	return err
}
