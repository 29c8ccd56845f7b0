package csc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/signer"
)

const (
	// secretPrefix marks our secrets for those who look for them in files.
	secretPrefix = "antinsad_"
	maxSecret    = 200
	// transactionLife ends a transaction of several calls: the second factor was
	// given for it, not for a day's work.
	transactionLife = 15 * time.Minute
)

// newGrant is what an authorization is made of.
type newGrant struct {
	key            signer.Key
	total          int
	digests        [][]byte
	factor, client string
	bearer         bool
	// follows is the grant that is extended; nil for a new transaction.
	follows *Grant
}

// grant makes an authorization and returns its secret, which leaves this once.
// It stands in the ledger and the database before that.
func (s *Server) grant(ctx context.Context, n newGrant) (string, *Grant, error) {
	now := s.d.Clock.Now().UTC()
	secret := newSecret()
	g := &Grant{
		ID: "sad-" + strings.ToLower(rand.Text()[:16]), SecretSHA256: hexDigest(secret), AccountID: auth.SubjectFrom(ctx).AccountID,
		KeyName: n.key.Name, AgencyID: n.key.AgencyID, Factor: n.factor, Client: n.client, Total: int64(n.total), Bearer: n.bearer,
		CreatedAt: now, ExpiresAt: now.Add(s.d.Config.Life), Deadline: now.Add(transactionLife),
	}
	kind := "sign.remote.authorize"
	if n.follows != nil {
		kind, g.Follows, g.Used, g.Deadline = "sign.remote.extend", n.follows.ID, n.follows.Used, n.follows.Deadline
		if g.ExpiresAt.After(g.Deadline) {
			g.ExpiresAt = g.Deadline
		}
	}
	entry := ledger.Entry{
		Time: now, Kind: kind, Actor: g.AccountID, Agency: g.AgencyID, Object: g.ID, Digest: digestOfAll(n.digests),
		Detail: map[string]string{"key": g.KeyName, "factor": g.Factor, "client": g.Client, "signatures": strconv.Itoa(n.total), "hashes": strconv.Itoa(len(n.digests)), "expires": g.ExpiresAt.Format(time.RFC3339)},
	}
	if g.Follows != "" {
		entry.Detail["follows"] = g.Follows
	}
	receipt, err := s.d.Ledger.Append(ctx, entry)
	if err != nil {
		return "", nil, fmt.Errorf("record authorization: %w", err)
	}
	g.Index = int64(receipt.Index)
	hashes := make([]grantHash, 0, len(n.digests))
	for i, d := range n.digests {
		hashes = append(hashes, grantHash{GrantID: g.ID, Position: int64(i), Digest: hex.EncodeToString(d)})
	}
	err = s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if n.follows != nil {
			// The one that is extended ends here, unless somebody used it meanwhile.
			ended, err := changed(tx.NewUpdate().Model((*Grant)(nil)).Set("ended_at = ?", now).
				Where("id = ?", n.follows.ID).Where("ended_at IS NULL").Where("used = ?", n.follows.Used).Exec(ctx))
			if err != nil || !ended {
				return errors.Join(err, badParameter("SAD"))
			}
		}
		_, err := tx.NewInsert().Model(g).Exec(ctx)
		if err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(&hashes).Exec(ctx)
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("record authorization: %w", err)
	}
	return secret, g, nil
}

// live says whether the account may have one more authorization.
func (s *Server) live(ctx context.Context, account string) error {
	n, err := s.d.DB.NewSelect().Model((*Grant)(nil)).Where("account_id = ?", account).Where("ended_at IS NULL").
		Where("used < total").Where("expires_at > ?", s.d.Clock.Now()).Count(ctx)
	if err != nil {
		return fmt.Errorf("count authorizations: %w", err)
	}
	if int(n) >= s.d.Config.MaxLive {
		return &Fault{429, "temporarily_unavailable", "Too many authorizations are waiting to be used"}
	}
	return nil
}

// find returns the grant of a secret for its own account and key alone. To
// everybody else, and for one that is used up or ended, it does not exist.
func (s *Server) find(ctx context.Context, secret, account, key string) (*Grant, error) {
	unknown := badParameter("SAD")
	if !strings.HasPrefix(secret, secretPrefix) || len(secret) > maxSecret {
		return nil, unknown
	}
	var g Grant
	err := s.d.DB.NewSelect().Model(&g).Where("secret_sha256 = ?", hexDigest(secret)).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, unknown
	}
	if err != nil {
		return nil, fmt.Errorf("read authorization: %w", err)
	}
	if g.AccountID != account || key != "" && g.KeyName != key || g.EndedAt != nil || g.Used >= g.Total {
		return nil, unknown
	}
	if !s.d.Clock.Now().Before(g.ExpiresAt) {
		return nil, invalid("SAD expired")
	}
	return &g, nil
}

// use takes the occurrences of digests from a grant, all or none. They are
// spent from here on, whatever becomes of the act: what failed is authorised
// anew. The first statement holds the grant's row, so that calls at once take
// turns.
func (s *Server) use(ctx context.Context, g *Grant, digests [][]byte) error {
	now := s.d.Clock.Now().UTC()
	err := s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		n := int64(len(digests))
		held, err := changed(tx.NewUpdate().Model((*Grant)(nil)).Set("used = used + ?", n).Where("id = ?", g.ID).
			Where("used + ? <= total", n).Where("ended_at IS NULL").Where("expires_at > ?", now).Exec(ctx))
		if err != nil {
			return err
		}
		if !held {
			return invalid("Hash is not authorized by the SAD")
		}
		var free []grantHash
		err = tx.NewSelect().Model(&free).Where("grant_id = ?", g.ID).Where("used_at IS NULL").OrderExpr("position").Scan(ctx)
		if err != nil {
			return err
		}
		places := make(map[string][]int64, len(free))
		for _, h := range free {
			places[h.Digest] = append(places[h.Digest], h.Position)
		}
		var taken []int64
		for _, d := range digests {
			of := places[hex.EncodeToString(d)]
			if len(of) == 0 {
				return invalid("Hash is not authorized by the SAD")
			}
			taken = append(taken, of[0])
			places[hex.EncodeToString(d)] = of[1:]
		}
		_, err = tx.NewUpdate().Model((*grantHash)(nil)).Set("used_at = ?", now).Where("grant_id = ?", g.ID).Where("position IN (?)", bun.List(taken)).Exec(ctx)
		return err
	})
	var fault *Fault
	if err != nil && !errors.As(err, &fault) {
		return fmt.Errorf("use authorization: %w", err)
	}
	return err
}

// changed says whether a statement changed a row.
func changed(res interface{ RowsAffected() (int64, error) }, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// newSecret is a secret of 260 bits (two of rand.Text's 130).
func newSecret() string { return secretPrefix + rand.Text() + rand.Text() }

func hexDigest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// digestOfAll binds a list of digests, in its order, in one. Each goes in with
// its length, so that no other list has the same.
func digestOfAll(digests [][]byte) string {
	h := sha256.New()
	for _, d := range digests {
		h.Write([]byte{byte(len(d))})
		h.Write(d)
	}
	return hex.EncodeToString(h.Sum(nil))
}
