package app

import (
	"context"
	"crypto"
	"math/big"
	"net/http"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/signer/csc"
)

// remoteSigning is the service of remote signing on the console's listener; nil
// when the configuration has it switched off.
func (s *server) remoteSigning(passkeys *auth.Passkeys) (*csc.Server, error) {
	c := s.Config.CSC
	if !c.Enabled {
		return nil, nil
	}
	remote, err := csc.New(csc.Deps{
		DB: s.DB, Signer: s.Signer, Accounts: s.Accounts, Passkeys: passkeys, Tokens: s.Tokens(), Ledger: s.Ledger, Clock: s.Clock,
		Authorizer: s.Policy, Logger: s.Logger,
		Timestamp: func(ctx context.Context, h crypto.Hash, digest []byte, nonce *big.Int) ([]byte, error) {
			return s.stamps.TimestampFor(ctx, h, digest, nonce)
		},
		Config: csc.Config{
			URL: s.ACMEURL(), MaxSignatures: int(c.MaxSignatures), MaxLive: int(c.MaxAuthorizations), Life: c.Life, Clients: c.Redirects(),
		},
	})
	if err != nil {
		return nil, err
	}
	s.onClose(remote.Close)
	return remote, nil
}

// mountRemoteSigning puts the service beside the console's pages. The page at
// oauth2/authorize is the console's, with its log-in and headers.
func mountRemoteSigning(mux *http.ServeMux, remote *csc.Server) {
	if remote == nil {
		return
	}
	for _, path := range []string{"/v1/", "/v2/", "/oauth2/token", "/oauth2/revoke", "/oauth2/pushed_authorize", "/logo.png"} {
		mux.Handle(csc.Path+path, remote)
	}
}
