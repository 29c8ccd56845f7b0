package trust_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
)

func TestACertificateWhoseKeyIsNoPointOfItsCurveIsMalformed(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	raw := p.Root.Raw
	key := p.Root.RawSubjectPublicKeyInfo
	point := bytes.Index(raw, key) + len(key) - 1
	off := bytes.Clone(raw)
	off[point] ^= 1
	cert, err := trust.ParseCertificate(off)
	if cert != nil || !errors.Is(err, trust.ErrCertificateMalformed) {
		t.Errorf("%v, %v", cert, err)
	}
}
