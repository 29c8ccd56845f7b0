package app_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// envFaults names the file to which the table of faults is written.
const envFaults = "ANTIN_FAULTS_OUT"

// recoverLimit is how long a system may take to serve again after a fault.
const recoverLimit = 90 * time.Second

// fault is one thing that goes wrong.
type fault struct {
	name string
	// does begins the fault; what it returns ends it.
	does func(*testing.T) (mend func())
}

// faultRow is a line of the table.
type faultRow struct {
	fault, act, sees string
	took             time.Duration
	record, after    string
}

// TestFaultTable lets one thing after another go wrong under a running
// certification centre and writes down what its clients see, whether anything
// left it without a record, and when it serves again. Nothing is restarted.
func TestFaultTable(t *testing.T) {
	t.Parallel()
	var rows []faultRow
	var mu sync.Mutex
	add := func(r []faultRow) { mu.Lock(); defer mu.Unlock(); rows = append(rows, r...) }
	t.Run("over SQLite", func(t *testing.T) { add(faultsOverSQLite(t)) })
	t.Run("over PostgreSQL", func(t *testing.T) { add(faultsOverPostgreSQL(t)) })
	if !t.Failed() && len(rows) > 0 {
		writeFaults(t, rows)
	}
}

func faultsOverSQLite(t *testing.T) []faultRow {
	moved := &movedClock{}
	p := newPlatform(t)
	p.clock = moved
	mountTemp(t, filepath.Dir(p.dir))
	p.keepBusOutside(t)
	p.init(t)
	p.loadDemo(t)
	p.up(t)
	faults := []fault{
		{"database locked (SQLite, by another process)", p.lockDatabase},
		{"disk full", p.fillDisk},
		{"data folder read-only", func(t *testing.T) func() { return remount(t, filepath.Dir(p.dir)) }},
		{"ledger folder read-only", func(t *testing.T) func() { return remount(t, filepath.Join(p.dir, app.LedgerDir)) }},
		{"ledger held by a process that hangs", p.lockLedger},
		{"token gone (worker killed, token files moved away)", p.takeToken},
	}
	c := newClient(t, p, 2*len(faults))
	rows := c.suffer(t, faults)
	rows = append(rows, c.wrongClock(t, moved)...)
	c.reconcile(t)
	return rows
}

func faultsOverPostgreSQL(t *testing.T) []faultRow {
	server := storetest.NewServer(t)
	p := newPlatform(t, "ANTIN_DATABASE_DSN="+server.DSN)
	p.init(t)
	p.loadDemo(t)
	p.up(t)
	c := newClient(t, p, 3)
	rows := c.suffer(t, []fault{{"database down (PostgreSQL stopped)", func(*testing.T) func() { server.Stop(); return server.Start }}})
	rows = append(rows, p.replicas(t))
	c.reconcile(t)
	return rows
}

// suffer lets each fault happen, sees what the acts give, ends it, and waits
// until each act is done again.
func (c *client) suffer(t *testing.T, faults []fault) []faultRow {
	var rows []faultRow
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			mend := f.does(t)
			during := c.run(t, faultActs())
			mend()
			after := c.recovered(t, faultActs())
			for _, a := range faultActs() {
				s := during[a.name]
				rows = append(rows, faultRow{f.name, a.name, s.text, s.took, c.record(t, s), after[a.name]})
			}
		})
	}
	return rows
}

// record says whether what a client was given is recorded.
func (c *client) record(t *testing.T, s seen) string {
	t.Helper()
	switch {
	case !s.done:
		return "nothing given"
	case s.holds == nil:
		return "—"
	}
	err := s.holds()
	if err != nil {
		t.Errorf("given without a record: %s: %v", s.text, err)
		return "MISSING"
	}
	return "in register and ledger"
}

// recovered repeats what was not done until it is, and tells how long that took.
func (c *client) recovered(t *testing.T, acts []act) map[string]string {
	t.Helper()
	began := time.Now()
	out := map[string]string{}
	for {
		did := c.run(t, acts)
		var left []act
		for _, a := range acts {
			s := did[a.name]
			if !s.done {
				left = append(left, a)
				continue
			}
			c.record(t, s)
			out[a.name] = fmt.Sprintf("yes, within %s", time.Since(began).Round(100*time.Millisecond))
		}
		if len(left) == 0 {
			return out
		}
		if time.Since(began) > recoverLimit {
			for _, a := range left {
				t.Errorf("%s: still %q %s after the fault", a.name, did[a.name].text, time.Since(began).Round(time.Second))
				out[a.name] = "NO"
			}
			return out
		}
		acts = left
	}
}

// reconcile has the watchman judge the whole register.
func (c *client) reconcile(t *testing.T) {
	t.Helper()
	var report struct {
		Certificates, Lists, Answers int
		Findings                     []struct{ Kind, Object, Detail string }
	}
	got := c.command(t, "", "ca", "audit", "--json")
	got.decode(t, &report)
	broken := 0
	for _, f := range report.Findings {
		switch ca.FindingKind(f.Kind) {
		case ca.FindingStamp, ca.FindingIntent, ca.FindingRequest:
			broken++ // recorded as begun, and nothing left
		default:
			t.Errorf("the watchman finds %s of %s: %s", f.Kind, f.Object, f.Detail)
		}
	}
	t.Logf("antin ca audit: %d certificates, %d lists, %d answers, %d acts broken off, nothing else", report.Certificates, report.Lists, report.Answers, broken)
	got = c.command(t, "", "ledger", "verify")
	if got.status != 0 {
		t.Errorf("the ledger does not verify: %s%s", got.out, got.err)
	}
}

// mountTemp lays a small file system of its own under the folder, so that it
// can fill up and be made read-only.
func mountTemp(t *testing.T, dir string) {
	t.Helper()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256m,mode=0700")
	if err != nil {
		t.Skipf("no right to mount a file system (root is needed): %v", err)
	}
	t.Cleanup(func() {
		err := unix.Unmount(dir, unix.MNT_DETACH)
		if err != nil {
			t.Errorf("unmount: %v", err)
		}
		// A test that failed may have left it read-only, which is a mount over it.
		for err == nil {
			err = unix.Unmount(dir, unix.MNT_DETACH)
		}
	})
}

// keepBusOutside gives the bus room elsewhere: it wants gigabytes before it
// starts.
func (p *platform) keepBusOutside(t *testing.T) {
	t.Helper()
	err := os.Mkdir(p.dir, 0o700)
	if err == nil {
		err = os.Symlink(t.TempDir(), filepath.Join(p.dir, "bus"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// remount makes the folder read-only.
func remount(t *testing.T, dir string) func() {
	t.Helper()
	err := unix.Mount(dir, dir, "", unix.MS_BIND, "")
	if err == nil {
		err = unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	if err != nil {
		t.Fatalf("make %s read-only: %v", dir, err)
	}
	return func() {
		err := unix.Unmount(dir, unix.MNT_DETACH)
		if err != nil {
			t.Fatalf("make %s writable: %v", dir, err)
		}
	}
}

// fillDisk leaves no block free.
func (p *platform) fillDisk(t *testing.T) func() {
	t.Helper()
	path := filepath.Join(filepath.Dir(p.dir), "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<16)
	for len(block) > 0 {
		_, err = f.Write(block)
		if err != nil {
			block = block[:len(block)/2]
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	return func() {
		err := errors.Join(f.Close(), os.Remove(path))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// lockDatabase holds the write lock of SQLite.
func (p *platform) lockDatabase(t *testing.T) func() {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(p.dir, "antin.db"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err == nil {
		_, err = conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
	}
	if err != nil {
		t.Fatalf("lock the database: %v", err)
	}
	return func() {
		_, err := conn.ExecContext(context.WithoutCancel(t.Context()), "ROLLBACK")
		err = errors.Join(err, conn.Close(), db.Close())
		if err != nil {
			t.Fatal(err)
		}
	}
}

// lockLedger holds the lock of the ledger's writers.
func (p *platform) lockLedger(t *testing.T) func() {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(p.dir, app.LedgerDir, ".state", "append.lock"), os.O_RDWR, 0)
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		t.Fatalf("lock the ledger: %v", err)
	}
	return func() { f.Close() }
}

// takeToken kills the key worker and moves the token away.
func (p *platform) takeToken(t *testing.T) func() {
	t.Helper()
	tokens := filepath.Join(p.dir, "hsm", "tokens")
	err := os.Rename(tokens, tokens+".away")
	if err == nil {
		err = syscall.Kill(p.sys.Worker.PID(), syscall.SIGKILL)
	}
	if err != nil {
		t.Fatalf("take the token away: %v", err)
	}
	return func() {
		err := os.Rename(tokens+".away", tokens)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// movedClock is the machine's clock, moved.
type movedClock struct{ by atomic.Int64 }

func (c *movedClock) Now() time.Time { return time.Now().Add(time.Duration(c.by.Load())).UTC() }

// wrongClock moves the clock of the running system.
func (c *client) wrongClock(t *testing.T, moved *movedClock) []faultRow {
	var rows []faultRow
	for _, by := range []time.Duration{-time.Hour, 400 * 24 * time.Hour} {
		name := fmt.Sprintf("clock set back by %s", -by)
		if by > 0 {
			name = fmt.Sprintf("clock set ahead by %d days", int(by.Hours()/24))
		}
		t.Run(name, func(t *testing.T) {
			moved.by.Store(int64(by))
			acts := faultActs()[2:5] // what the running process does
			during := c.run(t, acts)
			moved.by.Store(0)
			after := c.recovered(t, acts)
			for _, a := range acts {
				s := during[a.name]
				rows = append(rows, faultRow{name, a.name, s.text, s.took, c.record(t, s), after[a.name]})
			}
			if during["time-stamp"].done {
				t.Errorf("a time-stamp was given with a clock that is wrong by %s", by)
			}
		})
	}
	return rows
}

// writeFaults prints the table, and writes it where the environment says.
func writeFaults(t *testing.T, rows []faultRow) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# What happens when something fails\n\n")
	fmt.Fprintf(&b, "From a real run: `%s=$PWD/docs/faults.md go test ./cmd/antin/app -run TestFaultTable -count=1` as root (it mounts small file systems), %s, %d cores, %s.\n",
		envFaults, time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), runtime.Version())
	fmt.Fprintf(&b, "One certification centre serves throughout; it is never restarted. Acts of officers are commands beside the running server; OCSP, CRL and TSA are asked by HTTP. "+
		"\"Recorded\" is looked up after the fault, in the register and the ledger, for whatever the client was given; at the end `antin ledger verify` finds nothing, and `antin ca audit` nothing but acts that were recorded as begun and broken off.\n\n")
	fmt.Fprintf(&b, "| fault | act | the client sees | after | recorded | works again |\n|---|---|---|---|---|---|\n")
	last := ""
	for _, r := range rows {
		name := r.fault
		if name == last {
			name = ""
		}
		last = r.fault
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", name, r.act, strings.ReplaceAll(r.sees, "|", "\\|"), r.took.Round(100*time.Millisecond), r.record, r.after)
	}
	t.Logf("\n%s", b.String())
	path := os.Getenv(envFaults)
	if path == "" {
		return
	}
	err := os.WriteFile(path, []byte(b.String()), 0o644)
	if err != nil {
		t.Fatal(err)
	}
}

// contextFor is a context that ends by itself.
func contextFor(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

// asError is errors.As for one line.
func asError[T error](err error, target *T) bool { return errors.As(err, target) }
