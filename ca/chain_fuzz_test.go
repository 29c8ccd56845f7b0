package ca_test

import (
	"errors"
	"testing"

	"github.com/antin-gov/antin/ca"
)

func FuzzChain(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	f.Add([]byte{})
	key := p256(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		err := ca.OrderChain(text, key.Public())
		if err != nil && !errors.Is(err, ca.ErrImport) {
			t.Error(err)
		}
	})
}
