package trust

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
)

// walk is the state of basic path validation (RFC 5280 §6.1.2), going from the
// anchor to the leaf.
type walk struct {
	req     *Request
	search  *search
	key     crypto.PublicKey // working public key
	names   constrained
	graph   *policyGraph
	pathLen int // certificates that may still follow; absent: any number

	explicit, mapping, any int
}

// validatePath runs RFC 5280 §6.1 over a path, leaf first, anchor last, and
// returns the policies it stands under. Names and signatures of the path were
// matched by the search; signatures are remembered there. The constraints that
// the anchor's own certificate carries bind as well (RFC 5937 §3).
func (s *search) validatePath(path []*view) ([]string, *PathError) {
	n := len(path) - 1
	anchor := path[n]
	failure := s.checkAnchor(anchor, n)
	if failure != nil {
		return nil, failure
	}
	w := &walk{
		req: &s.req, search: s, key: anchor.key, graph: newPolicyGraph(), pathLen: anchor.pathLen,
		explicit: start(s.req.Policies.RequireExplicit, n),
		mapping:  start(s.req.Policies.InhibitMapping, n), any: start(s.req.Policies.InhibitAny, n),
	}
	w.names.add(anchor.constraints)
	for i := n - 1; i >= 0; i-- {
		last := i == 0
		failure = w.certificate(path[i], path[i+1], last)
		if failure != nil {
			return nil, failure
		}
		if last {
			break
		}
		failure = w.prepare(path[i])
		if failure != nil {
			return nil, failure
		}
	}
	return w.finish(path[0])
}

// start is the first value of a counter: 0 when the user switches it on at
// once, n+1 otherwise.
func start(now bool, n int) int {
	if now {
		return 0
	}
	return n + 1
}

func refuse(reason PathReason, v *view, err error) *PathError {
	return &PathError{Reason: reason, Certificate: v.cert, Err: err}
}

// checkAnchor asks of the anchor's certificate what a certificate authority's
// must have; an anchor that is the leaf itself issues nothing.
func (s *search) checkAnchor(anchor *view, below int) *PathError {
	failure := s.checkTime(anchor)
	if failure != nil {
		return failure
	}
	err := s.req.Strength.checkKey(anchor.key)
	if err != nil {
		return refuse(PathWeak, anchor, err)
	}
	if below == 0 {
		return nil
	}
	// An anchor of version 1 or 2 has no basicConstraints: that it may issue
	// is what its place in the store says.
	if anchor.cert.Version >= 3 {
		err = anchor.mayIssue()
	}
	if err != nil {
		return refuse(PathConstraint, anchor, err)
	}
	if anchor.critical != nil {
		return refuse(PathCritical, anchor, fmt.Errorf("critical extension %s", anchor.critical))
	}
	return nil
}

func (s *search) checkTime(v *view) *PathError {
	switch {
	case s.req.At.Before(v.cert.NotBefore):
		return refuse(PathNotYetValid, v, nil)
	case s.req.At.After(v.cert.NotAfter):
		return refuse(PathExpired, v, nil)
	}
	return nil
}

// certificate is RFC 5280 §6.1.3 for one certificate.
func (w *walk) certificate(v, issuer *view, last bool) *PathError {
	key := inherit(v.key, w.key)
	err := w.req.Strength.checkAlgorithm(v.cert.SignatureAlgorithm)
	if err == nil {
		err = w.req.Strength.checkKey(key)
	}
	if err != nil {
		return refuse(PathWeak, v, err)
	}
	err = w.search.verify(v, issuer, w.key)
	if err != nil {
		return refuse(w.search.signatureReason(err), v, err)
	}
	w.key = key
	failure := w.search.checkTime(v)
	if failure != nil {
		return failure
	}
	if !v.selfIssued() || last {
		err = w.names.check(v)
		if err != nil {
			return refuse(PathConstraint, v, err)
		}
	}
	w.graph.descend(v, w.any > 0 || !last && v.selfIssued())
	if w.explicit <= 0 && w.graph.null() {
		return refuse(PathPolicy, v, errPolicy)
	}
	if v.critical != nil {
		return refuse(PathCritical, v, fmt.Errorf("critical extension %s", v.critical))
	}
	return nil
}

var errPolicy = errors.New("no acceptable certificate policy")

// prepare is RFC 5280 §6.1.4, between a certificate and the next.
func (w *walk) prepare(v *view) *PathError {
	if len(v.mappings) > 0 {
		err := w.graph.translate(v.mappings, w.mapping > 0)
		if err != nil {
			return refuse(PathPolicy, v, err)
		}
	}
	w.names.add(v.constraints)
	if !v.selfIssued() {
		w.explicit, w.mapping, w.any = w.explicit-1, w.mapping-1, w.any-1
	}
	w.explicit = lower(w.explicit, v.requireExplicit)
	w.mapping = lower(w.mapping, v.inhibitMapping)
	w.any = lower(w.any, v.inhibitAny)
	err := v.mayIssue()
	if err != nil {
		return refuse(PathConstraint, v, err)
	}
	if !v.selfIssued() {
		if w.pathLen == 0 {
			return refuse(PathConstraint, v, errors.New("longer than an authority above allows (pathLenConstraint)"))
		}
		if w.pathLen != absent {
			w.pathLen--
		}
	}
	if v.pathLen != absent && (w.pathLen == absent || v.pathLen < w.pathLen) {
		w.pathLen = v.pathLen
	}
	return w.purpose(v)
}

// lower takes the value of an extension where it is stricter than the counter,
// which stays at 0 once it is there.
func lower(counter, given int) int {
	if counter < 0 {
		counter = 0
	}
	if given != absent && given < counter {
		return given
	}
	return counter
}

// purpose holds the extendedKeyUsage of an authority against the purpose, as
// the web's validators do: an authority over mail names no servers.
func (w *walk) purpose(v *view) *PathError {
	usage := w.req.Purpose.usage()
	if usage == "" || !v.hasUsages || v.allows(usage) {
		return nil
	}
	return refuse(PathKeyUsage, v, errors.New("extendedKeyUsage of the authority does not cover the purpose"))
}

// finish is RFC 5280 §6.1.5.
func (w *walk) finish(leaf *view) ([]string, *PathError) {
	explicit := w.explicit - 1
	if leaf.requireExplicit == 0 {
		explicit = 0
	}
	policies := w.graph.valid(w.req.Policies.Accept)
	if explicit <= 0 && len(policies) == 0 {
		return nil, refuse(PathPolicy, leaf, errPolicy)
	}
	return policies, nil
}

// allows tells whether extendedKeyUsage covers a purpose.
func (v *view) allows(usage string) bool {
	for _, have := range v.usages {
		if have == usage || have == anyUsage {
			return true
		}
	}
	return false
}

// CheckKeyStrength refuses keys that are too short to be believed.
func CheckKeyStrength(cert *x509.Certificate) error {
	return Strength{}.checkKey(cert.PublicKey)
}
