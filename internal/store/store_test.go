package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

type note struct {
	bun.BaseModel `bun:"table:note"`

	ID   int64     `bun:"id,pk,autoincrement"`
	Text string    `bun:"text"`
	Body []byte    `bun:"body"`
	At   time.Time `bun:"at"`
}

var steps = []store.Migration{
	{ID: "test/0001", SQL: `
CREATE TABLE note (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	text TEXT NOT NULL UNIQUE,
	body BYTEA,
	at TIMESTAMPTZ NOT NULL
);
CREATE INDEX note_at ON note (at);
`},
	{ID: "test/0002", PostgresOnly: true, SQL: `ALTER TABLE note ENABLE ROW LEVEL SECURITY;`},
}

func TestStoreKeepsRowsTheSameOnBothDatabases(t *testing.T) {
	storetest.Each(t, steps, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		at := time.Date(2026, 11, 22, 4, 0, 0, 123456000, time.UTC)
		in := note{Text: "chữ ký số", Body: []byte{0, 1, 255}, At: at}
		_, err := db.NewInsert().Model(&in).Exec(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var out note
		err = db.NewSelect().Model(&out).Where("text = ?", in.Text).Where("at <= ?", at).Scan(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !out.At.Equal(at) || string(out.Body) != string(in.Body) || out.ID != in.ID {
			t.Errorf("got %+v, want %+v", out, in)
		}
		err = db.NewSelect().Model(&out).Where("text = ?", "none").Scan(ctx)
		if !store.IsNotFound(err) {
			t.Errorf("a missing row gave %v", err)
		}
	})
}

func TestTransactionIsRolledBackWhenItsBodyFails(t *testing.T) {
	storetest.Each(t, steps, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		fault := errors.New("fault")
		err := db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.NewInsert().Model(&note{Text: "lost", At: time.Now()}).Exec(ctx)
			if err != nil {
				return err
			}
			return fault
		})
		if !errors.Is(err, fault) {
			t.Fatalf("got %v", err)
		}
		n, err := db.NewSelect().Model((*note)(nil)).Count(ctx)
		if err != nil || n != 0 {
			t.Errorf("%d rows stand after the roll-back (%v)", n, err)
		}
	})
}

func TestMigrateAppliesEachStepOnce(t *testing.T) {
	storetest.Each(t, steps, func(t *testing.T, db *store.DB) {
		err := db.Migrate(t.Context(), steps...)
		if err != nil {
			t.Fatalf("second run: %v", err)
		}
	})
}

func TestOpenRefusesAnUnknownSource(t *testing.T) {
	_, err := store.Open(t.Context(), "mysql://x")
	if !errors.Is(err, store.ErrDSN) {
		t.Errorf("got %v", err)
	}
}

func TestDatabaseFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.db")
	db, err := store.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	err = db.Migrate(t.Context(), steps...)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	_, err = store.Open(t.Context(), "sqlite:"+filepath.Join(path, "below.db"))
	if !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a folder that is none: %v", err)
	}
}
