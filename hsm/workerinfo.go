package hsm

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
)

// wire gives a key the form of the protocol.
func wire(r *route) (wireKey, error) {
	spki, err := x509.MarshalPKIXPublicKey(r.key.Public)
	if err != nil {
		return wireKey{}, fmt.Errorf("encode public key of %q: %w", r.key.Label, err)
	}
	w := wireKey{Label: r.key.Label, ID: r.key.ID, Algorithm: AlgorithmOf(r.key.Public), SPKI: spki, Backup: r.key.Backup}
	for _, m := range r.holders {
		w.Tokens = append(w.Tokens, m.cfg.name)
	}
	return w, nil
}

// keyResponse answers with one key.
func keyResponse(r *route) (response, error) {
	w, err := wire(r)
	if err != nil {
		return response{}, err
	}
	return response{Key: &w}, nil
}

// keys answers with all keys.
func (s *workerServer) keys(ctx context.Context) (response, error) {
	list, err := s.tokens.list(ctx)
	if err != nil {
		return response{}, err
	}
	out := make([]wireKey, 0, len(list))
	for _, r := range list {
		w, err := wire(r)
		if err != nil {
			return response{}, err
		}
		out = append(out, w)
	}
	return response{Keys: out}, nil
}

// health tells the state without asking a token.
func (s *workerServer) health() *HealthInfo {
	infos := s.tokens.infos()
	h := &HealthInfo{PID: os.Getpid(), Token: infos[0].Name, Serial: infos[0].Serial, StartedAt: s.started, Tokens: infos}
	s.tokens.mu.RLock()
	h.Keys = len(s.tokens.routes)
	s.tokens.mu.RUnlock()
	for _, i := range infos {
		h.Sessions += i.Sessions
		h.Signatures += i.Signatures
		h.Recoveries += i.Recoveries
		h.Refused += i.Refused
	}
	return h
}
