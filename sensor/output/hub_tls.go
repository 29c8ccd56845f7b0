package output

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/trust"
)

// statusTimeout bounds the question about the hub's revocation; the NATS client
// gives a connection two seconds.
const statusTimeout = time.Second

// hubTLS verifies the hub below the authorities of the CA file, for the hosts
// of the URL. A hub that is known as revoked is refused. One whose state cannot
// be learned is not: a sensor often reaches nothing but its hub.
func hubTLS(cfg HubConfig) (*tls.Config, error) {
	text, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	anchors, err := trust.ParsePEM(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.CAFile, err)
	}
	store, err := trust.NewStore(anchors, nil)
	if err != nil {
		return nil, err
	}
	hosts, err := hubHosts(cfg.URL)
	if err != nil {
		return nil, err
	}
	collector := &trust.Collector{HTTP: &http.Client{Timeout: statusTimeout}}
	peers := &trust.Peers{Store: store, Revocation: trust.PeerRevocation{
		AllowUnknown: true,
		Evidence: func(ctx context.Context, path *trust.Path) (trust.Evidence, error) {
			ctx, cancel := context.WithTimeout(ctx, statusTimeout)
			defer cancel()
			return collector.Collect(ctx, path.Certificates)
		},
	}}
	return peers.Client(&tls.Config{MinVersion: tls.VersionTLS12}, hosts[0], hosts[1:]...), nil
}

// hubHosts are the hosts of the hub's URL, which may list several.
func hubHosts(list string) ([]string, error) {
	var hosts []string
	for _, one := range strings.Split(list, ",") {
		one = strings.TrimSpace(one)
		if !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		u, err := url.Parse(one)
		if err != nil {
			return nil, fmt.Errorf("hub address: %w", err)
		}
		if u.Hostname() == "" {
			return nil, fmt.Errorf("hub address %q names no host", one)
		}
		hosts = append(hosts, u.Hostname())
	}
	return hosts, nil
}
