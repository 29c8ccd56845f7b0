package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/ioc"
)

// indicatorsFile is the table's name in the data folder.
const indicatorsFile = "indicators.ioc"

func iocCommand() *cobra.Command {
	parent := &cobra.Command{Use: "ioc", Short: "Indicators of compromise: addresses, names, URLs, digests, TLS fingerprints"}
	var table, config string
	parent.PersistentFlags().StringVar(&table, "table", "", "file of the indicators (default: ioc.table of the configuration, or indicators.ioc in $ANTIN_DATA_DIR)")
	parent.PersistentFlags().StringVarP(&config, "config", "c", "", "configuration file (YAML)")
	path := func() (string, error) { return tablePath(table, config) }
	parent.AddCommand(iocImport(path), iocList(path), iocCheck(path), iocRemove(path))
	return parent
}

// tablePath says which file holds the indicators.
func tablePath(table, config string) (string, error) {
	if table != "" {
		return table, nil
	}
	s, err := readSettings(config)
	if err != nil {
		return "", could(err)
	}
	if s.IOC.Table != "" {
		return s.IOC.Table, nil
	}
	dir := os.Getenv("ANTIN_DATA_DIR")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", could(fmt.Errorf("find the data folder: %w", err))
		}
		dir = filepath.Join(home, ".local", "share", "antin")
	}
	return filepath.Join(dir, indicatorsFile), nil
}

type importFlags struct {
	o       ioc.ReadOptions
	format  string
	kind    string
	confide int
	asJSON  bool
}

func iocImport(path func() (string, error)) *cobra.Command {
	f := &importFlags{}
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Read a list (STIX 2.1 bundle, MISP event, CSV or plain lines) into the indicators",
		Long: "Read a list into the indicators. What the same source had before is replaced; a running sensor takes the\n" +
			"new table over by itself. Refused entries are named by line and reason.\n" +
			"Exit status: 0 all taken, 1 some refused, 3 the list cannot be read (nothing is changed then).",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			table, err := path()
			if err != nil {
				return err
			}
			return f.run(cmd, table, args[0])
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.o.Source, "source", "", "name of the list (default: the file's)")
	fl.StringVar(&f.format, "format", "", "stix, misp or csv (default: told by content)")
	fl.StringVar(&f.kind, "type", "", "what lines without a type are: address, domain, url, md5, sha1, sha256, ja3, ja3s, ja4 (default: guessed)")
	fl.IntVar(&f.confide, "confidence", 50, "confidence of entries that do not say theirs, 0 to 100")
	fl.DurationVar(&f.o.Lifetime, "lifetime", 0, "entries without an end expire so long after now, as 720h (default: never)")
	fl.BoolVar(&f.o.Private, "private", false, "take private addresses too")
	fl.BoolVar(&f.asJSON, "json", false, "answer as JSON")
	return cmd
}

func (f *importFlags) run(cmd *cobra.Command, table, file string) error {
	if f.confide < 0 || f.confide > 100 {
		return errors.New("--confidence is 0 to 100")
	}
	f.o.Confidence = uint8(f.confide)
	f.o.Format = ioc.Format(f.format)
	if f.kind != "" {
		kind, ok := ioc.KindOf(f.kind)
		if !ok {
			return fmt.Errorf("--type %s is not known", f.kind)
		}
		f.o.Kind = kind
	}
	if f.o.Source == "" {
		f.o.Source = filepath.Base(file)
	}
	f.o.Now = clock.System{}.Now()
	result, total, err := importList(table, file, f.o)
	if err != nil {
		return could(err)
	}
	err = f.print(cmd.OutOrStdout(), result, total)
	if err != nil {
		return could(err)
	}
	if result.Refused > 0 {
		return &exitError{exitNo, errNo}
	}
	return nil
}

// importList makes the new table of the old one and the list.
func importList(table, file string, o ioc.ReadOptions) (ioc.Result, int, error) {
	in, err := os.Open(file)
	if err != nil {
		return ioc.Result{}, 0, fmt.Errorf("read the list: %w", err)
	}
	defer in.Close()
	old, err := ioc.OpenOrEmpty(table)
	if err != nil {
		return ioc.Result{}, 0, err
	}
	b := ioc.NewBuilder()
	err = b.AddTable(old, o.Source)
	if err != nil {
		return ioc.Result{}, 0, err
	}
	var from io.Reader = in
	info, err := in.Stat()
	if err == nil && info.Mode().IsRegular() && term.IsTerminal(int(os.Stderr.Fd())) {
		bar := progressbar.NewOptions64(info.Size(), progressbar.OptionSetWriter(os.Stderr),
			progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(200*time.Millisecond))
		from = io.TeeReader(in, bar)
		defer func() { _ = bar.Finish() }()
	}
	result, err := ioc.Read(from, b, o)
	if err != nil {
		return result, 0, fmt.Errorf("%s: %w", file, err)
	}
	err = b.WriteFile(table, o.Now)
	if err != nil {
		return result, 0, err
	}
	return result, b.Len(), nil
}

func (f *importFlags) print(w io.Writer, r ioc.Result, total int) error {
	if f.asJSON {
		return writeJSON(w, struct {
			ioc.Result
			Total int `json:"total"`
		}{r, total})
	}
	for _, x := range r.Reasons {
		_, err := fmt.Fprintf(w, "line %d: %s refused: %s\n", x.Line, x.Value, x.Reason)
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s (%s): %d taken, %d expired, %d refused; the table holds %d\n",
		r.Source, r.Format, r.Added, r.Expired, r.Refused, total)
	return err
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// shown is an indicator as the command line prints it.
type shown struct {
	Type string `json:"type"`
	ioc.Indicator
}

// listing is what "ioc list" tells of a table.
type listing struct {
	Table   string         `json:"table"`
	Entries int            `json:"entries"`
	Bytes   int64          `json:"bytes"`
	PerItem float64        `json:"bytes_per_entry"`
	Created time.Time      `json:"created,omitzero"`
	Kinds   map[string]int `json:"types"`
	Sources map[string]int `json:"sources"`
	Expired int            `json:"expired"`
	Items   []shown        `json:"items,omitempty"`
}

// openTable opens the indicators that a command is about.
func openTable(path func() (string, error)) (string, *ioc.Table, error) {
	file, err := path()
	if err != nil {
		return "", nil, err
	}
	t, err := ioc.OpenOrEmpty(file)
	if err != nil {
		return "", nil, could(err)
	}
	return file, t, nil
}

func iocList(path func() (string, error)) *cobra.Command {
	var asJSON bool
	var source, kind string
	var items int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Count the indicators by type and source; --items N shows entries",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, t, err := openTable(path)
			if err != nil {
				return err
			}
			l := listing{
				Table: file, Entries: t.Len(), Bytes: t.Bytes(), Created: t.Created(),
				Kinds: map[string]int{}, Sources: map[string]int{},
			}
			if t.Len() > 0 {
				l.PerItem = float64(t.Bytes()) / float64(t.Len())
			}
			now := clock.System{}.Now()
			for i := range t.All() {
				if source != "" && i.Source != source || kind != "" && i.Kind.String() != kind {
					continue
				}
				l.Kinds[i.Kind.String()]++
				l.Sources[i.Source]++
				if !i.Expires.IsZero() && !i.Expires.After(now) {
					l.Expired++
				}
				if len(l.Items) < items {
					l.Items = append(l.Items, shown{i.Kind.String(), i})
				}
			}
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), l)
			} else {
				err = l.print(cmd.OutOrStdout())
			}
			if err != nil {
				return could(err)
			}
			return nil
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&asJSON, "json", false, "answer as JSON")
	fl.StringVar(&source, "source", "", "only of this source")
	fl.StringVar(&kind, "type", "", "only of this type")
	fl.IntVar(&items, "items", 0, "show so many entries")
	return cmd
}

func (l *listing) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s: %d indicators, %d bytes (%.1f each), %d expired\n", l.Table, l.Entries, l.Bytes, l.PerItem, l.Expired)
	for _, part := range []map[string]int{l.Kinds, l.Sources} {
		for _, name := range slices.Sorted(maps.Keys(part)) {
			_, e := fmt.Fprintf(w, "%10d %s\n", part[name], name)
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, printItems(w, l.Items))
}

func printItems(w io.Writer, items []shown) error {
	for _, i := range items {
		until := "never expires"
		if !i.Expires.IsZero() {
			until = "until " + i.Expires.Format(time.RFC3339)
		}
		_, err := fmt.Fprintf(w, "%s %s · %s · confidence %d · %s · %s\n", i.Type, i.Value, i.Source, i.Confidence, until, i.Description)
		if err != nil {
			return err
		}
	}
	return nil
}

func iocCheck(path func() (string, error)) *cobra.Command {
	var asJSON bool
	var at string
	cmd := &cobra.Command{
		Use:   "check VALUE",
		Short: "Tell whether a value is among the indicators",
		Long:  "Tell whether an address, name, URL, digest or fingerprint is among the indicators.\nExit status: 0 it is, 1 it is not, 3 the indicators cannot be read.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			now := clock.System{}.Now()
			if at != "" {
				t, err := time.Parse(time.RFC3339, at)
				if err != nil {
					return fmt.Errorf("--at %s is no time as 2026-01-02T15:04:05Z", at)
				}
				now = t
			}
			_, t, err := openTable(path)
			if err != nil {
				return err
			}
			found, err := t.Check(args[0], now)
			if err != nil {
				return err
			}
			items := make([]shown, 0, len(found))
			for _, i := range found {
				items = append(items, shown{i.Kind.String(), i})
			}
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), struct {
					Value string  `json:"value"`
					Found bool    `json:"found"`
					Items []shown `json:"items"`
				}{args[0], len(items) > 0, items})
			} else if len(items) == 0 {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is not among %d indicators\n", args[0], t.Len())
			} else {
				err = printItems(cmd.OutOrStdout(), items)
			}
			if err != nil {
				return could(err)
			}
			if len(items) == 0 {
				return &exitError{exitNo, errNo}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	cmd.Flags().StringVar(&at, "at", "", "as of this time (RFC 3339)")
	return cmd
}

func iocRemove(path func() (string, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "remove SOURCE",
		Short: "Take a list out of the indicators",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, old, err := openTable(path)
			if err != nil {
				return err
			}
			b := ioc.NewBuilder()
			err = b.AddTable(old, args[0])
			if err != nil {
				return could(err)
			}
			if b.Len() == old.Len() {
				fmt.Fprintf(cmd.ErrOrStderr(), "antin-sensor: no indicators of source %q\n", args[0])
				return &exitError{exitNo, errNo}
			}
			err = b.WriteFile(file, clock.System{}.Now())
			if err != nil {
				return could(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d removed, %d left\n", old.Len()-b.Len(), b.Len())
			return err
		},
	}
}

// defaultLook is how often a running sensor looks for a new table.
const defaultLook = 5 * time.Second

// addIndicators gives the engine the table, and each later one until stop is
// called.
func addIndicators(ctx context.Context, s *settings, cfg *sensor.Config, log *slog.Logger) (stop func(), err error) {
	if s.IOC.Table == "" {
		return func() {}, nil
	}
	t, err := ioc.OpenOrEmpty(s.IOC.Table)
	if err != nil {
		return nil, err
	}
	log.Info("indicators loaded", "entries", t.Len())
	cfg.Indicators = ioc.NewLive(t)
	every := s.IOC.Every
	if every <= 0 {
		every = defaultLook
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { cfg.Indicators.Watch(ctx, s.IOC.Table, every, log) })
	return func() {
		cancel()
		wg.Wait()
	}, nil
}
