package trust

import (
	"errors"
	"slices"
)

// Policies are the policy inputs of RFC 5280 §6.1.1 (c, e, f, g). The zero
// value takes any policy and asks for none.
type Policies struct {
	// Accept are the acceptable policies, dotted; empty means any.
	Accept []string
	// RequireExplicit asks that the path stands under an acceptable policy.
	RequireExplicit bool
	// InhibitMapping and InhibitAny switch mappings and anyPolicy off.
	InhibitMapping, InhibitAny bool
}

// policyNode is a policy that is valid down to a depth. Each depth has at most
// one node for a policy, however many parents it has: the graph of RFC 9618
// §5.1, which grows with the number of policies, where the tree of RFC 5280
// doubled at every certificate.
type policyNode struct {
	policy   string
	expected []string
	parents  []*policyNode
	reached  bool
}

// policyGraph holds the nodes of the current depth; those above hang on them
// as parents. A nil map is the NULL graph.
type policyGraph struct {
	above, here map[string]*policyNode
}

func newPolicyGraph() *policyGraph {
	root := &policyNode{policy: anyPolicy, expected: []string{anyPolicy}}
	return &policyGraph{here: map[string]*policyNode{anyPolicy: root}}
}

func (g *policyGraph) null() bool { return len(g.here) == 0 }

// descend processes the policies of the next certificate (RFC 9618 §5.3, which
// replaces RFC 5280 §6.1.3 d, e).
func (g *policyGraph) descend(v *view, mayAny bool) {
	if !v.hasPolicies || g.null() {
		g.above, g.here = nil, nil
		return
	}
	g.above, g.here = g.here, make(map[string]*policyNode)
	expecting := make(map[string][]*policyNode)
	for _, node := range g.above {
		for _, policy := range node.expected {
			expecting[policy] = append(expecting[policy], node)
		}
	}
	hasAny := false
	for _, policy := range v.policies {
		if policy == anyPolicy {
			hasAny = true
			continue
		}
		parents := expecting[policy]
		if len(parents) == 0 {
			wild := g.above[anyPolicy]
			if wild == nil {
				continue
			}
			parents = []*policyNode{wild}
		}
		g.add(policy, parents)
	}
	if !hasAny || !mayAny {
		return
	}
	for policy, parents := range expecting {
		if g.here[policy] == nil {
			g.add(policy, parents)
		}
	}
}

func (g *policyGraph) add(policy string, parents []*policyNode) *policyNode {
	node := &policyNode{policy: policy, expected: []string{policy}, parents: parents}
	g.here[policy] = node
	return node
}

var errMapAny = errors.New("policy mapped from or to anyPolicy")

// translate applies the mappings of an authority to the policies that its
// subjects may use (RFC 9618 §5.4, for RFC 5280 §6.1.4 a, b).
func (g *policyGraph) translate(mappings [][2]string, allowed bool) error {
	to := make(map[string][]string)
	for _, pair := range mappings {
		if pair[0] == anyPolicy || pair[1] == anyPolicy {
			return errMapAny
		}
		if !slices.Contains(to[pair[0]], pair[1]) {
			to[pair[0]] = append(to[pair[0]], pair[1])
		}
	}
	if g.null() {
		return nil
	}
	wild := g.here[anyPolicy]
	for policy, expected := range to {
		node := g.here[policy]
		switch {
		case !allowed:
			delete(g.here, policy)
			continue
		case node == nil && wild == nil:
			continue
		case node == nil:
			node = g.add(policy, wild.parents)
		}
		node.expected = expected
	}
	return nil
}

// valid returns the policies, in the words of the anchor's domain, under which
// the path stands for the user (RFC 9618 §5.5, for RFC 5280 §6.1.5 g); a path
// valid under any policy returns what the user accepts, or anyPolicy.
func (g *policyGraph) valid(accept []string) []string {
	everything := len(accept) == 0 || slices.Contains(accept, anyPolicy)
	var found []string
	level := make([]*policyNode, 0, len(g.here))
	for _, node := range g.here {
		level = append(level, node)
	}
	for len(level) > 0 {
		var next []*policyNode
		for _, node := range level {
			if node.reached {
				continue
			}
			node.reached = true
			next = append(next, node.parents...)
			if !underAny(node) {
				continue
			}
			switch {
			case node.policy != anyPolicy:
				if everything || slices.Contains(accept, node.policy) {
					found = append(found, node.policy)
				}
			case g.here[anyPolicy] == node && everything:
				found = append(found, anyPolicy)
			case g.here[anyPolicy] == node:
				found = append(found, accept...)
			}
		}
		level = next
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// underAny tells a node whose policy is named in the anchor's own domain: the
// one above it is anyPolicy.
func underAny(node *policyNode) bool {
	for _, parent := range node.parents {
		if parent.policy == anyPolicy {
			return true
		}
	}
	return len(node.parents) == 0
}
