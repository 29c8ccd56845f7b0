package app

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/incident/ingest"
)

// scrapeTimeout bounds what one scrape may ask of the parts.
const scrapeTimeout = 5 * time.Second

// figures are the parts' own counts, read when Prometheus asks. They carry no
// personal data.
type figures struct {
	s        *System
	consumer func() ingest.Stats

	signatures, recoveries, refused, restarts, keys, entries, batches, stored, duplicates, dead *prometheus.Desc
	tokenState, tokenLosses, tokenSignatures, tokenOutstanding                                  *prometheus.Desc
}

func newFigures(s *System, consumer func() ingest.Stats) *figures {
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	ofToken := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"token"}, more...), nil)
	}
	return &figures{
		tokenState:       ofToken("antin_hsm_token_state", "1 for the state that the token is in.", "state"),
		tokenLosses:      ofToken("antin_hsm_token_losses_total", "Times the token was lost since the present key worker began."),
		tokenSignatures:  ofToken("antin_hsm_token_signatures_total", "Signatures of the token since the present key worker began."),
		tokenOutstanding: ofToken("antin_hsm_token_outstanding", "Signatures that the token owes."),
		s:                s, consumer: consumer,
		signatures: desc("antin_hsm_signatures_total", "Signatures made by the present key worker."),
		recoveries: desc("antin_hsm_recoveries_total", "Times the present key worker healed its token session or module."),
		refused:    desc("antin_hsm_refused_total", "Signatures that did not verify and were not released."),
		restarts:   desc("antin_hsm_worker_restarts_total", "Times the key worker was started again."),
		keys:       desc("antin_hsm_keys", "Keys in the token."),
		entries:    desc("antin_ledger_entries", "Entries of the ledger."),
		batches:    desc("antin_ingest_batches_total", "Batches of records taken from the bus."),
		stored:     desc("antin_ingest_events_total", "Records stored."),
		duplicates: desc("antin_ingest_duplicates_total", "Records that had been stored before."),
		dead:       desc("antin_ingest_dead_letters_total", "Records that could not be read."),
	}
}

// Describe implements prometheus.Collector.
func (f *figures) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.signatures, f.recoveries, f.refused, f.restarts, f.keys, f.entries, f.batches, f.stored, f.duplicates, f.dead, f.tokenState, f.tokenLosses, f.tokenSignatures, f.tokenOutstanding} {
		out <- d
	}
}

// Collect implements prometheus.Collector. A part that does not answer is left
// out of the scrape: its absence is the alarm.
func (f *figures) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	count := func(d *prometheus.Desc, v uint64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	health, err := f.s.Keys.Health(ctx)
	if err == nil {
		count(f.signatures, health.Signatures)
		count(f.recoveries, health.Recoveries)
		count(f.refused, health.Refused)
		out <- prometheus.MustNewConstMetric(f.keys, prometheus.GaugeValue, float64(health.Keys))
		f.collectTokens(out, health.Tokens)
	}
	count(f.restarts, uint64(f.s.Worker.Restarts()))
	size, err := f.s.Ledger.Size(ctx)
	if err == nil {
		out <- prometheus.MustNewConstMetric(f.entries, prometheus.GaugeValue, float64(size))
	}
	stats := f.consumer()
	count(f.batches, stats.Batches)
	count(f.stored, stats.Stored)
	count(f.duplicates, stats.Duplicates)
	count(f.dead, stats.Dead)
}

// collectTokens tells of each token.
func (f *figures) collectTokens(out chan<- prometheus.Metric, tokens []hsm.TokenInfo) {
	for _, t := range tokens {
		out <- prometheus.MustNewConstMetric(f.tokenState, prometheus.GaugeValue, 1, t.Name, string(t.State))
		out <- prometheus.MustNewConstMetric(f.tokenLosses, prometheus.CounterValue, float64(t.Losses), t.Name)
		out <- prometheus.MustNewConstMetric(f.tokenSignatures, prometheus.CounterValue, float64(t.Signatures), t.Name)
		out <- prometheus.MustNewConstMetric(f.tokenOutstanding, prometheus.GaugeValue, float64(t.Outstanding), t.Name)
	}
}

func (s *server) startMetrics(ctx context.Context) (err error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newFigures(s.System, s.consumed), newStatusFigures(s.System), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	s.addr.Metrics, err = s.serve(ctx, "metrics", s.Config.Metrics.Listen, mux, nil, scrapeTimeout)
	return err
}
