package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/vault/api"
)

// maxSecret bounds the answer that holds a secret.
const maxSecret = 64 << 10

// Secret is one field of a secret. Wipe it after use.
type Secret struct {
	Value []byte
	// State changes when the secret is written anew.
	State string
}

// Wipe overwrites the value.
func (s *Secret) Wipe() {
	clear(s.Value)
	s.Value = nil
}

// ReadField reads one field of the newest version of a secret in a KV engine,
// version 2. The bytes of the answer are overwritten before it returns; what
// the TLS layer held of them is not in our hands.
func (s *Session) ReadField(ctx context.Context, mount, path, field string) (Secret, error) {
	err := errors.Join(CheckPath(mount), CheckPath(path))
	if err != nil {
		return Secret{}, err
	}
	var body []byte
	err = s.do(ctx, s.cfg.Timeout, func(ctx context.Context, l *api.Logical) error {
		var err error
		body, err = readBody(l.ReadRawWithContext(ctx, mount+"/data/"+path))
		return err
	})
	defer clear(body)
	if err != nil {
		return Secret{}, fmt.Errorf("secret %s/%s: %w", mount, path, err)
	}
	secret, err := fieldOf(body, field)
	if err != nil {
		return Secret{}, fmt.Errorf("secret %s/%s: %w", mount, path, err)
	}
	return secret, nil
}

// UnwrapField opens a wrapping token (response wrapping) that holds the answer
// to reading a secret, and gives one field of it. A token opens once.
func (s *Session) UnwrapField(ctx context.Context, token, field string) (Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	body, err := s.unwrapRaw(ctx, token)
	defer clear(body)
	if err != nil {
		return Secret{}, err
	}
	return fieldOf(body, field)
}

// unwrap opens a wrapping token into data.
func (s *Session) unwrap(ctx context.Context, token string, data any) error {
	body, err := s.unwrapRaw(ctx, token)
	defer clear(body)
	if err != nil {
		return err
	}
	var answer struct {
		Data json.RawMessage `json:"data"`
	}
	err = json.Unmarshal(body, &answer)
	if err == nil {
		err = json.Unmarshal(answer.Data, data)
	}
	clear(answer.Data)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrAnswer, "wrapped answer is not JSON")
	}
	return nil
}

// unwrapRaw opens a wrapping token; the token itself is the only right needed.
func (s *Session) unwrapRaw(ctx context.Context, token string) ([]byte, error) {
	client, err := s.bare()
	if err != nil {
		return nil, err
	}
	client.SetToken(token)
	// Not repeated: the second time would be refused and hide the first.
	ctx = context.WithValue(ctx, once{}, true)
	body, err := readBody(client.Logical().WriteRawWithContext(ctx, "sys/wrapping/unwrap", []byte("{}")))
	err = classify(err)
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrPermission) {
		return nil, fmt.Errorf("%w: %w", ErrWrapSpent, err)
	}
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	return body, nil
}

// readBody takes the body of a raw answer.
func readBody(resp *api.Response, err error) ([]byte, error) {
	if resp != nil && resp.Body != nil {
		defer resp.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	if resp == nil {
		return nil, fmt.Errorf("%w: empty", ErrAnswer)
	}
	// One buffer, so that it can be overwritten: a growing one would leave
	// copies behind.
	buf := make([]byte, maxSecret)
	n, err := io.ReadFull(resp.Body, buf)
	if err == nil {
		clear(buf)
		return nil, fmt.Errorf("%w: more than %d bytes", ErrAnswer, maxSecret)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		clear(buf)
		return nil, err
	}
	return buf[:n], nil
}

// fieldOf finds data.data.FIELD and the version in the answer of a KV engine.
func fieldOf(body []byte, field string) (Secret, error) {
	var answer struct {
		Data struct {
			Data     map[string]json.RawMessage `json:"data"`
			Metadata struct {
				CreatedTime string `json:"created_time"`
				Version     int    `json:"version"`
				Destroyed   bool   `json:"destroyed"`
			} `json:"metadata"`
		} `json:"data"`
	}
	err := json.Unmarshal(body, &answer)
	defer func() {
		for _, raw := range answer.Data.Data {
			clear(raw)
		}
	}()
	if err != nil {
		return Secret{}, fmt.Errorf("%w: not the answer of a KV engine of version 2", ErrAnswer)
	}
	raw, ok := answer.Data.Data[field]
	if !ok {
		return Secret{}, fmt.Errorf("%w: no field %q", ErrNotFound, field)
	}
	value, err := unquote(raw)
	if err != nil {
		return Secret{}, fmt.Errorf("field %q: %w", field, err)
	}
	meta := answer.Data.Metadata
	return Secret{Value: value, State: fmt.Sprintf("version %d of %s", meta.Version, meta.CreatedTime)}, nil
}

// unquote reads a JSON string into bytes that the caller can overwrite, which
// a Go string is not. Escapes beyond the ASCII ones are not needed for a PIN
// and are refused.
func unquote(raw json.RawMessage) ([]byte, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return nil, fmt.Errorf("%w: not a text", ErrAnswer)
	}
	out := make([]byte, 0, len(raw))
	in := raw[1 : len(raw)-1]
	for i := 0; i < len(in); i++ {
		c := in[i]
		if c != '\\' {
			out = append(out, c)
			continue
		}
		i++
		if i >= len(in) {
			break
		}
		if in[i] != 'u' {
			const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
			at := strings.IndexByte(from, in[i])
			if at < 0 {
				clear(out)
				return nil, fmt.Errorf("%w: escape", ErrAnswer)
			}
			out = append(out, to[at])
			continue
		}
		r, ok := hex4(in[i+1:])
		if !ok {
			clear(out)
			return nil, fmt.Errorf("%w: escape beyond the basic plane", ErrAnswer)
		}
		out = utf8.AppendRune(out, r) // never longer than the escape, so never moved
		i += 4
	}
	return out, nil
}

// hex4 reads the four digits of \uXXXX; surrogates are refused.
func hex4(in []byte) (rune, bool) {
	if len(in) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range in[:4] {
		at := strings.IndexByte("0123456789abcdef", c|0x20)
		if at < 0 {
			return 0, false
		}
		r = r<<4 | rune(at)
	}
	return r, r < 0xd800 || r > 0xdfff
}
