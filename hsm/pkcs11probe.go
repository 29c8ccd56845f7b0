package hsm

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/pkcs11"
)

const (
	// rateTime is how long each number of sessions is measured.
	rateTime = 250 * time.Millisecond
	// kneeShare of the best rate is what the knee must reach.
	kneeShare = 0.95
	// ckUnlimited and ckUnknown are numbers of sessions that say nothing
	// (CK_EFFECTIVELY_INFINITE, CK_UNAVAILABLE_INFORMATION).
	ckUnlimited = 0
	ckUnknown   = ^uint(0)
)

// prober makes throw-away keys in a session of its own.
type prober struct {
	t *token
	// session owns the keys, which end with it.
	session pkcs11.SessionHandle
	// stored says that the token makes no keys for a session only, so that they
	// are stored and destroyed again.
	stored bool
}

// probedKey is a throw-away pair.
type probedKey struct {
	pub             crypto.PublicKey
	public, private pkcs11.ObjectHandle
}

// probe finds out by trying what the token does.
func (t *token) probe(ctx context.Context) (Probe, error) {
	t.objects.Lock()
	defer t.objects.Unlock()
	p := &prober{t: t}
	err := p.open(ctx)
	if err != nil {
		return Probe{}, err
	}
	defer t.hold(func() { _ = t.mod.CloseSession(p.session) }) // it may be lost by then
	out := Probe{Means: "session keys", At: time.Now().UTC()}
	t.hold(func() { p.stored = !p.makesSessionKeys() })
	if p.stored {
		out.Means = "stored keys"
	}
	for _, algorithm := range Algorithms() {
		err := ctx.Err()
		if err != nil {
			return Probe{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		a, err := p.try(ctx, algorithm)
		if err != nil {
			return Probe{}, err
		}
		out.Algorithms = append(out.Algorithms, a)
	}
	t.hold(func() { out.Wrap = p.wraps(out) })
	t.hold(func() { out.Rates, out.Knee = p.rates(out) })
	return out, nil
}

// open opens the session of the keys.
func (p *prober) open(ctx context.Context) error {
	return p.t.attempt(ctx, func() error {
		var err error
		p.session, err = p.t.mod.OpenSession(p.t.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		return err
	})
}

// try tries one algorithm, and once more with the module initialised anew when
// the token failed without naming a cause: a TPM has place for three keys, and
// what fails may leave one there.
func (p *prober) try(ctx context.Context, algorithm string) (a ProbedAlgorithm, err error) {
	unclear := false
	once := func() error {
		a, unclear, err = p.algorithm(algorithm)
		return err
	}
	err = p.t.within(false, once)
	if err != nil || !unclear {
		return a, err
	}
	p.t.life.Lock()
	p.t.lost = true
	p.t.life.Unlock()
	err = p.t.recover(ctx)
	if err == nil {
		err = p.open(ctx)
	}
	if err != nil {
		return a, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return a, p.t.within(false, once)
}

// makesSessionKeys tries the two kinds that are nearly everywhere.
func (p *prober) makesSessionKeys() bool {
	for _, algorithm := range []string{"EC-P256", "RSA-2048"} {
		key, err := p.make(algorithm, false)
		if err == nil {
			return p.drop(key) == nil
		}
	}
	return false
}

// make makes a pair.
func (p *prober) make(algorithm string, extractable bool) (probedKey, error) {
	mech, params, err := generation(algorithm)
	if err != nil {
		return probedKey{}, err
	}
	id := make([]byte, keyIDSize)
	_, err = rand.Read(id)
	if err != nil {
		return probedKey{}, fmt.Errorf("key id: %w", err)
	}
	both := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, p.stored),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, fmt.Sprintf("antin-probe-%x", id[:4])),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id),
	}
	public := append(append([]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true)}, both...), params...)
	private := append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, extractable),
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
	}, both...)
	k := probedKey{}
	k.public, k.private, err = p.t.mod.GenerateKeyPair(p.session, []*pkcs11.Mechanism{mech}, public, private)
	if err != nil {
		return k, err
	}
	k.pub = p.t.publicKey(k.public)
	if k.pub == nil {
		return k, errors.Join(fmt.Errorf("%w: the public key cannot be read", ErrUnsupported), p.drop(k))
	}
	return k, nil
}

// drop destroys a pair.
func (p *prober) drop(k probedKey) error {
	return errors.Join(p.t.mod.DestroyObject(p.session, k.private), p.t.mod.DestroyObject(p.session, k.public))
}

// algorithm tries one algorithm. It tells whether the token failed without
// naming a cause; its error says that the token was lost.
func (p *prober) algorithm(algorithm string) (out ProbedAlgorithm, unclear bool, err error) {
	out = ProbedAlgorithm{Algorithm: algorithm}
	began := time.Now()
	key, err := p.make(algorithm, false)
	unclear = isCode(err, pkcs11.CKR_GENERAL_ERROR) || isCode(err, pkcs11.CKR_DEVICE_MEMORY)
	if classify(err) == cureModule && !unclear {
		return out, false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err != nil {
		out.Error = err.Error()
		return out, unclear, nil
	}
	out.Milliseconds = time.Since(began).Milliseconds()
	for _, plan := range probePlans(key.pub) {
		s := ProbedSignature{Scheme: string(plan.scheme), Hash: plan.hashName()}
		err := p.sign(key, plan)
		s.Works = err == nil
		if err != nil {
			s.Error = err.Error()
		}
		out.Works = out.Works || s.Works
		out.Signatures = append(out.Signatures, s)
	}
	err = p.drop(key)
	if err != nil {
		out.Error = "the throw-away key was not destroyed: " + err.Error()
	}
	return out, false, nil
}

// probePlans are the ways to sign that are tried with a key.
func probePlans(pub crypto.PublicKey) []signPlan {
	schemes := []scheme{}
	switch pub.(type) {
	case *rsa.PublicKey:
		schemes = []scheme{schemePKCS1, schemePSS}
	case *ecdsa.PublicKey:
		schemes = []scheme{schemeECDSA}
	case ed25519.PublicKey:
		return []signPlan{{pub: pub, scheme: schemeEdDSA, digest: []byte("antin: a message of a probe")}}
	}
	var out []signPlan
	for _, s := range schemes {
		for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			w := h.New()
			w.Write([]byte("antin: a message of a probe"))
			plan, err := planSignature(pub, s, h.String(), h.Size(), w.Sum(nil))
			if err == nil {
				out = append(out, plan)
			}
		}
	}
	return out
}

// sign makes a signature and verifies it outside the token. It has a session of
// its own, because a failed one may leave the operation open.
func (p *prober) sign(key probedKey, plan signPlan) error {
	session, err := p.t.mod.OpenSession(p.t.slot, pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	defer func() { _ = p.t.mod.CloseSession(session) }() // it has served
	mech, data := plan.mechanism()
	raw, err := p.t.shim.sign(session, key.private, mech, nil, data)
	if err != nil {
		return err
	}
	sig, err := plan.finish(raw)
	if err != nil {
		return err
	}
	if !plan.verify(sig) {
		return ErrKeyMismatch
	}
	return nil
}

// fastest is the algorithm whose rate tells most about sessions.
func fastest(seen Probe) string {
	for _, algorithm := range []string{"EC-P256", "RSA-2048"} {
		for _, a := range seen.Algorithms {
			if a.Algorithm == algorithm && a.Works {
				return algorithm
			}
		}
	}
	return ""
}

// wraps makes a key that may leave the token, wraps it, unwraps it and signs.
func (p *prober) wraps(seen Probe) bool {
	algorithm := fastest(seen)
	if algorithm == "" {
		return false
	}
	key, err := p.make(algorithm, true)
	if err != nil {
		return false
	}
	defer func() { _ = p.drop(key) }()
	kek := make([]byte, 32)
	_, err = rand.Read(kek)
	if err != nil {
		return false
	}
	keyType, _, err := publicTemplate(key.pub)
	if err != nil {
		return false
	}
	pad := []*pkcs11.Mechanism{pkcs11.NewMechanism(ckmAESKeyWrapPad, nil)}
	err = p.t.withKEK(kek, func(h pkcs11.ObjectHandle) error {
		wrapped, err := p.t.mod.WrapKey(p.session, pad, h, key.private)
		if err != nil {
			return err
		}
		back, err := p.t.mod.UnwrapKey(p.session, pad, h, wrapped, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, keyType),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, p.stored), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
			pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_SIGN, true)})
		if err != nil {
			return err
		}
		return errors.Join(p.sign(probedKey{pub: key.pub, private: back}, probePlans(key.pub)[0]), p.t.mod.DestroyObject(p.session, back))
	})
	return err == nil
}

// rates measures signatures a second by sessions at the same time.
func (p *prober) rates(seen Probe) ([]ProbedRate, int) {
	algorithm := fastest(seen)
	if algorithm == "" {
		return nil, 0
	}
	key, err := p.make(algorithm, false)
	if err != nil {
		return nil, 0
	}
	defer func() { _ = p.drop(key) }()
	most := uint(maxSessions)
	limit := p.t.about.MaxSessionCount
	if limit != ckUnlimited && limit != ckUnknown {
		most = min(most, limit)
	}
	var out []ProbedRate
	best := 0.0
	for n := uint(1); n <= min(most, 16); n *= 2 {
		rate := p.rate(key, int(n))
		if rate == 0 {
			break
		}
		out = append(out, ProbedRate{Algorithm: algorithm, Sessions: int(n), PerSecond: rate})
		best = max(best, rate)
	}
	for _, r := range out {
		if r.PerSecond >= kneeShare*best {
			return out, r.Sessions
		}
	}
	return out, 0
}

// rate signs with n sessions at the same time; 0 when one fails.
func (p *prober) rate(key probedKey, n int) float64 {
	plan, err := provingPlan(key.pub)
	if err != nil {
		return 0
	}
	mech, data := plan.mechanism()
	var done atomic.Int64
	var failed atomic.Bool
	var wg sync.WaitGroup
	began := time.Now()
	for range n {
		session, err := p.t.mod.OpenSession(p.t.slot, pkcs11.CKF_SERIAL_SESSION)
		if err != nil {
			failed.Store(true)
			break
		}
		wg.Go(func() {
			defer func() { _ = p.t.mod.CloseSession(session) }()
			for time.Since(began) < rateTime && !failed.Load() {
				_, err := p.t.shim.sign(session, key.private, mech, nil, data)
				if err != nil {
					failed.Store(true)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if failed.Load() {
		return 0
	}
	return float64(done.Load()) / time.Since(began).Seconds()
}
