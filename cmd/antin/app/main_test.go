package app_test

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"

	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/testkit"
)

// envPrograms tells the tests where TestMain has built the programs.
const envPrograms = "ANTIN_TEST_PROGRAMS"

// TestMain builds antin and antin-sensor once, as they are shipped, and lets
// this binary be the key worker of the systems that the tests start.
func TestMain(m *testing.M) {
	hsmtest.RunIfWorker()
	runIfReplica()
	var status int
	err := testkit.OwnMounts()
	if err == nil {
		status, err = runTests(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func runTests(m *testing.M) (status int, err error) {
	bin, err := os.MkdirTemp("", "antin-programs-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(bin) }()
	out, err := exec.Command("go", "build", "-trimpath", "-o", bin+"/", "github.com/antin-gov/antin/cmd/antin", "github.com/antin-gov/antin/cmd/antin-sensor").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("build the programs: %w: %s", err, out)
	}
	err = os.Setenv(envPrograms, bin)
	if err != nil {
		return 0, err
	}
	// The ledger's library has one log for the whole process.
	ledger.LibraryLog(slog.New(slog.DiscardHandler))
	// The tests mostly wait: for drills, sensors and other programs.
	flag.Parse()
	err = flag.Set("test.parallel", "4")
	if err != nil {
		return 0, err
	}
	return m.Run(), nil
}
