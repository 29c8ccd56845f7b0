package hsm

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// DefaultMaxWait is how long a request waits for a worker to be healed.
	DefaultMaxWait = 15 * time.Second
	// generateWait is the least wait for a new key: RSA-4096 takes seconds.
	generateWait = 60 * time.Second
	// retryPause is the pause between two attempts to reach the worker; it
	// doubles up to retryPauseMax.
	retryPause    = 5 * time.Millisecond
	retryPauseMax = 100 * time.Millisecond
	// keyIDSize is the length of CKA_ID of new keys.
	keyIDSize = 16
)

// ClientOptions set how a Client waits.
type ClientOptions struct {
	// MaxWait bounds each request, with all its repetitions; DefaultMaxWait
	// when zero.
	MaxWait time.Duration
}

// Client asks a key worker over its socket. Many goroutines may use it; their
// requests share one connection. When the worker dies, requests are repeated
// with the next worker until MaxWait: to sign twice does no harm.
type Client struct {
	socket  string
	maxWait time.Duration

	mu      sync.Mutex
	conn    *clientConn          // guarded by mu; nil when there is none
	dialing chan struct{}        // guarded by mu; closed when a running dial ends
	dials   uint64               // guarded by mu; connections made so far
	known   map[string]*knownKey // guarded by mu
	closed  bool                 // guarded by mu
}

// knownKey is a public key that was seen once and must not change.
type knownKey struct {
	pub crypto.PublicKey
	// checked is the connection whose first signature was verified here.
	checked uint64
}

// KeyInfo describes a key in the token.
type KeyInfo struct {
	Label string
	// ID is CKA_ID in hex.
	ID        string
	Algorithm string
	Public    crypto.PublicKey
	// Tokens are the names of the tokens that hold the key.
	Tokens []string
	// Backup says that the key may leave the token encrypted (see WrapKey).
	Backup bool
}

// Dial connects to the worker at socket, waiting up to MaxWait for it.
func Dial(ctx context.Context, socket string, opts ClientOptions) (*Client, error) {
	if opts.MaxWait <= 0 {
		opts.MaxWait = DefaultMaxWait
	}
	c := &Client{socket: socket, maxWait: opts.MaxWait, known: map[string]*knownKey{}}
	_, err := c.Health(ctx)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close ends the connection; requests under way fail.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.conn != nil {
		c.conn.fail(ErrClosed)
		c.conn = nil
	}
	return nil
}

// Signer gives a handle for the private key with that label. Its public key is
// read once; every later signature is made by that key or fails.
func (c *Client) Signer(ctx context.Context, label string) (crypto.Signer, error) {
	err := checkLabel(label)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	known := c.known[label]
	c.mu.Unlock()
	if known != nil {
		return &signer{client: c, label: label, pub: known.pub}, nil
	}
	resp, _, err := c.do(ctx, request{Op: opPublic, Label: label}, c.maxWait)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", label, err)
	}
	pub, err := c.remember(label, resp.Key)
	if err != nil {
		return nil, err
	}
	return &signer{client: c, label: label, pub: pub}, nil
}

// Generate makes a key pair that never leaves the token: "EC-P256", "EC-P384",
// "EC-P521", "RSA-2048", "RSA-3072" or "RSA-4096". ErrExists says that the
// label is taken.
func (c *Client) Generate(ctx context.Context, label, algorithm string) (crypto.PublicKey, error) {
	return c.GenerateKey(ctx, NewKey{Label: label, Algorithm: algorithm})
}

// remember keeps the public key of a label.
func (c *Client) remember(label string, key *wireKey) (crypto.PublicKey, error) {
	if key == nil || key.Label != label {
		return nil, fmt.Errorf("%w: no key in the answer", ErrWorkerFailed)
	}
	pub, err := x509.ParsePKIXPublicKey(key.SPKI)
	if err != nil {
		return nil, fmt.Errorf("%w: public key of %q: %w", ErrWorkerFailed, label, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.known[label]
	if known != nil {
		return known.pub, nil
	}
	c.known[label] = &knownKey{pub: pub}
	return pub, nil
}

// Keys lists the keys of the token, sorted by label.
func (c *Client) Keys(ctx context.Context) ([]KeyInfo, error) {
	resp, _, err := c.do(ctx, request{Op: opKeys}, c.maxWait)
	if err != nil {
		return nil, err
	}
	out := make([]KeyInfo, 0, len(resp.Keys))
	for _, k := range resp.Keys {
		pub, err := x509.ParsePKIXPublicKey(k.SPKI)
		if err != nil {
			return nil, fmt.Errorf("%w: public key of %q: %w", ErrWorkerFailed, k.Label, err)
		}
		out = append(out, KeyInfo{Label: k.Label, ID: hex.EncodeToString(k.ID), Algorithm: k.Algorithm, Public: pub, Tokens: k.Tokens, Backup: k.Backup})
	}
	return out, nil
}

// Health tells the state of the worker.
func (c *Client) Health(ctx context.Context) (HealthInfo, error) {
	resp, _, err := c.do(ctx, request{Op: opHealth}, c.maxWait)
	if err != nil {
		return HealthInfo{}, err
	}
	if resp.Health == nil {
		return HealthInfo{}, fmt.Errorf("%w: no state in the answer", ErrWorkerFailed)
	}
	return *resp.Health, nil
}

// do makes a request until it is answered, ctx ends or wait is over. It also
// tells on which connection the answer came.
func (c *Client) do(ctx context.Context, req request, wait time.Duration) (response, uint64, error) {
	return c.repeat(ctx, time.Now().Add(wait), func(ctx context.Context) (response, uint64, error) {
		conn, err := c.connection(ctx)
		if err != nil {
			return response{}, 0, err
		}
		resp, err := conn.call(ctx, func(b []byte, id uint64) ([]byte, error) {
			req.ID = id
			return appendFrame(b, req, maxRequest)
		})
		return resp, conn.number, err
	})
}

// sign asks for a signature; see do. The first attempt on a living connection
// goes without a context of its own.
func (c *Client) sign(label string, plan signPlan) (response, uint64, error) {
	until := time.Now().Add(c.maxWait)
	write := func(b []byte, id uint64) ([]byte, error) {
		return appendSign(b, signRequest{id: id, wait: time.Until(until), scheme: plan.scheme, hash: plan.hashName(),
			salt: plan.salt, label: []byte(label), digest: plan.digest})
	}
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn != nil && !conn.dead() {
		resp, err := conn.callUntil(write, c.maxWait)
		if err == nil && resp.Error == "" {
			return resp, conn.number, nil
		}
	}
	return c.repeat(context.Background(), until, func(ctx context.Context) (response, uint64, error) {
		conn, err := c.connection(ctx)
		if err != nil {
			return response{}, 0, err
		}
		resp, err := conn.call(ctx, write)
		return resp, conn.number, err
	})
}

// repeat makes attempts until one is answered, ctx ends or the time is over.
func (c *Client) repeat(ctx context.Context, until time.Time, once func(context.Context) (response, uint64, error)) (response, uint64, error) {
	bounded, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	pause := retryPause
	var last error
	for {
		resp, number, err := once(bounded)
		if err == nil && resp.Error == "" {
			return resp, number, nil
		}
		if err == nil {
			err = &remoteError{code: resp.Error, text: resp.Message}
		}
		if errors.Is(err, ErrClosed) || errors.Is(err, ErrBadRequest) || (resp.Error != "" && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrBusy)) {
			return response{}, 0, err
		}
		if bounded.Err() == nil {
			last = err
		}
		timer := time.NewTimer(pause)
		select {
		case <-bounded.Done():
			timer.Stop()
			if ctx.Err() != nil {
				return response{}, 0, errors.Join(fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err()), last)
			}
			return response{}, 0, errors.Join(fmt.Errorf("%w: no answer in time", ErrUnavailable), last)
		case <-timer.C:
		}
		pause = min(2*pause, retryPauseMax)
	}
}

// connection gives the living connection or makes one; one goroutine dials,
// the others wait for it.
func (c *Client) connection(ctx context.Context) (*clientConn, error) {
	for {
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil, ErrClosed
		}
		if c.conn != nil && !c.conn.dead() {
			conn := c.conn
			c.mu.Unlock()
			return conn, nil
		}
		if c.dialing == nil {
			c.dialing = make(chan struct{})
			c.mu.Unlock()
			return c.dial(ctx)
		}
		running := c.dialing
		c.mu.Unlock()
		select {
		case <-running:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// dial makes the one connection.
func (c *Client) dial(ctx context.Context) (*clientConn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", c.socket)
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.dialing)
	c.dialing = nil
	if err != nil {
		return nil, fmt.Errorf("connect to the key worker: %w", err)
	}
	if c.closed {
		nc.Close()
		return nil, ErrClosed
	}
	c.dials++
	conn := &clientConn{conn: nc, out: outbox{conn: nc}, number: c.dials, waiting: map[uint64]chan response{}, gone: make(chan struct{})}
	go conn.read()
	c.conn = conn
	return conn, nil
}
