package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// maxAnswer bounds what a client reads.
const maxAnswer = 16 << 20

// ErrNoSensor means that no sensor answers at the socket.
var ErrNoSensor = errors.New("no sensor answers at the control socket")

// RefusedError is the sensor's no to a request.
type RefusedError struct{ Reason string }

// Error implements error.
func (e *RefusedError) Error() string { return e.Reason }

// Client asks the sensor at a socket.
type Client struct {
	path string
	http *http.Client
}

// NewClient returns a client of the socket.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Figures asks for the sensor's figures.
func (c *Client) Figures(ctx context.Context) (f Figures, err error) {
	return f, c.ask(ctx, http.MethodGet, "/figures", &f)
}

// Top asks for what passes just now.
func (c *Client) Top(ctx context.Context) (t Top, err error) {
	return t, c.ask(ctx, http.MethodGet, "/top", &t)
}

// Reload asks for the rules to be read anew.
func (c *Client) Reload(ctx context.Context) (r Reload, err error) {
	return r, c.ask(ctx, http.MethodPost, "/reload", &r)
}

// Rotate asks for record files to be begun anew.
func (c *Client) Rotate(ctx context.Context) (r Rotate, err error) {
	return r, c.ask(ctx, http.MethodPost, "/rotate", &r)
}

// Record asks for packets to be kept.
func (c *Client) Record(ctx context.Context, ask Record) (r Recorded, err error) {
	return r, c.tell(ctx, "/record", ask, &r)
}

// Profile asks for the rules to be measured; the answer takes as long as that.
func (c *Client) Profile(ctx context.Context, ask ProfileAsk) (p Profile, err error) {
	return p, c.tell(ctx, "/profile", ask, &p)
}

// tell posts a request with a body.
func (c *Client) tell(ctx context.Context, path string, what, into any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("ask the sensor: %w", err)
	}
	return c.send(ctx, http.MethodPost, path, bytes.NewReader(body), into)
}

func (c *Client) ask(ctx context.Context, method, path string, into any) error {
	return c.send(ctx, method, path, nil, into)
}

func (c *Client) send(ctx context.Context, method, path string, what io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://sensor"+path, what)
	if err != nil {
		return fmt.Errorf("ask the sensor: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNoSensor, c.path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the sensor's answer: %w", err)
	}
	a := answer{Result: into}
	err = json.Unmarshal(text, &a)
	if err != nil {
		return fmt.Errorf("read the sensor's answer: %w", err)
	}
	if a.Error != "" {
		return &RefusedError{a.Error}
	}
	return nil
}
