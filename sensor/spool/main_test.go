package spool_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
)

// TestMain keeps the small disks of the tests to this process.
func TestMain(m *testing.M) {
	err := testkit.OwnMounts()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
