package config

import (
	"fmt"
	"strings"
	"time"
)

// CSC is remote signing by the API of the Cloud Signature Consortium; it
// answers on the console's listener. Whose keys may be used is the policy's to
// say.
type CSC struct {
	Enabled bool `yaml:"enabled"`
	// MaxSignatures bounds the signatures of one authorization, MaxAuthorizations
	// the live authorizations of one account.
	MaxSignatures     int64 `yaml:"max_signatures"`
	MaxAuthorizations int64 `yaml:"max_authorizations"`
	// Life is how long an authorization is good for.
	Life time.Duration `yaml:"life"`
	// Clients are the programs that may use the authorization server: client_id to
	// the exact redirect URIs, separated by spaces.
	Clients map[string]string `yaml:"clients"`
}

func (c CSC) check() error {
	if !c.Enabled {
		return nil
	}
	if c.MaxSignatures < 1 || c.MaxSignatures > 1000 || c.MaxAuthorizations < 1 || c.MaxAuthorizations > 1000 {
		return fmt.Errorf("%w: csc: max_signatures and max_authorizations: want 1 to 1000", ErrInvalid)
	}
	if c.Life < time.Second || c.Life > 15*time.Minute {
		return fmt.Errorf("%w: csc.life: %s is not within 1s and 15m", ErrInvalid, c.Life)
	}
	return nil
}

// Redirects are the clients with their redirect URIs.
func (c CSC) Redirects() map[string][]string {
	list := make(map[string][]string, len(c.Clients))
	for id, text := range c.Clients {
		list[id] = strings.Fields(text)
	}
	return list
}
