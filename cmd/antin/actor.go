package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/auth"
)

// envPasswordFile names a file with the password of the account of --as, for
// scripts. The password itself never stands in arguments or the environment.
const envPasswordFile = "ANTIN_PASSWORD_FILE"

// actor puts who acts into the context: the account of --as, after its
// password, or else whoever has access to the data folder, as the local
// administrator. Access to the folder is the second factor here.
func (e *env) actor(ctx context.Context, s *app.System) (context.Context, error) {
	if e.as == "" {
		return auth.WithSubject(ctx, app.LocalSubject()), nil
	}
	password, err := readPassword(e.as)
	if err != nil {
		return nil, err
	}
	account, err := s.Accounts.CheckPassword(ctx, e.as, password)
	if err != nil {
		return nil, fmt.Errorf("sign in as %s: %w", e.as, err)
	}
	return auth.WithSubject(ctx, account.Subject()), nil
}

func readPassword(account string) (string, error) {
	path := os.Getenv(envPasswordFile)
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", envPasswordFile, err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		return "", fmt.Errorf("%w: no terminal to ask for the password of %s; name a file with it in %s", errUse, account, envPasswordFile)
	}
	fmt.Fprintf(os.Stderr, "Password of %s: ", account)
	b, err := term.ReadPassword(fd)
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return "", errors.Join(errUse, err)
	}
	return string(b), nil
}
