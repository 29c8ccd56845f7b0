package signer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
)

// LevelHash is the level of an act that signed a digest of something that the
// signer never saw: remote signing makes the container elsewhere.
const LevelHash = "hash"

// MaxHashes is how many digests one request may bring.
const MaxHashes = 1000

// hashWorkers is how many digests of one request are recorded and signed at a
// time: enough to share the ledger's and the token's round trips.
const hashWorkers = 16

// HashRequest asks for raw signatures over digests (RFC 5652 §5.4: of the
// signed attributes) that were computed elsewhere.
type HashRequest struct {
	// Key names the key in the register; it must be the subject's own.
	Key string
	// Scheme is empty for the key's default.
	Scheme Scheme
	// Hash made the digests.
	Hash    crypto.Hash
	Digests [][]byte
	// Factor is the second factor that was given for these very digests, and
	// Authorization the id of the record that says so.
	Factor, Authorization string
}

func (q HashRequest) check() error {
	if len(q.Digests) == 0 || len(q.Digests) > MaxHashes {
		return fmt.Errorf("%w: %d digests, want 1 to %d", ErrRequest, len(q.Digests), MaxHashes)
	}
	if q.Hash != crypto.SHA256 && q.Hash != crypto.SHA384 && q.Hash != crypto.SHA512 {
		return fmt.Errorf("%w: digest algorithm %d", ErrRequest, uint(q.Hash))
	}
	for _, d := range q.Digests {
		if len(d) != q.Hash.Size() {
			return fmt.Errorf("%w: digest of %d bytes, %v has %d", ErrRequest, len(d), q.Hash, q.Hash.Size())
		}
	}
	return nil
}

// SignHashes signs digests as the context's subject, all or none, and returns
// the signatures in their order: ECDSA in DER (RFC 3279 §2.2.3), RSA as the
// octets of RFC 8017. Each digest is an act of its own in the database and the
// ledger, before the key is used and again before the signatures leave.
func (s *Service) SignHashes(ctx context.Context, q HashRequest) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, signLimit)
	defer cancel()
	err := q.check()
	if err != nil {
		return nil, err
	}
	key, private, scheme, err := s.opened(ctx, Request{Key: q.Key, Scheme: q.Scheme, Factor: q.Factor})
	if err != nil {
		return nil, err
	}
	err = s.checkCertificate(ctx, key.Chain)
	if err != nil {
		return nil, err
	}
	acts, err := s.beginHashes(ctx, key, q, scheme)
	if err != nil {
		return nil, s.failedHashes(ctx, acts, err)
	}
	signatures, err := signHashes(ctx, private, scheme, q)
	if err != nil {
		return nil, s.failedHashes(ctx, acts, err)
	}
	err = s.releaseHashes(ctx, acts, signatures)
	if err != nil {
		return nil, s.failedHashes(ctx, acts, err)
	}
	return signatures, nil
}

// beginHashes records the acts. When it fails, the acts that it returns are
// those in the database.
func (s *Service) beginHashes(ctx context.Context, key *Key, q HashRequest, scheme Scheme) ([]*Act, error) {
	acts := make([]*Act, 0, len(q.Digests))
	for _, d := range q.Digests {
		acts = append(acts, s.newAct(ctx, rand.Text(), key, Request{Digest: hex.EncodeToString(d), Factor: q.Factor, Level: LevelHash}, scheme))
	}
	_, err := s.d.DB.NewInsert().Model(&acts).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return acts, each(ctx, len(acts), func(ctx context.Context, i int) error {
		receipt, err := s.d.Ledger.Append(ctx, s.hashEntry(acts[i], "sign.begin", q))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRecord, err)
		}
		acts[i].IntentIndex = int64(receipt.Index)
		return nil
	})
}

// hashEntry is the ledger's entry of an act on a digest. The ledger binds a
// SHA-256, so a longer digest stands there by its own.
func (s *Service) hashEntry(act *Act, kind string, q HashRequest) ledger.Entry {
	digest := act.DocumentSHA256
	if q.Hash != crypto.SHA256 {
		sum := sha256.Sum256([]byte(digest))
		digest = hex.EncodeToString(sum[:])
	}
	e := s.entry(act, kind, digest)
	e.Detail["hash"], e.Detail["authorization"] = q.Hash.String(), q.Authorization
	return e
}

// signHashes uses the key and looks at each signature with the public key: a
// faulty token must not let a broken one leave.
func signHashes(ctx context.Context, private crypto.Signer, scheme Scheme, q HashRequest) ([][]byte, error) {
	var opts crypto.SignerOpts = q.Hash
	if scheme == SchemePSS {
		opts = &rsa.PSSOptions{SaltLength: q.Hash.Size(), Hash: q.Hash}
	}
	signatures := make([][]byte, len(q.Digests))
	err := each(ctx, len(signatures), func(_ context.Context, i int) error {
		signature, err := private.Sign(rand.Reader, q.Digests[i], opts)
		if err != nil {
			return fmt.Errorf("sign digest: %w", err)
		}
		if !verifies(private.Public(), scheme, q.Hash, q.Digests[i], signature) {
			return fmt.Errorf("%w: a signature over a digest does not verify", ErrDisagreement)
		}
		signatures[i] = signature
		return nil
	})
	return signatures, err
}

func verifies(public crypto.PublicKey, scheme Scheme, h crypto.Hash, digest, signature []byte) bool {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	case *rsa.PublicKey:
		if scheme == SchemePSS {
			return rsa.VerifyPSS(key, h, digest, signature, &rsa.PSSOptions{SaltLength: h.Size(), Hash: h}) == nil
		}
		return rsa.VerifyPKCS1v15(key, h, digest, signature) == nil
	}
	return false
}

// releaseHashes records the results, after which they may leave.
func (s *Service) releaseHashes(ctx context.Context, acts []*Act, signatures [][]byte) error {
	return each(ctx, len(acts), func(ctx context.Context, i int) error { return s.releaseHash(ctx, acts[i], signatures[i]) })
}

func (s *Service) failedHashes(ctx context.Context, acts []*Act, why error) error {
	out := why
	for _, act := range acts {
		err := s.failed(ctx, act, why)
		if !errors.Is(out, ErrRecord) && errors.Is(err, ErrRecord) {
			out = err
		}
	}
	return out
}

// each runs f for 0 to n-1, some at a time, and waits for all.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(hashWorkers)
	for i := range n {
		group.Go(func() error { return f(inner, i) })
	}
	return group.Wait()
}

// Withdraw takes back an act that was released to its caller alone and came to
// nothing there: the record says that the result did not leave.
func (s *Service) Withdraw(ctx context.Context, act *Act, why error) error {
	return s.failed(ctx, act, why)
}

// OwnKeys lists the keys of the context's subject that have a certificate: a
// person's own. Seals are not among them, as a seal goes on what a person has
// signed (R20), which a digest does not show.
func (s *Service) OwnKeys(ctx context.Context) ([]Key, error) {
	keys, err := s.d.Keys.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	subject := auth.SubjectFrom(ctx)
	var own []Key
	for _, k := range keys {
		if k.PersonID != "" && k.PersonID == subject.PersonID && len(k.Chain) >= 2 {
			own = append(own, k)
		}
	}
	return own, nil
}

// CheckKey says why the key's certificate must not be signed with just now;
// nil means that it may.
func (s *Service) CheckKey(ctx context.Context, k Key) error {
	return s.checkCertificate(ctx, k.Chain)
}
