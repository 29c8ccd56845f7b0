// Package storetest runs one test body over every database that the product
// supports: SQLite, and PostgreSQL started in a temporary folder.
package storetest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/store"
)

// EnvPostgres names a PostgreSQL server that is running already
// ("postgres://…/postgres"); without it one is started for the test process.
const EnvPostgres = "ANTIN_TEST_POSTGRES"

// Each runs body once over SQLite and once over PostgreSQL, each with an empty
// database to which steps have been applied.
func Each(t *testing.T, steps []store.Migration, body func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { body(t, SQLite(t, steps...)) })
	t.Run("PostgreSQL", func(t *testing.T) { body(t, Postgres(t, steps...)) })
}

// SQLite returns an empty SQLite database with steps applied.
func SQLite(tb testing.TB, steps ...store.Migration) *store.DB {
	tb.Helper()
	return open(tb, "sqlite:"+filepath.Join(tb.TempDir(), "test.db"), steps)
}

// Postgres returns an empty PostgreSQL database with steps applied; the test
// is skipped where PostgreSQL is not installed.
func Postgres(tb testing.TB, steps ...store.Migration) *store.DB {
	tb.Helper()
	return open(tb, PostgresDSN(tb), steps)
}

// PostgresDSN returns the address of an empty PostgreSQL database, for what
// opens it by itself; the database goes with the test.
func PostgresDSN(tb testing.TB) string {
	tb.Helper()
	dsn := os.Getenv(EnvPostgres)
	if dsn == "" {
		server.once.Do(server.start)
		if server.err != nil {
			tb.Skipf("PostgreSQL absent: %v", server.err)
		}
		dsn = server.dsn
	}
	admin, err := store.Open(tb.Context(), dsn)
	if err != nil {
		tb.Fatalf("reach PostgreSQL: %v", err)
	}
	name := "t" + strconv.FormatInt(time.Now().UnixNano(), 36) + strconv.Itoa(os.Getpid())
	_, err = admin.ExecContext(tb.Context(), "CREATE DATABASE "+name)
	if err != nil {
		tb.Fatalf("create database: %v", err)
	}
	tb.Cleanup(func() {
		_, err := admin.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
		if err != nil {
			tb.Errorf("drop database: %v", err)
		}
		_ = admin.Close()
	})
	return strings.TrimSuffix(dsn, "/postgres") + "/" + name
}

func open(tb testing.TB, dsn string, steps []store.Migration) *store.DB {
	tb.Helper()
	db, err := store.Open(tb.Context(), dsn)
	if err != nil {
		tb.Fatalf("open database: %v", err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	err = db.Migrate(tb.Context(), steps...)
	if err != nil {
		tb.Fatalf("migrate: %v", err)
	}
	return db
}

// server is the PostgreSQL of this test process. It is shared by the process's
// tests because starting one takes seconds.
var server postgres

type postgres struct {
	once sync.Once
	dsn  string
	err  error
}

// start runs initdb and postgres as the user postgres (PostgreSQL refuses
// root). The server ends with the test process.
func (p *postgres) start() {
	bin, err := binDir()
	if err != nil {
		p.err = err
		return
	}
	clearStale()
	dir, err := os.MkdirTemp("", tempPrefix)
	if err != nil {
		p.err = err
		return
	}
	cred, err := credential(dir)
	if err != nil {
		p.err = err
		return
	}
	attr := func() *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGQUIT}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "antin", "-E", "UTF8", "--locale=C.UTF-8", "-N")
	initdb.SysProcAttr, initdb.Dir = attr(), dir
	out, err := initdb.CombinedOutput()
	if err != nil {
		p.err = fmt.Errorf("initdb: %w: %s", err, out)
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.err = err
		return
	}
	port := listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	run := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(port), "-h", "127.0.0.1", "-k", dir, "-F")
	run.SysProcAttr, run.Dir = attr(), dir
	err = run.Start()
	if err != nil {
		p.err = fmt.Errorf("start postgres: %w", err)
		return
	}
	p.dsn = fmt.Sprintf("postgres://antin@127.0.0.1:%d/postgres", port)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		db, err := store.Open(ctx, p.dsn)
		if err == nil {
			_ = db.Close()
			return
		}
		select {
		case <-ctx.Done():
			p.err = fmt.Errorf("postgres did not answer: %w", err)
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// tempPrefix begins the names of the servers' folders.
const tempPrefix = "antin-pg-"

// clearStale removes the folders of servers that ended with their test
// process: a process that is killed cannot clear up after itself.
func clearStale() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), tempPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		// A young folder may be of a server that is starting, which has written
		// no number yet.
		if err != nil || time.Since(info.ModTime()) < 5*time.Minute {
			continue
		}
		text, _ := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid")) // absent when the server has ended
		line, _, _ := strings.Cut(string(text), "\n")
		// initdb's own server writes its number with a minus sign.
		pid, err := strconv.Atoi(strings.TrimPrefix(line, "-"))
		if err == nil && syscall.Kill(pid, 0) == nil {
			continue
		}
		_ = os.RemoveAll(dir) // what stays is removed the next time
	}
}

func binDir() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("no /usr/lib/postgresql/*/bin (apt-get install postgresql)")
	}
	sort.Strings(found)
	return found[len(found)-1], nil
}

// credential is the user postgres when the test runs as root, nobody else
// otherwise.
func credential(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, uid, gid)
}
