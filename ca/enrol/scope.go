package enrol

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// List is a list of words, kept in one column with spaces between.
type List []string

// Value writes the list for the database.
func (l List) Value() (driver.Value, error) { return strings.Join(l, " "), nil }

// Scan reads the list from the database.
func (l *List) Scan(v any) error {
	switch text := v.(type) {
	case string:
		*l = strings.Fields(text)
	case []byte:
		*l = strings.Fields(string(text))
	default:
		return fmt.Errorf("read list: %T", v)
	}
	return nil
}

const (
	maxNames   = 64
	maxNetBits = 8 // the widest range of addresses that one credential may name
	maxDNS     = 253
)

// hostName is a host name in lower case (RFC 1123 §2.1).
var hostName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)

var errName = errors.New("not a host name in ASCII (names with accents in their xn-- form)")

// checkDomain says whether the text is a host name, or "*." before one.
func checkDomain(text string) error {
	name := strings.TrimPrefix(text, "*.")
	if len(name) > maxDNS || !hostName.MatchString(name) || net.ParseIP(name) != nil {
		return errName
	}
	return nil
}

// scopes puts the names of a form in order and checks them.
func scopes(f Form) (domains, networks List, err error) {
	if len(f.Domains) > maxNames || len(f.Networks) > maxNames {
		return nil, nil, fmt.Errorf("%w: more than %d names", ErrForm, maxNames)
	}
	for _, d := range f.Domains {
		d = strings.ToLower(strings.TrimSpace(d))
		err = checkDomain(d)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: domain %q: %w", ErrForm, d, err)
		}
		domains = append(domains, d)
	}
	for _, n := range f.Networks {
		p, err := parseNetwork(strings.TrimSpace(n))
		if err != nil || p.Bits() < maxNetBits {
			return nil, nil, fmt.Errorf("%w: %q is not an address or a range of at least /%d", ErrForm, n, maxNetBits)
		}
		networks = append(networks, p.String())
	}
	return domains, networks, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

// Allows says whether a certificate of the profile may name the hosts and
// addresses: nil or ErrScope.
func (c *Credential) Allows(profile string, dns []string, ips []net.IP) error {
	if !slices.Contains(c.Profiles, profile) {
		return fmt.Errorf("%w: profile %q", ErrScope, profile)
	}
	for _, name := range dns {
		if !c.allowsName(strings.ToLower(name)) {
			return fmt.Errorf("%w: name %q", ErrScope, name)
		}
	}
	for _, ip := range ips {
		if !c.allowsAddress(ip) {
			return fmt.Errorf("%w: address %s", ErrScope, ip)
		}
	}
	return nil
}

func (c *Credential) allowsName(name string) bool {
	return slices.ContainsFunc(c.Domains, func(d string) bool {
		parent, below := strings.CutPrefix(d, "*")
		if below {
			return len(name) > len(parent) && strings.HasSuffix(name, parent)
		}
		return name == d
	})
}

func (c *Credential) allowsAddress(ip net.IP) bool {
	a, ok := netip.AddrFromSlice(ip)
	return ok && slices.ContainsFunc(c.Networks, func(n string) bool {
		p, err := netip.ParsePrefix(n)
		return err == nil && p.Contains(a.Unmap())
	})
}
