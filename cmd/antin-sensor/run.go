package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/capture/pcapfilter"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/hostos"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/rules"
	"github.com/antin-gov/antin/sensor/spool"
)

const (
	eveFile = "eve.json"
	// controlFile is the control socket in the log folder.
	controlFile = "control.sock"
	// defaultDeadline is how long the end of a run waits for the hub.
	defaultDeadline = 30 * time.Second
)

type runFlags struct {
	read       []string
	interfaces []string
	rules      []string
	config     string
	logDir     string
	exercise   string
	quiet      bool
	s          settings
	data       *rules.Data
	filter     capture.Program
	// lives are the open sockets of each interface, until the engine has them.
	lives [][]*capture.Live
	// refused are the rules that were not loaded last.
	refused map[string]bool
	// hangups are asked for before anything else, because a hang-up ends a
	// process that does not.
	hangups chan os.Signal
	file    *output.File
	// sinks names cfg.Sinks.
	sinks []string
}

var (
	errInput = errors.New("say where packets come from: -r FILE|DIR or -i INTERFACE")
	errBoth  = errors.New("-r and -i exclude each other")
)

func runCommand() *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run -r FILE|DIR | -i INTERFACE",
		Short: "Watch traffic and record it in eve.json",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(f.read)+len(f.interfaces) == 0 && f.config == "" {
				return errInput
			}
			if len(f.read) > 0 && len(f.interfaces) > 0 {
				return errBoth
			}
			return f.run(cmd)
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.read, "read", "r", nil, "capture file, folder of them, or - for standard input (pcap, pcapng, gzip); repeatable")
	fl.StringSliceVarP(&f.interfaces, "interface", "i", nil, "network interface; repeatable")
	fl.StringVar(&f.s.Capture.Filter, "filter", "", "take only packets that match, as pcap-filter(7) has it: \"not port 4222\"")
	fl.IntVar(&f.s.Capture.Workers, "workers", 0, "how many share the packets of each interface, by flow (default 1)")
	fl.StringVar(&f.s.Privileges.User, "user", "", "who to become when the captures are open (started by root)")
	fl.StringArrayVarP(&f.rules, "rules", "S", nil, "rule file or glob; repeatable")
	fl.BoolVar(&f.s.Detect.Enabled, "detect", false, "judge behaviour: scans, guessed passwords, beacons, … (detect in the configuration)")
	fl.StringVar(&f.s.IOC.Table, "ioc", "", "file of indicators, as ioc import makes it")
	fl.StringVarP(&f.config, "config", "c", "", "configuration file (YAML)")
	fl.StringVarP(&f.logDir, "log-dir", "l", "", "folder for eve.json (default .)")
	fl.StringVarP(&f.s.Checksums, "checksums", "k", "", "wrong checksums: all (refuse), none (use), auto (default)")
	fl.StringVar(&f.s.Packets.Dir, "packets", "", "folder where the packets around alerts are kept (pcapng)")
	fl.StringVar(&f.s.Control, "control", "", "socket at which the live sensor answers stats, top, reload and rotate (default control.sock in the log folder; none)")
	fl.StringVar(&f.s.Output.Socket.Path, "eve-socket", "", "Unix socket at which another program reads the records")
	fl.StringVar(&f.s.Name, "name", "", "sensor name (default: the machine's)")
	fl.StringVar(&f.s.Site, "site", "", "where the sensor stands")
	fl.StringVar(&f.exercise, "exercise", "", "mark the records as part of this exercise")
	n := &f.s.Output.NATS
	fl.StringVar(&n.URL, "nats", "", "hub to publish to, as nats://HOST:PORT or tls://HOST:PORT")
	fl.StringVar(&n.Cert, "tls-cert", "", "client certificate for the hub (PEM)")
	fl.StringVar(&n.Key, "tls-key", "", "key of the client certificate (PEM)")
	fl.StringVar(&n.CA, "tls-ca", "", "authority that the hub's certificate must come from (PEM)")
	fl.StringVar(&n.Spool.Dir, "spool", "", "folder where records wait for the hub (default spool in the log folder)")
	fl.DurationVar(&n.Deadline, "deadline", 0, "how long the end waits for the hub (default 30s)")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "no progress and no summary")
	return cmd
}

// merge lays the command line over the configuration file.
func (f *runFlags) merge() (*settings, error) {
	s, err := readSettings(f.config)
	if err != nil {
		return nil, err
	}
	over := func(into *string, value string) {
		if value != "" {
			*into = value
		}
	}
	over(&s.Name, f.s.Name)
	over(&s.Site, f.s.Site)
	over(&s.Checksums, f.s.Checksums)
	over(&s.IOC.Table, f.s.IOC.Table)
	over(&s.Capture.Filter, f.s.Capture.Filter)
	over(&s.Privileges.User, f.s.Privileges.User)
	over(&s.Control, f.s.Control)
	over(&s.Packets.Dir, f.s.Packets.Dir)
	over(&s.Output.Socket.Path, f.s.Output.Socket.Path)
	if f.s.Capture.Workers != 0 {
		s.Capture.Workers = f.s.Capture.Workers
	}
	s.Detect.Enabled = s.Detect.Enabled || f.s.Detect.Enabled
	over(&s.Output.Dir, f.logDir)
	over(&s.Output.NATS.URL, f.s.Output.NATS.URL)
	over(&s.Output.NATS.Cert, f.s.Output.NATS.Cert)
	over(&s.Output.NATS.Key, f.s.Output.NATS.Key)
	over(&s.Output.NATS.CA, f.s.Output.NATS.CA)
	over(&s.Output.NATS.Spool.Dir, f.s.Output.NATS.Spool.Dir)
	if f.s.Output.NATS.Deadline > 0 {
		s.Output.NATS.Deadline = f.s.Output.NATS.Deadline
	}
	if s.Output.NATS.Deadline <= 0 {
		s.Output.NATS.Deadline = defaultDeadline
	}
	if s.Output.Dir == "" {
		s.Output.Dir = "."
	}
	if s.Control == "" {
		s.Control = filepath.Join(s.Output.Dir, controlFile)
	}
	if s.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("name the sensor: %w", err)
		}
		// Dots cannot stand in the subject that the sensor publishes to.
		s.Name = strings.ReplaceAll(host, ".", "-")
	}
	s.Rules = append(s.Rules, f.rules...)
	return s, nil
}

func (f *runFlags) run(cmd *cobra.Command) (err error) {
	s, err := f.merge()
	if err != nil {
		return could(err)
	}
	if len(f.read) == 0 && len(f.interfaces) == 0 {
		f.interfaces = s.Interfaces
	}
	if len(f.read)+len(f.interfaces) == 0 {
		return errInput
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	filter, err := pcapfilter.New(s.Capture.Filter, len(f.interfaces) > 0)
	if err != nil {
		return could(fmt.Errorf("packet filter: %w", err))
	}
	f.filter = filter
	if len(f.interfaces) > 0 {
		err = f.open(s, log)
		if err != nil {
			return could(err)
		}
		defer f.closeUnused()
	}
	cfg := sensor.Config{
		Identity: eve.Identity{Host: s.Name, ExerciseID: f.exercise},
		Clock:    clock.System{}, Logger: log, Checksums: sensor.ChecksumPolicy(s.Checksums),
		FlowLimit: s.FlowLimit, StreamDepth: s.StreamDepth,
		RangeMemory: s.Ranges.MemoryMB << 20, RangeTimeout: s.Ranges.Timeout,
		NoHASSH:     s.SSH.HASSH != nil && !*s.SSH.HASSH,
		NoEvidence:  s.Output.Evidence != nil && !*s.Output.Evidence,
		Health:      sensor.Health{Every: s.Health.Every, LinkSpeed: s.Health.LinkSpeed},
		NoAnomalies: s.Output.Anomalies != nil && !*s.Output.Anomalies, HeaderAnomalies: s.Output.HeaderAnomalies,
		Types: s.Output.Types, Netflow: s.Output.Netflow, Filter: filter, Stdin: cmd.InOrStdin(),
	}
	cfg.Hosts, err = hostos.New(s.HostOS)
	if err != nil {
		return could(err)
	}
	switch s.Output.Files.Keep {
	case "", keepAll:
	case keepRules:
		cfg.FilesChosen = true
	default:
		return could(fmt.Errorf("output.files.keep: %q is neither %s nor %s", s.Output.Files.Keep, keepAll, keepRules))
	}
	if s.Output.Files.Dir != "" {
		cfg.Files, err = files.OpenStore(s.Output.Files.Dir, s.Output.Files.FileMB<<20, s.Output.Files.TotalMB<<20)
		if err != nil {
			return could(err)
		}
	}
	err = f.addRules(s, &cfg, log)
	if err != nil {
		return could(err)
	}
	stop, err := addIndicators(cmd.Context(), s, &cfg, log)
	if err != nil {
		return could(err)
	}
	defer stop()
	keep, err := addDetectors(cmd.Context(), s, &cfg, log)
	if err != nil {
		return could(err)
	}
	defer func() { err = errors.Join(err, keep()) }()
	err = f.addSinks(s, &cfg, log)
	if err != nil {
		return could(err)
	}
	closePackets, err := addPackets(s, &cfg, log)
	if err != nil {
		closeSinks(cfg.Sinks, s.Output.NATS.Deadline)
		return could(err)
	}
	defer func() { err = errors.Join(err, closePackets()) }()
	finish := f.progress(&cfg)
	engine, err := sensor.New(cfg)
	if err != nil {
		closeSinks(cfg.Sinks, s.Output.NATS.Deadline)
		return could(err)
	}
	stopServing, err := f.serve(cmd.Context(), s, engine, &cfg, log)
	if err != nil {
		closeSinks(cfg.Sinks, s.Output.NATS.Deadline)
		return could(err)
	}
	broken, err := f.capture(cmd.Context(), engine, log)
	stopServing()
	finish()
	err = errors.Join(err, closeSinks(cfg.Sinks, s.Output.NATS.Deadline), saveDatasets(f.data))
	if !f.quiet {
		err = errors.Join(err, summary(cmd.ErrOrStderr(), engine.Counters(), cfg.Sinks, f.sinks, broken))
	}
	if err != nil {
		return could(err)
	}
	if len(broken) > 0 && engine.Counters().Received == 0 {
		return could(fmt.Errorf("%w: %w", sensor.ErrInput, broken[0]))
	}
	return nil
}

// capture runs the engine. Being stopped by a signal is a good end for live
// capture.
func (f *runFlags) capture(ctx context.Context, e *sensor.Engine, log *slog.Logger) ([]*sensor.FileError, error) {
	if len(f.interfaces) > 0 {
		return nil, f.captureLive(ctx, e, log)
	}
	files, err := sensor.FindCaptures(f.read)
	if err != nil {
		return nil, err
	}
	return e.RunFiles(ctx, files)
}

func (f *runFlags) addRules(s *settings, cfg *sensor.Config, log *slog.Logger) error {
	if len(s.Rules) == 0 {
		return nil
	}
	files, err := expand(s.Rules)
	if err != nil {
		return err
	}
	set, err := loadRules(files, s.Classification, s.ruleVars())
	if err != nil {
		return err
	}
	set.tell(log, "rules loaded")
	f.data, f.refused = set.data, set.refusals()
	cfg.Health.RulesVersion, cfg.Health.RulesLoaded = set.version(), len(set.rules)
	cfg.Rules, err = set.engine()
	return err
}

func (f *runFlags) addSinks(s *settings, cfg *sensor.Config, log *slog.Logger) error {
	err := os.MkdirAll(s.Output.Dir, 0o750)
	if err != nil {
		return fmt.Errorf("make the log folder: %w", err)
	}
	rotate := s.Output.Rotate
	file, err := output.OpenFileWith(output.FileOptions{
		Path: filepath.Join(s.Output.Dir, eveFile), MaxBytes: rotate.SizeMB << 20, Every: rotate.Every, Keep: rotate.Keep,
		Compress: rotate.Compress, Patient: len(f.interfaces) > 0, Logger: log,
	})
	if err != nil {
		return err
	}
	f.file = file
	f.addSink(cfg, eveFile, file)
	if s.Output.Socket.Path != "" {
		sink, err := output.OpenSocket(s.Output.Socket.Path, s.Output.Socket.Type, log)
		if err != nil {
			return errors.Join(err, file.Close(context.Background()))
		}
		f.addSink(cfg, "socket", sink)
	}
	n := s.Output.NATS
	if n.URL == "" {
		return nil
	}
	sink, err := f.openHub(s, cfg, log)
	if err != nil {
		return errors.Join(err, closeSinks(cfg.Sinks, n.Deadline))
	}
	f.addSink(cfg, "hub", sink)
	cfg.Health.Spool, cfg.Health.Connected = sink.Spool, sink.Connected
	return nil
}

func (f *runFlags) addSink(cfg *sensor.Config, name string, s output.Sink) {
	cfg.Sinks = append(cfg.Sinks, s)
	f.sinks = append(f.sinks, name)
	cfg.Health.Sinks = append(cfg.Health.Sinks, sensor.NamedSink{Name: name, Sink: s})
}

func (f *runFlags) openHub(s *settings, cfg *sensor.Config, log *slog.Logger) (*output.Hub, error) {
	n := s.Output.NATS
	dir, keyFile := n.Spool.Dir, n.Spool.Key
	if dir == "" {
		dir = filepath.Join(s.Output.Dir, "spool")
	}
	if keyFile == "" {
		keyFile = dir + ".key"
	}
	key, err := spool.LoadKey(keyFile)
	if err != nil {
		return nil, err
	}
	hub := output.HubConfig{
		URL: n.URL, CertFile: n.Cert, KeyFile: n.Key, CAFile: n.CA,
		Sensor: s.Name, Site: s.Site, ExerciseID: cfg.Identity.ExerciseID, Logger: log,
		Spool: spool.Options{Dir: dir, Key: key, MaxBytes: n.Spool.LimitMB << 20, Logger: log},
	}
	if len(f.read) > 0 {
		hub.Spool.Wait = n.Deadline
	}
	return output.OpenHub(hub)
}

// closeSinks has its own time: the run's context may have ended by a signal.
func closeSinks(sinks []output.Sink, deadline time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var err error
	for _, s := range sinks {
		err = errors.Join(err, s.Close(ctx))
	}
	return err
}

// progress shows a bar when files are read on a terminal.
func (f *runFlags) progress(cfg *sensor.Config) (finish func()) {
	if f.quiet || len(f.read) == 0 || !term.IsTerminal(int(os.Stderr.Fd())) {
		return func() {}
	}
	bar := progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
	cfg.Progress = func(p sensor.Progress) {
		if bar.GetMax64() != p.Bytes {
			bar.ChangeMax64(p.Bytes)
		}
		bar.Describe(fmt.Sprintf("%d/%d files, %d packets", p.FilesDone, p.Files, p.Packets))
		// A terminal that went away must not end the run.
		_ = bar.Set64(min(p.BytesDone, p.Bytes))
	}
	return func() { _ = bar.Finish() }
}

// summary tells what was done.
func summary(w io.Writer, c sensor.Counters, sinks []output.Sink, names []string, broken []*sensor.FileError) error {
	var b strings.Builder
	fmt.Fprintf(&b, "packets: received %d = processed %d + dropped %d + invalid %d\n",
		c.Received, c.Processed, c.Dropped, c.Invalid)
	fmt.Fprintf(&b, "flows: %d, forced out %d; stream gaps: %d; parser panics: %d\n",
		c.Flow.Created, c.Flow.Forced, c.Stream.Gaps, c.ParserPanics)
	for _, name := range slices.Sorted(maps.Keys(c.Events)) {
		fmt.Fprintf(&b, "%-8s %d\n", name, c.Events[name])
	}
	for i, s := range sinks {
		st := s.Stats()
		fmt.Fprintf(&b, "%s: %d records, %d delivered, %d dropped%s\n", names[i], st.Accepted, st.Delivered, st.Dropped, lost(st))
	}
	for _, e := range broken {
		fmt.Fprintf(&b, "broken: %v\n", e)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lost says which records were dropped, by class.
func lost(st output.Stats) string {
	if st.Dropped == 0 {
		return ""
	}
	var parts []string
	for _, class := range spool.All() {
		parts = append(parts, fmt.Sprintf("%s %d", class, st.Lost[class]))
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
