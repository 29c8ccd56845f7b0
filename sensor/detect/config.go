package detect

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// ErrConfig means that the configuration does not hold together.
var ErrConfig = errors.New("detect: configuration")

// Config is the "detect" part of the sensor's configuration. What is zero has
// the default that complete gives it.
type Config struct {
	Enabled bool `yaml:"enabled"`
	// Home are the networks watched over; agencies and their networks.
	Home     []string            `yaml:"home"`
	Agencies map[string][]string `yaml:"agencies"`
	// Agreements are what agencies may open to each other; without any the
	// traffic between them is not judged.
	Agreements []Agreement `yaml:"agreements"`
	// Ignore are our own scanners and monitors; IgnoreDomains are services
	// that carry data in names by design. Off names detectors.
	Ignore        []string `yaml:"ignore"`
	IgnoreDomains []string `yaml:"ignore_domains"`
	Off           []string `yaml:"off"`
	// State keeps what was learnt; Learn is how long devices and services are
	// only learnt.
	State string        `yaml:"state"`
	Learn time.Duration `yaml:"learn"`
	// Limit bounds each table; Repeat is how long the same is not told again.
	Limit  int           `yaml:"limit"`
	Repeat time.Duration `yaml:"repeat"`

	Scan struct {
		Ports  int           `yaml:"ports"`
		Hosts  int           `yaml:"hosts"`
		Window time.Duration `yaml:"window"`
	} `yaml:"scan"`
	BruteForce struct {
		// Attempts are connections of which only the shape is seen, Refused
		// log-ins that the server was seen to refuse.
		Attempts int           `yaml:"attempts"`
		Refused  int           `yaml:"refused"`
		Web      int           `yaml:"web"`
		Window   time.Duration `yaml:"window"`
	} `yaml:"brute_force"`
	Beacon struct {
		Count  int           `yaml:"count"`
		Period time.Duration `yaml:"min_period"`
		Jitter float64       `yaml:"jitter"`
		// Popular is how many clients make a server everybody's.
		Popular int `yaml:"popular"`
	} `yaml:"beacon"`
	DNS struct {
		Names  int           `yaml:"names"`
		Length int           `yaml:"length"`
		Failed int           `yaml:"failed"`
		Window time.Duration `yaml:"window"`
	} `yaml:"dns"`
	Long   time.Duration `yaml:"long_connection"`
	Volume struct {
		Floor   uint64  `yaml:"floor"`
		Sigma   float64 `yaml:"sigma"`
		Samples int     `yaml:"samples"`
	} `yaml:"volume"`
	Certificates struct {
		// CA are files of our authorities (PEM); Must are the networks whose
		// servers have a certificate of theirs.
		CA   []string `yaml:"ca"`
		Must []string `yaml:"must"`
	} `yaml:"certificates"`
	Links []Link `yaml:"links"`
	// LinkSamples is how many samples of 5 minutes are needed before a link is
	// judged.
	LinkSamples int `yaml:"link_samples"`
}

// Agreement lets one agency's machines open connections to another's.
type Agreement struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`
	// Ports are those of the server; none means all.
	Ports []uint16 `yaml:"ports"`
}

// Link is a line of that capacity in each direction.
type Link struct {
	Name      string  `yaml:"name"`
	Interface string  `yaml:"interface"`
	Mbps      float64 `yaml:"mbps"`
}

func initial[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

func (c *Config) complete() {
	if len(c.Home) == 0 {
		// RFC 1918 and RFC 4193.
		c.Home = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}
	}
	initial(&c.Learn, 7*24*time.Hour)
	initial(&c.Limit, 65536)
	initial(&c.Repeat, time.Hour)
	initial(&c.Scan.Ports, 20)
	initial(&c.Scan.Hosts, 20)
	initial(&c.Scan.Window, 5*time.Minute)
	initial(&c.BruteForce.Attempts, 15)
	initial(&c.BruteForce.Refused, 10)
	initial(&c.BruteForce.Web, 10)
	initial(&c.BruteForce.Window, 5*time.Minute)
	initial(&c.Beacon.Count, 12)
	initial(&c.Beacon.Period, 5*time.Second)
	initial(&c.Beacon.Jitter, 0.15)
	initial(&c.Beacon.Popular, 3)
	initial(&c.DNS.Names, 50)
	initial(&c.DNS.Length, 24)
	initial(&c.DNS.Failed, 20)
	initial(&c.DNS.Window, 10*time.Minute)
	initial(&c.Long, 12*time.Hour)
	initial(&c.Volume.Floor, 500<<20)
	initial(&c.Volume.Sigma, 4)
	initial(&c.Volume.Samples, 100)
	initial(&c.LinkSamples, 288)
}

type networks []netip.Prefix

func (n networks) has(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range n {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func parseNetworks(list []string) (networks, error) {
	var out networks
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return nil, fmt.Errorf("%w: %q is neither network nor address", ErrConfig, s)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p)
	}
	return out, nil
}

type agency struct {
	name string
	nets networks
}

// agencyOf is whose machine it is, empty when nobody's.
func (e *Engine) agencyOf(a netip.Addr) string {
	for i := range e.agencies {
		if e.agencies[i].nets.has(a) {
			return e.agencies[i].name
		}
	}
	return ""
}
