package ocspbench

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/antin-gov/antin/ca"
)

// Options say what is measured.
type Options struct {
	Certificates int
	// Asked is how many different certificates are asked for.
	Asked int
	// Each is how long each server is asked in a round, Rounds how often each.
	Each   time.Duration
	Rounds int
	// Listen and Nginx are the addresses of both servers.
	Listen, Nginx string
	// Command starts the serving process; the folder and the address are added.
	Command []string
	// Progress, when set, is told what is being done and how far it is.
	Progress func(what string, done, total int)
}

// Result is what was measured. Rates are answers a second.
type Result struct {
	Certificates int `json:"certificates"`
	// FirstAnswer is from the start of the process to its first answer, on an
	// empty memory; Restarted is the same with the answers that were kept, and
	// AllKept until all of them were back.
	FirstAnswer time.Duration `json:"first_answer_ns"`
	Restarted   time.Duration `json:"restarted_ns"`
	AllKept     time.Duration `json:"all_kept_ns"`
	// MadeIn is how long it took to make all answers in advance.
	MadeIn time.Duration `json:"made_in_ns"`
	// HeapPerCertificate is in bytes; RSS is the whole process with all answers.
	HeapPerCertificate float64   `json:"heap_bytes_per_certificate"`
	RSS                uint64    `json:"rss_bytes"`
	Own                []float64 `json:"own_per_second"`
	Nginx              []float64 `json:"nginx_per_second"`
	// Ratio is the median of own over nginx, round by round.
	Ratio float64 `json:"ratio"`
	// OwnCPU and NginxCPU are the processor time of each server for one answer,
	// in microseconds: what a machine that others use as well does not blur.
	OwnCPU   float64 `json:"own_cpu_us"`
	NginxCPU float64 `json:"nginx_cpu_us"`
}

func (o Options) say(what string, done, total int) {
	if o.Progress != nil {
		o.Progress(what, done, total)
	}
}

// Run makes a register in a temporary folder and measures.
func Run(ctx context.Context, o Options) (*Result, error) {
	_, err := exec.LookPath("nginx")
	if err != nil {
		return nil, fmt.Errorf("nginx is not installed (apt-get install nginx-light): %w", err)
	}
	dir, err := os.MkdirTemp("", "antin-bench-ocsp-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	root, err := prepare(ctx, o, dir)
	if err != nil {
		return nil, err
	}
	b := &bench{Options: o, dir: dir, issuer: root, result: &Result{Certificates: o.Certificates}}
	return b.result, b.run(ctx)
}

// prepare makes the authority and fills its register.
func prepare(ctx context.Context, o Options, dir string) (*x509.Certificate, error) {
	w, err := openWorld(ctx, dir, o.Listen)
	if err != nil {
		return nil, err
	}
	err = ca.Init(ctx, w.deps, w.deps.Config)
	var cert *x509.Certificate
	if err == nil {
		cert, err = w.certificate(ctx)
	}
	if err == nil {
		err = w.fill(ctx, o.Certificates, func(n int) { o.say("filling the register", n, o.Certificates) })
	}
	return cert, errors.Join(err, w.close())
}

// certificate is the issuer's own.
func (w *world) certificate(ctx context.Context) (*x509.Certificate, error) {
	s, err := ca.New(ctx, w.deps)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(s.Export()["issuer-"+issuer+".pem"])
	if block == nil {
		return nil, errors.New("the issuer's certificate is missing")
	}
	return x509.ParseCertificate(block.Bytes)
}

// bench is one run.
type bench struct {
	Options
	dir    string
	issuer *x509.Certificate
	result *Result
}

func (b *bench) run(ctx context.Context) error {
	child, first, err := b.start(ctx)
	if err != nil {
		return err
	}
	b.result.FirstAnswer = first
	err = b.measure(ctx, child)
	err = errors.Join(err, stop(child))
	if err != nil {
		return err
	}
	// Again, with what was kept.
	began := time.Now()
	child, first, err = b.start(ctx)
	if err != nil {
		return err
	}
	b.result.Restarted = first
	err = b.wait(ctx, "reading kept answers")
	b.result.AllKept = time.Since(began)
	return errors.Join(err, stop(child))
}

func (b *bench) measure(ctx context.Context, child *exec.Cmd) error {
	began := time.Now()
	err := b.wait(ctx, "making answers in advance")
	if err != nil {
		return err
	}
	b.result.MadeIn = time.Since(began)
	f, err := b.figures(ctx, "?heap")
	if err != nil {
		return err
	}
	b.result.HeapPerCertificate = float64(f.Heap-min(f.Heap, f.HeapBefore)) / float64(b.Certificates)
	b.result.RSS, err = rss(child.Process.Pid)
	if err != nil {
		return err
	}
	return b.compare(ctx, child.Process.Pid)
}

// start starts the serving process and waits for its first answer.
func (b *bench) start(ctx context.Context) (*exec.Cmd, time.Duration, error) {
	child := exec.CommandContext(ctx, b.Command[0], append(b.Command[1:], b.dir, b.Listen)...)
	child.Stderr = os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	began := time.Now()
	err := child.Start()
	if err != nil {
		return nil, 0, err
	}
	for {
		_, err = b.answer(ctx, rand.IntN(b.Certificates))
		if err == nil {
			return child, time.Since(began), nil
		}
		if ctx.Err() != nil || time.Since(began) > 5*time.Minute {
			return nil, 0, errors.Join(fmt.Errorf("no answer from the serving process: %w", err), stop(child))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func stop(child *exec.Cmd) error {
	err := child.Process.Signal(syscall.SIGTERM)
	if err != nil {
		return err
	}
	err = child.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() < 0 {
		return nil // ended by the signal
	}
	return err
}

func (b *bench) path(n int) (string, error) {
	request, err := xocsp.CreateRequest(&x509.Certificate{SerialNumber: serialOf(n)}, b.issuer, nil)
	if err != nil {
		return "", err
	}
	return "/ocsp/" + base64.RawURLEncoding.EncodeToString(request), nil
}

// answer asks for the n-th certificate and has an independent reader verify
// what comes.
func (b *bench) answer(ctx context.Context, n int) ([]byte, error) {
	path, err := b.path(n)
	if err != nil {
		return nil, err
	}
	body, err := get(ctx, "http://"+b.Listen+path)
	if err != nil {
		return nil, err
	}
	answer, err := xocsp.ParseResponseForCert(body, &x509.Certificate{SerialNumber: serialOf(n)}, b.issuer)
	if err != nil {
		return nil, err
	}
	want := xocsp.Good
	if n%50 == 49 {
		want = xocsp.Revoked
	}
	if answer.Status != want {
		return nil, fmt.Errorf("certificate %d: status %d, want %d", n, answer.Status, want)
	}
	return body, nil
}

func get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	err = errors.Join(err, resp.Body.Close())
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", address, resp.Status)
	}
	return body, err
}

func (b *bench) figures(ctx context.Context, query string) (Figures, error) {
	var f Figures
	body, err := get(ctx, "http://"+b.Listen+"/figures"+query)
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(body, &f)
}

// wait waits until the answers of all certificates are in memory.
func (b *bench) wait(ctx context.Context, what string) error {
	for {
		f, err := b.figures(ctx, "")
		if err != nil {
			return err
		}
		b.say(what, min(f.Answers, b.Certificates), b.Certificates)
		if f.Answers >= b.Certificates {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// rss is the resident memory of a process in bytes.
func rss(pid int) (uint64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		value, found := strings.CutPrefix(line, "VmRSS:")
		if found {
			n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("no VmRSS")
}

// compare asks both servers for the same answers, turn by turn.
func (b *bench) compare(ctx context.Context, pid int) error {
	var own, files []string
	var lengths []int
	root := filepath.Join(b.dir, "www")
	err := os.MkdirAll(filepath.Join(root, "ocsp"), 0o755)
	if err != nil {
		return err
	}
	for range min(b.Asked, b.Certificates) {
		n := rand.IntN(b.Certificates)
		body, err := b.answer(ctx, n)
		if err != nil {
			return err
		}
		path, err := b.path(n)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("/ocsp/%d.der", n)
		err = os.WriteFile(filepath.Join(root, name), body, 0o644)
		if err != nil {
			return err
		}
		own, files, lengths = append(own, path), append(files, name), append(lengths, len(body))
	}
	server, err := b.startNginx(ctx, root)
	if err != nil {
		return err
	}
	return errors.Join(b.rounds(ctx, pid, server.Process.Pid, own, files, lengths), stop(server))
}

// rounds asks both in turn.
func (b *bench) rounds(ctx context.Context, own, nginx int, paths, files []string, lengths []int) error {
	var ratios []float64
	var answers, cost [2]float64
	for round := range b.Rounds {
		b.say("asking", round, b.Rounds)
		var rates [2]float64
		for i, server := range []struct {
			pid     int
			address string
			paths   []string
		}{{nginx, b.Nginx, files}, {own, b.Listen, paths}} {
			before, err := cpu(server.pid)
			if err != nil {
				return err
			}
			rates[i], err = load(ctx, server.address, server.paths, lengths, b.Each)
			if err != nil {
				return fmt.Errorf("ask %s: %w", server.address, err)
			}
			after, err := cpu(server.pid)
			if err != nil {
				return err
			}
			answers[i] += rates[i] * b.Each.Seconds()
			cost[i] += (after - before).Seconds()
		}
		b.result.Nginx, b.result.Own = append(b.result.Nginx, rates[0]), append(b.result.Own, rates[1])
		ratios = append(ratios, rates[1]/rates[0])
	}
	slices.Sort(ratios)
	b.result.Ratio = ratios[len(ratios)/2]
	b.result.NginxCPU, b.result.OwnCPU = 1e6*cost[0]/answers[0], 1e6*cost[1]/answers[1]
	return nil
}

// clockTick is the unit of processor times in /proc (USER_HZ).
const clockTick = 10 * time.Millisecond

// cpu is the processor time of a process and its children.
func cpu(pid int) (time.Duration, error) {
	name := "/proc/" + strconv.Itoa(pid)
	b, err := os.ReadFile(name + "/stat")
	if err != nil {
		return 0, err
	}
	// after the name in brackets, which may hold anything: proc(5)
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var total time.Duration
	for _, at := range []int{11, 12} {
		n, err := strconv.ParseInt(fields[at], 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(n) * clockTick
	}
	children, err := os.ReadFile(name + "/task/" + strconv.Itoa(pid) + "/children")
	if err != nil {
		return 0, err
	}
	for _, text := range strings.Fields(string(children)) {
		child, err := strconv.Atoi(text)
		if err != nil {
			return 0, err
		}
		n, err := cpu(child)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// startNginx serves the folder by nginx, set for speed: sendfile, open files
// kept, no log.
func (b *bench) startNginx(ctx context.Context, root string) (*exec.Cmd, error) {
	dir := filepath.Join(b.dir, "nginx")
	err := os.MkdirAll(dir, 0o755)
	if err != nil {
		return nil, err
	}
	// its workers are another user's when this runs as root
	err = os.Chmod(b.dir, 0o711)
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "nginx.conf")
	err = os.WriteFile(conf, fmt.Appendf(nil, `daemon off;
worker_processes auto;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
  open_file_cache max=100000 inactive=10m; open_file_cache_valid 10m;
  keepalive_requests 1000000000; keepalive_timeout 10m;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  types { application/ocsp-response der; }
  server { listen %[2]s; root %[3]s; add_header Cache-Control "max-age=10, public, no-transform, must-revalidate"; }
}
`, dir, b.Nginx, root), 0o644)
	if err != nil {
		return nil, err
	}
	server := exec.CommandContext(ctx, "nginx", "-c", conf, "-e", dir+"/error.log")
	server.Stderr = os.Stderr
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	err = server.Start()
	if err != nil {
		return nil, err
	}
	for range 200 {
		conn, err := net.Dial("tcp", b.Nginx)
		if err == nil {
			return server, conn.Close()
		}
		time.Sleep(25 * time.Millisecond)
	}
	return nil, errors.Join(errors.New("nginx does not answer"), stop(server))
}
