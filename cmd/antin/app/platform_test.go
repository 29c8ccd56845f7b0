package app_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/clock"
)

// upPatience is how long a system may take to answer, with the race detector
// on a busy machine.
const upPatience = 60 * time.Second

// platform is a system in a folder of its own on free ports of loopback, with
// the built programs beside it.
type platform struct {
	dir    string
	bin    string
	env    []string
	worker hsm.Options
	clock  clock.Clock // nil: the machine's
	sys    *app.System
	addr   app.Addresses
}

// newPlatform gives a folder, ports and settings; nothing is made yet.
func newPlatform(t *testing.T, more ...string) *platform {
	t.Helper()
	// A socket's path may have 107 bytes only (unix(7)), so not t.TempDir.
	dir, err := os.MkdirTemp("", "antin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := os.RemoveAll(dir)
		if err != nil {
			t.Errorf("remove the data folder: %v", err)
		}
	})
	p := &platform{dir: filepath.Join(dir, "data"), bin: os.Getenv(envPrograms)}
	p.worker = hsmtest.Options(t, hsm.WorkerConfig{})
	_, err = os.Stat(hsm.DefaultModule)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("SoftHSM is not installed (apt install softhsm2): the system needs a real token")
	}
	ports := freePorts(t, 7)
	p.env = append([]string{
		"ANTIN_CONSOLE_LISTEN=" + ports[0], "ANTIN_PKI_LISTEN=" + ports[1], "ANTIN_PKI_URL=http://" + ports[1],
		"ANTIN_BUS_LISTEN=" + ports[2], "ANTIN_GATEWAY_LISTEN=" + ports[3], "ANTIN_METRICS_LISTEN=" + ports[4],
		"ANTIN_EST_LISTEN=" + ports[5], "ANTIN_ACME_HTTP_PORT=" + ports[6][strings.LastIndex(ports[6], ":")+1:],
		"ANTIN_SENSOR_COMMAND=" + filepath.Join(p.bin, "antin-sensor"),
	}, more...)
	return p
}

// freePorts are addresses of loopback that nobody listens on.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		// All stay open until all are chosen, so that no two are the same.
		defer func() { _ = l.Close() }()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

func (p *platform) options(t *testing.T) app.Options {
	return app.Options{
		Dir: p.dir, Environ: p.env, Clock: p.clock, Worker: p.worker.Command, WorkerEnv: p.worker.Env, Reader: []string{filepath.Join(p.bin, "antin"), app.ReaderCommand},
		Logger: slog.New(slog.NewTextHandler(&testLog{t: t}, &slog.HandlerOptions{Level: slog.LevelError})),
	}
}

// testLog writes what the system logs to the test's log.
type testLog struct{ t *testing.T }

func (w *testLog) Write(b []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(b))
	return len(b), nil
}

// init makes the system; nothing is served yet.
func (p *platform) init(t *testing.T) {
	t.Helper()
	err := app.Init(t.Context(), p.options(t), func(string) {})
	if err != nil {
		t.Fatalf("init: %v", err)
	}
}

// loadDemo loads the reference province.
func (p *platform) loadDemo(t *testing.T) {
	t.Helper()
	s := p.open(t)
	err := s.LoadDemo(t.Context(), func(string) {})
	err = errors.Join(err, s.Close())
	if err != nil {
		t.Fatalf("load the reference province: %v", err)
	}
}

func (p *platform) open(t *testing.T) *app.System {
	t.Helper()
	s, err := app.Open(t.Context(), p.options(t))
	if err != nil {
		t.Fatalf("open the system: %v", err)
	}
	return s
}

// up serves the system until the test ends, and returns when it says that it
// is ready.
func (p *platform) up(t *testing.T) {
	t.Helper()
	// The parts outlive the test's context: they are closed in order.
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	s, err := app.Open(context.WithoutCancel(t.Context()), p.options(t))
	if err != nil {
		cancel()
		t.Fatalf("open the system: %v", err)
	}
	ready, done := make(chan app.Addresses, 1), make(chan error, 1)
	go func() { done <- s.Up(ctx, true, func(a app.Addresses) { ready <- a }) }()
	t.Cleanup(func() {
		cancel()
		err := errors.Join(<-done, s.Close())
		if err != nil {
			t.Errorf("end the system: %v", err)
		}
	})
	select {
	case p.addr = <-ready:
	case err := <-done:
		done <- nil
		t.Fatalf("the system ended: %v", err)
	case <-time.After(upPatience):
		t.Fatalf("not ready after %s", upPatience)
	}
	p.sys = s
}

// outcome is what a program left.
type outcome struct {
	out, err string
	status   int
}

// antin runs the built program on the platform's folder, as a person would.
func (p *platform) antin(t *testing.T, args ...string) outcome {
	t.Helper()
	return p.antinWith(t, nil, args...)
}

func (p *platform) antinWith(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	cmd := exec.Command(filepath.Join(p.bin, "antin"), args...)
	cmd.Env = append(append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "LC_ALL=en_US.UTF-8", "ANTIN_DATA_DIR=" + p.dir}, p.env...), env...)
	return runProgram(t, cmd)
}

// tool runs a program of somebody else.
func tool(t *testing.T, name string, args ...string) outcome {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: it is the judge here", name)
	}
	return runProgram(t, exec.Command(path, args...))
}

func runProgram(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", cmd.Path, err)
	}
	return outcome{out: out.String(), err: errs.String(), status: cmd.ProcessState.ExitCode()}
}

// want fails the test when the program left with another status.
func (o outcome) want(t *testing.T, status int) outcome {
	t.Helper()
	if o.status != status {
		t.Fatalf("exit status %d, want %d\n%s%s", o.status, status, o.out, o.err)
	}
	return o
}

// decode reads what the program answered as JSON.
func (o outcome) decode(t *testing.T, v any) {
	t.Helper()
	err := json.Unmarshal([]byte(o.out), v)
	if err != nil {
		t.Fatalf("answer is not JSON: %v\n%s", err, o.out)
	}
}

// as gives the environment in which the account's first password is typed.
func (p *platform) as(t *testing.T, account string) []string {
	t.Helper()
	password, err := p.sys.Credential(account)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "password")
	err = os.WriteFile(path, []byte(password+"\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"ANTIN_PASSWORD_FILE=" + path}
}

// authorities is a folder with the certificates of the authorities, and a file
// of the root alone.
func (p *platform) authorities(t *testing.T) (dir, root string) {
	t.Helper()
	dir = t.TempDir()
	p.antin(t, "ca", "export", "--all", "--out", dir).want(t, 0)
	roots, err := filepath.Glob(filepath.Join(dir, "root-*.pem"))
	if err != nil || len(roots) != 1 {
		t.Fatalf("exported roots: %v %v", roots, err)
	}
	return dir, roots[0]
}

// client is an HTTP client that trusts our authority alone.
func (p *platform) client(t *testing.T, pairs ...tls.Certificate) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(p.sys.AnchorsFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificates of the authority")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: pairs}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// maxBody limits what a test reads of an answer.
const maxBody = 16 << 20

func fetch(t *testing.T, c *http.Client, url string) (int, []byte, http.Header) {
	t.Helper()
	answer, err := c.Get(url)
	if err != nil {
		t.Fatalf("get %s: %v", url, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		t.Fatalf("read %s: %v", url, err)
	}
	return answer.StatusCode, body, answer.Header
}

// do sends a request and reads what a test reads of the answer.
func do(t *testing.T, c *http.Client, request *http.Request) (int, []byte) {
	t.Helper()
	answer, err := c.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", request.Method, request.URL, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		t.Fatalf("read %s: %v", request.URL, err)
	}
	return answer.StatusCode, body
}

func writeFile(t *testing.T, path string, content []byte) string {
	t.Helper()
	err := os.WriteFile(path, content, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
