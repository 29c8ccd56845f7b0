package hsm

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// maxQueue bounds the signatures that wait for one token; more are refused
	// with ErrBusy at once.
	maxQueue = 1024
	// verifyOneIn is the share of ECDSA signatures that are verified while the
	// cores are busy.
	verifyOneIn = 16
)

// replier gets the answer to a job, once.
type replier interface {
	reply(job *signJob, sig []byte, err error)
}

// signJob is a signature on its way to a token.
type signJob struct {
	to    replier
	id    uint64
	route *route
	plan  signPlan
	// until is when the caller stops waiting.
	until time.Time
	// tried counts the tokens that failed it.
	tried int
	// room holds a digest without another allocation.
	room [64]byte
}

// newJob checks a request against the key of its route. The digest is copied.
func newJob(to replier, r *route, req signRequest) (*signJob, error) {
	job := &signJob{to: to, id: req.id, route: r, until: time.Now().Add(req.wait)}
	digest := append(job.room[:0], req.digest...)
	var err error
	job.plan, err = planSignature(r.key.Public, req.scheme, req.hash, req.salt, digest)
	return job, err
}

// submit gives a job to the active token that owes the least. The answer goes
// to job.to, here or later.
func (s *tokenSet) submit(job *signJob) {
	m, _ := job.route.pick()
	if m == nil {
		job.to.reply(job, nil, fmt.Errorf("%w: no token that holds %q is active", ErrUnavailable, job.route.key.Label))
		return
	}
	m.outstanding.Add(1)
	select {
	case m.queue <- job:
	default:
		m.outstanding.Add(-1)
		job.to.reply(job, nil, fmt.Errorf("%w: %d signatures wait for token %q", ErrBusy, maxQueue, m.cfg.name))
	}
}

// pick chooses the active holder that owes the least.
func (r *route) pick() (*member, backend) {
	var best *member
	var with backend
	for _, m := range r.holders {
		b := m.active()
		if b != nil && (best == nil || m.outstanding.Load() < best.outstanding.Load()) {
			best, with = m, b
		}
	}
	return best, with
}

// startLanes starts as many goroutines as the token makes signatures at the
// same time; once for each token.
func (s *tokenSet) startLanes(m *member, b backend) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.started {
		return
	}
	m.started = true
	info := b.info()
	m.network = info.Kind != schemePKCS11
	for i := range min(max(info.Lanes, 1), maxSessions) {
		s.lanes.Go(func() {
			for job := range m.queue {
				s.do(m, &m.busy[i], job)
				m.outstanding.Add(-1)
			}
		})
	}
}

// do makes one signature. When the token fails, the job goes to another.
func (s *tokenSet) do(m *member, busy *atomic.Int64, job *signJob) {
	now := time.Now()
	if now.After(job.until) {
		job.to.reply(job, nil, fmt.Errorf("%w: the signature waited too long for token %q", ErrBusy, m.cfg.name))
		return
	}
	b := m.active()
	if b == nil {
		s.elsewhere(m, job, fmt.Errorf("%w: token %q is not active", ErrUnavailable, m.cfg.name))
		return
	}
	if !m.network {
		busy.Store(now.UnixNano())
	}
	sig, err := s.signWith(m, b, job)
	busy.Store(0)
	switch {
	case err == nil:
		m.signatures.Add(1)
		job.to.reply(job, sig, nil)
		if job.plan.scheme == schemeEdDSA && !m.network && s.leaked.Add(1) == s.leakMost {
			close(s.worn)
		}
	case lost(err) || errors.Is(err, ErrPIN) || errors.Is(err, ErrKeyMismatch):
		s.failed(m, err)
		s.elsewhere(m, job, err)
	default:
		job.to.reply(job, nil, err)
	}
}

// elsewhere gives a job that m did not do to another token, if there is one.
func (s *tokenSet) elsewhere(m *member, job *signJob, cause error) {
	job.tried++
	if job.tried < len(job.route.holders) {
		s.submit(job)
		return
	}
	if !lost(cause) {
		cause = fmt.Errorf("%w: %w", ErrUnavailable, cause)
	}
	job.to.reply(job, nil, fmt.Errorf("token %q: %w", m.cfg.name, cause))
}

// signWith makes a signature and verifies it as the policy says. One that does
// not verify is not released; the token is asked for its keys again and gets
// one more attempt.
func (s *tokenSet) signWith(m *member, b backend, job *signJob) ([]byte, error) {
	ctx := s.ctx
	if m.network {
		// A service in the network is waited for as long as the caller waits. A
		// call of a PKCS#11 module cannot be cut short.
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, job.until)
		defer cancel()
	}
	label := job.route.key.Label
	for range 2 {
		var epoch uint64
		if e, ok := b.(epocher); ok {
			epoch = e.epoch()
		}
		sig, err := b.sign(ctx, label, job.plan)
		if err != nil {
			return nil, err
		}
		if !m.mustVerify(label, epoch, job.plan) {
			return sig, nil
		}
		if job.plan.verify(sig) {
			m.proved.Store(label, epoch)
			return sig, nil
		}
		m.refused.Add(1)
		m.proved.Delete(label)
		s.log.Error("a signature of the token does not verify and is not released", slog.String("token", m.cfg.name), slog.String("label", label))
		_, err = b.keys(ctx, true)
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %q in token %q", ErrKeyMismatch, label, m.cfg.name)
}

// mustVerify is the policy of verification. RSA and Ed25519 are verified
// always: one faulty signature of RSA by the Chinese remainder theorem, or of a
// deterministic scheme, gives the private key away, and to verify costs little
// beside signing. ECDSA is verified at the first signature of a key after it
// was found (a token may answer with another key), at each while a core is
// idle, and at one in verifyOneIn when all are busy: there it costs a third of
// signing, and its nonce is random.
func (m *member) mustVerify(label string, epoch uint64, plan signPlan) bool {
	if _, ok := plan.pub.(*ecdsa.PublicKey); !ok {
		return true
	}
	proved, ok := m.proved.Load(label)
	if !ok || proved != epoch {
		return true
	}
	if int(m.outstanding.Load()) < runtime.NumCPU() {
		return true
	}
	return m.unchecked.Add(1)%verifyOneIn == 0
}

const (
	// signTime bounds one call into a PKCS#11 module; one that takes longer
	// hangs. The slowest cards need some seconds for RSA-4096.
	signTime = 10 * time.Second
	// lossTime bounds it for a token that another call has found lost: p11-kit
	// may leave calls waiting for a peer that is dead.
	lossTime = 2 * time.Second
)

// hung says whether a call into a module does not come back. Nothing but the
// end of the process frees its thread.
func (s *tokenSet) hung(now time.Time) bool {
	for _, m := range s.members {
		m.mu.Lock()
		limit := signTime
		if m.state != StateActive && now.Sub(m.since) > lossTime {
			limit = lossTime
		}
		m.mu.Unlock()
		for i := range m.busy {
			began := m.busy[i].Load()
			if began != 0 && now.Sub(time.Unix(0, began)) > limit {
				return true
			}
		}
	}
	return false
}
