package hsmtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm"
)

// Backend is a kind of token for the one test body that runs over all.
type Backend struct {
	Name string
	// Start starts a fresh, empty token, or skips with a clear word when the
	// programs for it are absent. Everything ends with the test.
	Start func(t testing.TB) Running
	// Algorithms are those that the probe must find; it may find more.
	Algorithms []string
	// Slow says that a signature takes tens of milliseconds.
	Slow bool
}

// Running is a started token.
type Running struct {
	// Config names it, with a socket path for the worker.
	Config hsm.WorkerConfig
	// Lose takes the token away from the worker for a moment, in the middle of
	// whatever it does.
	Lose func(t testing.TB)

	alive func() int
	// direct are the settings that reach the token without p11-kit; nil when
	// there are none.
	direct *hsm.WorkerConfig
}

// Direct lends a client of a worker that reaches the token without p11-kit,
// which forwards no wrapping of keys.
func (r Running) Direct(t testing.TB, f func(*hsm.Client) error) error {
	t.Helper()
	if r.direct == nil {
		t.Fatal("the token is reached by p11-kit only")
	}
	sup, err := hsm.StartWorker(t.Context(), Options(t, *r.direct))
	if err != nil {
		return err
	}
	defer sup.Close()
	c, err := hsm.Dial(t.Context(), r.direct.SocketPath, hsm.ClientOptions{})
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

// Backends are all kinds of tokens that run on a plain machine.
func Backends() []Backend {
	return []Backend{
		{Name: "SoftHSM2", Start: startSoftHSM, Algorithms: []string{"RSA-2048", "RSA-3072", "RSA-4096", "EC-P256", "EC-P384", "EC-P521"}},
		{Name: "swtpm", Start: startTPM, Algorithms: []string{"RSA-2048", "EC-P256"}, Slow: true},
		{Name: "opencryptoki", Start: startOpencryptoki, Algorithms: []string{"RSA-2048", "RSA-3072", "RSA-4096"}},
	}
}

// Modules of Debian.
const (
	pkcs11Dir   = "/usr/lib/x86_64-linux-gnu/pkcs11/"
	kitClient   = pkcs11Dir + "p11-kit-client.so"
	tpmModule   = pkcs11Dir + "libtpm2_pkcs11.so"
	ockModule   = pkcs11Dir + "libopencryptoki.so"
	kitAddress  = "P11_KIT_SERVER_ADDRESS"
	startTime   = 20 * time.Second
	startPause  = 20 * time.Millisecond
	testUserPIN = "12345678"
	testSOPIN   = "87654321"
)

// needs skips the test when a program or file is absent.
func needs(t testing.TB, what string, paths ...string) {
	t.Helper()
	for _, p := range paths {
		_, err := exec.LookPath(p)
		if err == nil {
			continue
		}
		_, err = os.Stat(p)
		if err != nil {
			t.Skipf("%s is absent (make test installs %s): the test needs the real token", p, what)
		}
	}
}

// startSoftHSM is a SoftHSM token behind p11-kit.
func startSoftHSM(t testing.TB) Running {
	needs(t, "p11-kit and p11-kit-modules", "p11-kit", kitClient)
	cfg := Init(t)
	env := []string{"SOFTHSM2_CONF=" + cfg.SoftHSMConf}
	pin, err := os.ReadFile(cfg.PINFile)
	if err != nil {
		t.Fatal(err)
	}
	r := behindKit(t, "antin-test", hsm.DefaultModule, strings.TrimSpace(string(pin)), command{path: "p11-kit", env: env})
	r.direct = &cfg
	return r
}

// startOpencryptoki is the software token of opencryptoki. Its daemon and its
// shared memory live in namespaces of their own, so that the machine's are not
// touched; only p11-kit's socket leaves them.
func startOpencryptoki(t testing.TB) Running {
	needs(t, "opencryptoki, opensc, p11-kit and p11-kit-modules", "pkcsslotd", "pkcsconf", "pkcs11-tool", "p11-kit", "unshare", kitClient, ockModule)
	if os.Getuid() != 0 {
		t.Skip("opencryptoki in namespaces of its own needs root")
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "inside.sh")
	err := os.WriteFile(script, []byte(ockScript), 0o700)
	if err != nil {
		t.Fatal(err)
	}
	return behindKit(t, "ock", ockModule, testUserPIN, command{path: "unshare",
		before: []string{"-m", "-i", "-p", "-f", "--kill-child", "--mount-proc", script, dir, testSOPIN, testUserPIN}})
}

// ockScript prepares opencryptoki inside its namespaces and becomes its last
// arguments. $1 folder, $2 SO PIN, $3 user PIN.
const ockScript = `#!/bin/sh
set -eu
dir=$1 so=$2 pin=$3
shift 3
mount -t tmpfs tmpfs /dev/shm
cp -a /var/lib/opencryptoki "$dir/lib"
cp -a /var/lock/opencryptoki "$dir/lock"
mount --bind "$dir/lib" /var/lib/opencryptoki
mount --bind "$dir/lock" /var/lock/opencryptoki
pkcsslotd
{
  pkcs11-tool --module ` + ockModule + ` --init-token --slot 3 --so-pin "$so" --label ock
  pkcsconf -c 3 -P -S "$so" -n 56785678
  pkcsconf -c 3 -u -S 56785678 -n "$pin"
} >"$dir/init.log" 2>&1
exec "$@"
`

// command is a program with its surroundings; before stands between it and the
// arguments.
type command struct {
	path   string
	before []string
	env    []string
}

func (c command) build(args ...string) *exec.Cmd {
	cmd := exec.Command(c.path, append(append([]string{}, c.before...), args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}, c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run runs the program to its end.
func (c command) run(args ...string) error {
	out, err := c.build(args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", c.path, err, out)
	}
	return nil
}

// behindKit serves a token by p11-kit on a socket and gives the settings of a
// worker that reaches it there. Losing the token kills the child that p11-kit
// has for the worker's connection.
func behindKit(t testing.TB, label, module, pin string, server command) Running {
	t.Helper()
	dir, err := os.MkdirTemp("", "kit")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, pinFile := filepath.Join(dir, "k"), filepath.Join(dir, "pin")
	err = os.WriteFile(pinFile, []byte(pin+"\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"server", "-f", "-n", socket, "--provider", module, "pkcs11:token=" + label}
	if server.path != "p11-kit" {
		args = append([]string{"p11-kit"}, args...)
	}
	cmd := server.build(args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err = cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("p11-kit server: %s", output.String())
		}
	})
	await(t, "p11-kit's socket", func() error {
		_, err := os.Stat(socket)
		return err
	})
	return Running{
		Config: hsm.WorkerConfig{
			Tokens:      []string{"pkcs11:token=" + label + "?module-path=" + kitClient + "&pin-source=file:" + pinFile},
			Environment: map[string]string{kitAddress: "unix:path=" + socket},
			SocketPath:  filepath.Join(dir, "s"),
		},
		Lose: func(t testing.TB) {
			remotes := remotesOf(cmd.Process.Pid)
			if len(remotes) == 0 {
				t.Error("p11-kit had no child to kill")
			}
			for _, pid := range remotes {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
			}
		},
		alive: func() int { return len(remotesOf(cmd.Process.Pid)) },
	}
}

// remotesOf lists the living p11-kit-remote processes below a process.
func remotesOf(pid int) []int {
	var out []int
	for _, child := range childrenOf(pid) {
		out = append(out, remotesOf(child)...)
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
		if err == nil && (bytes.Contains(raw, []byte("p11-kit-remote")) || bytes.Contains(raw, []byte("p11-kit\x00remote"))) {
			out = append(out, child)
		}
	}
	return out
}

// childrenOf lists the children of a process.
func childrenOf(pid int) []int {
	var out []int
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	for _, task := range tasks {
		raw, err := os.ReadFile(task)
		if err != nil {
			continue
		}
		for _, word := range strings.Fields(string(raw)) {
			child, err := strconv.Atoi(word)
			if err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}

// await tries until it succeeds.
func await(t testing.TB, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(startTime)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(startPause)
	}
}
