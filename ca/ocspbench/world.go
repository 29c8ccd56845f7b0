// Package ocspbench measures the status responder as a whole program: how long
// it takes to start with a million certificates, what memory they take, and how
// many answers a second leave, beside nginx serving the same bytes as files.
//
// The authority is the real one over SQLite, with keys in files instead of a
// token, because a million answers are signed: what is measured does not touch
// the token. The certificates are rows of the register, without bytes: answers
// need none.
package ocspbench

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// issuer is whose certificates are asked for.
const issuer = ca.ServiceName

// fileKeys keeps the keys of the measurement in a folder.
type fileKeys struct{ dir string }

func (k fileKeys) path(label string) string { return filepath.Join(k.dir, label+".key") }

// Signer reads a key.
func (k fileKeys) Signer(_ context.Context, label string) (crypto.Signer, error) {
	b, err := os.ReadFile(k.path(label))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", hsm.ErrNotFound, label)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%w: %s", hsm.ErrNotFound, label)
	}
	return x509.ParseECPrivateKey(block.Bytes)
}

// Generate makes a key on the curve that the algorithm names.
func (k fileKeys) Generate(_ context.Context, label, algorithm string) (crypto.PublicKey, error) {
	curve := elliptic.P256()
	if algorithm == "EC-P384" {
		curve = elliptic.P384()
	}
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key.Public(), os.WriteFile(k.path(label), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// nobody allows nothing: the measurement asks for no act.
type nobody struct{}

func (nobody) Authorize(_ context.Context, _ auth.Subject, action string, _ auth.Resource) error {
	return &auth.DeniedError{Action: action, Code: "default"}
}

// world is an open authority of the measurement.
type world struct {
	db   *store.DB
	log  *ledger.Log
	deps ca.Deps
}

func openWorld(ctx context.Context, dir, listen string) (*world, error) {
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "antin.db"))
	if err != nil {
		return nil, err
	}
	w := &world{db: db}
	err = w.open(ctx, dir, listen)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) open(ctx context.Context, dir, listen string) error {
	err := w.db.Migrate(ctx, slices.Concat(directory.Schema, ca.Schema())...)
	if err != nil {
		return err
	}
	keys := fileKeys{dir}
	signer, err := keys.Signer(ctx, "ledger")
	if errors.Is(err, hsm.ErrNotFound) {
		_, err = keys.Generate(ctx, "ledger", "EC-P256")
		if err == nil {
			signer, err = keys.Signer(ctx, "ledger")
		}
	}
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	w.log, err = ledger.Open(ctx, ledger.Options{Dir: filepath.Join(dir, "ledger"), Origin: "antin/bench", Signer: signer, Logger: log})
	if err != nil {
		return err
	}
	w.deps = ca.Deps{DB: w.db, Keys: keys, Ledger: w.log, Clock: clock.System{}, Directory: directory.New(w.db), Authorizer: nobody{}, Logger: log,
		Config: ca.Config{BaseURL: "http://" + listen, OCSPValidity: 12 * time.Hour, OCSPMaxAge: 10 * time.Second,
			StatusConfig: ca.StatusConfig{AuditEvery: -1, OCSPFile: filepath.Join(dir, "answers")}}}
	return nil
}

func (w *world) close() error {
	var err error
	if w.log != nil {
		err = w.log.Close()
	}
	return errors.Join(err, w.db.Close())
}

// serialOf is the serial number of the n-th certificate.
func serialOf(n int) *big.Int {
	var b [16]byte
	// spread over the whole range, as real ones are
	binary.BigEndian.PutUint64(b[:8], uint64(n)*0x9e3779b97f4a7c15&^(1<<63))
	binary.BigEndian.PutUint64(b[8:], uint64(n)+1)
	return new(big.Int).SetBytes(b[:])
}

// fillPage is how many rows are written with one statement.
const fillPage = 400

// fill writes n certificates into the register; each fiftieth is revoked.
func (w *world) fill(ctx context.Context, n int, progress func(int)) error {
	now := time.Now().UTC()
	until := now.AddDate(1, 0, 0)
	for from := 0; from < n; {
		err := w.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			for range 50 {
				rows := make([]ca.Certificate, 0, fillPage)
				for ; from < n && len(rows) < fillPage; from++ {
					c := ca.Certificate{Serial: profile.FormatSerial(serialOf(from)), Issuer: issuer, Profile: "device", State: ca.StateIssued,
						Actor: "system:bench", CreatedAt: now, NotBefore: &now, NotAfter: &until}
					if from%50 == 49 {
						c.RevokedAt, c.RevocationReason, c.RevocationCause = &now, 1, ca.CauseKeyExposed
					}
					rows = append(rows, c)
				}
				if len(rows) == 0 {
					return nil
				}
				_, err := tx.NewInsert().Model(&rows).Exec(ctx)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("fill the register: %w", err)
		}
		progress(from)
	}
	return nil
}
