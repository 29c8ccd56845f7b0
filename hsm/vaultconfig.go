package hsm

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/antin-gov/antin/hsm/vault"
)

const (
	// defaultTransit is where Vault mounts the engine when nothing else is said.
	defaultTransit = "transit"
	// vaultLanes is how many signatures a server in the network makes at the
	// same time unless the URI says otherwise (sessions=N): most of a signature
	// is waiting.
	vaultLanes = 16
)

// vaultConfig is what a token URI of the scheme "vault" says:
//
//	vault:token=NAME;mount=transit?address=https://vault:8200&ca-file=/etc/antin/vault-ca.pem&role-id-file=…&secret-id-file=…
//
// What the query leaves out is taken from WorkerConfig.Vault.
type vaultConfig struct {
	server vault.Config
	mount  string
	// versions are the pinned versions by label (key-versions=LABEL:N,…).
	versions map[string]int
}

// parseVault reads the URI over the settings of base.
func parseVault(base *vault.Config, u URI, lanes int) (vaultConfig, error) {
	c := vaultConfig{mount: defaultTransit, versions: map[string]int{}}
	if base != nil {
		c.server = *base
	}
	for name, value := range u.Path {
		switch name {
		case "token":
		case "mount":
			c.mount = value
		default:
			return c, fmt.Errorf("%w: %s of a vault URI", ErrBadRequest, name)
		}
	}
	// A few more than lanes: renewal and the listing of keys must not wait.
	c.server.Connections = lanes + 4
	texts := map[string]*string{
		"address": &c.server.Address, "ca-file": &c.server.CAFile, "server-name": &c.server.ServerName, "namespace": &c.server.Namespace,
		"auth": &c.server.Auth, "auth-mount": &c.server.Mount, "role-id-file": &c.server.RoleIDFile,
		"secret-id-file": &c.server.SecretIDFile, "cert-file": &c.server.CertFile, "key-file": &c.server.KeyFile, "role": &c.server.Role,
	}
	for name, value := range u.Query {
		err := error(nil)
		target := texts[name]
		switch {
		case target != nil:
			*target = value
		case name == "secret-id-wrapped":
			c.server.SecretIDWrapped, err = strconv.ParseBool(value)
		case name == "timeout":
			c.server.Timeout, err = time.ParseDuration(value)
		case name == "key-versions":
			err = c.pin(value)
		case name == "sessions":
		default:
			err = fmt.Errorf("%w: unknown", ErrBadRequest)
		}
		if err != nil {
			return c, fmt.Errorf("%w: %s=%q of a vault URI: %w", ErrBadRequest, name, value, err)
		}
	}
	return c, nil
}

// pin reads LABEL:N,LABEL:N.
func (c *vaultConfig) pin(text string) error {
	for item := range strings.SplitSeq(text, ",") {
		at := strings.LastIndexByte(item, ':')
		if at <= 0 {
			return fmt.Errorf("%w: %q is not LABEL:VERSION", ErrBadRequest, item)
		}
		version, err := strconv.Atoi(item[at+1:])
		if err != nil || version < 1 {
			return fmt.Errorf("%w: version %q", ErrBadRequest, item[at+1:])
		}
		c.versions[item[:at]] = version
	}
	return nil
}
