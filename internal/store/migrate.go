package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
)

// Migration is one step of a room's schema. IDs are "room/0001", unique and
// never changed after they have landed; SQL is PostgreSQL's, of the kind that
// SQLite understands after the replacements of sqliteWords. Statements are
// separated by a semicolon at the end of a line.
type Migration struct {
	ID  string
	SQL string
	// PostgresOnly steps (row-level security, say) are skipped on SQLite.
	PostgresOnly bool
}

// sqliteWords turns PostgreSQL's type names into SQLite's.
var sqliteWords = strings.NewReplacer(
	"BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT",
	"BYTEA", "BLOB",
	"JSONB", "TEXT",
	"TIMESTAMPTZ", "TIMESTAMP",
)

// migrationLock is the key of the PostgreSQL advisory lock that keeps two
// starting processes from migrating at once.
const migrationLock = 0x616e74696e // "antin"

// Migrate applies the steps that the database has not seen, in the order
// given, each in its own transaction.
func (db *DB) Migrate(ctx context.Context, steps ...Migration) error {
	_, err := db.ExecContext(ctx, db.words(`CREATE TABLE IF NOT EXISTS schema_step (
		id TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP)`))
	if err != nil {
		return fmt.Errorf("prepare schema table: %w", err)
	}
	for _, step := range steps {
		err = db.apply(ctx, step)
		if err != nil {
			return fmt.Errorf("schema step %s: %w", step.ID, err)
		}
	}
	return nil
}

func (db *DB) apply(ctx context.Context, step Migration) error {
	return db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if db.postgres {
			_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(?)", migrationLock)
			if err != nil {
				return err
			}
		}
		seen, err := tx.NewSelect().TableExpr("schema_step").Where("id = ?", step.ID).Exists(ctx)
		if err != nil || seen {
			return err
		}
		if db.postgres || !step.PostgresOnly {
			for _, statement := range strings.Split(db.words(step.SQL), ";\n") {
				if strings.TrimSpace(statement) == "" {
					continue
				}
				_, err = tx.ExecContext(ctx, strings.TrimRight(strings.TrimSpace(statement), ";"))
				if err != nil {
					return err
				}
			}
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO schema_step (id) VALUES (?)", step.ID)
		return err
	})
}

func (db *DB) words(sql string) string {
	if db.postgres {
		return sql
	}
	return sqliteWords.Replace(sql)
}
