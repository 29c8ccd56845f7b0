// Package client speaks the API of the Cloud Signature Consortium, v1 and v2,
// from a program's side, and signs PDF documents through it: prepared here,
// signed there, completed here. It knows nothing of our own server.
package client

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxAnswer bounds an answer.
const maxAnswer = 256 << 20

// ErrAnswer means that the service answered what the standard does not have.
var ErrAnswer = errors.New("csc client: unusable answer")

// Error is the service's refusal (v2 §10).
type Error struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("the service refused: HTTP %d %s: %s", e.Status, e.Code, e.Description)
}

// Client calls one service.
type Client struct {
	// Base is the address up to the version: https://HOST/csc/v1 or …/v2.
	Base string
	// Token is the access token.
	Token string
	// HTTP is the client to use.
	HTTP *http.Client
	// Tries is how often a call is made that comes too soon after others (HTTP
	// 429), a second apart; zero means once.
	Tries int
}

// v1 says whether the service is of version 1, which has other names.
func (c *Client) v1() bool { return strings.HasSuffix(c.Base, "/v1") }

func (c *Client) hashes() (array, algorithm string) {
	if c.v1() {
		return "hash", "hashAlgo"
	}
	return "hashes", "hashAlgorithmOID"
}

// Call makes a call and reads the answer into out, which may be nil. A refusal
// is an *Error.
func (c *Client) Call(ctx context.Context, method string, in, out any) (status int, err error) {
	for try := 1; ; try++ {
		status, err = c.once(ctx, method, in, out)
		if status != http.StatusTooManyRequests || try >= c.Tries {
			return status, err
		}
		select {
		case <-ctx.Done():
			return status, err
		case <-time.After(time.Second):
		}
	}
}

func (c *Client) once(ctx context.Context, method string, in, out any) (status int, err error) {
	b, err := json.Marshal(in)
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Base+"/"+method, bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	res, err := c.HTTP.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return 0, err
	}
	if res.StatusCode >= http.StatusBadRequest {
		refusal := &Error{Status: res.StatusCode}
		err = json.Unmarshal(b, refusal)
		if err != nil || refusal.Code == "" {
			return res.StatusCode, fmt.Errorf("%w: HTTP %d without an error object", ErrAnswer, res.StatusCode)
		}
		return res.StatusCode, refusal
	}
	if out == nil {
		return res.StatusCode, nil
	}
	err = json.Unmarshal(b, out)
	if err != nil {
		return res.StatusCode, fmt.Errorf("%w: %s: %w", ErrAnswer, method, err)
	}
	return res.StatusCode, nil
}

// Credential is what credentials/info tells.
type Credential struct {
	ID  string `json:"-"`
	Key struct {
		Status string   `json:"status"`
		Algo   []string `json:"algo"`
		Len    int      `json:"len"`
		Curve  string   `json:"curve"`
	} `json:"key"`
	Cert struct {
		Status       string   `json:"status"`
		Certificates []string `json:"certificates"`
	} `json:"cert"`
	SCAL      string `json:"SCAL"`
	Multisign int    `json:"multisign"`
	// Chain is read from Certificates, the signer's first.
	Chain []*x509.Certificate `json:"-"`
}

// List gives the ids of the credentials.
func (c *Client) List(ctx context.Context) ([]string, error) {
	var out struct {
		IDs []string `json:"credentialIDs"`
	}
	_, err := c.Call(ctx, "credentials/list", map[string]any{}, &out)
	return out.IDs, err
}

// Info describes a credential with its chain.
func (c *Client) Info(ctx context.Context, id string) (*Credential, error) {
	out := &Credential{ID: id}
	_, err := c.Call(ctx, "credentials/info", map[string]any{"credentialID": id, "certificates": "chain", "certInfo": true, "authInfo": true}, out)
	if err != nil {
		return nil, err
	}
	for _, text := range out.Cert.Certificates {
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate: %w", ErrAnswer, err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate: %w", ErrAnswer, err)
		}
		out.Chain = append(out.Chain, cert)
	}
	if len(out.Chain) == 0 {
		return nil, fmt.Errorf("%w: no certificate of %s", ErrAnswer, id)
	}
	return out, nil
}

// Authorize asks for a SAD over SHA-256 digests with a one-time password.
func (c *Client) Authorize(ctx context.Context, credential, code string, digests [][]byte) (string, error) {
	array, _ := c.hashes()
	in := map[string]any{"credentialID": credential, "numSignatures": len(digests), array: digests}
	if c.v1() {
		in["OTP"] = code
	} else {
		in["hashAlgorithmOID"], in["authData"] = sumOID(digests), []map[string]string{{"id": "OTP", "value": code}}
	}
	var out struct {
		SAD string `json:"SAD"`
	}
	_, err := c.Call(ctx, "credentials/authorize", in, &out)
	return out.SAD, err
}

// sumOID names the hash algorithm by the length of what it made.
func sumOID(digests [][]byte) string {
	if len(digests) > 0 {
		switch len(digests[0]) {
		case crypto.SHA384.Size():
			return oidSHA384
		case crypto.SHA512.Size():
			return oidSHA512
		}
	}
	return oidSHA256
}

// SignHash has SHA-256 digests signed.
func (c *Client) SignHash(ctx context.Context, credential, sad string, a Algorithm, digests [][]byte) ([][]byte, error) {
	array, algorithm := c.hashes()
	in := map[string]any{"credentialID": credential, array: digests, algorithm: oidSHA256, "signAlgo": a.OID}
	if sad != "" {
		in["SAD"] = sad
	}
	if a.Params != nil {
		in["signAlgoParams"] = a.Params
	}
	var out struct {
		Signatures [][]byte `json:"signatures"`
	}
	_, err := c.Call(ctx, "signatures/signHash", in, &out)
	if err != nil {
		return nil, err
	}
	if len(out.Signatures) != len(digests) {
		return nil, fmt.Errorf("%w: %d signatures for %d digests", ErrAnswer, len(out.Signatures), len(digests))
	}
	return out.Signatures, nil
}

// Timestamp asks for a time-stamp token over a SHA-256 digest.
func (c *Client) Timestamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	if h != crypto.SHA256 {
		return nil, fmt.Errorf("csc client: time-stamps are over SHA-256, not %v", h)
	}
	var out struct {
		Timestamp []byte `json:"timestamp"`
	}
	_, err := c.Call(ctx, "signatures/timestamp", map[string]any{"hash": digest, "hashAlgo": oidSHA256}, &out)
	return out.Timestamp, err
}
