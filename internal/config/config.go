// Package config reads the one configuration file of the server, antin.yaml in
// the data folder. Every key has a default and a comment (see Template); a
// variable ANTIN_SECTION_KEY of the environment overrides a key. Secrets are
// never keys: the configuration names the files that hold them.
package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// File is the configuration's name in the data folder.
const File = "antin.yaml"

// EnvDataDir names the data folder, and is the prefix of the overrides.
const (
	EnvDataDir = "ANTIN_DATA_DIR"
	envPrefix  = "ANTIN_"
)

// maxFile limits the configuration file.
const maxFile = 1 << 20

// ErrInvalid means that the configuration cannot be used; the text says which
// key and why.
var ErrInvalid = errors.New("configuration invalid")

//go:embed antin.yaml
var template []byte

// Template returns the configuration with every key, its default and a
// comment: what `antin init` writes.
func Template() []byte { return bytes.Clone(template) }

// Config is the configuration.
type Config struct {
	Console  Console  `yaml:"console"`
	PKI      PKI      `yaml:"pki"`
	CA       CA       `yaml:"ca"`
	Bus      Bus      `yaml:"bus"`
	Gateway  Gateway  `yaml:"gateway"`
	Metrics  Metrics  `yaml:"metrics"`
	Database Database `yaml:"database"`
	HSM      HSM      `yaml:"hsm"`
	Signer   Signer   `yaml:"signer"`
	Sensor   Sensor   `yaml:"sensor"`
	Mail     Mail     `yaml:"mail"`
	Workdays Workdays `yaml:"workdays"`
	// Registration holds the terms of the registration authority.
	Registration Registration `yaml:"registration"`
	ACME         ACME         `yaml:"acme"`
	EST          EST          `yaml:"est"`
	CSC          CSC          `yaml:"csc"`
	Status       Status       `yaml:"status"`
}

// Console is the web console and the APIs, over TLS.
type Console struct {
	Listen string `yaml:"listen"`
	// Host is the name that people type; passkeys are bound to it.
	Host string `yaml:"host"`
}

// PKI is the plain HTTP server of OCSP, CRL, AIA and TSA.
type PKI struct {
	Listen string `yaml:"listen"`
	// URL is what certificates carry; it must stay reachable for as long as
	// they are verified.
	URL string `yaml:"url"`
}

// CA is the certification authority.
type CA struct {
	// Root says where the root's key is: here, away, or only (this machine is
	// the root's and nothing else).
	Root string `yaml:"root"`
	// RootGeneration is the generation of the first root made here.
	RootGeneration int64 `yaml:"root_generation"`
}

// Bus is NATS.
type Bus struct {
	Listen string `yaml:"listen"`
}

// Gateway is the data-sharing gateway, over mutual TLS.
type Gateway struct {
	Listen string `yaml:"listen"`
}

// Metrics is the Prometheus endpoint.
type Metrics struct {
	Listen string `yaml:"listen"`
}

// Database names the database.
type Database struct {
	// DSN is "sqlite:PATH" or "postgres://…"; empty means SQLite in the data
	// folder. The password of PostgreSQL stands in its own password file.
	DSN string `yaml:"dsn"`
}

// HSM names the token, or several.
type HSM struct {
	// Tokens are the tokens by URI (RFC 7512); when empty, Module, Token and
	// PINFile name the one token.
	Tokens []string `yaml:"tokens"`
	// Environment is set in the key worker before the modules are loaded.
	Environment map[string]string `yaml:"environment"`
	// Sessions bounds the signatures at the same time in each token; zero means
	// what the last probe measured, or twice the cores.
	Sessions int64  `yaml:"sessions"`
	Module   string `yaml:"module"`
	Token    string `yaml:"token"`
	// PINFile holds the user PIN; empty means the one that init made.
	PINFile string `yaml:"pin_file"`
	// BackupKeys makes keys of new authorities that can be backed up.
	BackupKeys bool `yaml:"backup_keys"`
	// MaxWait bounds how long a signature waits while the worker is healed.
	MaxWait time.Duration `yaml:"max_wait"`
	Vault   Vault         `yaml:"vault"`
}

// Vault is a HashiCorp Vault server and the login there; an empty Address means
// that none is used. Package hsm/vault says what each key means.
type Vault struct {
	Address         string        `yaml:"address"`
	CAFile          string        `yaml:"ca_file"`
	ServerName      string        `yaml:"server_name"`
	Namespace       string        `yaml:"namespace"`
	Auth            string        `yaml:"auth"`
	Mount           string        `yaml:"mount"`
	RoleIDFile      string        `yaml:"role_id_file"`
	SecretIDFile    string        `yaml:"secret_id_file"`
	SecretIDWrapped bool          `yaml:"secret_id_wrapped"`
	CertFile        string        `yaml:"cert_file"`
	KeyFile         string        `yaml:"key_file"`
	Role            string        `yaml:"role"`
	Timeout         time.Duration `yaml:"timeout"`
}

// Signer is the signing service.
type Signer struct {
	// SecondOpinionMax is the size in bytes up to which a signed PDF is read by
	// the independent verifier before it leaves.
	SecondOpinionMax int64 `yaml:"second_opinion_max"`
	// TSA are the addresses of time-stamping authorities in the order in which
	// they are asked; "own" is our own, which alone is asked when it is empty.
	TSA []string `yaml:"tsa"`
	// TSARoots is a folder with the certificates of outside time-stamping
	// authorities; its root-*.pem are anchors for time-stamps alone. Empty: none.
	TSARoots string `yaml:"tsa_roots"`
	// MaxUpload is the largest document in bytes that the console takes.
	MaxUpload int64 `yaml:"max_upload"`
}

// Sensor is what the drill's own sensor needs.
type Sensor struct {
	// Command is the sensor's program; empty means antin-sensor beside antin.
	Command string `yaml:"command"`
}

// Mail is the way out for messages; without a server they are kept in the
// outbox and shown.
type Mail struct {
	SMTP string `yaml:"smtp"`
	From string `yaml:"from"`
	User string `yaml:"user"`
	// PasswordFile holds the mail server's password.
	PasswordFile string `yaml:"password_file"`
}

// Registration is how many working days the registration authority has, from a
// complete file to the end of the work.
type Registration struct {
	IssueDays   int64 `yaml:"issue_days"`
	RecoverDays int64 `yaml:"recover_days"`
	RevokeDays  int64 `yaml:"revoke_days"`
}

// Workdays is the calendar of working days.
type Workdays struct {
	// File adds to the built-in holidays; see internal/workdays. A relative path
	// stands below the data folder.
	File string `yaml:"file"`
}

// Load reads antin.yaml of the data folder over the defaults, then the
// environment. A missing file means the defaults; an unknown key is an error.
func Load(dir string, environ []string) (*Config, error) {
	c := &Config{}
	err := decode(template, c)
	if err != nil {
		return nil, fmt.Errorf("defaults: %w", err)
	}
	path := filepath.Join(dir, File)
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	default:
		b, err := io.ReadAll(io.LimitReader(f, maxFile))
		err = errors.Join(err, f.Close())
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		err = decode(b, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	err = override(reflect.ValueOf(c).Elem(), envPrefix, environ)
	if err != nil {
		return nil, err
	}
	return c, c.check()
}

func decode(b []byte, c *Config) error {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	err := dec.Decode(c)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// override sets the keys that the environment names: ANTIN_CONSOLE_LISTEN.
func override(v reflect.Value, prefix string, environ []string) error {
	for i := range v.NumField() {
		name := prefix + strings.ToUpper(v.Type().Field(i).Tag.Get("yaml"))
		field := v.Field(i)
		if field.Kind() == reflect.Struct {
			err := override(field, name+"_", environ)
			if err != nil {
				return err
			}
			continue
		}
		for _, pair := range environ {
			key, value, _ := strings.Cut(pair, "=")
			if key != name {
				continue
			}
			err := set(field, value)
			if err != nil {
				return fmt.Errorf("%w: %s: %w", ErrInvalid, name, err)
			}
		}
	}
	return nil
}

func set(field reflect.Value, value string) error {
	switch {
	case field.Type() == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(value)
		if err != nil {
			return err
		}
		field.SetInt(int64(d))
	case field.Type() == reflect.TypeFor[[]string]():
		field.Set(reflect.ValueOf(strings.Fields(value)))
	case field.Type() == reflect.TypeFor[map[string]string]():
		pairs := map[string]string{}
		for _, pair := range strings.Fields(value) {
			name, text, ok := strings.Cut(pair, "=")
			if !ok {
				return fmt.Errorf("%q is not NAME=VALUE", pair)
			}
			pairs[name] = text
		}
		field.Set(reflect.ValueOf(pairs))
	case field.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return err
		}
		field.SetBool(b)
	case field.Kind() == reflect.Int64:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return err
		}
		field.SetInt(n)
	default:
		field.SetString(value)
	}
	return nil
}

func (c *Config) check() error {
	for key, addr := range map[string]string{
		"console.listen": c.Console.Listen, "pki.listen": c.PKI.Listen, "bus.listen": c.Bus.Listen,
		"gateway.listen": c.Gateway.Listen, "metrics.listen": c.Metrics.Listen, "est.listen": c.EST.Listen,
	} {
		_, _, err := net.SplitHostPort(addr)
		if err != nil {
			return fmt.Errorf("%w: %s: %q is not HOST:PORT", ErrInvalid, key, addr)
		}
	}
	u, err := url.Parse(c.PKI.URL)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("%w: pki.url: %q is not an http URL (RFC 5280 §8 has CRL and OCSP on plain HTTP)", ErrInvalid, c.PKI.URL)
	}
	switch {
	case c.Console.Host == "":
		return fmt.Errorf("%w: console.host is empty", ErrInvalid)
	case c.HSM.Module == "" || c.HSM.Token == "":
		return fmt.Errorf("%w: hsm.module or hsm.token is empty", ErrInvalid)
	case c.HSM.Sessions < 0 || c.HSM.Sessions > 64:
		return fmt.Errorf("%w: hsm.sessions: %d is not within 0 and 64", ErrInvalid, c.HSM.Sessions)
	case c.HSM.MaxWait <= 0 || c.HSM.MaxWait > 5*time.Minute:
		return fmt.Errorf("%w: hsm.max_wait: %s is not within 0 and 5m", ErrInvalid, c.HSM.MaxWait)
	case c.Registration.IssueDays < 1 || c.Registration.RecoverDays < 1 || c.Registration.RevokeDays < 1:
		return fmt.Errorf("%w: registration: want at least one working day each", ErrInvalid)
	case c.Signer.MaxUpload <= 0 || c.Signer.SecondOpinionMax < 0:
		return fmt.Errorf("%w: signer: sizes must be positive", ErrInvalid)
	}
	return errors.Join(c.ACME.check(), c.CSC.check(), c.Signer.check())
}

// OwnTSA names our own time-stamping authority in signer.tsa.
const OwnTSA = "own"

const maxTSA = 8

func (s Signer) check() error {
	if len(s.TSA) > maxTSA {
		return fmt.Errorf("%w: signer.tsa: more than %d authorities", ErrInvalid, maxTSA)
	}
	for _, address := range s.TSA {
		u, err := url.Parse(address)
		if address != OwnTSA && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			return fmt.Errorf("%w: signer.tsa: %q is neither \"own\" nor an http or https URL", ErrInvalid, address)
		}
	}
	return nil
}

// DefaultDataDir is $ANTIN_DATA_DIR or ~/.local/share/antin.
func DefaultDataDir() string {
	dir := os.Getenv(EnvDataDir)
	if dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "antin-data"
	}
	return filepath.Join(home, ".local", "share", "antin")
}
