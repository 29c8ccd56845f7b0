package ca

import (
	"context"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/db"

	"github.com/antin-gov/antin/ca/profile"
)

// hookWait bounds a database call that smallstep makes without a context.
const hookWait = 15 * time.Second

// authDB lets smallstep's authority see the register of certificates of one
// issuer. It writes nothing: the signing service has recorded a certificate
// before smallstep hears of it. SSH and one-time tokens are not offered.
type authDB struct {
	records records
	issuer  string
	service *signingService
}

var _ db.AuthDB = (*authDB)(nil)

func (d *authDB) find(decimal string) (*Certificate, error) {
	n, ok := new(big.Int).SetString(decimal, 10)
	if !ok {
		return nil, fmt.Errorf("%w: serial number %q", ErrNotFound, decimal)
	}
	ctx, cancel := context.WithTimeout(context.Background(), hookWait)
	defer cancel()
	row, err := d.records.get(ctx, profile.FormatSerial(n))
	if err != nil {
		return nil, err
	}
	if row.Issuer != d.issuer {
		return nil, fmt.Errorf("%w: certificate %s of %s", ErrNotFound, row.Serial, d.issuer)
	}
	return row, nil
}

// IsRevoked reads the register.
func (d *authDB) IsRevoked(sn string) (bool, error) {
	row, err := d.find(sn)
	if err != nil {
		return false, err
	}
	return row.RevokedAt != nil, nil
}

// GetCertificate reads the register.
func (d *authDB) GetCertificate(sn string) (*x509.Certificate, error) {
	row, err := d.find(sn)
	if err != nil {
		return nil, err
	}
	return row.X509()
}

// StoreCertificateChain is the last look before a certificate leaves smallstep:
// the signing service must have recorded it as issued, byte for byte.
func (d *authDB) StoreCertificateChain(_ provisioner.Interface, chain ...*x509.Certificate) error {
	if len(chain) == 0 {
		return fmt.Errorf("%w: empty chain", ErrNotPrepared)
	}
	serial := profile.FormatSerial(chain[0].SerialNumber)
	if !d.service.recorded(serial, hexSum(chain[0].Raw)) {
		return fmt.Errorf("%w: %s is not recorded as issued", ErrNotPrepared, serial)
	}
	return nil
}

// Revoke refuses: see signingService.RevokeCertificate.
func (d *authDB) Revoke(*db.RevokedCertificateInfo) error {
	return fmt.Errorf("%w: revocation goes through the register", ErrNotPrepared)
}

// RevokeSSH refuses: there are no SSH certificates.
func (d *authDB) RevokeSSH(*db.RevokedCertificateInfo) error { return db.ErrNotImplemented }

// IsSSHRevoked refuses: there are no SSH certificates.
func (d *authDB) IsSSHRevoked(string) (bool, error) { return false, db.ErrNotImplemented }

// UseToken refuses: there are no provisioners that take tokens.
func (d *authDB) UseToken(string, string) (bool, error) { return false, db.ErrNotImplemented }

// IsSSHHost refuses: there are no SSH certificates.
func (d *authDB) IsSSHHost(string) (bool, error) { return false, db.ErrNotImplemented }

// GetSSHHostPrincipals refuses: there are no SSH certificates.
func (d *authDB) GetSSHHostPrincipals() ([]string, error) { return nil, db.ErrNotImplemented }

// Shutdown has nothing to close: the database belongs to the caller.
func (d *authDB) Shutdown() error { return nil }
