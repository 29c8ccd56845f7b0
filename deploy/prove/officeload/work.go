package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/office"
)

// pause is between two looks at what waits.
const pause = 200 * time.Millisecond

// work is one user.
func work(ctx context.Context, s *app.System, f flags) error {
	role, agency, ok := strings.Cut(f.user, ".")
	if !ok {
		return fmt.Errorf("user %q is not ROLE.AGENCY", f.user)
	}
	account, err := s.Accounts.CheckPassword(ctx, f.user, password)
	if err != nil {
		return err
	}
	ctx = auth.WithSubject(ctx, account.Subject())
	use := office.Use{Level: f.level, Factor: signer.FactorLocal}
	switch role {
	case "one":
		return bring(ctx, s.Office, f, agency, 1)
	case "two":
		return bring(ctx, s.Office, f, agency, 0)
	case "head":
		return serve(ctx, s.Office, f, map[office.State]func(id string) error{
			office.StateDraft: func(id string) error { _, err := s.Office.Sign(ctx, id, use); return err },
		})
	}
	return serve(ctx, s.Office, f, map[office.State]func(id string) error{
		office.StateSigned:   func(id string) error { _, err := s.Office.Number(ctx, id, use); return err },
		office.StateNumbered: func(id string) error { _, err := s.Office.Seal(ctx, id, use); return err },
		office.StateSealed:   func(id string) error { _, err := s.Office.Issue(ctx, id); return err },
	})
}

// bring submits every second draft of the agency that was not brought before.
func bring(ctx context.Context, s *office.Service, f flags, agency string, odd int) error {
	there, err := s.List(ctx, office.Filter{})
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, d := range there {
		known[d.Name] = true
	}
	for n := 1; n <= f.each; n++ {
		name := fmt.Sprintf("%s-%02d.pdf", agency, n)
		if n%2 != odd || known[name] {
			continue
		}
		file, err := os.Open(filepath.Join(f.files, name))
		if err != nil {
			return err
		}
		_, err = s.Submit(ctx, office.Draft{
			File: office.File{Name: name, Content: file}, Kind: "CT", SignerID: "p-head-" + agency, Form: office.FormHead,
		})
		err = errors.Join(err, file.Close())
		if err != nil {
			return err
		}
	}
	return nil
}

// serve does what waits, the oldest first, until every document is issued.
func serve(ctx context.Context, s *office.Service, f flags, do map[office.State]func(id string) error) error {
	for {
		issued, err := s.List(ctx, office.Filter{State: office.StateIssued})
		if err != nil || len(issued) >= f.each {
			return err
		}
		waiting, err := s.List(ctx, office.Filter{Waiting: true})
		if err != nil {
			return err
		}
		for _, d := range waiting {
			err = do[d.State](d.ID)
			if err != nil && !errors.Is(err, office.ErrBusy) && !errors.Is(err, office.ErrOrder) {
				return fmt.Errorf("%s %s: %w", d.State, d.ID, err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
