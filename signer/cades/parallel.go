package cades

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"

	"github.com/antin-gov/antin/signer/cms"
)

// SignParallel signs the content of a container once more, beside the
// signatures that it has, in DER, BER or PEM with the content attached. A
// container with a signature that does not hold is refused. Result.Core is the
// new signature alone.
func SignParallel(ctx context.Context, container []byte, o Options) (*Result, error) {
	block, _ := pem.Decode(container)
	if block != nil {
		container = block.Bytes
	}
	der, _, err := cms.Normalize(container)
	if err != nil {
		return nil, fmt.Errorf("%w: not a CMS signature: %w", ErrOptions, err)
	}
	all, err := cms.ParseAll(der)
	if err != nil {
		return nil, fmt.Errorf("%w: not a CMS signature: %w", ErrOptions, err)
	}
	if all[0].Content == nil {
		return nil, fmt.Errorf("%w: a parallel signature needs the content in the container", ErrOptions)
	}
	for n, s := range all {
		err = holds(s)
		if err != nil {
			return nil, fmt.Errorf("%w: signature %d does not hold: %w", ErrOptions, n+1, err)
		}
	}
	o.Attached = true
	r, err := Sign(ctx, bytes.NewReader(all[0].Content), o)
	if err != nil {
		return nil, err
	}
	r.CMS, err = cms.Join(der, r.CMS)
	if err != nil {
		return nil, fmt.Errorf("cades: %w", err)
	}
	return r, nil
}

// holds checks the mathematics of a signature with its content attached.
func holds(s *cms.SignedData) error {
	cert, err := s.SignerCertificate()
	if err != nil {
		return err
	}
	if s.Signer.AlgorithmErr != nil {
		return s.Signer.AlgorithmErr
	}
	h := s.Signer.Digest.New()
	h.Write(s.Content)
	return s.Verify(cert, h.Sum(nil))
}
