package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/signer/office"
)

// password is that of every account of the proof, which stands for minutes.
const password = "mat-khau-cua-bai-thu"

// setup brings the people, makes their accounts, and takes the keys of the heads
// and the seals of the agencies through both officers.
func setup(ctx context.Context, s *app.System, f flags) error {
	content, err := os.ReadFile(filepath.Join(f.files, "people.csv"))
	if err != nil {
		return err
	}
	local := auth.WithSubject(ctx, app.LocalSubject())
	importer := &directory.Importer{DB: s.DB, Ledger: s.Ledger, Clock: s.Clock, Authorizer: s.Policy}
	_, err = importer.Import(local, content)
	if err != nil {
		return err
	}
	roles := map[string][]string{
		"head": {auth.RoleOfficial, auth.RoleLeader}, "clerk": {auth.RoleClerk}, "one": {auth.RoleOfficial}, "two": {auth.RoleOfficial},
	}
	for _, o := range offices() {
		for role, list := range roles {
			_, err = s.Accounts.Create(ctx, auth.NewAccount{ID: role + "." + o.id, PersonID: "p-" + role + "-" + o.id, AgencyID: o.id, Roles: list, Password: password})
			if err != nil {
				return err
			}
		}
		for _, form := range []ra.Form{
			{Profile: "official", PersonID: "p-head-" + o.id, KeyLabel: "head-" + o.id},
			{Profile: "agency-seal", AgencyID: o.id, KeyLabel: "seal-" + o.id},
		} {
			_, err = s.Keys.Generate(ctx, form.KeyLabel, "EC-P256")
			if err != nil {
				return err
			}
			_, err = s.Enrol(ctx, "minh.pq", "thu.vt", form)
			if err != nil {
				return fmt.Errorf("key %s: %w", form.KeyLabel, err)
			}
		}
	}
	// The first agency's head is entered by the proof itself.
	for _, o := range offices()[1:] {
		_, err = s.Office.Delegate(local, office.Delegation{AgencyID: o.id, Form: office.FormHead, PersonID: "p-head-" + o.id, Decision: "01/QĐ-UBND"})
		if err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(f.files, "password"), []byte(password), 0o600)
}
