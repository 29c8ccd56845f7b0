package ceremony

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"path/filepath"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/backup"
)

// standInAlgorithm is that of keys whose real kind a rehearsal cannot know.
const standInAlgorithm = "EC-P256"

// StandIns gives a rehearsal what the file takes for granted and a throw-away
// token lacks: the root's key with a certificate of the same name and a list, the
// keys to back up, or a backup to restore. It returns the script that names them;
// everything else in it is the same. source is a second throw-away token, from
// which the stand-in of a backup is made. dir is a folder for the files.
func StandIns(ctx context.Context, s *Script, token, source Token, dir string, now time.Time) (*Script, error) {
	copied := *s
	var err error
	switch s.Kind {
	case KindSubordinate, KindCRL:
		err = copied.standInRoot(ctx, token, dir, now)
	case KindBackup:
		for _, label := range s.Keys {
			_, err = token.GenerateKey(ctx, hsm.NewKey{Label: label, Algorithm: standInAlgorithm, Backup: true})
			if err != nil {
				break
			}
		}
	case KindRestore:
		err = copied.standInBackup(ctx, source, dir, now)
	}
	if err != nil {
		return nil, fmt.Errorf("stand-ins of the rehearsal: %w", err)
	}
	return &copied, nil
}

// standInRoot makes the root's key and a certificate and a list of its name.
func (s *Script) standInRoot(ctx context.Context, token Token, dir string, now time.Time) error {
	content, err := readInput(s.Authority.Certificate)
	if err != nil {
		return err
	}
	real, err := parseCertificate(content)
	if err != nil {
		return err
	}
	algorithm := hsm.AlgorithmOf(real.PublicKey)
	_, err = token.GenerateKey(ctx, hsm.NewKey{Label: s.Authority.Key, Algorithm: algorithm})
	if err != nil {
		return err
	}
	key, err := token.Signer(ctx, s.Authority.Key)
	if err != nil {
		return err
	}
	id, err := keyID(key.Public())
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), RawSubject: real.RawSubject, SubjectKeyId: id, AuthorityKeyId: id, NotBefore: real.NotBefore, NotAfter: real.NotAfter,
		KeyUsage: real.KeyUsage, BasicConstraintsValid: true, IsCA: true, MaxPathLen: real.MaxPathLen, MaxPathLenZero: real.MaxPathLenZero,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.Add(-backdate), NextUpdate: now.AddDate(0, 0, s.ListDays)}, root, key)
	if err != nil {
		return err
	}
	s.Authority.Certificate, s.Authority.CRL = filepath.Join(dir, "stand-in-root.pem"), filepath.Join(dir, "stand-in-root.crl")
	err = writeNew(s.Authority.Certificate, encodeCert(der))
	if err != nil {
		return err
	}
	return writeNew(s.Authority.CRL, list)
}

// standInBackup makes a backup for the custodians of the file.
func (s *Script) standInBackup(ctx context.Context, source Token, dir string, now time.Time) error {
	for i := range 2 {
		_, err := source.GenerateKey(ctx, hsm.NewKey{Label: fmt.Sprintf("stand-in-%d", i+1), Algorithm: standInAlgorithm, Backup: true})
		if err != nil {
			return err
		}
	}
	b, err := backup.Create(ctx, source, backup.Order{Token: "stand-in", Quorum: s.Custodians.Quorum, Holders: s.Custodians.Holders(), Now: now})
	if err != nil {
		return err
	}
	s.Backup, s.Shares = filepath.Join(dir, "stand-in"+backupSuffix), dir
	for _, share := range b.Shares {
		err = writeNew(filepath.Join(dir, share.Custodian+shareSuffix), share.File)
		if err != nil {
			return err
		}
	}
	return writeNew(s.Backup, b.File)
}
