package rules

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Limits of reputations: Suricata's categories, and its largest score.
const (
	maxCategories  = 60
	maxScore       = 127
	maxReputations = 4_000_000
)

// Reputation says how bad addresses are, by category: what the keyword iprep
// asks. It is read once and not changed; a reload reads it anew.
type Reputation struct {
	categories map[string]uint8
	scores     map[scoreKey]uint8
	// lengths are the lengths of the networks in scores, the longest first: of
	// IPv4 and of IPv6.
	lengths [2][]int
}

type scoreKey struct {
	net      netip.Prefix
	category uint8
}

// ParseCategories reads a file of "number,short name,description" and returns
// reputations without scores. Lines that cannot be used are returned with their
// reason.
func ParseCategories(r io.Reader, file string) (*Reputation, []Refusal) {
	p := &Reputation{categories: map[string]uint8{}, scores: map[scoreKey]uint8{}}
	refused := eachLine(r, file, func(line string) error {
		parts := strings.SplitN(line, ",", 3)
		if len(parts) < 2 {
			return errors.New("needs a number, a name and a description")
		}
		n, err := category(parts[0])
		if err == nil {
			p.categories[strings.TrimSpace(parts[1])] = n
		}
		return err
	})
	return p, refused
}

// Add reads a file of "address or network,category,score".
func (p *Reputation) Add(r io.Reader, file string) []Refusal {
	refused := eachLine(r, file, func(line string) error {
		parts := strings.Split(line, ",")
		if len(parts) != 3 {
			return errors.New("needs an address, a category and a score")
		}
		net, err := network(strings.TrimSpace(parts[0]))
		if err != nil {
			return err
		}
		n, err := category(parts[1])
		if err != nil {
			return err
		}
		score, err := strconv.ParseUint(strings.TrimSpace(parts[2]), 10, 8)
		if err != nil || score > maxScore {
			return fmt.Errorf("score %q is not 0 to %d", clip(parts[2]), maxScore)
		}
		if len(p.scores) >= maxReputations {
			return fmt.Errorf("more than %d scores", maxReputations)
		}
		p.scores[scoreKey{net, n}] = uint8(score)
		return nil
	})
	p.measure()
	return refused
}

// eachLine calls use with the lines that say something.
func eachLine(r io.Reader, file string, use func(string) error) (refused []Refusal) {
	in := bufio.NewScanner(r)
	for n := 1; in.Scan(); n++ {
		line, _, _ := strings.Cut(in.Text(), "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		err := use(line)
		if err != nil {
			refused = append(refused, Refusal{File: file, Line: n, Reason: err.Error()})
		}
	}
	if in.Err() != nil {
		refused = append(refused, Refusal{File: file, Reason: fmt.Sprintf("read: %v", in.Err())})
	}
	return refused
}

func category(s string) (uint8, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 8)
	if err != nil || n >= maxCategories {
		return 0, fmt.Errorf("category %q is not 0 to %d", clip(s), maxCategories-1)
	}
	return uint8(n), nil
}

func network(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		net, err := netip.ParsePrefix(s)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("%q is not a network", clip(s))
		}
		return net.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not an address", clip(s))
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// measure notes which lengths of networks there are.
func (p *Reputation) measure() {
	var seen [2][129]bool
	for key := range p.scores {
		seen[version(key.net.Addr())][key.net.Bits()] = true
	}
	for v := range seen {
		p.lengths[v] = p.lengths[v][:0]
		for n := len(seen[v]) - 1; n >= 0; n-- {
			if seen[v][n] {
				p.lengths[v] = append(p.lengths[v], n)
			}
		}
	}
}

func version(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// score is what the narrowest network of the address says.
func (p *Reputation) score(a netip.Addr, category uint8) (int, bool) {
	a = a.Unmap()
	for _, n := range p.lengths[version(a)] {
		net, err := a.Prefix(n)
		if err != nil {
			continue
		}
		score, ok := p.scores[scoreKey{net, category}]
		if ok {
			return int(score), true
		}
	}
	return 0, false
}

// Len is how many scores there are.
func (p *Reputation) Len() int { return len(p.scores) }

// reputationTest is "iprep:any,name,>,30" or "iprep:src,name,isset".
type reputationTest struct {
	from     *Reputation
	side     string
	category uint8
	// exists asks only whether there is a score, or with not that there is none.
	exists, not bool
	number      numberTest
}

func (t *reputationTest) holds(in *Input) bool {
	switch t.side {
	case "src":
		return t.addrHolds(in.Src.Addr())
	case "dst":
		return t.addrHolds(in.Dst.Addr())
	case "both":
		return t.addrHolds(in.Src.Addr()) && t.addrHolds(in.Dst.Addr())
	}
	return t.addrHolds(in.Src.Addr()) || t.addrHolds(in.Dst.Addr())
}

func (t *reputationTest) addrHolds(a netip.Addr) bool {
	score, ok := t.from.score(a, t.category)
	if t.exists {
		return ok != t.not
	}
	return ok && t.number.holds(score)
}

func (b *builder) addReputation(value string) error {
	parts := splitTrim(value)
	if len(parts) < 3 || len(parts) > 4 {
		return errors.New("needs a side, a category, and isset, isnotset or a comparison")
	}
	if b.data == nil || b.data.Reputation == nil {
		return errNoReputation
	}
	t := &reputationTest{from: b.data.Reputation, side: parts[0]}
	if !slices.Contains([]string{"src", "dst", "any", "both"}, t.side) {
		return fmt.Errorf("%q is neither src, dst, any nor both", clip(t.side))
	}
	var ok bool
	t.category, ok = t.from.categories[parts[1]]
	if !ok {
		return fmt.Errorf("category %q is in no list", clip(parts[1]))
	}
	if len(parts) == 3 {
		t.exists, t.not = true, parts[2] == "isnotset"
		if parts[2] != "isset" && !t.not {
			return fmt.Errorf("%q is neither isset nor isnotset", clip(parts[2]))
		}
		return b.addState(packetTest{kind: packetReputation, reputation: t}, nil)
	}
	if !slices.Contains([]string{"<", ">", "=", "<=", ">="}, parts[2]) {
		return fmt.Errorf("%q does not compare", clip(parts[2]))
	}
	var err error
	t.number, err = parseNumberTest(parts[2]+parts[3], maxScore)
	return b.addState(packetTest{kind: packetReputation, reputation: t}, err)
}

var errNoReputation = errors.New("there are no reputations: put categories.txt and iprep.list beside the rules, or name them in the configuration")

// ReputationFiles name the files that iprep asks.
type ReputationFiles struct {
	// Categories has a line for each category, Scores have one for each address.
	Categories string   `yaml:"categories"`
	Scores     []string `yaml:"scores"`
}

// onlyReputation reports whether a rule asks nothing of packets but their
// addresses' reputation.
func (r *Rule) onlyReputation() bool {
	return !slices.ContainsFunc(r.packet, func(t packetTest) bool { return t.kind != packetReputation })
}
