package trust

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

const (
	// maxStoreFile bounds one file of a trust folder: a PEM bundle of some
	// hundred certificates, not a disk image put there by mistake.
	maxStoreFile = 4 << 20
	// maxStoreCertificates bounds a whole store; national lists hold some
	// hundreds.
	maxStoreCertificates = 10_000
	// anchorPrefix marks the files whose certificates are trust anchors.
	anchorPrefix = "root-"
)

// ErrNoAnchor is returned when a store would hold no trust anchor: such a
// store could trust nothing, so it is refused where it is made.
var ErrNoAnchor = errors.New("no trust anchor")

// Store holds trust anchors and the intermediate certificates known
// beforehand. It never changes after it was made and is safe for concurrent
// use.
type Store struct {
	anchors       []*x509.Certificate
	intermediates []*x509.Certificate
	pool          *x509.CertPool

	limited []*x509.Certificate // anchors for some purposes alone

	anchorsBySubject, knownBySubject map[string][]*view
}

// NewStore makes a store of anchors and known intermediates.
func NewStore(anchors, intermediates []*x509.Certificate) (*Store, error) {
	if len(anchors) == 0 {
		return nil, ErrNoAnchor
	}
	if len(anchors)+len(intermediates) > maxStoreCertificates {
		return nil, fmt.Errorf("trust store: more than %d certificates", maxStoreCertificates)
	}
	s := &Store{
		pool:             x509.NewCertPool(),
		anchorsBySubject: make(map[string][]*view), knownBySubject: make(map[string][]*view),
	}
	for _, cert := range anchors {
		if cert == nil {
			return nil, errors.New("trust store: nil certificate")
		}
		v, err := newView(cert)
		if err == nil {
			// One that cannot be read anchors nothing but itself.
			v.anchor = true
			s.anchorsBySubject[v.subject.key()] = append(s.anchorsBySubject[v.subject.key()], v)
		}
		s.anchors = append(s.anchors, cert)
		s.pool.AddCert(cert)
	}
	for _, cert := range intermediates {
		if cert == nil {
			return nil, errors.New("trust store: nil certificate")
		}
		s.intermediates = append(s.intermediates, cert)
		v, err := newView(cert)
		if err == nil && v.authority {
			s.knownBySubject[v.subject.key()] = append(s.knownBySubject[v.subject.key()], v)
		}
	}
	return s, nil
}

// With returns a store that has further anchors, believed for the given purposes
// alone: the roots of outside time-stamping authorities anchor no signers. They
// anchor also what speaks about the revocation of certificates under them.
// A certificate that is an anchor of s stays one for every purpose. Without
// anchors of its own, s may be nil.
func (s *Store) With(anchors, intermediates []*x509.Certificate, purposes ...Purpose) (*Store, error) {
	if s == nil {
		s = &Store{pool: x509.NewCertPool()}
	}
	if len(anchors) == 0 || len(purposes) == 0 {
		return nil, ErrNoAnchor
	}
	if len(s.anchors)+len(s.limited)+len(s.intermediates)+len(anchors)+len(intermediates) > maxStoreCertificates {
		return nil, fmt.Errorf("trust store: more than %d certificates", maxStoreCertificates)
	}
	out := &Store{
		anchors: s.anchors, intermediates: slices.Clip(s.intermediates), limited: slices.Clip(s.limited), pool: s.pool,
		anchorsBySubject: maps.Clone(s.anchorsBySubject), knownBySubject: maps.Clone(s.knownBySubject),
	}
	if out.anchorsBySubject == nil {
		out.anchorsBySubject, out.knownBySubject = make(map[string][]*view), make(map[string][]*view)
	}
	for _, cert := range anchors {
		if cert == nil {
			return nil, errors.New("trust store: nil certificate")
		}
		if out.IsAnchor(cert) {
			continue
		}
		out.limited = append(out.limited, cert)
		v, err := newView(cert)
		if err != nil {
			continue // one that cannot be read anchors nothing
		}
		v.anchor, v.purposes = true, purposes
		key := v.subject.key()
		out.anchorsBySubject[key] = append(slices.Clip(out.anchorsBySubject[key]), v)
	}
	for _, cert := range intermediates {
		if cert == nil {
			return nil, errors.New("trust store: nil certificate")
		}
		out.intermediates = append(out.intermediates, cert)
		v, err := newView(cert)
		if err == nil && v.authority {
			key := v.subject.key()
			out.knownBySubject[key] = append(slices.Clip(out.knownBySubject[key]), v)
		}
	}
	return out, nil
}

// Limited returns the anchors that are believed for some purposes alone.
func (s *Store) Limited() []*x509.Certificate { return slices.Clone(s.limited) }

// anchors tells whether a view may end the path of a request.
func (req *Request) anchors(v *view) bool {
	return v.anchor && (len(v.purposes) == 0 || slices.Contains(v.purposes, req.Purpose) || req.under != nil && req.under.Equal(v.cert))
}

// LoadDirWith adds the anchors of a folder, read as LoadDir does, for some
// purposes alone; s may be nil.
func (s *Store) LoadDirWith(dir string, purposes ...Purpose) (*Store, error) {
	more, err := LoadDir(dir)
	if err != nil {
		return nil, err
	}
	return s.With(more.anchors, more.intermediates, purposes...)
}

// LoadDir makes a store from the PEM files (*.pem, *.crt) of a folder: the
// certificates of files named root-* are anchors, the others intermediates.
func LoadDir(dir string) (*Store, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("trust store: %w", err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		name := entry.Name()
		ext := strings.ToLower(filepath.Ext(name))
		if entry.IsDir() || (ext != ".pem" && ext != ".crt") {
			continue
		}
		names = append(names, name)
	}
	sort.Strings(names)
	var anchors, intermediates []*x509.Certificate
	for _, name := range names {
		certs, err := loadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("trust store: %s: %w", name, err)
		}
		if strings.HasPrefix(name, anchorPrefix) {
			anchors = append(anchors, certs...)
		} else {
			intermediates = append(intermediates, certs...)
		}
	}
	store, err := NewStore(anchors, intermediates)
	if err != nil {
		return nil, fmt.Errorf("trust store %s (anchors are the files named %s*.pem): %w", dir, anchorPrefix, err)
	}
	return store, nil
}

func loadFile(path string) ([]*x509.Certificate, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxStoreFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxStoreFile {
		return nil, fmt.Errorf("larger than %d bytes", maxStoreFile)
	}
	return ParsePEM(data)
}

// ParsePEM reads all certificates of a PEM text; other blocks are refused, so
// that a private key put into a trust folder is noticed.
func ParsePEM(data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("PEM block %q where a certificate is expected", block.Type)
		}
		cert, err := ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate in it")
	}
	return certs, nil
}

// Anchors returns the trust anchors that are believed for every purpose.
func (s *Store) Anchors() []*x509.Certificate {
	return append([]*x509.Certificate(nil), s.anchors...)
}

// Intermediates returns the intermediates known beforehand.
func (s *Store) Intermediates() []*x509.Certificate {
	return append([]*x509.Certificate(nil), s.intermediates...)
}

// Pool returns the anchors as crypto/tls names them to a client when it asks
// for its certificate. It is for that hint only, not for verification.
func (s *Store) Pool() *x509.CertPool { return s.pool.Clone() }

// IsAnchor tells whether the certificate is one of the anchors that are believed
// for every purpose.
func (s *Store) IsAnchor(cert *x509.Certificate) bool {
	return containsCertificate(s.anchors, cert)
}
