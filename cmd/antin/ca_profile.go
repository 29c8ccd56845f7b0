package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca/profile"
)

// rehearsalArc stands for the configured arc when a file of profiles is tried:
// below the number that RFC 5612 reserves for documentation.
const rehearsalArc = "1.3.6.1.4.1.32473.704"

func (e *env) caProfile() *cobra.Command {
	cmd := &cobra.Command{
		Use: "profile", Short: "Profiles: list, show, check a file",
		Long: "Profiles say what each kind of certificate looks like. Those of the product are built in; the file\n" +
			profile.OwnFile + " in the data folder is laid over them: a profile of the same name takes the place of the\n" +
			"product's, others are added. `antin ca profile show NAME` prints one as a beginning.",
	}
	list := &cobra.Command{
		Use: "list", Short: "List the profiles", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			set, err := e.profiles()
			if err != nil {
				return err
			}
			if e.json {
				return printJSON(set.All())
			}
			rows := [][]string{}
			for _, p := range set.All() {
				rows = append(rows, []string{p.Name, p.Kind, p.Issuer, fmt.Sprint(p.Days), fmt.Sprint(int(p.Renewal().Hours() / 24)),
					strings.Join(p.Keys, " "), p.TitleEN})
			}
			return table(os.Stdout, []string{"PROFILE", "KIND", "ISSUER", "DAYS", "RENEWAL", "KEYS", "TITLE"}, rows)
		},
	}
	show := &cobra.Command{
		Use: "show NAME", Short: "Show one profile, as YAML or JSON", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			set, err := e.profiles()
			if err != nil {
				return err
			}
			p, err := set.Get(args[0])
			if err != nil {
				return err
			}
			if e.json {
				return printJSON(p)
			}
			text, err := p.YAML()
			if err != nil {
				return err
			}
			_, err = os.Stdout.Write(text)
			return err
		},
	}
	check := &cobra.Command{
		Use: "check FILE", Short: "Check a file of profiles: its form, its rules, and that a certificate of each passes the lints", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return e.checkProfiles(args[0]) },
	}
	cmd.AddCommand(list, show, check)
	return cmd
}

// profiles are those that the data folder's system works by.
func (e *env) profiles() (*profile.Set, error) {
	return profile.Load(filepath.Join(e.data, profile.OwnFile))
}

func (e *env) checkProfiles(path string) error {
	_, err := os.Stat(path)
	if err != nil {
		return err
	}
	set, err := profile.Load(path)
	if err == nil {
		linter, lintErr := profile.NewLinter()
		if lintErr != nil {
			return lintErr
		}
		err = set.Rehearse(linter, rehearsalArc, time.Now())
	}
	result := struct {
		File     string `json:"file"`
		Good     bool   `json:"good"`
		Profiles int    `json:"profiles"`
		Problem  string `json:"problem,omitempty"`
	}{File: path, Good: err == nil}
	if err != nil {
		result.Problem = err.Error()
		err = e.show(result, "%s\n", result.Problem)
		if err != nil {
			return err
		}
		return answer(exitNo)
	}
	result.Profiles = len(set.All())
	return e.show(result, "profiles of %s are good: %d with the built-in ones\n", path, result.Profiles)
}
