package ocsp

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antin-gov/antin/internal/clock"
)

// Errors of the responder.
var (
	// ErrConfig says that the responder must not serve as configured.
	ErrConfig = errors.New("ocsp: responder refused")
	// ErrStale says that the register could not be asked for so long that
	// nothing is answered from memory any more.
	ErrStale = errors.New("ocsp: the register does not answer")
	// ErrBusy says that too many answers are being signed.
	ErrBusy = errors.New("ocsp: too many answers are being signed")
)

// Source is the register of certificates. A certificate that was not released
// has state Unknown there.
type Source interface {
	// Revisions counts, for each issuer, the changes of state of its certificates.
	Revisions(ctx context.Context) (map[string]int64, error)
	// Changes reads the present state of the certificates that changed after the
	// issuer's change of that number.
	Changes(ctx context.Context, issuer string, since int64) ([]Certificate, error)
	// Find reads one certificate; its state is Unknown when there is none.
	Find(ctx context.Context, issuer string, serial *big.Int) (Certificate, error)
	// Each reads all certificates of the issuer that expire after the time, in
	// pieces.
	Each(ctx context.Context, issuer string, after time.Time, take func([]Certificate) error) error
}

// Config is what a responder needs.
type Config struct {
	Issuers []Issuer
	Source  Source
	Clock   clock.Clock
	Logger  *slog.Logger
	// Validity is nextUpdate − thisUpdate. An answer is made anew at half of it.
	Validity time.Duration
	// MaxAge is how long a proxy may keep an answer to a GET without nonce
	// (RFC 5019 §6.2).
	MaxAge time.Duration
	// Poll is how old the knowledge of changes may be when an answer leaves from
	// memory; default 250 ms.
	Poll time.Duration
	// MaxStale is for how long answers leave from memory while the register
	// cannot be asked; after that clients are told to try later. Default 30 s.
	MaxStale time.Duration
	// File keeps the answers made in advance over a restart; empty for none.
	File string
}

// Defaults and limits.
const (
	defaultPoll     = 250 * time.Millisecond
	defaultMaxStale = 30 * time.Second
	// aheadSlots is how many answers are signed at once for requests that find
	// none in memory, liveSlots for nonces: few, so that issuance, which uses
	// the same token, keeps its place.
	aheadSlots, liveSlots = 8, 4
	// lookupSlots is how many unknown serial numbers are looked up at once.
	lookupSlots = 16
	// maxQueue and queueWait bound who waits for such a place.
	maxQueue  = 256
	queueWait = 2 * time.Second
)

// Responder answers status requests. It is safe for concurrent use.
type Responder struct {
	cfg   Config
	state atomic.Pointer[[]*issuerKey]

	ahead, live, lookups *lane

	// polling is held by who asks the register for changes.
	polling   sync.Mutex
	revisions map[string]int64 // guarded by polling; nil before the first poll
	polled    atomic.Int64     // when the last good poll began, nanoseconds since start
	failed    atomic.Pointer[failure]
	started   time.Time // of the monotonic clock

	changed chan struct{} // wakes Run after changes
	counts  counts
}

// New checks the issuers and returns the responder. Answers leave at once; Run
// makes them in advance.
func New(cfg Config) (*Responder, error) {
	if cfg.Source == nil || cfg.Clock == nil || cfg.Logger == nil {
		return nil, fmt.Errorf("%w: a part is missing", ErrConfig)
	}
	if cfg.Validity < time.Minute || cfg.MaxAge < 0 || cfg.MaxAge > cfg.Validity {
		return nil, fmt.Errorf("%w: validity %s, age in proxies %s", ErrConfig, cfg.Validity, cfg.MaxAge)
	}
	if cfg.Poll == 0 {
		cfg.Poll = defaultPoll
	}
	if cfg.MaxStale == 0 {
		cfg.MaxStale = defaultMaxStale
	}
	if cfg.Poll < 0 || cfg.MaxStale < cfg.Poll {
		return nil, fmt.Errorf("%w: poll every %s, answers from memory for %s", ErrConfig, cfg.Poll, cfg.MaxStale)
	}
	r := &Responder{cfg: cfg, ahead: newLane(aheadSlots), live: newLane(liveSlots), lookups: newLane(lookupSlots),
		started: time.Now(), changed: make(chan struct{}, 1)}
	r.polled.Store(never)
	return r, r.SetIssuers(cfg.Issuers)
}

// never is a time long before the start.
const never = -int64(365 * 24 * time.Hour)

// SetIssuers replaces the issuers: a generation comes, a responder's
// certificate was renewed. What is in memory of an issuer stays.
func (r *Responder) SetIssuers(list []Issuer) error {
	if len(list) == 0 {
		return fmt.Errorf("%w: no issuer", ErrConfig)
	}
	old := r.keys()
	next := make([]*issuerKey, 0, len(list))
	for _, i := range list {
		k, err := newIssuerKey(i, r.cfg.Clock.Now())
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrConfig, i.Name, err)
		}
		k.memory = newMemory(k.ahead.width)
		for _, o := range old {
			if o.Name != i.Name || !o.Certificate.Equal(i.Certificate) {
				continue
			}
			k.memory = o.memory
			if string(o.ahead.hash) != string(k.ahead.hash) {
				k.memory.forget(k.ahead.width)
			}
		}
		next = append(next, k)
	}
	r.state.Store(&next)
	return nil
}

func (r *Responder) keys() []*issuerKey {
	p := r.state.Load()
	if p == nil {
		return nil
	}
	return *p
}

// issuer finds whom the CertID names; nil when nobody of ours.
func (r *Responder) issuer(id CertID) *issuerKey {
	for _, k := range r.keys() {
		if k.names(id) {
			return k
		}
	}
	return nil
}

// Answer is a response with what the transport needs of it.
type Answer struct {
	DER  []byte
	Code Code
	// Cacheable says that a proxy may keep it: successful and without nonce.
	Cacheable              bool
	ThisUpdate, NextUpdate time.Time
	// Tag tells answers apart, for caches; empty when not cacheable.
	Tag []byte
}

// Respond answers a request as DER. It always has an answer; when the register
// or the token does not answer, the client is told to try later, and what is
// wrong is logged.
func (r *Responder) Respond(ctx context.Context, der []byte) Answer {
	request, err := ParseRequest(der)
	if err != nil {
		r.counts.malformed.Add(1)
		return refuse(MalformedRequest)
	}
	answer, err := r.respond(ctx, request)
	switch {
	case err == nil:
		return answer
	case errors.Is(err, ErrConfig):
		r.counts.failed.Add(1)
		r.cfg.Logger.ErrorContext(ctx, "OCSP answer failed", "error", err)
		return refuse(InternalError)
	default:
		r.counts.later.Add(1)
		r.cfg.Logger.WarnContext(ctx, "OCSP answer not now", "error", err)
		return refuse(TryLater)
	}
}

func refuse(code Code) Answer { return Answer{DER: errorResponse(code), Code: code} }

func (r *Responder) respond(ctx context.Context, request *Request) (Answer, error) {
	if len(request.IDs) == 1 && len(request.Nonce) == 0 && request.IDs[0].plain {
		id := request.IDs[0]
		kind, ahead := kindOf(id.Hash)
		issuer := r.issuer(id)
		serial, fits := SerialOf(id.Serial)
		if issuer == nil {
			return refuse(Unauthorized), nil // RFC 6960 §2.3: not ours
		}
		if ahead && fits {
			answer, known, err := r.fromMemory(ctx, issuer, id, serial, kind)
			if known || err != nil {
				return answer, err
			}
		}
	}
	return r.signLive(ctx, request)
}

// fromMemory answers for one certificate with the answer made in advance, or
// makes it. It does not know what the register does not know.
func (r *Responder) fromMemory(ctx context.Context, i *issuerKey, id CertID, serial Serial, kind int) (Answer, bool, error) {
	err := r.sync(ctx, r.cfg.Poll)
	if err != nil {
		return Answer{}, false, err
	}
	now := r.cfg.Clock.Now().UTC().Truncate(time.Second)
	f, there := i.memory.find(serial, kind)
	if !there {
		there, err = r.lookUp(ctx, i, serial)
		if err != nil || !there {
			return Answer{}, false, err
		}
		f, there = i.memory.find(serial, kind)
		if !there {
			return Answer{}, false, nil
		}
	}
	if f.state == uint8(Unknown) {
		return Answer{}, false, nil
	}
	answer, good := r.kept(i, id, f, kind, now)
	if good {
		return answer, true, nil
	}
	answer, err = r.makeAhead(ctx, i, id, f, kind, now)
	return answer, true, err
}

// kept is the answer in memory, as far as it still holds.
func (r *Responder) kept(i *issuerKey, id CertID, f found, kind int, now time.Time) (Answer, bool) {
	if f.signature == nil {
		return Answer{}, false
	}
	this := time.Unix(int64(f.made[kind]), 0).UTC()
	next := this.Add(r.cfg.Validity)
	if !now.Before(next) || this.After(now.Add(r.cfg.Validity)) {
		return Answer{}, false
	}
	out := r.content(i, id, f.status(), this)
	tbs := out.tbs()
	if !f.proven[kind] {
		good := i.ahead.verify(tbs, f.signature)
		i.memory.prove(f, kind, good)
		if !good {
			return Answer{}, false
		}
	}
	r.counts.memory.Add(1)
	return Answer{DER: out.der(tbs, f.signature), Code: Successful, Cacheable: true, ThisUpdate: this, NextUpdate: next, Tag: f.signature}, true
}

// content is an answer for one certificate as it is made in advance.
func (r *Responder) content(i *issuerKey, id CertID, s Status, this time.Time) *basic {
	return &basic{keyHash: i.ahead.hash, produced: this, this: this, next: this.Add(r.cfg.Validity), algorithm: i.ahead.algorithm, algorithmDER: i.ahead.algorithmDER,
		singles: []single{{id: id, status: s, cutoff: i.Certificate.NotBefore}}, certificates: [][]byte{i.ahead.Certificate.Raw}}
}

// makeAhead signs the answer and keeps it.
func (r *Responder) makeAhead(ctx context.Context, i *issuerKey, id CertID, f found, kind int, now time.Time) (Answer, error) {
	leave, err := r.ahead.enter(ctx)
	if err != nil {
		return Answer{}, err
	}
	defer leave()
	out, tbs, signature, err := r.signAhead(i, id, f, now)
	if err != nil {
		return Answer{}, err
	}
	i.memory.put(f, kind, now, signature, true)
	r.counts.made.Add(1)
	return Answer{DER: out.der(tbs, signature), Code: Successful, Cacheable: true, ThisUpdate: now, NextUpdate: out.next, Tag: signature}, nil
}

func (r *Responder) signAhead(i *issuerKey, id CertID, f found, now time.Time) (*basic, []byte, []byte, error) {
	if i.ahead.expired(now) {
		return nil, nil, nil, fmt.Errorf("%w: responder certificate of %s expired", ErrConfig, i.Name)
	}
	out := r.content(i, id, f.status(), now)
	tbs := out.tbs()
	signature, err := i.ahead.algorithm.Sign(i.ahead.Signer, tbs)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("sign OCSP answer: %w", err)
	}
	return out, tbs, signature, nil
}

// lookUp brings a certificate from the register into memory.
func (r *Responder) lookUp(ctx context.Context, i *issuerKey, serial Serial) (bool, error) {
	leave, err := r.lookups.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	c, err := r.cfg.Source.Find(ctx, i.Name, serial.Int())
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrStale, err)
	}
	if c.Status.State == Unknown {
		// It may be released the next moment: nothing is kept.
		return false, nil
	}
	i.memory.add([]Certificate{c})
	return true, nil
}

// signLive signs an answer of its own: for a nonce, for several certificates,
// for what is unknown, and for digests that few clients use.
func (r *Responder) signLive(ctx context.Context, request *Request) (Answer, error) {
	leave, err := r.live.enter(ctx)
	if err != nil {
		return Answer{}, err
	}
	defer leave()
	// Who sends a nonce wants what is known now.
	age := r.cfg.Poll
	if len(request.Nonce) > 0 {
		age = 0
	}
	err = r.sync(ctx, age)
	if err != nil {
		return Answer{}, err
	}
	now := r.cfg.Clock.Now().UTC().Truncate(time.Second)
	out := &basic{produced: now, this: now, next: now.Add(r.cfg.Validity), nonce: request.Nonce}
	var signer crypto.Signer
	used := make(map[string]bool)
	for _, id := range request.IDs {
		s := single{id: id}
		issuer := r.issuer(id)
		if issuer != nil {
			key := &issuer.live
			if key.expired(now) {
				return Answer{}, fmt.Errorf("%w: responder certificate of %s expired", ErrConfig, issuer.Name)
			}
			if signer == nil {
				signer, out.keyHash, out.algorithm, out.algorithmDER = key.Signer, key.hash, key.algorithm, key.algorithmDER
			}
			if string(out.keyHash) != string(key.hash) {
				// Another key answers for that issuer: no one signature can tell both.
				return refuse(Unauthorized), nil
			}
			s.status, err = r.status(ctx, issuer, id)
			if err != nil {
				return Answer{}, err
			}
			s.cutoff = issuer.Certificate.NotBefore
			if !used[issuer.Name] {
				used[issuer.Name] = true
				out.certificates = append(out.certificates, key.Certificate.Raw)
			}
		}
		out.singles = append(out.singles, s)
	}
	if signer == nil {
		return refuse(Unauthorized), nil // RFC 6960 §2.3: not authoritative for any of them
	}
	der, err := out.sign(signer)
	if err != nil {
		return Answer{}, err
	}
	r.counts.live.Add(1)
	answer := Answer{DER: der, Code: Successful, Cacheable: len(request.Nonce) == 0, ThisUpdate: now, NextUpdate: out.next}
	if answer.Cacheable {
		answer.Tag = digest(crypto.SHA256, der)
	}
	return answer, nil
}

// status is the state of one certificate, from memory or from the register.
func (r *Responder) status(ctx context.Context, i *issuerKey, id CertID) (Status, error) {
	serial, fits := SerialOf(id.Serial)
	if !fits {
		return Status{}, nil
	}
	f, there := i.memory.find(serial, kindSHA1)
	if !there {
		known, err := r.lookUp(ctx, i, serial)
		if err != nil || !known {
			return Status{}, err
		}
		f, _ = i.memory.find(serial, kindSHA1)
	}
	return f.status(), nil
}
