package app

import (
	"context"
	"fmt"

	"github.com/antin-gov/antin/cmd/antin/room"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/ceremony"
	"github.com/antin-gov/antin/internal/auth"
)

// CeremonyRoom is the room of a ceremony on this system: its token, ledger and
// database. A script that names another token is refused.
func (s *System) CeremonyRoom(ctx context.Context, script *ceremony.Script, parts room.Parts) (ceremony.Room, error) {
	deps, err := s.caDeps()
	if err != nil {
		return ceremony.Room{}, err
	}
	certificates, err := room.NewCertificates(deps.Profiles, deps.Config.PolicyArc)
	if err != nil {
		return ceremony.Room{}, err
	}
	health, err := s.Keys.Health(ctx)
	if err != nil {
		return ceremony.Room{}, err
	}
	err = sameToken(script.Token, health)
	if err != nil {
		return ceremony.Room{}, err
	}
	return ceremony.Room{
		Token: s.Keys, TokenName: health.Token, TokenSerial: health.Serial, Certificates: certificates, Documents: room.Documents{},
		Presence: parts.Presence, Console: parts.Console, Ledger: s.Ledger, LedgerName: ledgerOrigin, Authorizer: s.Policy,
		Records: &ceremony.Records{DB: s.DB}, Clock: s.Clock, Logger: s.Logger, Version: room.Version(),
	}, nil
}

// sameToken says whether a URI names the system's token.
func sameToken(text string, health hsm.HealthInfo) error {
	if text == "" {
		return nil
	}
	uri, err := hsm.ParseURI(text)
	if err != nil {
		return fmt.Errorf("%w: token: %w", ceremony.ErrScript, err)
	}
	label, serial := uri.Path["token"], uri.Path["serial"]
	if label != health.Token || serial != "" && serial != health.Serial {
		return fmt.Errorf("%w: the ceremony's token is %q, the system's is %q (%s); hold it with --standalone DIR", ceremony.ErrScript, text, health.Token, health.Serial)
	}
	return nil
}

// ListCeremonies lists the ceremonies that were held on this system.
func (s *System) ListCeremonies(ctx context.Context) ([]ceremony.Record, error) {
	err := s.Policy.Authorize(ctx, auth.SubjectFrom(ctx), "hsm.ceremony.read", auth.Resource{Kind: "ceremony"})
	if err != nil {
		return nil, err
	}
	return (&ceremony.Records{DB: s.DB}).List(ctx)
}
