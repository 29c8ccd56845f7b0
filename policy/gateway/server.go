package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
)

// TLSConfig requires a client certificate of the service CA that names an
// agency: without one there is no TLS session.
func (g *Gateway) TLSConfig() *tls.Config {
	return g.Clients.Server(&tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: g.Certificate,
		// A certificate that is given is verified; that one is given is asked
		// below, where a connection without one can be recorded.
		ClientAuth: tls.VerifyClientCertIfGiven,
		// A resumed session would not look at the certificate again.
		SessionTicketsDisabled: true,
		Time:                   g.Clock.Now,
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				g.refuse()
				return ErrNoAgency
			}
			_, err := AgencyFrom(state.PeerCertificates[0])
			if err != nil {
				g.refuse()
			}
			return err
		},
	})
}

// Serve serves the listener, which carries plain TCP, until ctx ends; requests
// under way are given closeWait to finish.
func (g *Gateway) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: g.Handler(), TLSConfig: g.TLSConfig(), MaxHeaderBytes: maxHeaderBytes,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog:    slog.NewLogLogger(g.Logger.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-done:
		return fmt.Errorf("serve the gateway: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer cancel()
	err := server.Shutdown(last)
	if err != nil {
		err = errors.Join(err, server.Close())
	}
	<-done
	return err
}
