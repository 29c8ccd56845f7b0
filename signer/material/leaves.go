package material

import (
	"context"
	"crypto/x509"
	"errors"

	"github.com/antin-gov/antin/internal/trust"
)

// GatherLeaves collects for signers and time-stamping authorities whose chains
// are yet to be found in a pool, when an existing signature is extended. path
// finds a chain; what it finds none for is passed over, for the addresses that
// an untrusted certificate names are not to be visited. Nil orders by
// signatures alone. What is revoked comes with its evidence, which shows when.
func GatherLeaves(ctx context.Context, collect Collect, path func(ctx context.Context, leaf *x509.Certificate, pool []*x509.Certificate) []*x509.Certificate, leaves, pool []*x509.Certificate) (trust.Evidence, error) {
	var chains [][]*x509.Certificate
	for _, leaf := range leaves {
		var chain []*x509.Certificate
		if path == nil {
			chain = Order(leaf, pool)
		} else {
			chain = path(ctx, leaf, pool)
		}
		if len(chain) > 0 {
			chains = append(chains, chain)
		}
	}
	return GatherChains(ctx, func(ctx context.Context, chain []*x509.Certificate) (trust.Evidence, error) {
		got, err := collect(ctx, chain)
		var revoked *trust.RevokedError
		if errors.As(err, &revoked) {
			return got, nil
		}
		return got, err
	}, chains)
}
