package trust_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
)

// pair certifies a TLS key.
func pair(t *testing.T, p *trusttest.PKI, usage x509.ExtKeyUsage, names ...string) tls.Certificate {
	t.Helper()
	key := trusttest.ECKey(t)
	chain := p.Issue(t, "máy", key.Public(), func(c *x509.Certificate) {
		c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{usage}
		for _, name := range names {
			if ip := net.ParseIP(name); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, name)
			}
		}
	})
	return tls.Certificate{Certificate: [][]byte{chain[0].Raw, chain[1].Raw}, PrivateKey: key, Leaf: chain[0]}
}

// shake makes one connection and returns what each side says.
func shake(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			done <- err
			return
		}
		defer conn.Close()
		side := tls.Server(conn, server)
		err = side.Handshake()
		if err == nil {
			_, err = side.Write([]byte("x"))
		}
		done <- err
	}()
	conn, err := net.DialTimeout("tcp", listener.Addr().String(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	side := tls.Client(conn, client)
	clientErr = side.Handshake()
	if clientErr == nil {
		_, clientErr = side.Read(make([]byte, 1))
	}
	return <-done, clientErr
}

func TestTLSPeersAreVerifiedOnBothSides(t *testing.T) {
	p, stranger := trusttest.New(t, time.Time{}), trusttest.New(t, time.Time{})
	peers := &trust.Peers{Store: p.Store(t), Clock: p.Clock}
	server := pair(t, p, x509.ExtKeyUsageServerAuth, "bus.example", "127.0.0.1")
	client := pair(t, p, x509.ExtKeyUsageClientAuth)
	cases := []struct {
		name           string
		server, client tls.Certificate
		host           string
		serverReason   trust.PathReason
		clientReason   trust.PathReason
	}{
		{name: "both stand", server: server, client: client, host: "bus.example"},
		{name: "an address is a name too", server: server, client: client, host: "127.0.0.1"},
		{name: "a server of another name is refused", server: server, client: client, host: "other.example", clientReason: trust.PathName},
		{name: "a client's certificate is no server's", server: pair(t, p, x509.ExtKeyUsageClientAuth, "bus.example"), client: client, host: "bus.example", clientReason: trust.PathKeyUsage},
		{name: "a server's certificate is no client's", server: server, client: pair(t, p, x509.ExtKeyUsageServerAuth), host: "bus.example", serverReason: trust.PathKeyUsage},
		{name: "a stranger is no client", server: server, client: pair(t, stranger, x509.ExtKeyUsageClientAuth), host: "bus.example", serverReason: trust.PathNoAnchor},
		{name: "a stranger is no server", server: pair(t, stranger, x509.ExtKeyUsageServerAuth, "bus.example"), client: client, host: "bus.example", clientReason: trust.PathNoAnchor},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ours := &tls.Config{MinVersion: tls.VersionTLS12, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				// Brought whatever the server names as acceptable.
				return &c.client, nil
			}}
			serverErr, clientErr := shake(t,
				peers.Server(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{c.server}}), peers.Client(ours, c.host))
			reason(t, "server", serverErr, c.serverReason, c.clientReason != "")
			reason(t, "client", clientErr, c.clientReason, c.serverReason != "")
		})
	}
	t.Run("without a certificate there is no session", func(t *testing.T) {
		serverErr, clientErr := shake(t,
			peers.Server(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{server}}),
			peers.Client(&tls.Config{MinVersion: tls.VersionTLS12}, "bus.example"))
		if serverErr == nil || clientErr == nil {
			t.Errorf("server %v, client %v", serverErr, clientErr)
		}
	})
	t.Run("unless the server lets it through", func(t *testing.T) {
		serverErr, clientErr := shake(t,
			peers.Server(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{server}, ClientAuth: tls.VerifyClientCertIfGiven}),
			peers.Client(&tls.Config{MinVersion: tls.VersionTLS12}, "bus.example"))
		if serverErr != nil || clientErr != nil {
			t.Errorf("server %v, client %v", serverErr, clientErr)
		}
	})
}

// reason checks one side's error; the other side may see the connection end.
func reason(t *testing.T, side string, err error, want trust.PathReason, mayFail bool) {
	t.Helper()
	var failure *trust.PathError
	switch {
	case want != "":
		if !errors.As(err, &failure) || failure.Reason != want {
			t.Errorf("%s: %v, want %s", side, err, want)
		}
	case err != nil && !mayFail:
		t.Errorf("%s: %v", side, err)
	}
}

func TestRevocationOfATLSPeerFailsOpenOrClosedAsStated(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	server := pair(t, p, x509.ExtKeyUsageServerAuth, "bus.example")
	chain := []*x509.Certificate{server.Leaf, p.Issuer}
	collect := func(ctx context.Context, path *trust.Path) (trust.Evidence, error) {
		return p.Collector().Collect(ctx, path.Certificates)
	}
	closed := &trust.Peers{Store: p.Store(t), Clock: p.Clock, Revocation: trust.PeerRevocation{Evidence: collect}}
	open := &trust.Peers{Store: p.Store(t), Clock: p.Clock, Revocation: trust.PeerRevocation{Evidence: collect, AllowUnknown: true}}
	verify := func(peers *trust.Peers) error {
		_, err := peers.Verify(t.Context(), chain, trust.PurposeServer, "bus.example")
		return err
	}
	reason(t, "closed, good", verify(closed), "", false)
	reason(t, "open, good", verify(open), "", false)
	p.Down(trusttest.OCSP, true)
	p.Down(trusttest.CRL, true)
	reason(t, "closed, not known", verify(closed), trust.PathNoStatus, false)
	reason(t, "open, not known", verify(open), "", false)
	p.Down(trusttest.OCSP, false)
	p.Down(trusttest.CRL, false)
	p.Revoke(server.Leaf, p.Clock.Now().Add(-time.Minute), 1)
	reason(t, "closed, revoked", verify(closed), trust.PathRevoked, false)
	reason(t, "open, revoked", verify(open), trust.PathRevoked, false)
}

func TestHTTPClientsDialVerifiedServers(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	server := pair(t, p, x509.ExtKeyUsageServerAuth, "127.0.0.1")
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{server}})
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), ReadHeaderTimeout: time.Second}
	done := make(chan error, 1)
	go func() { done <- web.Serve(listener) }()
	defer func() { _ = web.Close(); <-done }()
	for name, trusted := range map[string]bool{"own": true, "other": false} {
		from := p
		if !trusted {
			from = trusttest.New(t, time.Time{})
		}
		peers := &trust.Peers{Store: from.Store(t), Clock: p.Clock}
		transport := &http.Transport{DialTLSContext: peers.DialTLS(&tls.Config{MinVersion: tls.VersionTLS12})}
		answer, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get("https://" + listener.Addr().String())
		if err == nil {
			_ = answer.Body.Close()
		}
		transport.CloseIdleConnections()
		if (err == nil) != trusted {
			t.Errorf("%s anchors: %v", name, err)
		}
	}
}
