package trust

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxComparisons bounds the names that are held against constraints along one
// path: their numbers multiply.
const maxComparisons = 1 << 18

// nameConstraints is the extension of RFC 5280 §4.2.1.10.
type nameConstraints struct {
	permitted, excluded []generalName
}

func readNameConstraints(value cryptobyte.String) (*nameConstraints, error) {
	var seq, permitted, excluded cryptobyte.String
	var hasPermitted, hasExcluded bool
	ok := value.ReadASN1(&seq, casn1.SEQUENCE) && value.Empty() &&
		seq.ReadOptionalASN1(&permitted, &hasPermitted, ctx(0)) && seq.ReadOptionalASN1(&excluded, &hasExcluded, ctx(1)) && seq.Empty()
	if !ok || !hasPermitted && !hasExcluded {
		return nil, errDER
	}
	c := &nameConstraints{}
	var err error
	c.permitted, err = readSubtrees(permitted)
	if err != nil {
		return nil, err
	}
	c.excluded, err = readSubtrees(excluded)
	return c, err
}

// readSubtrees reads GeneralSubtrees; minimum must be 0 and maximum absent in
// this profile.
func readSubtrees(in cryptobyte.String) ([]generalName, error) {
	var list []generalName
	for !in.Empty() {
		var subtree cryptobyte.String
		if len(list) == maxNames || !in.ReadASN1(&subtree, casn1.SEQUENCE) {
			return nil, errDER
		}
		base, err := readGeneralName(&subtree)
		if err != nil {
			return nil, err
		}
		if !subtree.Empty() {
			return nil, errors.New("minimum or maximum in a subtree")
		}
		err = checkBase(base)
		if err != nil {
			return nil, err
		}
		list = append(list, base)
	}
	return list, nil
}

func checkBase(base generalName) error {
	if base.form != formIP {
		return nil
	}
	if len(base.value) != 2*net.IPv4len && len(base.value) != 2*net.IPv6len {
		return errors.New("address range of odd length")
	}
	_, bits := net.IPMask(base.value[len(base.value)/2:]).Size()
	if bits == 0 {
		return errors.New("address mask with holes")
	}
	return nil
}

// constrained is the state of name constraints along a path (RFC 5280 §6.1.2
// b, c): permitted subtrees of every authority that gave some, all of which
// must be kept, and the excluded ones together.
type constrained struct {
	permitted   [][]generalName
	excluded    []generalName
	comparisons int
}

func (c *constrained) add(n *nameConstraints) {
	if n == nil {
		return
	}
	if len(n.permitted) > 0 {
		c.permitted = append(c.permitted, n.permitted)
	}
	c.excluded = append(c.excluded, n.excluded...)
}

var (
	errExcluded     = errors.New("name excluded by an authority above")
	errNotPermitted = errors.New("name not permitted by an authority above")
	errComparisons  = errors.New("too many names and constraints")
)

// check holds all names of a certificate against the constraints (RFC 5280
// §6.1.3 b, c).
func (c *constrained) check(v *view) error {
	if len(c.permitted) == 0 && len(c.excluded) == 0 {
		return nil
	}
	names := v.names
	if len(v.subject) > 0 {
		names = append(names[:len(names):len(names)], generalName{form: formDirectory, name: v.subject})
	}
	if !hasForm(v.names, formEmail) {
		for _, email := range emailAddresses(v.cert.RawSubject) {
			names = append(names[:len(names):len(names)], generalName{form: formEmail, value: email})
		}
	}
	for _, name := range names {
		err := c.checkName(name)
		if err != nil {
			return err
		}
	}
	return nil
}

func hasForm(names []generalName, form int) bool {
	for _, name := range names {
		if name.form == form {
			return true
		}
	}
	return false
}

func (c *constrained) checkName(name generalName) error {
	for _, base := range c.excluded {
		hit, err := c.match(name, base, true)
		if err != nil {
			return err
		}
		if hit {
			return fmt.Errorf("%w: %s", errExcluded, name)
		}
	}
	for _, list := range c.permitted {
		bound, kept := false, false
		for _, base := range list {
			if base.form != name.form {
				continue
			}
			bound = true
			hit, err := c.match(name, base, false)
			if err != nil {
				return err
			}
			kept = kept || hit
		}
		if bound && !kept {
			return fmt.Errorf("%w: %s", errNotPermitted, name)
		}
	}
	return nil
}

// match tells whether a name lies in a subtree. A form that nobody here can
// compare is refused where it meets a constraint (RFC 5280 §4.2.1.10).
func (c *constrained) match(name, base generalName, excluding bool) (bool, error) {
	if name.form != base.form {
		return false, nil
	}
	c.comparisons++
	if c.comparisons > maxComparisons {
		return false, errComparisons
	}
	switch name.form {
	case formEmail:
		return emailWithin(name.value, base.value)
	case formDNS:
		return dnsWithin(name.value, base.value, excluding)
	case formDirectory:
		return name.name.within(base.name), nil
	case formURI:
		return uriWithin(name.value, base.value)
	case formIP:
		return addressWithin([]byte(name.value), []byte(base.value)), nil
	}
	return false, fmt.Errorf("constraint on a form of name that cannot be compared (%d)", name.form)
}

// String writes the name for errors.
func (g generalName) String() string {
	switch g.form {
	case formEmail, formDNS, formURI:
		return fmt.Sprintf("%q", g.value)
	case formIP:
		return net.IP(g.value).String()
	}
	return fmt.Sprintf("form %d", g.form)
}

// emailWithin: "a@b" is one mailbox, "host" every mailbox on it, ".domain"
// every mailbox on a host below it.
func emailWithin(mailbox, base string) (bool, error) {
	at := strings.LastIndexByte(mailbox, '@')
	if at <= 0 || at == len(mailbox)-1 {
		return false, fmt.Errorf("mailbox %q cannot be held against constraints", mailbox)
	}
	host := mailbox[at+1:]
	baseAt := strings.LastIndexByte(base, '@')
	switch {
	case baseAt >= 0:
		return mailbox[:at] == base[:baseAt] && strings.EqualFold(host, base[baseAt+1:]), nil
	case strings.HasPrefix(base, "."):
		return hasSuffixFold(host, base) && len(host) > len(base), nil
	case base == "":
		return true, nil
	}
	return strings.EqualFold(host, base), nil
}

func hasSuffixFold(text, suffix string) bool {
	return len(text) >= len(suffix) && strings.EqualFold(text[len(text)-len(suffix):], suffix)
}

// dnsWithin: a name with zero or more labels to the left of the base. A
// wildcard stands for any one label, so an excluded name below it excludes it.
func dnsWithin(name, base string, excluding bool) (bool, error) {
	if !plausibleHost(strings.TrimPrefix(name, "*.")) {
		return false, fmt.Errorf("DNS name %q cannot be held against constraints", name)
	}
	if base == "" {
		return true, nil
	}
	if below(name, base) {
		return true, nil
	}
	if !excluding || !strings.HasPrefix(name, "*.") {
		return false, nil
	}
	_, parent, ok := strings.Cut(strings.TrimPrefix(base, "."), ".")
	return ok && strings.EqualFold(parent, name[2:]), nil
}

// below tells whether host is base or below it; a base with a leading dot does
// not mean itself.
func below(host, base string) bool {
	if strings.HasPrefix(base, ".") {
		return hasSuffixFold(host, base) && len(host) > len(base)
	}
	return strings.EqualFold(host, base) || hasSuffixFold(host, "."+base)
}

// plausibleHost tells a host name from text that only passes for one.
func plausibleHost(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	for _, label := range strings.Split(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// uriWithin: the constraint is on the host, exactly or, with a leading dot,
// below. A URI without a host name cannot be bound by it and is refused.
func uriWithin(uri, base string) (bool, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Hostname() == "" || net.ParseIP(u.Hostname()) != nil || !plausibleHost(u.Hostname()) {
		return false, fmt.Errorf("URI %q names no host that constraints could bind", uri)
	}
	host := u.Hostname()
	if strings.HasPrefix(base, ".") {
		return hasSuffixFold(host, base) && len(host) > len(base), nil
	}
	return base == "" || strings.EqualFold(host, base), nil
}

func addressWithin(address, base []byte) bool {
	if 2*len(address) != len(base) {
		return false
	}
	mask := base[len(address):]
	for i := range address {
		if (address[i]^base[i])&mask[i] != 0 {
			return false
		}
	}
	return true
}
