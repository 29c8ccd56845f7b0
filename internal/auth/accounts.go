package auth

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/seal"
	"github.com/antin-gov/antin/internal/store"
)

// TOTP parameters of RFC 6238; one step of clock skew is tolerated each way.
const (
	totpPeriod = 30
	totpSkew   = 1
	totpDigits = otp.DigitsSix
)

// After maxFailures wrong tries an account waits lockTime: six digits cannot
// be guessed at that rate.
const (
	maxFailures = 5
	lockTime    = time.Minute
)

// Errors of signing in and of second factors. ErrCredentials is the one
// answer to a wrong name, password or code, so that nobody learns which.
var (
	ErrCredentials = errors.New("auth: wrong name, password or code")
	ErrLocked      = errors.New("auth: too many wrong tries, wait a minute")
	ErrExists      = errors.New("auth: account exists")
	ErrNoAccount   = errors.New("auth: no such account")
)

// Account is who may sign in.
type Account struct {
	bun.BaseModel `bun:"table:account"`

	ID          string     `bun:"id,pk" json:"id"`
	PersonID    string     `bun:"person_id" json:"person_id,omitempty"`
	AgencyID    string     `bun:"agency_id" json:"agency_id,omitempty"`
	RoleList    string     `bun:"roles" json:"roles"` // separated by spaces
	Password    string     `bun:"password" json:"-"`  // PHC string
	TOTP        []byte     `bun:"totp" json:"-"`      // sealed
	TOTPStep    int64      `bun:"totp_step" json:"-"` // last step used: a code works once
	Failures    int64      `bun:"failures" json:"-"`
	LockedUntil *time.Time `bun:"locked_until" json:"locked_until,omitempty"`
	Disabled    bool       `bun:"disabled" json:"disabled"`
	Demo        bool       `bun:"demo" json:"demo"`
	CreatedAt   time.Time  `bun:"created_at" json:"created_at"`
}

// Subject returns the account as who acts.
func (a *Account) Subject() Subject {
	return Subject{AccountID: a.ID, PersonID: a.PersonID, AgencyID: a.AgencyID, Roles: strings.Fields(a.RoleList)}
}

// NewAccount is what Create needs.
type NewAccount struct {
	ID, PersonID, AgencyID string
	Roles                  []string
	Password               string
	// Demo accounts belong to the demonstration: their codes can be shown by
	// the command line.
	Demo bool
}

// Accounts keeps the accounts.
type Accounts struct {
	db     *store.DB
	clock  clock.Clock
	sealer *seal.Key
	// decoy is checked when the name is unknown, so that the answer takes as
	// long as for a known one.
	decoy string
	// hashing holds a place for each password that is being checked.
	hashing chan struct{}
}

// check is checkPassword with a place to work in.
func (as *Accounts) check(ctx context.Context, phc, password string) (bool, error) {
	select {
	case as.hashing <- struct{}{}:
		defer func() { <-as.hashing }()
		return checkPassword(phc, password)
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// OpenAccounts opens the accounts of db; the key of their TOTP secrets lies in
// dir.
func OpenAccounts(db *store.DB, c clock.Clock, dir string) (*Accounts, error) {
	s, err := seal.Open(filepath.Join(dir, "account-secrets.key"))
	if err != nil {
		return nil, err
	}
	decoy, err := hashPassword("a password that nobody has")
	if err != nil {
		return nil, err
	}
	return &Accounts{db: db, clock: c, sealer: s, decoy: decoy, hashing: make(chan struct{}, maxHashing)}, nil
}

// Create makes an account with a fresh TOTP secret and returns the secret's
// otpauth URI, which is shown once.
func (as *Accounts) Create(ctx context.Context, n NewAccount) (uri string, err error) {
	if n.ID == "" || len(n.ID) > 100 || strings.ContainsAny(n.ID, " \t\n/") {
		return "", fmt.Errorf("%w: %q is not an account id", ErrCredentials, n.ID)
	}
	phc, err := hashPassword(n.Password)
	if err != nil {
		return "", err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "An Tin", AccountName: n.ID, Period: totpPeriod, Digits: totpDigits})
	if err != nil {
		return "", fmt.Errorf("make TOTP secret: %w", err)
	}
	a := Account{
		ID: n.ID, PersonID: n.PersonID, AgencyID: n.AgencyID, RoleList: strings.Join(n.Roles, " "), Password: phc,
		TOTP: as.sealer.Seal(n.ID, []byte(key.Secret())), Demo: n.Demo, CreatedAt: as.clock.Now(),
	}
	res, err := as.db.NewInsert().Model(&a).On("CONFLICT (id) DO NOTHING").Exec(ctx)
	if err != nil {
		return "", fmt.Errorf("create account %s: %w", n.ID, err)
	}
	rows, err := res.RowsAffected()
	if err != nil {
		return "", err
	}
	if rows == 0 {
		return "", fmt.Errorf("%w: %s", ErrExists, n.ID)
	}
	return key.URL(), nil
}

// Get returns the account.
func (as *Accounts) Get(ctx context.Context, id string) (*Account, error) {
	var a Account
	err := as.db.NewSelect().Model(&a).Where("id = ?", id).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: %s", ErrNoAccount, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read account %s: %w", id, err)
	}
	return &a, nil
}

// List returns all accounts in order of id.
func (as *Accounts) List(ctx context.Context) ([]Account, error) {
	var list []Account
	err := as.db.NewSelect().Model(&list).OrderExpr("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return list, nil
}

// CheckPassword is the first factor.
func (as *Accounts) CheckPassword(ctx context.Context, id, password string) (*Account, error) {
	a, err := as.Get(ctx, id)
	if errors.Is(err, ErrNoAccount) {
		_, err = as.check(ctx, as.decoy, password)
		return nil, errors.Join(ErrCredentials, err)
	}
	if err != nil {
		return nil, err
	}
	err = as.usable(a)
	if err != nil {
		return nil, err
	}
	ok, err := as.check(ctx, a.Password, password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, as.fail(ctx, a)
	}
	return a, nil
}

// CheckCode is the second factor by TOTP. A code is accepted once: a signing
// act and a log-in each need their own.
func (as *Accounts) CheckCode(ctx context.Context, id, code string) error {
	a, err := as.Get(ctx, id)
	if err != nil {
		return ErrCredentials
	}
	err = as.usable(a)
	if err != nil {
		return err
	}
	secret, err := as.sealer.Open(id, a.TOTP)
	if err != nil {
		return err
	}
	now := as.clock.Now().Unix() / totpPeriod
	for step := now - totpSkew; step <= now+totpSkew; step++ {
		ok, err := hotp.ValidateCustom(code, uint64(step), string(secret), hotp.ValidateOpts{Digits: totpDigits, Algorithm: otp.AlgorithmSHA1})
		if err != nil || !ok || step <= a.TOTPStep {
			continue
		}
		res, err := as.db.NewUpdate().Model((*Account)(nil)).Set("totp_step = ?", step).Set("failures = 0").
			Where("id = ?", id).Where("totp_step < ?", step).Exec(ctx)
		if err != nil {
			return fmt.Errorf("use code of %s: %w", id, err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if n == 1 {
			return nil
		}
	}
	return as.fail(ctx, a)
}

// DemoCode returns the next unused code of a demonstration account, for the
// person who runs the demonstration; it refuses any other account. Where the
// current code has been used it waits for the next one.
func (as *Accounts) DemoCode(ctx context.Context, id string) (string, error) {
	for {
		a, err := as.Get(ctx, id)
		if err != nil {
			return "", err
		}
		if !a.Demo {
			return "", fmt.Errorf("%w: %s is not an account of the demonstration", ErrNoAccount, id)
		}
		secret, err := as.sealer.Open(id, a.TOTP)
		if err != nil {
			return "", err
		}
		now := as.clock.Now().Unix() / totpPeriod
		for step := now; step <= now+totpSkew; step++ {
			if step > a.TOTPStep {
				return hotp.GenerateCodeCustom(string(secret), uint64(step), hotp.ValidateOpts{Digits: totpDigits, Algorithm: otp.AlgorithmSHA1})
			}
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (as *Accounts) usable(a *Account) error {
	if a.Disabled {
		return ErrCredentials
	}
	if a.LockedUntil != nil && a.LockedUntil.After(as.clock.Now()) {
		return ErrLocked
	}
	return nil
}

// fail counts a wrong try and returns what to tell. The database counts, so
// that many tries at once count as many.
func (as *Accounts) fail(ctx context.Context, a *Account) error {
	_, err := as.db.NewUpdate().Model((*Account)(nil)).Set("failures = failures + 1").Where("id = ?", a.ID).Exec(ctx)
	if err == nil {
		_, err = as.db.NewUpdate().Model((*Account)(nil)).Set("failures = 0").Set("locked_until = ?", as.clock.Now().Add(lockTime)).
			Where("id = ?", a.ID).Where("failures >= ?", maxFailures).Exec(ctx)
	}
	if err != nil {
		return fmt.Errorf("count a wrong try: %w", err)
	}
	return ErrCredentials
}
