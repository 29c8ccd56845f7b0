package hsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
)

// named gives an active token by name; empty means the first active one.
func (s *tokenSet) named(name string) (*member, backend, error) {
	m, err := s.member(name)
	if err != nil {
		return nil, nil, err
	}
	b := m.active()
	if b == nil {
		return nil, nil, fmt.Errorf("%w: token %q is %s", ErrUnavailable, m.cfg.name, m.info().State)
	}
	return m, b, nil
}

// generate makes a key in one token. No token of the set may know the label.
func (s *tokenSet) generate(ctx context.Context, token string, req generateRequest) (*route, error) {
	err := checkLabel(req.Label)
	if err != nil {
		return nil, err
	}
	if len(req.ID) != keyIDSize {
		return nil, fmt.Errorf("%w: key id of %d bytes", ErrBadRequest, len(req.ID))
	}
	s.objects.Lock()
	defer s.objects.Unlock()
	m, b, err := s.named(token)
	if err != nil {
		return nil, err
	}
	r := s.lookup(req.Label)
	if r != nil && !slices.Contains(r.holders, m) {
		return nil, fmt.Errorf("%w: %q", ErrExists, req.Label)
	}
	made, err := b.generate(ctx, req)
	if err != nil {
		s.failed(m, err)
		return nil, fmt.Errorf("generate %q: %w", req.Label, err)
	}
	err = s.refresh(ctx)
	if err != nil {
		return nil, err
	}
	r = s.lookup(req.Label)
	if r == nil || !bytes.Equal(r.key.ID, made.ID) {
		return nil, fmt.Errorf("%w: the new key %q is not found or not alone", ErrWorkerFailed, req.Label)
	}
	return r, nil
}

// probe finds out what a token does.
func (s *tokenSet) probe(ctx context.Context, token string) (Probe, error) {
	m, b, err := s.named(token)
	if err != nil {
		return Probe{}, err
	}
	s.objects.Lock()
	defer s.objects.Unlock()
	p, err := b.probe(ctx)
	if err != nil {
		s.failed(m, err)
		return Probe{}, err
	}
	i := b.info()
	p.Token, p.Kind, p.Serial = m.cfg.name, i.Kind, i.Serial
	p.Manufacturer, p.Model, p.Firmware = i.Manufacturer, i.Model, i.Firmware
	return p, nil
}

// importCertificate keeps a certificate in every active token that holds its
// key and can.
func (s *tokenSet) importCertificate(ctx context.Context, label string, der []byte) error {
	r, err := s.find(ctx, label)
	if err != nil {
		return err
	}
	s.objects.Lock()
	defer s.objects.Unlock()
	done := 0
	var missing error
	for _, m := range r.holders {
		b := m.active()
		if b == nil {
			continue
		}
		keeper, ok := b.(certificateImporter)
		if !ok {
			missing = errNoSuch(b, "keep certificates")
			continue
		}
		err := keeper.importCertificate(ctx, label, der)
		if err != nil {
			s.failed(m, err)
			return fmt.Errorf("token %q: %w", m.cfg.name, err)
		}
		done++
	}
	if done == 0 {
		return errors.Join(missing, fmt.Errorf("%w: no active token took the certificate", ErrUnavailable))
	}
	return nil
}

// deleteKey destroys a key in the token named.
func (s *tokenSet) deleteKey(ctx context.Context, token, label string, id []byte) error {
	if token == "" {
		return fmt.Errorf("%w: name the token that shall lose the key", ErrBadRequest)
	}
	s.objects.Lock()
	defer s.objects.Unlock()
	m, b, err := s.named(token)
	if err != nil {
		return err
	}
	deleter, ok := b.(keyDeleter)
	if !ok {
		return errNoSuch(b, "destroy keys")
	}
	err = deleter.deleteKey(ctx, label, id)
	if err != nil {
		s.failed(m, err)
		return err
	}
	r := s.lookup(label)
	if r != nil && len(r.holders) == 1 {
		s.mu.Lock()
		delete(s.routes, label) // so that another key may have the label
		s.mu.Unlock()
	}
	return s.refresh(ctx)
}

// wrapKey gives a key encrypted under another.
func (s *tokenSet) wrapKey(ctx context.Context, token, label string, kek []byte) ([]byte, error) {
	r, err := s.find(ctx, label)
	if err != nil {
		return nil, err
	}
	s.objects.Lock()
	defer s.objects.Unlock()
	for _, m := range r.holders {
		b := m.active()
		if b == nil || (token != "" && m.cfg.name != token) {
			continue
		}
		wrapper, ok := b.(keyWrapper)
		if !ok {
			return nil, errNoSuch(b, "wrap keys")
		}
		wrapped, err := wrapper.wrapKey(ctx, label, kek)
		if err != nil {
			s.failed(m, err)
		}
		return wrapped, err
	}
	return nil, fmt.Errorf("%w: no such token that holds %q is active", ErrUnavailable, label)
}

// unwrapKey puts a wrapped key into a token. The set may know the label, when
// it stands for the same key in another token.
func (s *tokenSet) unwrapKey(ctx context.Context, token string, req unwrapRequest) error {
	err := checkLabel(req.Label)
	if err != nil {
		return err
	}
	s.objects.Lock()
	defer s.objects.Unlock()
	m, b, err := s.named(token)
	if err != nil {
		return err
	}
	r := s.lookup(req.Label)
	if r != nil && !samePublic(r.key.Public, req.Public) {
		return fmt.Errorf("%w: %q", ErrExists, req.Label)
	}
	wrapper, ok := b.(keyWrapper)
	if !ok {
		return errNoSuch(b, "unwrap keys")
	}
	_, err = wrapper.unwrapKey(ctx, req)
	if err != nil {
		s.failed(m, err)
		return err
	}
	return s.refresh(ctx)
}
