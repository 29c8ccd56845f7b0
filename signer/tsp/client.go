package tsp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net/http"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/antin-gov/antin/signer/cms"
)

const (
	// maxResponse bounds an authority's answer.
	maxResponse = maxToken + 1<<16
	// defaultAttempts and the waits between them: a stamp is worth a short
	// wait, and a signature held open for minutes is not.
	defaultAttempts = 4
	firstWait       = 250 * time.Millisecond
	maxWait         = 4 * time.Second
	// attemptTimeout bounds one exchange when the HTTP client has no limit
	// of its own.
	attemptTimeout = 20 * time.Second
	// nonceBits is the size of the nonce (RFC 3161 §2.4.1 suggests 64).
	nonceBits = 64
)

// Client asks one time-stamping authority.
type Client struct {
	// URL of the authority (HTTP transport, RFC 3161 §3.4).
	URL string
	// HTTP is the client to use; nil means one of its own with time limits.
	HTTP *http.Client
	// Policy is asked for when set.
	Policy asn1.ObjectIdentifier
	// Attempts bounds the tries; zero means four.
	Attempts int
	// Nonce is that of somebody on whose behalf the client asks; nil means a
	// fresh one for each try.
	Nonce *big.Int
}

// RejectedError is an authority's refusal (RFC 3161 §2.4.2, PKIStatusInfo).
type RejectedError struct {
	Status  int
	Failure int // bit of PKIFailureInfo, -1 when absent
}

// Bits of PKIFailureInfo that pass by themselves.
const (
	failureTimeNotAvailable = 14
	failureSystem           = 25
)

// Error implements error.
func (e *RejectedError) Error() string {
	return fmt.Sprintf("tsp: authority refused: status %d, failure bit %d", e.Status, e.Failure)
}

func (e *RejectedError) temporary() bool {
	return e.Failure == failureTimeNotAvailable || e.Failure == failureSystem
}

// HTTPError is an answer that is not 200.
type HTTPError struct{ Code int }

// Error implements error.
func (e *HTTPError) Error() string { return fmt.Sprintf("tsp: HTTP status %d", e.Code) }

// Timestamp asks for a token over a digest and returns it verified: status,
// nonce, imprint, policy, signature, purpose of the certificate. It tries
// again, with growing waits bounded by ctx, when the authority could not be
// reached or says that it cannot just now.
func (c *Client) Timestamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	if cms.WeakHash(h) {
		return nil, fmt.Errorf("tsp: %w: hash %v", cms.ErrRefused, h)
	}
	if len(digest) != h.Size() {
		return nil, fmt.Errorf("tsp: %w: digest of %d bytes", cms.ErrRefused, len(digest))
	}
	attempts := c.Attempts
	if attempts <= 0 {
		attempts = defaultAttempts
	}
	wait := firstWait
	for attempt := 1; ; attempt++ {
		token, err := c.once(ctx, h, digest)
		if err == nil {
			return token, nil
		}
		if attempt == attempts || !worthRetry(err) {
			return nil, fmt.Errorf("time-stamp from %s, attempt %d: %w", c.URL, attempt, err)
		}
		err = sleep(ctx, wait, err)
		if err != nil {
			return nil, fmt.Errorf("time-stamp from %s, attempt %d: %w", c.URL, attempt, err)
		}
		wait = min(wait*2, maxWait)
	}
}

func worthRetry(err error) bool {
	var rejected *RejectedError
	if errors.As(err, &rejected) {
		return rejected.temporary()
	}
	var status *HTTPError
	if errors.As(err, &status) {
		return status.Code >= 500 || status.Code == http.StatusTooManyRequests
	}
	var transport *transportError
	return errors.As(err, &transport)
}

// transportError marks what happened before an answer was there.
type transportError struct{ err error }

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

func sleep(ctx context.Context, d time.Duration, cause error) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w (last: %w)", ctx.Err(), cause)
	case <-timer.C:
		return nil
	}
}

func (c *Client) once(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	nonce := c.Nonce
	if nonce == nil {
		fresh, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), nonceBits))
		if err != nil {
			return nil, fmt.Errorf("nonce: %w", err)
		}
		nonce = fresh
	}
	query, err := c.request(h, digest, nonce)
	if err != nil {
		return nil, err
	}
	answer, err := c.exchange(ctx, query)
	if err != nil {
		return nil, err
	}
	der, err := parseResponse(answer)
	if err != nil {
		return nil, err
	}
	token, err := ParseToken(der)
	if err != nil {
		return nil, err
	}
	err = token.Verify(VerifyOptions{Hash: h, Digest: digest, Nonce: nonce, Policy: c.Policy})
	if err != nil {
		return nil, err
	}
	return token.Raw, nil
}

// request encodes TimeStampReq (RFC 3161 §2.4.1) with certReq set.
func (c *Client) request(h crypto.Hash, digest []byte, nonce *big.Int) ([]byte, error) {
	oid, err := cms.HashOID(h)
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid) })
			b.AddASN1OctetString(digest)
		})
		if c.Policy != nil {
			b.AddASN1ObjectIdentifier(c.Policy)
		}
		b.AddASN1BigInt(nonce)
		b.AddASN1Boolean(true)
	})
	return b.Bytes()
}

func (c *Client) exchange(ctx context.Context, query []byte) ([]byte, error) {
	client := c.HTTP
	if client == nil {
		client = &http.Client{Timeout: attemptTimeout}
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(query))
	if err != nil {
		return nil, fmt.Errorf("tsp: %w", err)
	}
	req.Header.Set("Content-Type", "application/timestamp-query")
	req.Header.Set("Accept", "application/timestamp-reply")
	resp, err := client.Do(req)
	if err != nil {
		return nil, &transportError{err}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &HTTPError{Code: resp.StatusCode}
	}
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/timestamp-reply" {
		return nil, fmt.Errorf("%w: content type %q", ErrMalformed, resp.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	if err != nil {
		return nil, &transportError{err}
	}
	if len(body) > maxResponse {
		return nil, fmt.Errorf("%w: answer larger than %d bytes", ErrMalformed, maxResponse)
	}
	return body, nil
}

// parseResponse reads TimeStampResp and returns the token's DER.
func parseResponse(der []byte) ([]byte, error) {
	wrong := func(what string) error { return fmt.Errorf("%w: TimeStampResp %s", ErrMalformed, what) }
	in := cryptobyte.String(der)
	var resp, info cryptobyte.String
	var status int
	if !in.ReadASN1(&resp, casn1.SEQUENCE) || !in.Empty() || !resp.ReadASN1(&info, casn1.SEQUENCE) || !info.ReadASN1Integer(&status) {
		return nil, wrong("status")
	}
	failure := -1
	if info.PeekASN1Tag(casn1.SEQUENCE) && !info.SkipASN1(casn1.SEQUENCE) {
		return nil, wrong("statusString")
	}
	if info.PeekASN1Tag(casn1.BIT_STRING) {
		var bits asn1.BitString
		if !info.ReadASN1BitString(&bits) {
			return nil, wrong("failInfo")
		}
		for n := range bits.BitLength {
			if bits.At(n) == 1 {
				failure = n
				break
			}
		}
	}
	// granted (0) and grantedWithMods (1) alone carry a token.
	if status != 0 && status != 1 {
		return nil, &RejectedError{Status: status, Failure: failure}
	}
	var token cryptobyte.String
	if !resp.ReadASN1Element(&token, casn1.SEQUENCE) || !resp.Empty() {
		return nil, wrong("token")
	}
	return token, nil
}
