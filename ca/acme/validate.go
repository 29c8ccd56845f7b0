package acme

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	workers   = 8
	workQueue = 256
	// workLease is how long a worker may be at one challenge before another may
	// take it over: longer than all its tries.
	workLease = 2 * time.Minute
	tries     = 3
	// maxProof bounds what is read of an answer; a proof has some 90 bytes.
	maxProof     = 4 << 10
	maxHeader    = 16 << 10
	maxRedirects = 5
	dialTimeout  = 5 * time.Second
)

// errAddress says that an address is outside acme.networks.
var errAddress = errors.New("the address is outside the networks that may be connected to (acme.networks)")

// dialer connects to the allowed networks alone: what is looked at is the
// address of the connection itself, so that neither a name's answers nor a
// redirect can lead elsewhere.
func (v Validation) dialer(r *net.Resolver) *net.Dialer {
	return &net.Dialer{Timeout: dialTimeout, Resolver: r, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		for _, p := range v.Networks {
			if p.Contains(at.Addr().Unmap().WithZone("")) {
				return nil
			}
		}
		return errAddress
	}}
}

func (v Validation) resolver() *net.Resolver {
	if v.Resolver == "" {
		return &net.Resolver{PreferGo: true}
	}
	plain := &net.Dialer{Timeout: dialTimeout}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return plain.DialContext(ctx, network, v.Resolver)
	}}
}

// proof is what a challenge asks to be shown.
type proof struct {
	identifier Identifier
	token      string
	// key is the key authorization (RFC 8555 §8.1).
	key string
}

func (p proof) digest() []byte {
	sum := sha256.Sum256([]byte(p.key))
	return sum[:]
}

// validate takes one challenge through its tries, if nobody else does.
func (s *Server) validate(ctx context.Context, id string) error {
	ch, p, err := s.claim(ctx, id)
	if err != nil || ch == nil {
		return err
	}
	var fault *Problem
	for try := range tries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return nil // the claim ends, another replica or the next start takes it up
			case <-time.After(s.cfg.Validation.RetryWait):
			}
		}
		fault = s.try(ctx, ch.Kind, p)
		if fault == nil {
			break
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	s.cfg.Logger.DebugContext(ctx, "challenge decided", slog.String("kind", ch.Kind), slog.String("authz", ch.AuthzID), slog.Bool("proved", fault == nil))
	return s.decide(ctx, ch, fault)
}

// claim takes a challenge that is processing and nobody's; nil when it is not.
func (s *Server) claim(ctx context.Context, id string) (*challengeRow, proof, error) {
	now := s.cfg.Clock.Now().UTC()
	result, err := s.cfg.DB.NewUpdate().Model((*challengeRow)(nil)).Set("claimed_at = ?", now).Where("id = ?", id).Where("state = ?", statusProcessing).
		Where("(claimed_at IS NULL OR claimed_at < ?)", now.Add(-workLease)).Exec(ctx)
	if err != nil {
		return nil, proof{}, fmt.Errorf("claim challenge: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil || n != 1 {
		return nil, proof{}, err
	}
	var ch challengeRow
	err = s.cfg.DB.NewSelect().Model(&ch).Where("id = ?", id).Scan(ctx)
	if err != nil {
		return nil, proof{}, fmt.Errorf("read challenge: %w", err)
	}
	var authz authzRow
	err = s.cfg.DB.NewSelect().Model(&authz).Where("id = ?", ch.AuthzID).Scan(ctx)
	if err != nil {
		return nil, proof{}, fmt.Errorf("read authorization: %w", err)
	}
	account, err := s.findAccount(ctx, "id", authz.AccountID)
	if err != nil {
		return nil, proof{}, err
	}
	if account == nil || account.Status != statusValid {
		return nil, proof{}, s.decide(ctx, &ch, unauthorized("the account is no longer valid"))
	}
	return &ch, proof{identifier: authz.identifier(), token: ch.Token, key: ch.Token + "." + account.Thumbprint}, nil
}

func (s *Server) try(ctx context.Context, kind string, p proof) *Problem {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Validation.Timeout)
	defer cancel()
	switch kind {
	case challengeHTTP:
		return s.tryHTTP(ctx, p)
	case challengeDNS:
		return s.tryDNS(ctx, p)
	default:
		return s.tryALPN(ctx, p)
	}
}

// unreachable tells why a connection was not made.
func unreachable(err error) *Problem {
	var dns *net.DNSError
	switch {
	case errors.Is(err, errAddress):
		return problem(kindConnection, http.StatusBadRequest, "%s", errAddress)
	case errors.As(err, &dns):
		return problem(kindDNS, http.StatusBadRequest, "the name %s could not be looked up", dns.Name)
	default:
		return problem(kindConnection, http.StatusBadRequest, "no answer: %s", reason(err))
	}
}

// reason is the innermost text of an error: what happened, without our own
// addresses.
func reason(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

var errRedirect = errors.New("the redirect leads to another port or scheme, or there are too many")

// tryHTTP is RFC 8555 §8.3.
func (s *Server) tryHTTP(ctx context.Context, p proof) *Problem {
	port := strconv.Itoa(s.cfg.Validation.HTTPPort)
	transport := &http.Transport{DialContext: s.dialer.DialContext, TLSClientConfig: insecure(), DisableKeepAlives: true,
		MaxResponseHeaderBytes: maxHeader, TLSHandshakeTimeout: dialTimeout}
	client := &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		to := r.URL.Port()
		ok := r.URL.Scheme == "http" && (to == "" && port == "80" || to == port) ||
			r.URL.Scheme == "https" && (to == "" && s.cfg.Validation.TLSPort == 443 || to == strconv.Itoa(s.cfg.Validation.TLSPort))
		if !ok || len(via) > maxRedirects {
			return errRedirect
		}
		return nil
	}}
	host := p.identifier.Value
	at := net.JoinHostPort(host, port)
	if port == "80" {
		at = strings.TrimSuffix(at, ":80")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+"/.well-known/acme-challenge/"+p.token, nil)
	if err != nil {
		return problem(kindMalformed, http.StatusBadRequest, "no address can be made of the name")
	}
	r.Header.Set("User-Agent", "antin-acme")
	response, err := client.Do(r)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return problem(kindUnauthorized, http.StatusForbidden, "the answer has the status %d", response.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(response.Body, maxProof))
	if err != nil {
		return unreachable(err)
	}
	if subtle.ConstantTimeCompare([]byte(strings.TrimRight(string(b), " \t\r\n")), []byte(p.key)) != 1 {
		return problem(kindIncorrectResponse, http.StatusForbidden, "the answer is not the key authorization")
	}
	return nil
}

// tryDNS is RFC 8555 §8.4.
func (s *Server) tryDNS(ctx context.Context, p proof) *Problem {
	records, err := s.resolver.LookupTXT(ctx, "_acme-challenge."+p.identifier.Value+".")
	if err != nil {
		return unreachable(err)
	}
	want := base64.RawURLEncoding.EncodeToString(p.digest())
	for _, r := range records {
		if subtle.ConstantTimeCompare([]byte(r), []byte(want)) == 1 {
			return nil
		}
	}
	return problem(kindIncorrectResponse, http.StatusForbidden, "none of the %d TXT records is the digest of the key authorization", len(records))
}
