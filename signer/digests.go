package signer

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/antin-gov/antin/signer/cades"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/material"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/tsp"
	"github.com/antin-gov/antin/signer/xades"
)

// DigestRequest asks for a whole detached signature over a document of which
// the signer has the digest alone.
type DigestRequest struct {
	// Key names the key in the register; it must be the subject's own.
	Key string
	// Scheme is empty for the key's default.
	Scheme Scheme
	// Format is FormatCAdES, FormatXAdES (up to B-LT: an archive time-stamp is
	// over the file itself), or FormatPAdES for the container that goes into a PDF
	// that was prepared elsewhere: at B-LT its validation data, which Evidence asks
	// for, goes into the PDF after it, and at B-LTA a document time-stamp, so that
	// level cannot be made here.
	Format Format
	Level  string
	// Hash made the digest: of the file, or of the PDF's byte range.
	Hash   crypto.Hash
	Digest []byte
	// Evidence asks for Act.Evidence.
	Evidence bool
	// Factor is the second factor that was given for this very digest, and
	// Authorization the id of the record that says so.
	Factor, Authorization string
}

// detachedName is what a detached XML signature calls a file whose name nobody
// told.
const detachedName = "document"

func (q DigestRequest) request() (Request, error) {
	err := HashRequest{Hash: q.Hash, Digests: [][]byte{q.Digest}}.check()
	if err != nil {
		return Request{}, err
	}
	r := Request{Key: q.Key, Scheme: q.Scheme, Format: q.Format, Level: q.Level, Hash: q.Hash, Digest: hex.EncodeToString(q.Digest), Factor: q.Factor}
	switch {
	case q.Format == FormatASiC:
		return r, fmt.Errorf("%w: a container holds the files themselves", ErrRequest)
	case q.Format != FormatCAdES && q.Level == string(pades.LevelLTA):
		return r, fmt.Errorf("%w: level %s is over the file itself, not its digest", ErrRequest, q.Level)
	case q.Format != FormatPAdES:
		r.Packaging, r.Name = PackagingDetached, detachedName
	}
	return r.checkedFormat()
}

// SignDigest signs as the context's subject and returns the signature: a CMS
// container in DER, or an XML document. Certificate, records and their order
// are those of Sign; no independent reader can be asked, as none takes a
// digest for a document.
func (s *Service) SignDigest(ctx context.Context, q DigestRequest) ([]byte, *Act, error) {
	ctx, cancel := context.WithTimeout(ctx, signLimit)
	defer cancel()
	ctx, stamps := tsp.WithAnswers(ctx)
	ctx, tokens := withTokens(ctx)
	r, err := q.request()
	if err != nil {
		return nil, nil, err
	}
	key, private, scheme, err := s.opened(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	err = s.checkCertificate(ctx, key.Chain)
	if err != nil {
		return nil, nil, err
	}
	act := s.newAct(ctx, rand.Text(), key, r, scheme)
	hashes := HashRequest{Hash: q.Hash, Authorization: q.Authorization}
	err = s.beginHash(ctx, act, hashes)
	if err != nil {
		return nil, nil, err
	}
	made, err := s.overDigest(ctx, act, key, private, q, r, scheme)
	if err == nil && q.Evidence {
		act.Evidence, err = material.Gather(ctx, s.d.Collector.Collect, key.Chain, tokens.list()...)
	}
	if err == nil {
		act.Opinion, act.StampedBy = string(OpinionAlone), stamps.URLs()
		err = s.releaseHash(ctx, act, made)
	}
	if err != nil {
		return nil, nil, s.failed(ctx, act, err)
	}
	return made, act, nil
}

// beginHash records that the key is about to be used.
func (s *Service) beginHash(ctx context.Context, act *Act, q HashRequest) error {
	_, err := s.d.DB.NewInsert().Model(act).Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	receipt, err := s.d.Ledger.Append(ctx, s.hashEntry(act, act.kind("begin"), q))
	if err != nil {
		return s.failed(ctx, act, fmt.Errorf("%w: %w", ErrRecord, err))
	}
	act.IntentIndex = int64(receipt.Index)
	return nil
}

// overDigest makes the signature and looks at what is to leave.
func (s *Service) overDigest(ctx context.Context, act *Act, key *Key, private crypto.Signer, q DigestRequest, r Request, scheme Scheme) ([]byte, error) {
	switch q.Format {
	case FormatXAdES:
		made, err := xades.SignDigest(ctx, q.Digest, s.xadesOptions(act, key, private, r, scheme))
		if err != nil {
			return nil, refusedOptions(err, xades.ErrOptions)
		}
		return made.XML, nil
	case FormatCAdES:
		made, err := cades.SignDigest(ctx, q.Digest, s.cadesOptions(act, key, private, r, scheme))
		if err != nil {
			return nil, refusedOptions(err, cades.ErrOptions)
		}
		return made.CMS, holdsOver(made.CMS, key, q.Digest)
	}
	// The time of a PDF's signature stands in its dictionary (EN 319 142-1 §6.3).
	params := cms.Params{Signer: private, Chain: key.Chain, Hash: q.Hash, PSS: scheme == SchemePSS}
	if q.Level != string(pades.LevelB) {
		params.Timestamp = s.d.Timestamp
	}
	made, err := cms.Sign(ctx, q.Digest, params)
	if err != nil {
		return nil, err
	}
	return made, holdsOver(made, key, q.Digest)
}

// refusedOptions gives a package's refusals the meaning that they have for the
// caller.
func refusedOptions(err error, refusals ...error) error {
	for _, refusal := range refusals {
		if errors.Is(err, refusal) {
			return fmt.Errorf("%w: %w", ErrRequest, err)
		}
	}
	return err
}

// holdsOver reads a finished container again.
func holdsOver(der []byte, key *Key, digest []byte) error {
	all, err := cms.ParseAll(der)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDisagreement, err)
	}
	if len(all) != 1 {
		return fmt.Errorf("%w: %d signers", ErrDisagreement, len(all))
	}
	err = all[0].Verify(key.Chain[0], digest)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDisagreement, err)
	}
	return nil
}

// releaseHash records a result, after which it may leave.
func (s *Service) releaseHash(ctx context.Context, act *Act, result []byte) error {
	sum := sha256.Sum256(result)
	act.ResultSHA256, act.ResultSize = hex.EncodeToString(sum[:]), int64(len(result))
	receipt, err := s.d.Ledger.Append(ctx, s.entry(act, act.kind("release"), act.ResultSHA256))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	now := s.d.Clock.Now()
	act.ReleaseIndex, act.State, act.EndedAt = int64(receipt.Index), StateReleased, &now
	_, err = s.d.DB.NewUpdate().Model(act).WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return nil
}

// tokens are the time-stamps of one act, for its validation data.
type tokens struct {
	mu  sync.Mutex
	all [][]byte // guarded by mu
}

func (t *tokens) list() [][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all
}

type tokensKey struct{}

func withTokens(ctx context.Context) (context.Context, *tokens) {
	t := &tokens{}
	return context.WithValue(ctx, tokensKey{}, t), t
}

// stamping is a source of time-stamps that keeps them for the act of its
// context.
func stamping(from func(context.Context, crypto.Hash, []byte) ([]byte, error)) func(context.Context, crypto.Hash, []byte) ([]byte, error) {
	return func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
		der, err := from(ctx, h, digest)
		t, kept := ctx.Value(tokensKey{}).(*tokens)
		if err == nil && kept {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.all = append(t.all, der)
		}
		return der, err
	}
}
