package privilege

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain runs this program as a child that drops privileges: what is given
// up cannot be had back, so it is done in a process of its own.
func TestMain(m *testing.M) {
	if name := os.Getenv("ANTIN_TEST_DROP"); name != "" {
		err := child(strings.TrimPrefix(name, "user:"), os.Args[1])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child drops, and says what still works that should not, and what does not
// that should.
func child(name, dir string) error {
	held, err := Drop(Options{User: name})
	if err != nil {
		return err
	}
	fmt.Printf("uid=%d filtered=%v\n", held.UID, held.Filtered)
	// On every thread, old or new.
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { time.Sleep(time.Millisecond) })
	}
	wg.Wait()
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		text, err := os.ReadFile(t)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, want := range []string{"CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !strings.Contains(string(text), want) {
				return fmt.Errorf("%s lacks %q:\n%s", t, want, text)
			}
		}
	}
	return errors.Join(refused(), works(dir))
}

func refused() error {
	var errs error
	must := func(what string, err error) {
		if !errors.Is(err, unix.EPERM) {
			errs = errors.Join(errs, fmt.Errorf("%s: %v", what, err))
		}
	}
	_, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	must("packet socket", err)
	must("exec", exec.Command("/bin/true").Run())
	must("unshare", unix.Unshare(unix.CLONE_NEWUSER))
	must("mount", unix.Mount("none", "/mnt", "tmpfs", 0, ""))
	must("ptrace", unix.PtraceAttach(1))
	must("chroot", unix.Chroot("/"))
	_, err = unix.KeyctlInt(unix.KEYCTL_GET_KEYRING_ID, unix.KEY_SPEC_SESSION_KEYRING, 0, 0, 0)
	must("keys", err)
	return errs
}

func works(dir string) error {
	path := filepath.Join(dir, "record")
	err := os.WriteFile(path, []byte("x"), 0o600)
	if err != nil {
		return err
	}
	err = os.Rename(path, path+".1")
	if err != nil {
		return err
	}
	// As the spool makes its key.
	err = os.Link(path+".1", path+".2")
	if err != nil {
		return err
	}
	_, err = net.Interfaces()
	if err != nil {
		return err
	}
	for _, network := range []string{"tcp", "unix"} {
		addr := "127.0.0.1:0"
		if network == "unix" {
			addr = filepath.Join(dir, "s")
		}
		l, err := net.Listen(network, addr)
		if err != nil {
			return err
		}
		go func() {
			c, err := l.Accept()
			if err == nil {
				c.Write([]byte("hello"))
				c.Close()
			}
		}()
		c, err := net.Dial(network, l.Addr().String())
		if err != nil {
			return err
		}
		buf := make([]byte, 5)
		_, err = c.Read(buf)
		if err != nil || string(buf) != "hello" {
			return fmt.Errorf("%s: %q, %w", network, buf, err)
		}
		c.Close()
		l.Close()
	}
	_, err = net.LookupHost("localhost")
	return err
}

func TestDropGivesUpAllButWhatTheSensorNeeds(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "nobody"} {
		if name != "" && os.Geteuid() != 0 {
			continue
		}
		dir, err := os.MkdirTemp("", "antin-drop-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		err = os.Chmod(dir, 0o777)
		if err != nil {
			t.Fatal(err)
		}
		// The child must be able to run as another user.
		program := filepath.Join(dir, "program")
		text, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(program, text, 0o755)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, dir)
		cmd.Env = append(os.Environ(), "ANTIN_TEST_DROP=user:"+name)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("user %q: %v\n%s", name, err, out)
		}
		if name == "nobody" && !strings.Contains(string(out), "uid=65534 filtered=true") {
			t.Errorf("%s", out)
		}
	}
}

func TestRootAndStrangersAreNoUsersToBecome(t *testing.T) {
	for name, want := range map[string]error{"root": ErrRoot, "no-such-user-here": ErrUser} {
		_, err := Lookup(name)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
