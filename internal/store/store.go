// Package store opens the database: SQLite in the data folder by default,
// PostgreSQL 15 or later when configured. Both carry the same schema, written
// once in PostgreSQL's words; queries go through bun, whose placeholders are
// the same for both.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the PostgreSQL driver "pgx"
	"github.com/mattn/go-sqlite3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
)

// Limits of the connection pools. SQLite serialises writers itself, so a few
// connections are enough for readers beside one writer.
const (
	maxSQLiteConns   = 8
	maxPostgresConns = 24
	maxIdleTime      = 5 * time.Minute
)

// sqliteBusyTimeout is how long a writer waits for another process's write
// (the command line beside the running server) before it gives up.
const sqliteBusyTimeout = 15 * time.Second

// sqliteCheckpoint is after how many pages of the write-ahead log SQLite copies
// them into the database (64 MB). The default of 1,000 makes a load of small
// random writes copy its pages every few transactions.
const sqliteCheckpoint = 16_384

// sqliteConnector opens connections to a SQLite file; the driver's own data
// source name has no word for what a connection is told here.
type sqliteConnector struct{ dsn string }

// Connect opens a connection.
func (c *sqliteConnector) Connect(context.Context) (driver.Conn, error) {
	return c.Driver().Open(c.dsn)
}

// Driver is mattn's, with a first statement for each connection.
func (c *sqliteConnector) Driver() driver.Driver {
	return &sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error {
		_, err := conn.Exec(fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", sqliteCheckpoint), nil)
		return err
	}}
}

// ErrDSN means that a data source name is neither sqlite: nor postgres:.
var ErrDSN = errors.New("store: unknown data source")

// DB is an open database.
type DB struct {
	*bun.DB
	postgres bool
}

// Open opens the database named by dsn: "sqlite:PATH" or
// "postgres://user@host/name". It does not change the schema; see Migrate.
func Open(ctx context.Context, dsn string) (*DB, error) {
	var db *DB
	switch {
	case strings.HasPrefix(dsn, "sqlite:"):
		path := strings.TrimPrefix(dsn, "sqlite:")
		// SQLite would make the file readable by all; its side files take its mode.
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("open the database: %w", err)
		}
		q := url.Values{}
		q.Set("_journal_mode", "WAL")
		q.Set("_synchronous", "FULL")
		q.Set("_foreign_keys", "on")
		q.Set("_txlock", "immediate")
		q.Set("_busy_timeout", fmt.Sprint(sqliteBusyTimeout.Milliseconds()))
		conn := sql.OpenDB(&sqliteConnector{dsn: "file:" + path + "?" + q.Encode()})
		conn.SetMaxOpenConns(maxSQLiteConns)
		conn.SetMaxIdleConns(maxSQLiteConns)
		db = &DB{DB: bun.NewDB(conn, sqlitedialect.New())}
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		conn, err := sql.Open("pgx", dsn)
		if err != nil {
			return nil, fmt.Errorf("open PostgreSQL: %w", err)
		}
		conn.SetMaxOpenConns(maxPostgresConns)
		conn.SetMaxIdleConns(maxPostgresConns)
		conn.SetConnMaxIdleTime(maxIdleTime)
		db = &DB{DB: bun.NewDB(conn, pgdialect.New()), postgres: true}
	default:
		return nil, fmt.Errorf("%w: want sqlite:PATH or postgres://…", ErrDSN)
	}
	err := db.PingContext(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reach the database: %w", err), db.Close())
	}
	return db, nil
}

// Postgres says whether the database is PostgreSQL.
func (db *DB) Postgres() bool { return db.postgres }

// InTx runs fn in one transaction: committed when fn returns nil, rolled back
// otherwise. On SQLite the write lock is taken at the start.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx bun.Tx) error) error {
	return db.RunInTx(ctx, nil, fn)
}

// IsNotFound says whether err is the answer of a query that found no row.
func IsNotFound(err error) bool { return errors.Is(err, sql.ErrNoRows) }
