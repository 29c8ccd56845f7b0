package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// ACME is the server by which machines get certificates themselves (RFC 8555);
// it answers on the console's listener.
type ACME struct {
	// URL is the address by which clients reach the console's listener; empty
	// means https://CONSOLE.HOST:PORT.
	URL string `yaml:"url"`
	// Networks are the address ranges in which names and addresses are proved;
	// connections elsewhere are not made.
	Networks []string `yaml:"networks"`
	// Resolver is the DNS server, HOST:PORT, that names are looked up at; empty
	// means the machine's.
	Resolver string `yaml:"resolver"`
	// HTTPPort and TLSPort are the ports that http-01 and tls-alpn-01 connect to.
	HTTPPort int64 `yaml:"http_port"`
	TLSPort  int64 `yaml:"tls_port"`
	// SkipChallenges lets accounts whose key was made with --preauthorised have
	// the names that were agreed without proving control of each.
	SkipChallenges bool `yaml:"skip_challenges"`
}

// EST is the server of enrolment over secure transport (RFC 7030).
type EST struct {
	Listen string `yaml:"listen"`
}

const maxPort = 65535

func (a ACME) check() error {
	if a.URL != "" {
		u, err := url.Parse(a.URL)
		if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return fmt.Errorf("%w: acme.url: %q is not https://HOST[:PORT]", ErrInvalid, a.URL)
		}
	}
	_, err := a.Prefixes()
	if err != nil {
		return err
	}
	if a.Resolver != "" {
		_, _, err = net.SplitHostPort(a.Resolver)
		if err != nil {
			return fmt.Errorf("%w: acme.resolver: %q is not HOST:PORT", ErrInvalid, a.Resolver)
		}
	}
	for key, port := range map[string]int64{"acme.http_port": a.HTTPPort, "acme.tls_port": a.TLSPort} {
		if port < 1 || port > maxPort {
			return fmt.Errorf("%w: %s: %d is not a port", ErrInvalid, key, port)
		}
	}
	return nil
}

// Prefixes are the ranges of Networks.
func (a ACME) Prefixes() ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range a.Networks {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%w: acme.networks: %q is not an address range", ErrInvalid, text)
		}
		list = append(list, p.Masked())
	}
	return list, nil
}
