package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/antin-gov/antin/internal/ledger"
)

// Check is what the doctor found of a part.
type Check struct {
	Part    string `json:"part"`
	Found   string `json:"found,omitempty"`
	Problem string `json:"problem,omitempty"`
	Do      string `json:"do,omitempty"`
}

// Text says it in a line.
func (c Check) Text() string {
	if c.Problem == "" {
		return "good: " + c.Found
	}
	return "BAD: " + c.Problem + "; " + c.Do
}

// Doctor looks at every part.
func (s *System) Doctor(ctx context.Context) []Check {
	checks := []Check{}
	add := func(part, found string, err error, do string) {
		c := Check{Part: part, Found: found}
		if err != nil {
			c = Check{Part: part, Problem: err.Error(), Do: do}
		}
		checks = append(checks, c)
	}
	add("database", "reachable", s.DB.PingContext(ctx), "look at database.dsn in antin.yaml")
	health, err := s.Keys.Health(ctx)
	add("token", fmt.Sprintf("%s with %d keys, key worker %d", health.Token, health.Keys, health.PID), err, "look at hsm.module and hsm.pin_file in antin.yaml")
	report, err := ledger.Verify(ctx, s.Path(LedgerDir), ledger.VerifyOptions{})
	if err == nil && !report.OK() {
		err = fmt.Errorf("%d problems, the first: %s", len(report.Problems), report.Problems[0].What)
	}
	entries := uint64(0)
	if report != nil {
		entries = report.Entries
	}
	add("ledger", fmt.Sprintf("%d entries verified", entries), err, "restore the ledger's folder from a backup and compare")
	audit, err := s.CA.Audit(ctx)
	if err == nil && len(audit.Findings) > 0 {
		err = fmt.Errorf("%d findings (antin ca audit)", len(audit.Findings))
	}
	add("ca", "records and certificates agree", err, "run antin ca audit")
	add("files", "only the owner reads the data folder", privateFolder(s.Dir), "chmod 700 "+s.Dir)
	for part, addr := range map[string]string{"console": s.Config.Console.Listen, "pki": s.Config.PKI.Listen, "est": s.Config.EST.Listen} {
		conn, err := net.DialTimeout("tcp", addr, probeTime)
		if err == nil {
			err = conn.Close()
		}
		add(part, "served at "+addr, err, "start antin up")
	}
	return checks
}

func privateFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return errors.New("others may read " + dir)
	}
	return nil
}
