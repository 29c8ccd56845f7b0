package hsmtest

import (
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTPM is a software TPM under tpm2-pkcs11, behind p11-kit.
func startTPM(t testing.TB) Running {
	needs(t, "swtpm, tpm2-tools, libtpm2-pkcs11-1, opensc, p11-kit and p11-kit-modules", "swtpm", "tpm2_flushcontext", "pkcs11-tool", "p11-kit", kitClient, tpmModule)
	dir, store := t.TempDir(), t.TempDir()
	port := freePair(t)
	cmd := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+dir, "--ctrl", "type=tcp,port="+strconv.Itoa(port+1),
		"--server", "type=tcp,port="+strconv.Itoa(port), "--flags", "not-need-init,startup-clear")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	await(t, "the software TPM", func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port+1))
		if err == nil {
			conn.Close()
		}
		return err
	})
	env := []string{"TPM2_PKCS11_TCTI=" + tcti(port), "TPM2_PKCS11_STORE=" + store, "TPM2_PKCS11_LOG_LEVEL=0", "TSS2_LOG=all+NONE"}
	tool := command{path: "pkcs11-tool", env: env}
	await(t, "the token of the software TPM", func() error {
		return tool.run("--module", tpmModule, "--init-token", "--slot-index", "0", "--label", "tpm", "--so-pin", testSOPIN)
	})
	await(t, "the PIN of the software TPM", func() error {
		return tool.run("--module", tpmModule, "--token-label", "tpm", "--login", "--login-type", "so", "--so-pin", testSOPIN, "--init-pin", "--pin", testUserPIN)
	})
	r := behindKit(t, "tpm", tpmModule, testUserPIN, command{path: "p11-kit", env: env})
	flush := command{path: "tpm2_flushcontext", env: []string{"TPM2TOOLS_TCTI=" + tcti(port)}}
	socket := strings.TrimPrefix(r.Config.Environment[kitAddress], "unix:path=")
	relay(t, socket+"r", socket, func() {
		for r.alive() > 0 {
			time.Sleep(startPause)
		}
		// Nothing to flush is no error of interest.
		_ = flush.run("-t")
		_ = flush.run("-l")
	})
	r.Config.Environment[kitAddress] = "unix:path=" + socket + "r"
	return r
}

// tcti names a software TPM for the TPM software stack.
func tcti(port int) string { return "swtpm:host=127.0.0.1,port=" + strconv.Itoa(port) }

// relay hands one connection after another on to a socket and calls after at
// the end of each. It does for a software TPM what the kernel's resource
// manager (/dev/tpmrm0) does for a real one: what a dead process left in the
// TPM's few places is flushed before the next comes.
func relay(t testing.TB, from, to string, after func()) {
	t.Helper()
	ln, err := net.Listen("unix", from)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		ln.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", to)
			if err != nil {
				in.Close()
				continue
			}
			var both sync.WaitGroup
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				both.Go(func() {
					_, _ = io.Copy(pair[0], pair[1]) // any end ends both
					in.Close()
					out.Close()
				})
			}
			both.Wait()
			after()
		}
	})
}

// freePair gives a port that is free together with the next one.
func freePair(t testing.TB) int {
	t.Helper()
	for range 100 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port+1))
		first.Close()
		if err == nil {
			second.Close()
			return port
		}
	}
	t.Fatal("no two ports beside each other are free")
	return 0
}
