package trust

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// fetchTimeout bounds one exchange with a responder or a repository.
	fetchTimeout = 15 * time.Second
	// maxRedirects bounds redirections: repositories move, chains of moves
	// are somebody playing.
	maxRedirects = 3
	// maxURL bounds an address in a certificate.
	maxURL = 2048
	// maxIssuerFile bounds what caIssuers may serve.
	maxIssuerFile = 1 << 20
)

// ErrFetch covers everything that keeps an address from answering.
var ErrFetch = errors.New("fetch")

// FetchError names the certificate and the address of what failed.
type FetchError struct {
	Serial string
	URL    string
	Err    error
}

// Error implements error.
func (e *FetchError) Error() string {
	return fmt.Sprintf("certificate %s: %s: %v", e.Serial, e.URL, e.Err)
}

// Unwrap returns the cause.
func (e *FetchError) Unwrap() error { return e.Err }

// client returns the HTTP client with the redirect rule put on top.
func (c *Collector) client() *http.Client {
	client := http.Client{Timeout: fetchTimeout}
	if c.HTTP != nil {
		client = *c.HTTP
		if client.Timeout == 0 || client.Timeout > fetchTimeout {
			client.Timeout = fetchTimeout
		}
	}
	client.Jar = nil
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return fmt.Errorf("%w: more than %d redirections", ErrFetch, maxRedirects)
		}
		return checkURL(req.URL)
	}
	return &client
}

// checkURL lets plain HTTP and HTTPS through: what comes back is signed, so
// plain HTTP is what certificates name (RFC 5280 §8).
func checkURL(u *url.URL) error {
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return fmt.Errorf("%w: address not allowed", ErrFetch)
	}
	return nil
}

// fetch gets or posts and returns the body up to limit bytes.
func (c *Collector) fetch(ctx context.Context, address string, post []byte, contentType string, limit int64) ([]byte, error) {
	if c.Offline {
		return nil, ErrOffline
	}
	if len(address) > maxURL {
		return nil, fmt.Errorf("%w: address too long", ErrFetch)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: address malformed", ErrFetch)
	}
	err = checkURL(u)
	if err != nil {
		return nil, err
	}
	method := http.MethodGet
	var body io.Reader
	if post != nil {
		method, body = http.MethodPost, bytes.NewReader(post)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	if post != nil {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.client().Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: HTTP status %d", ErrFetch, resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrFetch, limit)
	}
	return data, nil
}
