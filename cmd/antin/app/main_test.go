package app_test

import (
	"os"
	"testing"

	"github.com/antin-gov/antin/hsm/hsmtest"
)

// TestMain lets this binary be the key worker of the systems that the tests
// start, as the program is its own.
func TestMain(m *testing.M) {
	hsmtest.RunIfWorker()
	os.Exit(m.Run())
}
