package bench

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/digitorus/pdf"
	"github.com/digitorus/pdfsign/sign"

	"github.com/antin-gov/antin/signer/pades"
)

// Beside is our time for one document and that of digitorus/pdfsign, with the
// same key on the same file, from file to file.
type Beside struct {
	Document int64   `json:"document_bytes"`
	Ours     float64 `json:"ours_seconds"`
	Peer     float64 `json:"peer_seconds"`
	// Faster is how many times the peer's time ours is.
	Faster float64 `json:"faster"`
}

// BesidePeer signs a document of a size at B-B in turns, one after the other,
// each Rounds times for Time.
func (s System) BesidePeer(ctx context.Context, o Options, key string, size int64) (Beside, error) {
	private, err := s.Signer(ctx, key)
	if err != nil {
		return Beside{}, err
	}
	chain, err := s.Chain(ctx, key)
	if err != nil {
		return Beside{}, err
	}
	path, err := documentFile(s.Dir, size)
	if err != nil {
		return Beside{}, err
	}
	b := Beside{Document: size}
	how := s.options(private, chain, pades.LevelB)
	how.PSS = false // which the peer does not know
	for range o.Rounds {
		ours, err := s.each(o.Time, path, func(in *os.File, size int64, out *os.File) error {
			_, err := pades.Sign(ctx, in, size, out, how)
			return err
		})
		if err != nil {
			return b, err
		}
		peers, err := s.each(o.Time, path, func(in *os.File, size int64, out *os.File) error {
			return SignPeer(in, size, out, private, chain)
		})
		if err != nil {
			return b, fmt.Errorf("pdfsign: %w", err)
		}
		b.Ours += ours / float64(o.Rounds)
		b.Peer += peers / float64(o.Rounds)
	}
	b.Faster = b.Peer / b.Ours
	return b, nil
}

// outFile is where what is measured writes.
const outFile = "out.pdf"

// each does the work for a while, from file to file, and returns the seconds
// that one took.
func (s System) each(during time.Duration, path string, work func(in *os.File, size int64, out *os.File) error) (float64, error) {
	to := filepath.Join(s.Dir, outFile)
	if path == to { // what was signed is read, and nothing written
		to = filepath.Join(s.Dir, "nothing")
	}
	began := time.Now()
	for n := 1; ; n++ {
		err := fromFile(path, to, work)
		if err != nil {
			return 0, err
		}
		if took := time.Since(began); took > during {
			return took.Seconds() / float64(n), nil
		}
	}
}

func fromFile(path, to string, work func(in *os.File, size int64, out *os.File) error) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = work(in, info.Size(), out)
	closed := out.Close()
	if err != nil {
		return err
	}
	return closed
}

// SignPeer signs with digitorus/pdfsign, without time-stamp and revocation data.
func SignPeer(in interface {
	io.ReadSeeker
	io.ReaderAt
}, size int64, out io.Writer, key crypto.Signer, chain []*x509.Certificate) error {
	reader, err := pdf.NewReader(in, size)
	if err != nil {
		return err
	}
	data := sign.SignData{Signer: key, DigestAlgorithm: crypto.SHA256, Certificate: chain[0], CertificateChains: [][]*x509.Certificate{chain}}
	data.Signature.CertType = sign.ApprovalSignature
	data.Signature.Info = sign.SignDataSignatureInfo{Name: chain[0].Subject.CommonName, Date: time.Now()}
	_, err = in.Seek(0, io.SeekStart)
	if err != nil {
		return err
	}
	return sign.Sign(in, out, reader, size, data)
}
