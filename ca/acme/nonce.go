package acme

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/store"
)

const (
	nonceLife   = time.Hour
	nonceRandom = 16
	nonceMAC    = 16
	nonceSize   = 8 + nonceRandom + nonceMAC
)

// nonces are anti-replay nonces (RFC 8555 §6.5): end of validity, random, MAC.
// Only spent ones are kept, so asking for nonces costs nothing.
type nonces struct {
	key   []byte
	db    *store.DB
	clock clock.Clock
}

// nonceRow is a spent nonce.
type nonceRow struct {
	bun.BaseModel `bun:"table:acme_nonce"`

	Nonce     string    `bun:"nonce,pk"`
	ExpiresAt time.Time `bun:"expires_at"`
}

func (n *nonces) mac(b []byte) []byte {
	h := hmac.New(sha256.New, n.key)
	h.Write(b)
	return h.Sum(nil)[:nonceMAC]
}

// fresh makes a nonce.
func (n *nonces) fresh() (string, error) {
	b := make([]byte, nonceSize)
	binary.BigEndian.PutUint64(b, uint64(n.clock.Now().Add(nonceLife).Unix()))
	_, err := rand.Read(b[8 : 8+nonceRandom])
	if err != nil {
		return "", fmt.Errorf("nonce: %w", err)
	}
	copy(b[8+nonceRandom:], n.mac(b[:8+nonceRandom]))
	return base64.RawURLEncoding.EncodeToString(b), nil
}

func badNonce() *Problem {
	return problem(kindBadNonce, http.StatusBadRequest, "the nonce is not one of this server, too old, or was used before")
}

// check says whether the nonce is one of ours and in time.
func (n *nonces) check(nonce string) (time.Time, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(b) != nonceSize || !hmac.Equal(b[8+nonceRandom:], n.mac(b[:8+nonceRandom])) {
		return time.Time{}, badNonce()
	}
	end := time.Unix(int64(binary.BigEndian.Uint64(b)), 0).UTC()
	if !n.clock.Now().Before(end) {
		return time.Time{}, badNonce()
	}
	return end, nil
}

// spend uses a nonce, once for all replicas.
func (n *nonces) spend(ctx context.Context, nonce string) error {
	end, err := n.check(nonce)
	if err != nil {
		return err
	}
	result, err := n.db.NewInsert().Model(&nonceRow{Nonce: nonce, ExpiresAt: end}).On("CONFLICT (nonce) DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("spend nonce: %w", err)
	}
	count, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("spend nonce: %w", err)
	}
	if count != 1 {
		return badNonce()
	}
	return nil
}
