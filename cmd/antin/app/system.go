// Package app wires the rooms into one system: it opens a data folder, makes
// what a new one needs, and serves. The command line and the tests embed it.
// It decides nothing; what a part does stands in the part's own room.
package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/acme"
	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/ca/est"
	"github.com/antin-gov/antin/ca/reorg"
	"github.com/antin-gov/antin/ca/report"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/ceremony"
	"github.com/antin-gov/antin/hsm/custody"
	"github.com/antin-gov/antin/hsm/device"
	"github.com/antin-gov/antin/hsm/vault"
	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/incident/drill"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/config"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/seal"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/workdays"
	"github.com/antin-gov/antin/policy"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/csc"
	"github.com/antin-gov/antin/signer/office"
	"github.com/antin-gov/antin/signer/tsp"
)

// LedgerDir is the ledger's folder in the data folder.
const LedgerDir = "ledger"

// Folders and files of the data folder.
const (
	dirHSM        = "hsm"
	dirLedger     = LedgerDir
	dirRun        = "run"
	dirTLS        = "tls"
	dirBus        = "bus"
	dirDocuments  = "documents"
	dirTrustCache = "trust-cache"
	dirOffice     = "office"
	dirSensor     = "sensor"
	fileWorker    = "worker.json"
	fileDatabase  = "antin.db"
	fileSocket    = "hsm.sock"
	fileAnchors   = "anchors.pem"
)

// labelLedger is the ledger's key in the token.
const labelLedger = "ledger"

// ledgerOrigin names the log in its checkpoints (C2SP tlog-checkpoint).
const ledgerOrigin = "antin/ledger"

// ErrNotInitialised means that the data folder holds no system yet.
var ErrNotInitialised = errors.New("no system in this data folder: run `antin init` or `antin up --demo` first")

// ReaderCommand is the hidden subcommand that is the independent reader.
const ReaderCommand = "secondreader"

// WorkerCommand is the hidden subcommand that is the key worker.
const WorkerCommand = "keyworker"

// Options say which system to open and how.
type Options struct {
	Dir    string
	Logger *slog.Logger
	// Worker is the command of the key worker; empty means this program.
	Worker []string
	// WorkerEnv is added to the key worker's environment.
	WorkerEnv []string
	// Reader is the command of the independent reader of signed documents;
	// empty means this program.
	Reader []string
	// Environ overrides keys of the configuration.
	Environ []string
	// Clock is where the time comes from; nil means the machine's clock. One that
	// is given goes as the machine's does, and time-stamps watch its steps.
	Clock clock.Clock
}

// System is an open data folder with its parts.
type System struct {
	Dir       string
	Config    *config.Config
	Clock     clock.Clock
	Logger    *slog.Logger
	DB        *store.DB
	Keys      *hsm.Client
	Worker    *hsm.Supervisor
	Register  *hsm.Register
	Ledger    *ledger.Log
	Directory *directory.Directory
	Accounts  *auth.Accounts
	Workdays  *workdays.Calendar
	Reports   *report.Reporter
	Policy    *policy.Service
	CA        *ca.Service
	Enrolment *enrol.Desk
	Reorg     *reorg.Service
	Signer    *signer.Service
	Office    *office.Service
	Incidents *incident.Service
	Drills    *drill.Service
	Devices   *device.Service
	Custody   *custody.Service

	// workerCommand and workerEnv start further key workers, for throw-away tokens.
	workerCommand, workerEnv []string

	reader  []string
	stamps  *tsp.Servers
	outside *trust.Store // roots of outside time-stamping authorities; nil: none
	http    *http.Client
	recent  trust.Recent
	sealed  *seal.Key
	closers []func() error
}

// Schema is the whole schema in the order of its dependencies.
func Schema() []store.Migration {
	return slices.Concat(
		directory.Schema,
		auth.Schema,
		auth.TokenSchema(),
		hsm.Schema,
		ceremony.Schema(),
		device.Schema(),
		ca.Schema(),
		enrol.Schema(),
		acme.Schema(),
		est.Schema(),
		reorg.Schema(),
		signer.Schema,
		csc.Schema(),
		office.Schema(),
		policy.Schema,
		incident.Schema,
		drill.Schema,
	)
}

// Open opens the system of the data folder, whether or not another process
// serves it: a key worker that is running is used, otherwise one is started
// for as long as the system is open.
func Open(ctx context.Context, o Options) (*System, error) {
	cfg, err := config.Load(o.Dir, o.Environ)
	if err != nil {
		return nil, err
	}
	s := newSystem(o, cfg)
	err = s.openParts(ctx, o)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *System) openParts(ctx context.Context, o Options) error {
	worker, err := s.workerConfig()
	if err != nil {
		return err
	}
	err = s.openDatabase(ctx)
	if err != nil {
		return err
	}
	err = s.openKeys(ctx, o, worker)
	if err != nil {
		return err
	}
	err = s.openLedger(ctx)
	if err != nil {
		return err
	}
	return s.openServices(ctx)
}

func newSystem(o Options, cfg *config.Config) *System {
	s := &System{Dir: o.Dir, Config: cfg, Clock: clock.System{}, Logger: o.Logger, reader: o.Reader}
	if o.Clock != nil {
		s.Clock = o.Clock
	}
	return s
}

// Path returns a path in the data folder.
func (s *System) Path(parts ...string) string {
	return filepath.Join(append([]string{s.Dir}, parts...)...)
}

func (s *System) onClose(f func() error) { s.closers = append(s.closers, f) }

// Close ends the parts, the last opened first.
func (s *System) Close() error {
	var errs []error
	for _, f := range slices.Backward(s.closers) {
		errs = append(errs, f())
	}
	s.closers = nil
	return errors.Join(errs...)
}

func (s *System) workerConfig() (hsm.WorkerConfig, error) {
	var cfg hsm.WorkerConfig
	b, err := os.ReadFile(s.Path(dirHSM, fileWorker))
	if errors.Is(err, fs.ErrNotExist) {
		return cfg, ErrNotInitialised
	}
	if err != nil {
		return cfg, fmt.Errorf("read token settings: %w", err)
	}
	err = json.Unmarshal(b, &cfg)
	if err != nil {
		return cfg, fmt.Errorf("read token settings: %w", err)
	}
	cfg.Tokens, cfg.Environment = s.Config.HSM.Tokens, s.Config.HSM.Environment
	cfg.Vault = vaultServer(s.Config.HSM.Vault)
	cfg.Measured = s.measuredSessions()
	if s.Config.HSM.Sessions > 0 {
		cfg.Sessions = int(s.Config.HSM.Sessions)
	}
	cfg.Module = s.Config.HSM.Module
	if s.Config.HSM.PINFile != "" {
		cfg.PINFile = s.Config.HSM.PINFile
	}
	return cfg, nil
}

// vaultServer is the Vault server of the configuration; nil when there is none.
func vaultServer(c config.Vault) *vault.Config {
	if c.Address == "" {
		return nil
	}
	return &vault.Config{
		Address: c.Address, CAFile: c.CAFile, ServerName: c.ServerName, Namespace: c.Namespace, Auth: c.Auth, Mount: c.Mount,
		RoleIDFile: c.RoleIDFile, SecretIDFile: c.SecretIDFile, SecretIDWrapped: c.SecretIDWrapped,
		CertFile: c.CertFile, KeyFile: c.KeyFile, Role: c.Role, Timeout: c.Timeout,
	}
}

func (s *System) openDatabase(ctx context.Context) error {
	dsn := s.Config.Database.DSN
	if dsn == "" {
		dsn = "sqlite:" + s.Path(fileDatabase)
	}
	db, err := store.Open(ctx, dsn)
	if err != nil {
		return err
	}
	s.DB = db
	s.onClose(db.Close)
	return db.Migrate(ctx, Schema()...)
}

// probeTime is how long an address is tried before nobody is taken to serve it.
const probeTime = 500 * time.Millisecond

// openKeys reaches the key worker of the data folder: that of the process that
// runs already, or one of our own.
func (s *System) openKeys(ctx context.Context, o Options, cfg hsm.WorkerConfig) error {
	command, err := workerCommand(o)
	if err != nil {
		return err
	}
	s.workerCommand, s.workerEnv = command, o.WorkerEnv
	cfg.SocketPath = s.Path(dirRun, fileSocket)
	client, supervisor, err := hsm.Open(ctx, hsm.Options{
		Command: command, Env: o.WorkerEnv, Config: cfg, Standby: true, Logger: s.Logger,
	}, hsm.ClientOptions{MaxWait: s.Config.HSM.MaxWait})
	if err != nil {
		return fmt.Errorf("open the token: %w", err)
	}
	s.onClose(supervisor.Close)
	s.onClose(client.Close)
	s.Keys, s.Worker = client, supervisor
	s.Register = &hsm.Register{DB: s.DB, Keys: client, Clock: s.Clock}
	return nil
}

func workerCommand(o Options) ([]string, error) { return commandOr(o.Worker, WorkerCommand) }

// commandOr is the command that was given, or a subcommand of this program.
func commandOr(given []string, sub string) ([]string, error) {
	if len(given) > 0 {
		return given, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return []string{self, sub}, nil
}

func (s *System) openLedger(ctx context.Context) error {
	key, err := s.Keys.Signer(ctx, labelLedger)
	if err != nil {
		return fmt.Errorf("open the ledger key: %w", err)
	}
	s.Ledger, err = ledger.Open(ctx, ledger.Options{Dir: s.Path(dirLedger), Origin: ledgerOrigin, Signer: key, Clock: s.Clock, Logger: s.Logger})
	if err != nil {
		return fmt.Errorf("open the ledger: %w", err)
	}
	s.onClose(s.Ledger.Close)
	return s.reconcile(ctx)
}
