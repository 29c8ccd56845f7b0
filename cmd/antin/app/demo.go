package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/internal/atomicfile"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
)

// CredentialsFile holds the first credentials of the demonstration: account,
// password and otpauth URI in each line, mode 0600.
const CredentialsFile = "first-credentials.txt"

// KeyReports is the seal with which the platform signs its own reports.
const KeyReports = "seal-ttgsattt"

// agencyOperator is the agency that operates the platform.
const agencyOperator = "ttgsattt"

// demoAccounts are the people of the demonstration with their roles.
func demoAccounts() []auth.NewAccount {
	return []auth.NewAccount{
		{ID: "binh.nv", PersonID: "p-binh", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial, auth.RoleLeader}},
		{ID: "lan.tt", PersonID: "p-lan", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial, auth.RoleRegistrar}},
		{ID: "hoa.lt", PersonID: "p-hoa", AgencyID: "ubnd", Roles: []string{auth.RoleClerk}},
		{ID: "minh.pq", PersonID: "p-minh", AgencyID: "ttcds", Roles: []string{auth.RoleCAOfficer}},
		{ID: "thu.vt", PersonID: "p-thu", AgencyID: "ttcds", Roles: []string{auth.RoleCAOfficer}},
		{ID: "dung.ht", PersonID: "p-dung", AgencyID: "ttgsattt", Roles: []string{auth.RoleAnalyst}},
		{ID: "mai.dn", PersonID: "p-mai", AgencyID: "ttgsattt", Roles: []string{auth.RoleIncidentLead}},
		{ID: "son.bh", PersonID: "p-son", AgencyID: "ttgsattt", Roles: []string{auth.RoleDrillPlanner}},
		{ID: "hang.nt", PersonID: "p-hang", AgencyID: "ttgsattt", Roles: []string{auth.RoleDrillLead, auth.RoleLeader}},
		{ID: "tuan.da", PersonID: "p-tuan", AgencyID: "skhcn", Roles: []string{auth.RoleSteward}},
		{ID: "yen.ph", PersonID: "p-yen", AgencyID: "stc", Roles: []string{auth.RoleSteward, auth.RoleRequester}},
		{ID: "kiem.tv", PersonID: "p-kiem", AgencyID: "ttt", Roles: []string{auth.RoleAuditor}},
		{ID: "long.cd", PersonID: "p-long", AgencyID: "xa-tan-lap", Roles: []string{auth.RoleOfficial}},
	}
}

// demoKeys are the keys of the demonstration and whose certificates they get.
func demoKeys() []struct {
	algorithm string
	form      ra.Form
} {
	return []struct {
		algorithm string
		form      ra.Form
	}{
		{"EC-P256", ra.Form{Profile: "official", PersonID: "p-binh", KeyLabel: "demo-official"}},
		{"RSA-3072", ra.Form{Profile: "official", PersonID: "p-binh", KeyLabel: "demo-official-rsa"}},
		{"EC-P256", ra.Form{Profile: "agency-seal", AgencyID: "ubnd", KeyLabel: "demo-agency"}},
		{"EC-P256", ra.Form{Profile: "agency-seal", AgencyID: agencyOperator, KeyLabel: KeyReports}},
	}
}

// LoadDemo makes the reference province in the data folder: directory,
// accounts, keys with certificates, catalogue and agreements. What is there
// already stays.
func (s *System) LoadDemo(ctx context.Context, progress func(string)) error {
	progress("directory of the reference province")
	file, err := directory.Demo()
	if err != nil {
		return err
	}
	err = directory.Load(ctx, s.DB, file)
	if err != nil {
		return err
	}
	progress("accounts")
	err = s.loadAccounts(ctx)
	if err != nil {
		return err
	}
	for _, k := range demoKeys() {
		progress("key and certificate " + k.form.KeyLabel)
		err = s.loadKey(ctx, k.algorithm, k.form)
		if err != nil {
			return fmt.Errorf("key %s: %w", k.form.KeyLabel, err)
		}
	}
	progress("catalogue and agreements")
	return s.Policy.LoadDemo(ctx)
}

func (s *System) loadAccounts(ctx context.Context) error {
	path := s.Path(CredentialsFile)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("first credentials: %w", err)
	}
	for _, n := range demoAccounts() {
		// Making an account is slow by design; one that is there is left alone.
		_, err := s.Accounts.Get(ctx, n.ID)
		if err == nil {
			continue
		}
		n.Demo = true
		n.Password = rand.Text()[:16]
		uri, err := s.Accounts.Create(ctx, n)
		if errors.Is(err, auth.ErrExists) {
			continue
		}
		if err != nil {
			return err
		}
		// After each one: a start that is cut off loses nobody's password.
		text = append(text, fmt.Sprintf("%s %s %s\n", n.ID, n.Password, uri)...)
		err = atomicfile.WriteBytes(path, 0o600, text)
		if err != nil {
			return fmt.Errorf("first credentials: %w", err)
		}
	}
	return nil
}

// Credential is the first password of a demonstration account.
func (s *System) Credential(account string) (string, error) {
	text, err := os.ReadFile(s.Path(CredentialsFile))
	if err != nil {
		return "", fmt.Errorf("first credentials: %w", err)
	}
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) >= 2 && fields[0] == account {
			return fields[1], nil
		}
	}
	return "", fmt.Errorf("no first credentials of %s", account)
}

// As returns a context in which the account acts.
func (s *System) As(ctx context.Context, account string) (context.Context, error) {
	a, err := s.Accounts.Get(ctx, account)
	if err != nil {
		return nil, err
	}
	return auth.WithSubject(ctx, a.Subject()), nil
}

// loadKey takes a key the whole way of registration: one person asks, another
// approves and issues.
func (s *System) loadKey(ctx context.Context, algorithm string, form ra.Form) error {
	entry, err := s.Register.Get(ctx, form.KeyLabel)
	if err == nil && entry.Chain != "" {
		return nil
	}
	if err != nil && !errors.Is(err, hsm.ErrNotFound) {
		return err
	}
	_, err = s.Keys.Generate(ctx, form.KeyLabel, algorithm)
	if err != nil && !errors.Is(err, hsm.ErrExists) {
		return err
	}
	_, err = s.Enrol(ctx, "minh.pq", "thu.vt", form)
	return err
}

// Enrol asks as one account, approves and issues as another.
func (s *System) Enrol(ctx context.Context, asker, approver string, form ra.Form) (*ca.Certificate, error) {
	asking, err := s.As(ctx, asker)
	if err != nil {
		return nil, err
	}
	request, err := s.CA.Request(asking, form)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	approving, err := s.As(ctx, approver)
	if err != nil {
		return nil, err
	}
	_, err = s.CA.Approve(approving, request.ID, "")
	if err != nil {
		return nil, fmt.Errorf("approve: %w", err)
	}
	cert, err := s.IssueRequest(approving, request.ID)
	if err != nil {
		return nil, fmt.Errorf("issue: %w", err)
	}
	return cert, nil
}
