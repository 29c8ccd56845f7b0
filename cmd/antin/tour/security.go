package tour

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/incident/drill"
	"github.com/antin-gov/antin/incident/drill/traffic"
	"github.com/antin-gov/antin/signer/validate"
)

// caseLimit is how soon after the last packet a case must stand.
const caseLimit = 5 * time.Second

// communes is how many communes of the reference province may be attacked, one
// after the other: two attacks on one agency within half an hour are one case.
const communes = 23

// drillCommune is the commune of the drill's own attack.
const drillCommune = 9

// pollEvery is how often a result is looked for.
const pollEvery = 100 * time.Millisecond

// attack plays a composed attack through the real sensor and waits for its
// case.
func (t *Tour) attack(ctx context.Context) error {
	began := time.Now()
	detail, victim, waited, err := t.realAttack(ctx)
	if err != nil {
		return err
	}
	c := detail.Case
	err = must(len(detail.Evidence) > 0 && detail.HistoryIntact && c.AgencyID != "" && len(detail.Clocks) > 0, "case %s lacks evidence, agency or clocks", c.Number)
	if err != nil {
		return err
	}
	packets := 0
	for _, e := range detail.Evidence {
		if len(e.Packet) > 0 && e.Intact {
			packets++
		}
	}
	t.note(began, "attack", "one case", "case %s of %s (%s), %s, %d alerts, %d records, %d with their packet, %s after the last packet",
		c.Number, c.AgencyID, victim, c.Severity, c.Alerts, len(detail.Evidence), packets, waited.Round(time.Millisecond))
	return nil
}

// realAttack attacks a commune that has no case of late, without an exercise
// mark, and returns its one case.
func (t *Tour) realAttack(ctx context.Context) (*incident.Detail, netip.Addr, time.Duration, error) {
	reading, err := t.s.As(ctx, "dung.ht")
	if err != nil {
		return nil, netip.Addr{}, 0, err
	}
	before, err := t.realCases(reading)
	if err != nil {
		return nil, netip.Addr{}, 0, err
	}
	victim, agency, err := t.quietCommune(ctx, before)
	if err != nil {
		return nil, netip.Addr{}, 0, err
	}
	capture := filepath.Join(t.dir, "attack.pcap")
	err = writeAttack(capture, traffic.Options{Start: time.Now().Add(-traffic.Length), Victim: victim, Seed: uint64(time.Now().UnixNano())})
	if err != nil {
		return nil, netip.Addr{}, 0, err
	}
	err = t.play(ctx, capture)
	if err != nil {
		return nil, netip.Addr{}, 0, err
	}
	last := time.Now()
	for {
		cases, err := t.realCases(reading)
		if err != nil {
			return nil, netip.Addr{}, 0, err
		}
		var found []incident.Case
		for _, c := range cases {
			_, known := before[c.ID]
			if !known && c.AgencyID == agency {
				found = append(found, c)
			}
		}
		waited := time.Since(last)
		if len(found) > 0 {
			// The rest of the attack must join the same case.
			err = t.settle(ctx)
			if err != nil {
				return nil, netip.Addr{}, 0, err
			}
			after, err := t.realCases(reading)
			if err != nil {
				return nil, netip.Addr{}, 0, err
			}
			err = must(len(after) == len(before)+1, "one attack opened %d cases", len(after)-len(before))
			if err != nil {
				return nil, netip.Addr{}, 0, err
			}
			detail, err := t.s.Incidents.Get(reading, found[0].ID)
			if err == nil {
				err = must(!detail.Case.Exercise(), "a real attack carries an exercise mark")
			}
			return detail, victim, waited, err
		}
		if waited > caseLimit {
			return nil, netip.Addr{}, 0, must(false, "no case %s after the last packet", caseLimit)
		}
		err = sleep(ctx, pollEvery)
		if err != nil {
			return nil, netip.Addr{}, 0, err
		}
	}
}

// settle gives the consumer time for what is on its way.
func (t *Tour) settle(ctx context.Context) error { return sleep(ctx, time.Second) }

func (t *Tour) realCases(ctx context.Context) (map[string]incident.Case, error) {
	cases := map[string]incident.Case{}
	f := incident.Filter{Exercise: incident.ExerciseNone, Limit: 200}
	for {
		page, err := t.s.Incidents.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, c := range page.Cases {
			cases[c.ID] = c
		}
		if page.Next == "" {
			return cases, nil
		}
		f.After = page.Next
	}
}

func (t *Tour) quietCommune(ctx context.Context, cases map[string]incident.Case) (netip.Addr, string, error) {
	for n := 1; n <= communes; n++ {
		if n == drillCommune {
			continue
		}
		victim := netip.AddrFrom4([4]byte{10, 3, byte(n), 23})
		agency, err := t.s.Directory.AgencyAt(ctx, "metronet", victim)
		if err != nil {
			return netip.Addr{}, "", err
		}
		quiet := true
		for _, c := range cases {
			if c.AgencyID == agency.ID && t.s.Clock.Now().Sub(c.LastAt) < incident.CaseWindow+traffic.Length {
				quiet = false
			}
		}
		if quiet {
			return victim, agency.ID, nil
		}
	}
	return netip.Addr{}, "", must(false, "every commune has a fresh case; wait half an hour")
}

func writeAttack(path string, o traffic.Options) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = traffic.Attack(f, o)
	return errors.Join(err, f.Close())
}

// play runs the real sensor over a capture, into the real bus.
func (t *Tour) play(ctx context.Context, capture string) error {
	program, err := t.s.SensorCommand()
	if err != nil {
		return err
	}
	rules := filepath.Join(t.dir, "antin.rules")
	err = os.WriteFile(rules, traffic.Rules, 0o644)
	if err != nil {
		return err
	}
	args := append([]string{"run", "-r", capture, "-S", rules, "-l", t.dir, "--nats", t.s.BusURL()}, t.s.SensorArgs()...)
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run the sensor: %w: %s", err, out)
	}
	return nil
}

// drill plans, approves and runs a drill, works its case, plays a real attack
// meanwhile, and has the drill scored and reported.
func (t *Tour) drill(ctx context.Context) error {
	began := time.Now()
	id, err := t.startDrill(ctx)
	if err != nil {
		return err
	}
	t.note(began, "drill started", "running", "%s: planned by son.bh (own approval refused), approved by hang.nt", id)
	began = time.Now()
	err = t.workDrill(ctx, id)
	if err != nil {
		return err
	}
	real, _, _, err := t.realAttack(ctx)
	if err != nil {
		return err
	}
	t.note(began, "drill worked", "closed", "its case acknowledged and closed; the real attack meanwhile is case %s, without the exercise mark", real.Case.Number)
	return t.endDrill(ctx, id)
}

func (t *Tour) startDrill(ctx context.Context) (string, error) {
	scenario, err := drill.LibraryFile("ransomware-commune")
	if err != nil {
		return "", err
	}
	planning, err := t.s.As(ctx, "son.bh")
	if err != nil {
		return "", err
	}
	d, err := t.s.Drills.Plan(planning, scenario)
	if err != nil {
		return "", err
	}
	_, err = t.s.Drills.Approve(planning, d.ID)
	err = must(err != nil, "the planner approved their own drill")
	if err != nil {
		return "", err
	}
	approving, err := t.s.As(ctx, "hang.nt")
	if err != nil {
		return "", err
	}
	_, err = t.s.Drills.Approve(approving, d.ID)
	if err != nil {
		return "", err
	}
	_, err = t.s.Drills.Start(planning, d.ID)
	return d.ID, err
}

// drillPatience is how long the scenario's injects and their case may take.
const drillPatience = 90 * time.Second

func (t *Tour) workDrill(ctx context.Context, id string) error {
	watching, err := t.s.As(ctx, "son.bh")
	if err != nil {
		return err
	}
	// A pause in the middle: the exercise clock stands, the packets wait.
	_, err = t.s.Drills.Pause(watching, id)
	if err != nil {
		return err
	}
	err = t.settle(ctx)
	if err != nil {
		return err
	}
	_, err = t.s.Drills.Resume(watching, id)
	if err != nil {
		return err
	}
	analyst, err := t.s.As(ctx, "dung.ht")
	if err != nil {
		return err
	}
	lead, err := t.s.As(ctx, "mai.dn")
	if err != nil {
		return err
	}
	var c incident.Case
	err = t.wait(ctx, drillPatience, "the drill's case", func() (bool, error) {
		page, err := t.s.Incidents.List(analyst, incident.Filter{Exercise: id})
		if err != nil || len(page.Cases) == 0 {
			return false, err
		}
		c = page.Cases[0]
		return true, must(len(page.Cases) == 1 && c.ExerciseID == id, "the drill has %d cases", len(page.Cases))
	})
	if err != nil {
		return err
	}
	_, err = t.s.Incidents.Acknowledge(analyst, c.ID)
	if err != nil {
		return err
	}
	_, err = t.s.Incidents.Assign(lead, c.ID, "dung.ht")
	if err != nil {
		return err
	}
	player, err := t.s.As(ctx, "long.cd")
	if err != nil {
		return err
	}
	err = t.wait(ctx, drillPatience, "the question to the commune", func() (bool, error) {
		asked, err := t.s.Drills.Questions(player)
		if err != nil {
			return false, err
		}
		for _, q := range asked {
			if q.DrillID == id {
				return true, t.s.Drills.Answer(player, id, q.InjectID, "Đã cô lập máy 10.3.9.23, báo Trung tâm Giám sát; dữ liệu hồ sơ một cửa có thể bị ảnh hưởng.")
			}
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	_, err = t.s.Incidents.Close(lead, c.ID, incident.ReasonExercise, "Kết thúc tình huống diễn tập.")
	return err
}

func (t *Tour) endDrill(ctx context.Context, id string) error {
	began := time.Now()
	ending, err := t.s.As(ctx, "son.bh")
	if err != nil {
		return err
	}
	_, err = t.s.Drills.Stop(ending, id)
	if err != nil {
		return err
	}
	measures, err := t.s.Drills.Score(ending, id)
	if err != nil {
		return err
	}
	points, most, times := 0, 0, map[string]string{}
	for _, m := range measures {
		points, most = points+m.Points, most+m.Max
		if m.ToAt != nil {
			times[m.Name] = m.Taken().Round(time.Millisecond).String()
		}
	}
	told, err := json.Marshal(times)
	if err != nil {
		return err
	}
	report, err := t.s.Drills.Report(ending, id)
	if err != nil {
		return err
	}
	path := filepath.Join(t.dir, "dien-tap.pdf")
	err = os.WriteFile(path, report.PDF, 0o644)
	if err != nil {
		return err
	}
	verdict, err := judge(ctx, t.s, path)
	if err != nil {
		return err
	}
	err = must(verdict.Verdict == validate.Passed, "the drill's report is %s", verdict.Verdict)
	if err != nil {
		return err
	}
	t.note(began, "drill scored", fmt.Sprintf("%d of %d points", points, most), "%s; report %s is %s, ledger %d", told, filepath.Base(path), verdict.Verdict, report.LedgerIndex)
	return nil
}

func (t *Tour) wait(ctx context.Context, limit time.Duration, what string, done func() (bool, error)) error {
	until := time.Now().Add(limit)
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		if time.Now().After(until) {
			return must(false, "%s did not come within %s", what, limit)
		}
		err = sleep(ctx, pollEvery)
		if err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
