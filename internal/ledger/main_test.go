package ledger

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	testOrigin = "antin.test/ledger"
	// writerEnv makes the test binary a writer: DIR, key file and count follow.
	writerEnv = "ANTIN_LEDGERTEST_WRITER"
)

// TestMain lets the tests start a second process that writes.
func TestMain(m *testing.M) {
	if os.Getenv(writerEnv) != "" {
		err := writerMain(os.Getenv("DIR"), os.Getenv("KEY"), os.Getenv("COUNT"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// writerMain appends with 8 writers and prints the receipt of each entry.
func writerMain(dir, keyFile, count string) error {
	key, err := readTestKey(keyFile)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	l, err := Open(context.Background(), Options{Dir: dir, Origin: testOrigin, Signer: key})
	if err != nil {
		return err
	}
	const writers = 8
	errs := make(chan error, writers)
	var mu sync.Mutex
	for w := range writers {
		go func() {
			for i := range n / writers {
				object := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i)
				r, err := l.Append(context.Background(), testEntry(object))
				if err != nil {
					errs <- err
					return
				}
				mu.Lock()
				fmt.Println(r.Index, object)
				mu.Unlock()
			}
			errs <- nil
		}()
	}
	for range writers {
		err := <-errs
		if err != nil {
			return err
		}
	}
	return l.Close()
}

func testEntry(object string) Entry {
	return Entry{Time: time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC), Kind: "sign.document", Actor: "acc-17", Agency: "H12.04",
		Object: object, Digest: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Detail: map[string]string{"level": "B-LT"}}
}

func newTestKey(t testing.TB) (*ecdsa.PrivateKey, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.der")
	err = os.WriteFile(file, der, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return key, file
}

func readTestKey(file string) (*ecdsa.PrivateKey, error) {
	der, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	return key.(*ecdsa.PrivateKey), nil
}

// writerProcess starts this binary as a writer.
func writerProcess(t testing.TB, dir, keyFile string, count int) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), writerEnv+"=1", "DIR="+dir, "KEY="+keyFile, "COUNT="+strconv.Itoa(count))
	return cmd
}

// openTest opens a log that is closed with the test.
func openTest(t testing.TB, dir string, key *ecdsa.PrivateKey) *Log {
	t.Helper()
	l, err := Open(t.Context(), Options{Dir: dir, Origin: testOrigin, Signer: key, CheckpointInterval: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// fill appends entries with several writers and closes the log.
func fill(t testing.TB, dir string, key *ecdsa.PrivateKey, count int) {
	t.Helper()
	l := openTest(t, dir, key)
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := w; i < count; i += 32 {
				_, err := l.Append(t.Context(), testEntry(fmt.Sprint("object-", i)))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	err := l.Close()
	if err != nil {
		t.Fatal(err)
	}
}
