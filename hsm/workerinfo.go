package hsm

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
)

// wire gives a key the form of the protocol.
func wire(key *tokenKey) (wireKey, error) {
	spki, err := x509.MarshalPKIXPublicKey(key.pub)
	if err != nil {
		return wireKey{}, fmt.Errorf("encode public key of %q: %w", key.label, err)
	}
	return wireKey{Label: key.label, ID: key.id, Algorithm: AlgorithmOf(key.pub), SPKI: spki}, nil
}

// keyResponse answers with one key.
func keyResponse(key *tokenKey) (response, error) {
	w, err := wire(key)
	if err != nil {
		return response{}, err
	}
	return response{Key: &w}, nil
}

// keys answers with all keys.
func (s *workerServer) keys(ctx context.Context) (response, error) {
	list, err := s.token.list(ctx)
	if err != nil {
		return response{}, err
	}
	out := make([]wireKey, 0, len(list))
	for _, key := range list {
		w, err := wire(key)
		if err != nil {
			return response{}, err
		}
		out = append(out, w)
	}
	return response{Keys: out}, nil
}

// health tells the state without asking the module.
func (s *workerServer) health() *HealthInfo {
	t := s.token
	t.life.RLock()
	defer t.life.RUnlock()
	return &HealthInfo{
		PID:        os.Getpid(),
		Token:      t.cfg.TokenLabel,
		Serial:     t.serial,
		StartedAt:  s.started,
		Keys:       len(t.keys),
		Sessions:   t.pool.count() + 1,
		Signatures: t.signatures.Load(),
		Recoveries: t.recoveries.Load(),
		Refused:    t.refused.Load(),
	}
}
