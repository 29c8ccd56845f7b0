package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/validate"
)

// verifyOptions say how signatures are judged; close ends what they use.
type verifyOptions struct {
	validate.Options
	close func()
}

// verifyOptions reads the flags. Without a system nobody is trusted.
func (e *env) verifyOptions(ctx context.Context, f verifyFlags) (verifyOptions, error) {
	options := verifyOptions{Options: validate.Options{Clock: clock.System{}}, close: func() {}}
	var err error
	if f.password != "" {
		text, err := documentPassword(f.password)
		if err != nil {
			return options, err
		}
		options.Password = text
	}
	options.Policy, err = readPolicy(f.policy, f.algorithms)
	if err != nil {
		return options, err
	}
	if f.at != "" {
		moment, err := parseTime(f.at)
		if err != nil {
			return options, err
		}
		options.At = moment
	}
	switch {
	case f.trust != "":
		options.Store, err = trust.LoadDir(f.trust)
	case len(options.Policy.Trust) > 0:
		options.Store, err = policyStore(options.Policy.Trust)
	default:
		return e.systemTrust(ctx, options, f)
	}
	if err != nil {
		return options, err
	}
	options.Collector = &trust.Collector{}
	err = f.collector(&options, userCache())
	if err != nil {
		return options, err
	}
	return options, f.outside(&options)
}

// userCache is the cache of those who have no system.
func userCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return filepath.Join(os.TempDir(), fmt.Sprintf("antin-trust-%d", os.Getuid()))
	}
	return filepath.Join(dir, "antin", "trust")
}

// collector gives the collector its cache, and takes the network away from it
// when that is asked.
func (f verifyFlags) collector(o *verifyOptions, dir string) error {
	if f.cache != "" {
		dir = f.cache
	}
	own := *o.Collector
	var err error
	own.Cache, err = trust.OpenCache(dir, 0)
	if err != nil && !f.offline && f.cache == "" {
		// Online a default cache that cannot be made is done without.
		own.Cache, err = nil, nil
	}
	own.Offline, o.Offline = f.offline, f.offline
	o.Collector = &own
	return err
}

// systemTrust are the anchors of the system in the data folder. Without a system
// nobody is trusted: integrity, coverage and changes are told all the same.
func (e *env) systemTrust(ctx context.Context, options verifyOptions, f verifyFlags) (verifyOptions, error) {
	s, err := e.open(ctx)
	if errors.Is(err, app.ErrNotInitialised) {
		return options, f.outside(&options)
	}
	if err != nil {
		return options, err
	}
	options.close = func() { _ = s.Close() }
	options.Store, err = s.Anchors(ctx)
	if err == nil {
		options.Collector = s.Collector()
		err = errors.Join(f.collector(&options, s.TrustCache()), f.outside(&options))
	}
	if err != nil {
		return options, errors.Join(err, s.Close())
	}
	return options, nil
}

// outside adds the roots that are trusted for time-stamps alone.
func (f verifyFlags) outside(o *verifyOptions) error {
	if f.tsaRoots == "" {
		return nil
	}
	var err error
	o.Store, err = o.Store.LoadDirWith(f.tsaRoots, trust.PurposeTimestamp)
	return err
}

// policyStore reads the trust lists of a policy.
func policyStore(lists []validate.TrustList) (*trust.Store, error) {
	var store *trust.Store
	for _, list := range lists {
		purposes := list.Purposes()
		var err error
		store, err = store.LoadDirWith(list.Folder, purposes...)
		if err != nil {
			return nil, fmt.Errorf("%w: trust lists of the policy: %w", errUse, err)
		}
	}
	return store, nil
}

// readPolicy reads the validation policy, and the file of algorithms that takes
// the place of its own; names may be empty.
func readPolicy(name, algorithms string) (*validate.Policy, error) {
	p, err := validate.DefaultPolicy()
	if err != nil {
		return nil, err
	}
	if name != "" {
		p, err = readFile(name, validate.ReadPolicy)
		if err != nil {
			return nil, err
		}
		for n := range p.Trust {
			// Folders are named from where the policy stands.
			if !filepath.IsAbs(p.Trust[n].Folder) {
				p.Trust[n].Folder = filepath.Join(filepath.Dir(name), p.Trust[n].Folder)
			}
		}
	}
	if algorithms != "" {
		p.Algorithms, err = readFile(algorithms, validate.ReadAlgorithms)
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// readFile reads a file of settings; what cannot be read is wrong use.
func readFile[T any](name string, read func(io.Reader) (*T, error)) (*T, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUse, err)
	}
	defer func() { _ = f.Close() }()
	v, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errUse, name, err)
	}
	return v, nil
}

func verifyPolicyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "policy [FILE]",
		Short: "Print the built-in validation policy, or check a file of policy",
		Example: "  antin verify policy >policy.yaml\n" +
			"  antin verify policy policy.yaml",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := os.Stdout.Write(validate.DefaultPolicyText())
				return err
			}
			p, err := readPolicy(args[0], "")
			if err != nil {
				return err
			}
			for _, list := range p.Trust {
				_, err = trust.LoadDir(list.Folder)
				if err != nil {
					return fmt.Errorf("%w: %s: trust: %w", errUse, args[0], err)
				}
			}
			fmt.Printf("%s: %s: %d constraints set, %d trust lists\n", args[0], p.Name, len(p.Constraints), len(p.Trust))
			return nil
		},
	}
}
