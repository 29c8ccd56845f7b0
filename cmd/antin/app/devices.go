package app

import (
	"context"
	"errors"
	"math/big"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/hsm/device"
	"github.com/antin-gov/antin/internal/trust"
)

// agencyKeeper is the agency that keeps the devices with keys.
const agencyKeeper = "ttcds"

// openDevices wires the register of devices.
func (s *System) openDevices() error {
	var err error
	s.Devices, err = device.New(device.Deps{
		DB: s.DB, Ledger: s.Ledger, Clock: s.Clock, Authorizer: s.Policy, People: s.Directory, Documents: reports{s.Signer},
		Certificates: issued{s.CA}, Calendar: s.Workdays, Agency: agencyKeeper, Place: place, Logger: s.Logger,
	})
	return err
}

// issued tells the register of devices about our own certificates.
type issued struct{ ca *ca.Service }

// RevokedAt is nil for certificates that are not revoked or not ours.
func (i issued) RevokedAt(ctx context.Context, serial string) (*time.Time, error) {
	n, ok := new(big.Int).SetString(serial, 16)
	if !ok {
		return nil, nil // another authority's, in its own form
	}
	cert, err := i.ca.Get(ctx, trust.FormatSerial(n))
	if errors.Is(err, ca.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return cert.RevokedAt, nil
}
