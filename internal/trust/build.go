package trust

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"sort"
)

// Limits of one search. A hostile document can carry certificates that cross
// each other in every way; an honest bridge of authorities stays far below.
const (
	// maxPathCertificates bounds what is handed to the path builder: a
	// hostile document may carry thousands of look-alike certificates.
	maxPathCertificates = 256
	// maxDepthPath bounds the certificates of one path, anchor included.
	maxDepthPath = 16
	// maxSignatures bounds the signatures verified in one search: about a
	// third of a second of the slowest ones.
	maxSignatures = 512
	// maxPaths bounds the complete paths that are validated.
	maxPaths = 256
	// maxSteps bounds the candidates looked at.
	maxSteps = 1 << 16
)

var errBudget = errors.New("limits of the path builder")

// search looks for a path from a leaf to an anchor, going up by issuer names
// (RFC 4158), and validates each path that reaches an anchor until one stands.
type search struct {
	ctx     context.Context
	store   *Store
	req     Request
	known   map[string][]*view // from the request, by subject
	checked map[signatureOf]error

	signatures, paths, steps int
	path                     []*view
	found                    *Path
	failure                  *PathError
	telling                  int // how much failure tells
}

type signatureOf struct{ child, issuer *view }

// How much a failure tells about the leaf: a path to an anchor that does not
// hold says more than no path at all.
const (
	tellsNothing = iota
	tellsNoAnchor
	tellsBadSignature
	tellsBadPath
)

func (s *Store) newSearch(ctx context.Context, leaf *x509.Certificate, req Request) (*search, *PathError) {
	run := &search{ctx: ctx, store: s, req: req, known: make(map[string][]*view), checked: make(map[signatureOf]error)}
	count := 0
	for _, list := range [][]*x509.Certificate{req.Intermediates, req.Evidence.Certificates} {
		for _, cert := range list {
			// Only authorities can stand in the middle of a path; the
			// cheap test keeps a flood of leaves out of the search.
			if cert.Equal(leaf) || !cert.IsCA {
				continue
			}
			count++
			if count > maxPathCertificates {
				return nil, &PathError{Reason: PathTooMany, Err: fmt.Errorf("more than %d candidate certificates", maxPathCertificates)}
			}
			v, err := newView(cert)
			if err != nil {
				continue // what cannot be read cannot be part of a path
			}
			subject := v.subject.key()
			run.known[subject] = append(run.known[subject], v)
		}
	}
	return run, nil
}

// run returns the first path that stands.
func (s *search) run(leaf *view) (*Path, *PathError) {
	s.path = []*view{leaf}
	if s.store.IsAnchor(leaf.cert) || s.limitedAnchor(leaf) {
		// An anchor answers for itself.
		s.complete()
		return s.result()
	}
	err := s.extend(leaf)
	if err != nil && s.found == nil {
		reason := PathTooMany
		if !errors.Is(err, errBudget) {
			reason = PathInterrupted
		}
		return nil, &PathError{Reason: reason, Certificate: leaf.cert, Err: err}
	}
	return s.result()
}

// limitedAnchor tells whether a leaf is itself an anchor for the purpose asked.
func (s *search) limitedAnchor(leaf *view) bool {
	for _, v := range s.store.anchorsBySubject[leaf.subject.key()] {
		if v.cert.Equal(leaf.cert) && s.req.anchors(v) {
			return true
		}
	}
	return false
}

func (s *search) result() (*Path, *PathError) {
	if s.found != nil {
		return s.found, nil
	}
	return nil, s.failure
}

// extend tries every issuer of the last certificate of the path. The error
// ends the search.
func (s *search) extend(child *view) error {
	candidates := s.issuers(child)
	if len(candidates) == 0 {
		s.fail(tellsNoAnchor, refuse(PathNoAnchor, child, nil))
	}
	for _, issuer := range candidates {
		err := s.step(child, issuer)
		if err != nil || s.found != nil {
			return err
		}
	}
	return nil
}

func (s *search) step(child, issuer *view) error {
	s.steps++
	if s.steps > maxSteps {
		return errBudget
	}
	err := s.ctx.Err()
	if err != nil {
		return err
	}
	if s.repeats(issuer) {
		s.fail(tellsNoAnchor, refuse(PathNoAnchor, child, nil))
		return nil
	}
	if !lacksParameters(issuer.key) {
		// A key that inherits its parameters waits for the whole path.
		err = s.verify(child, issuer, issuer.key)
		if errors.Is(err, errBudget) {
			return err
		}
		if err != nil {
			s.fail(tellsBadSignature, refuse(s.signatureReason(err), child, err))
			return nil
		}
	}
	if len(s.path) == maxDepthPath {
		s.fail(tellsNoAnchor, refuse(PathTooMany, child, errors.New("path too long")))
		return nil
	}
	s.path = append(s.path, issuer)
	defer func() { s.path = s.path[:len(s.path)-1] }()
	if s.req.anchors(issuer) {
		s.paths++
		if s.paths > maxPaths {
			return errBudget
		}
		s.complete()
		return nil
	}
	return s.extend(issuer)
}

// repeats tells a loop: the same name with the same key again (RFC 4158 §5.2).
func (s *search) repeats(issuer *view) bool {
	for _, have := range s.path {
		if have == issuer {
			return true
		}
		if string(have.cert.RawSubjectPublicKeyInfo) == string(issuer.cert.RawSubjectPublicKeyInfo) && have.subject.key() == issuer.subject.key() {
			return true
		}
	}
	return false
}

// complete validates the path that reached an anchor.
func (s *search) complete() {
	policies, failure := s.validatePath(s.path)
	if failure != nil {
		s.fail(tellsBadPath, failure)
		return
	}
	found := &Path{Policies: policies}
	for _, v := range s.path {
		found.Certificates = append(found.Certificates, v.cert)
	}
	if s.req.Accept != nil {
		err := s.req.Accept(s.ctx, found)
		if err != nil {
			failure, ok := asPathError(err)
			if !ok {
				failure = refuse(PathRefused, s.path[0], err)
			}
			s.fail(tellsBadPath, failure)
			return
		}
	}
	s.found = found
}

func asPathError(err error) (*PathError, bool) {
	var failure *PathError
	ok := errors.As(err, &failure)
	return failure, ok
}

func (s *search) fail(telling int, failure *PathError) {
	if telling > s.telling {
		s.telling, s.failure = telling, failure
	}
}

// issuers lists those whose name the certificate gives as its issuer's, the
// likeliest first: anchors, fitting key identifiers, valid at the time asked,
// certificates that lead away from the same name.
func (s *search) issuers(child *view) []*view {
	name := child.issuer.key()
	list := append([]*view(nil), s.store.anchorsBySubject[name]...)
	list = append(list, s.store.knownBySubject[name]...)
	list = append(list, s.known[name]...)
	if len(list) < 2 {
		return list
	}
	rank := make(map[*view]int, len(list))
	for _, v := range list {
		points := 0
		if s.req.anchors(v) {
			points += 8
		}
		if child.keyFits(v) {
			points += 4
		}
		if s.checkTime(v) == nil {
			points += 2
		}
		if !v.selfIssued() {
			points++
		}
		rank[v] = points
	}
	sort.SliceStable(list, func(a, b int) bool { return rank[list[a]] > rank[list[b]] })
	return list
}

// verify checks the signature of child by the issuer's key, once. The strength
// of the algorithm comes first, so that weak ones cost nothing.
func (s *search) verify(child, issuer *view, key crypto.PublicKey) error {
	at := signatureOf{child, issuer}
	err, done := s.checked[at]
	if done {
		return err
	}
	if s.signatures == maxSignatures {
		return errBudget
	}
	err = s.req.Strength.checkAlgorithm(child.cert.SignatureAlgorithm)
	if err == nil {
		s.signatures++
		err = verifySignature(key, child.cert.SignatureAlgorithm, child.cert.RawTBSCertificate, child.cert.Signature)
	}
	s.checked[at] = err
	return err
}

// signatureReason tells a weak algorithm from a stranger with the right name.
func (s *search) signatureReason(err error) PathReason {
	if errors.Is(err, errWeak) {
		return PathWeak
	}
	return PathNoAnchor
}
