package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/tsa"
	"github.com/antin-gov/antin/internal/atomicfile"
	"github.com/antin-gov/antin/internal/config"
	"github.com/antin-gov/antin/internal/ledger"
)

// fileAnswers keeps OCSP answers made in advance over a restart.
const fileAnswers = "ocsp.answers"

// statusConfig reads the authority's settings of status.
func (s *System) statusConfig() (ca.StatusConfig, error) {
	c := s.Config.Status
	out := ca.StatusConfig{DeltaValidity: c.DeltaValidity, OCSPMaxStale: c.OCSPMaxStale, NTPServers: c.NTPServers,
		AuditEvery: c.AuditEvery, OCSPFile: s.Path(dirRun, fileAnswers), CRLPartitions: make(map[string]int)}
	for line, text := range c.CRLPartitions {
		n, err := strconv.Atoi(text)
		if err != nil {
			return out, fmt.Errorf("%w: status.crl_partitions: %s: %q is not a number", config.ErrInvalid, line, text)
		}
		out.CRLPartitions[line] = n
	}
	for _, source := range c.TimeSources {
		out.TimeSources = append(out.TimeSources, tsa.Source(source))
	}
	return out, nil
}

// reconcile brings the register of certificates up to the ledger before
// anything is answered, and refuses a ledger that is an older copy.
func (s *System) reconcile(ctx context.Context) error {
	var heads []ledger.Head
	for _, path := range s.Config.Status.CheckpointCopies {
		note, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // not written yet
		}
		if err != nil {
			return fmt.Errorf("read the copy of the checkpoint: %w", err)
		}
		head, err := s.Ledger.ParseHead(note)
		if err != nil {
			return fmt.Errorf("copy of the checkpoint in %s: %w", path, err)
		}
		heads = append(heads, head)
	}
	_, err := ca.Reconcile(ctx, s.DB, s.Ledger, heads, s.Clock, s.Logger)
	if errors.Is(err, ledger.ErrBehind) {
		return fmt.Errorf("%w; bring the newest copy of the ledger folder and restore with antin restore FILE --ledger DIR", err)
	}
	return err
}

// copyEvery is how often checkpoints are copied.
const copyEvery = time.Minute

// copyCheckpoints keeps the copies of the ledger's checkpoint until ctx ends.
func (s *server) copyCheckpoints(ctx context.Context) error {
	if len(s.Config.Status.CheckpointCopies) == 0 {
		return nil
	}
	tick := time.NewTicker(copyEvery)
	defer tick.Stop()
	for {
		for _, path := range s.Config.Status.CheckpointCopies {
			err := s.copyCheckpoint(ctx, path)
			if err != nil && ctx.Err() == nil {
				s.Logger.WarnContext(ctx, "the checkpoint was not copied", "file", path, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *server) copyCheckpoint(ctx context.Context, path string) error {
	head, err := s.Ledger.Head(ctx)
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, 0o644, []byte(head.Note))
}

// statusProblems adds what is wrong with lists, answers and audits.
func (s *server) statusProblems(ctx context.Context, problems map[string]string) {
	c, err := s.CA.Condition(ctx)
	if err != nil {
		problems["audit"] = "unreadable"
	}
	for part, what := range c.Problems {
		problems[part] = what
	}
}

// statusFigures are the counts of lists, status answers, time-stamps and audits.
type statusFigures struct {
	s *System

	left, entries, answers, refused, memory, stale, stamps, stampsRefused, trusted, findings, audited *prometheus.Desc
}

func newStatusFigures(s *System) *statusFigures {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &statusFigures{
		s:             s,
		left:          desc("antin_crl_next_update_seconds", "Seconds until the list in force ends.", "list"),
		entries:       desc("antin_crl_entries", "Entries of the list in force.", "list"),
		answers:       desc("antin_ocsp_answers_total", "Status answers: from memory, made and kept for a request, signed for one request, made in advance.", "from"),
		refused:       desc("antin_ocsp_refused_total", "Status requests that got no answer.", "why"),
		memory:        desc("antin_ocsp_memory", "Certificates and answers in memory.", "what"),
		stale:         desc("antin_ocsp_stale_seconds", "Age of what the responder knows of changes."),
		stamps:        desc("antin_tsa_stamps_total", "Time-stamps given."),
		stampsRefused: desc("antin_tsa_refused_total", "Requests for time-stamps refused."),
		trusted:       desc("antin_tsa_clock_trusted", "1 while the clock is trusted."),
		findings:      desc("antin_ca_audit_findings", "Findings of the newest audit."),
		audited:       desc("antin_ca_audit_time_seconds", "When the newest audit was made."),
	}
}

// Describe implements prometheus.Collector.
func (f *statusFigures) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.left, f.entries, f.answers, f.refused, f.memory, f.stale, f.stamps, f.stampsRefused, f.trusted, f.findings, f.audited} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (f *statusFigures) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	c, err := f.s.CA.Condition(ctx)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	now := f.s.Clock.Now()
	for _, l := range c.Lists {
		gauge(f.left, l.NextUpdate.Sub(now).Seconds(), l.Name)
		gauge(f.entries, float64(l.Entries), l.Name)
	}
	count(f.answers, c.OCSP.Memory, "memory")
	count(f.answers, c.OCSP.Made, "made")
	count(f.answers, c.OCSP.Live, "live")
	count(f.answers, c.OCSP.Ahead, "ahead")
	count(f.refused, c.OCSP.Malformed, "malformed")
	count(f.refused, c.OCSP.Later, "later")
	count(f.refused, c.OCSP.Failed, "failed")
	gauge(f.memory, float64(c.OCSP.Certificates), "certificates")
	gauge(f.memory, float64(c.OCSP.Answers), "answers")
	gauge(f.stale, c.OCSP.Stale.Seconds())
	count(f.stamps, c.TSA.Stamped)
	count(f.stampsRefused, c.TSA.Refused)
	trusted := 1.0
	if c.TSA.Clock != "" {
		trusted = 0
	}
	gauge(f.trusted, trusted)
	if err == nil && c.Audit != nil {
		gauge(f.findings, float64(len(c.Audit.Findings)))
		gauge(f.audited, float64(c.Audit.At.Unix()))
	}
}
