package vault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// Ways to log in.
const (
	AuthAppRole = "approle"
	AuthCert    = "cert"
	// AuthNone is no login: wrapping tokens can be opened and nothing else.
	AuthNone = "none"
)

const (
	// DefaultTimeout bounds one request with its repetition. A network that
	// swallows packets is noticed after it.
	DefaultTimeout = 5 * time.Second
	// maxTimeout bounds what may be configured.
	maxTimeout = time.Minute
	// maxRetries is how often a request is repeated after a failure of the
	// server or the connection; whoever asked this package repeats further.
	maxRetries = 1
	// retryWaitMin and retryWaitMax bound the pause before it.
	retryWaitMin = 50 * time.Millisecond
	retryWaitMax = 200 * time.Millisecond
	// maxAnswer bounds one answer of the server; the longest is the list of
	// keys.
	maxAnswer = 4 << 20
	// maxCredential bounds a file with a RoleID, a SecretID or a wrapping token.
	maxCredential = 1 << 10
	// idleTime is how long a connection without work is kept.
	idleTime = 90 * time.Second
	// DefaultConnections bounds the connections to one server.
	DefaultConnections = 16
)

// ErrConfig says that the settings cannot work; the text says which.
var ErrConfig = errors.New("vault settings invalid")

// Config names a server and how to log in. It holds no secret: credentials are
// named by their files, which must be readable for their owner alone.
type Config struct {
	// Address is https://HOST:PORT. Plain http is taken for a loopback address
	// alone (a Vault Agent or Proxy beside us).
	Address string `json:"address,omitempty"`
	// CAFile holds the CA certificates (PEM) that may vouch for the server; no
	// other CA is trusted. Required with https.
	CAFile string `json:"ca_file,omitempty"`
	// ServerName is the name in the server's certificate when it is not the
	// host of Address.
	ServerName string `json:"server_name,omitempty"`
	// Namespace is sent with each request (Vault Enterprise, HCP); empty: none.
	Namespace string `json:"namespace,omitempty"`
	// Auth is AuthAppRole (the default) or AuthCert; Mount is where the method
	// is mounted, its own name when empty.
	Auth  string `json:"auth,omitempty"`
	Mount string `json:"mount,omitempty"`
	// RoleIDFile and SecretIDFile are for AppRole. With SecretIDWrapped the
	// latter holds a wrapping token, which is used once; the SecretID in it is
	// kept in memory for later logins.
	RoleIDFile      string `json:"role_id_file,omitempty"`
	SecretIDFile    string `json:"secret_id_file,omitempty"`
	SecretIDWrapped bool   `json:"secret_id_wrapped,omitempty"`
	// CertFile and KeyFile (PEM) are presented to the server, and are the
	// credential of AuthCert. They are read anew for each connection, so a
	// renewed certificate is taken up. Role names the certificate role; empty:
	// the server finds one that fits.
	CertFile string `json:"cert_file,omitempty"`
	KeyFile  string `json:"key_file,omitempty"`
	Role     string `json:"role,omitempty"`
	// Timeout bounds one request; DefaultTimeout when zero.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Connections bounds the connections; DefaultConnections when zero.
	Connections int `json:"connections,omitempty"`
}

// mountPath is a path of a mount or a secret: segments that need no escape.
var mountPath = regexp.MustCompile(`^[A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)*$`)

// CheckPath refuses paths that would reach elsewhere than they say.
func CheckPath(path string) error {
	if len(path) > 512 || !mountPath.MatchString(path) {
		return fmt.Errorf("%w: %q is not a path of letters, digits, '-', '_', '.', '~' between slashes", ErrConfig, path)
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return fmt.Errorf("%w: %q holds %q", ErrConfig, path, part)
		}
	}
	return nil
}

// withDefaults fills what was left out and refuses what cannot work or is not
// safe.
func (c Config) withDefaults() (Config, error) {
	u, err := url.Parse(c.Address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return c, fmt.Errorf("%w: address %q is not https://HOST:PORT", ErrConfig, c.Address)
	}
	switch {
	case u.Scheme == "https" && c.CAFile == "":
		return c, fmt.Errorf("%w: no CA file: name the certificate of the CA that vouches for %s", ErrConfig, u.Host)
	case u.Scheme == "https":
	case u.Scheme == "http" && loopback(u.Hostname()) && c.Auth != AuthCert:
	default:
		return c, fmt.Errorf("%w: address %q must be https (http is for an agent on a loopback address, without certificate login)", ErrConfig, c.Address)
	}
	if c.Auth == "" {
		c.Auth = AuthAppRole
	}
	if c.Mount == "" {
		c.Mount = c.Auth
	}
	err = CheckPath(c.Mount)
	if err != nil {
		return c, err
	}
	switch {
	case c.Auth == AuthAppRole && (c.RoleIDFile == "" || c.SecretIDFile == ""):
		return c, fmt.Errorf("%w: AppRole needs a file with the RoleID and one with the SecretID", ErrConfig)
	case c.Auth == AuthCert && c.CertFile == "":
		return c, fmt.Errorf("%w: certificate login needs a certificate and its key", ErrConfig)
	case c.Auth != AuthAppRole && c.Auth != AuthCert && c.Auth != AuthNone:
		return c, fmt.Errorf("%w: login %q; known are %s and %s", ErrConfig, c.Auth, AuthAppRole, AuthCert)
	case (c.CertFile == "") != (c.KeyFile == ""):
		return c, fmt.Errorf("%w: a certificate without its key, or a key without its certificate", ErrConfig)
	case c.Timeout < 0 || c.Timeout > maxTimeout:
		return c, fmt.Errorf("%w: timeout %s is not within 0 and %s", ErrConfig, c.Timeout, maxTimeout)
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Connections <= 0 {
		c.Connections = DefaultConnections
	}
	return c, nil
}

// loopback says whether host is this machine by address or by name.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// client makes the API client. HTTP/1.1 with several connections: behind one
// HTTP/2 connection all requests would stall with one lost packet.
func (c Config) client() (*api.Client, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%w: CA file: %w", ErrConfig, err)
		}
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%w: CA file %s holds no certificate", ErrConfig, c.CAFile)
		}
	}
	if c.CertFile != "" {
		tlsConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("certificate for vault: %w", err)
			}
			return &pair, nil
		}
	}
	dialer := net.Dialer{Timeout: c.Timeout, KeepAlive: 15 * time.Second}
	transport := &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: c.Timeout,
		MaxConnsPerHost: c.Connections, MaxIdleConnsPerHost: c.Connections, IdleConnTimeout: idleTime,
		MaxResponseHeaderBytes: 64 << 10,
	}
	client, err := api.NewClient(&api.Config{
		Address: c.Address, MaxRetries: maxRetries, MinRetryWait: retryWaitMin, MaxRetryWait: retryWaitMax, CheckRetry: checkRetry,
		HttpClient: &http.Client{
			Transport:     limitedTransport{transport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	// NewClient has looked at the environment.
	client.ClearToken()
	client.SetHeaders(http.Header{api.RequestHeaderName: []string{"true"}})
	if c.Namespace != "" {
		client.SetNamespace(c.Namespace)
	}
	return client, nil
}

// once marks the context of a request that must not be repeated by itself.
type once struct{}

// checkRetry is the API's own policy, except for requests that are made once.
func checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Value(once{}) != nil {
		return false, ctx.Err()
	}
	return api.DefaultRetryPolicy(ctx, resp, err)
}

// limitedTransport bounds the answers.
type limitedTransport struct{ next *http.Transport }

func (t limitedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = limitedBody{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections through.
func (t limitedTransport) CloseIdleConnections() { t.next.CloseIdleConnections() }

type limitedBody struct {
	io.Reader
	io.Closer
}

// readCredential reads a small file that only its owner can read.
func readCredential(path, what string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w: file with the %s: %w", ErrCredential, what, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("%w: file with the %s: %w", ErrCredential, what, err)
	}
	// systemd shows a credential to a service's user by an access list, whose
	// mask stands where the rights of the group would.
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o037 != 0 {
		return "", fmt.Errorf("%w: %s with the %s must be a regular file of mode 0600 or 0400, it is %s", ErrCredential, path, what, info.Mode())
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxCredential+1))
	if err != nil {
		return "", fmt.Errorf("%w: file with the %s: %w", ErrCredential, what, err)
	}
	text := strings.TrimSpace(string(raw))
	clear(raw)
	if text == "" || len(raw) > maxCredential || strings.ContainsAny(text, " \t\r\n") {
		return "", fmt.Errorf("%w: %s is not a %s", ErrCredential, path, what)
	}
	return text, nil
}

// fileState changes when a file is written anew.
func fileState(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return path + " absent"
	}
	return fmt.Sprintf("%s %d %d", path, info.ModTime().UnixNano(), info.Size())
}
