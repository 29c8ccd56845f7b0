package hsm_test

import (
	"testing"

	"github.com/antin-gov/antin/hsm/hsmtest"
)

func TestMain(m *testing.M) { hsmtest.Main(m) }
