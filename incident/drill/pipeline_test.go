package drill_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/incident/drill"
	"github.com/antin-gov/antin/incident/drill/traffic"
	"github.com/antin-gov/antin/incident/ingest"
	"github.com/antin-gov/antin/internal/bus"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// sensorProgram builds the real sensor once for the tests of this process.
type sensorProgram struct {
	once sync.Once
	path string
	err  error
	said []byte
}

var program sensorProgram

func (p *sensorProgram) get(t *testing.T) string {
	t.Helper()
	p.once.Do(func() {
		dir, err := os.MkdirTemp("", "antin-sensor-")
		if err != nil {
			p.err = err
			return
		}
		p.path = filepath.Join(dir, "antin-sensor")
		cmd := exec.Command("go", "build", "-o", p.path, "github.com/antin-gov/antin/cmd/antin-sensor")
		p.said, p.err = cmd.CombinedOutput()
	})
	if p.err != nil {
		t.Fatalf("build the sensor: %v\n%s", p.err, p.said)
	}
	return p.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if program.path != "" {
		_ = os.RemoveAll(filepath.Dir(program.path))
	}
	os.Exit(code)
}

// pipeline is the whole way: bus, sensor process, consumer, cases, drill.
type pipeline struct {
	*rig
	sensor *drill.Sensor
}

func newPipeline(t *testing.T, db *store.DB) *pipeline {
	t.Helper()
	server, err := bus.Start(t.Context(), bus.Options{StoreDir: t.TempDir(), Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	js, err := server.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	p := &pipeline{sensor: &drill.Sensor{
		Path: program.get(t), NATS: "nats://" + server.Addr(), Args: []string{"--name", "drill", "--site", "test"}, Env: os.Environ(),
	}}
	p.rig = newRig(t, db, clock.System{}, p.sensor)
	consumer, err := ingest.New(ingest.Deps{JetStream: js, Taker: p.incidents, Clock: clock.System{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{consumer.Run, p.incidents.Run, p.Run} {
		running.Add(1)
		go func() {
			defer running.Done()
			err := run(ctx)
			if err != nil {
				t.Error(err)
			}
		}()
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	return p
}

func (p *pipeline) cases(t *testing.T, exercise string) []incident.Case {
	t.Helper()
	page, err := p.incidents.List(analyst(t.Context()), incident.Filter{Exercise: exercise})
	if err != nil {
		t.Fatal(err)
	}
	return page.Cases
}

func eventually(t *testing.T, what string, ok func() bool) time.Duration {
	t.Helper()
	from := time.Now()
	for !ok() {
		if time.Since(from) > 30*time.Second {
			t.Fatalf("not within 30 s: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(from)
}

// quick is the ransomware scenario in seconds.
const quick = `
id: quick
title: {vi: "Mã độc tống tiền từ một xã"}
aim: {vi: "Kiểm tra khả năng phát hiện, tiếp nhận và xử lý sự cố mã độc tống tiền."}
scope: {vi: "Trung tâm Giám sát an toàn thông tin và Xã Tân Lập."}
stop_rule: {vi: "Dừng khi có sự cố thật"}
duration: 10m
teams:
  - {id: soc, name: {vi: "Đội giám sát"}, agency: ttgsattt, members: [{account: dung.ht, email: dung.ht@demo.antin.example}]}
  - {id: xa, name: {vi: "Xã"}, agency: xa-tan-lap, members: [{account: long.cd, email: long.cd@demo.antin.example}]}
injects:
  - {id: mail, at: 0s, kind: mail, team: xa, title: {vi: "Thư"}, mail: {subject: "Máy chậm", body: "Nội dung"}}
  - {id: attack, at: 0.2s, kind: packets, team: soc, title: {vi: "Gói tin của cuộc tấn công"}, packets: {victim: 10.3.9.23, steps: []}, expect: {detect: 1m, acknowledge: 1m, close: 2m}}
  - {id: ask, at: 0.4s, kind: question, team: xa, title: {vi: "Câu hỏi"}, question: {vi: "Đã làm gì?"}, expect: {answer: 1m}}
`

func TestADrillGoesTheWholeWayBesideARealAttack(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the sensor")
	}
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		p := newPipeline(t, db)
		d := running(t, p.rig, quick)
		eventually(t, "the exercise case", func() bool { return len(p.cases(t, d.ID)) == 1 })

		// The same attack on the same machine, for real, while the drill runs.
		capture := filepath.Join(t.TempDir(), "real.pcap")
		file, err := os.Create(capture)
		if err != nil {
			t.Fatal(err)
		}
		err = traffic.Attack(file, traffic.Options{Start: time.Now().Add(-traffic.Length), Seed: 99})
		if err != nil {
			t.Fatal(err)
		}
		err = file.Close()
		if err != nil {
			t.Fatal(err)
		}
		replayReal(t, p.sensor, capture)
		took := eventually(t, "the real case", func() bool { return len(p.cases(t, incident.ExerciseNone)) > 0 })
		if took > 5*time.Second {
			t.Errorf("the real case took %s after the last packet", took)
		}

		theCase := p.cases(t, d.ID)[0]
		_, err = p.incidents.Acknowledge(analyst(t.Context()), theCase.ID)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the question", func() bool { q, err := p.Questions(player(t.Context())); return err == nil && len(q) == 1 })
		_, err = p.Pause(planner(t.Context()), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(1200 * time.Millisecond)
		_, err = p.Resume(planner(t.Context()), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Answer(player(t.Context()), d.ID, "ask", "Đã cô lập máy 10.3.9.23")
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.incidents.Close(analyst(t.Context()), theCase.ID, incident.ReasonExercise, "")
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the packets noted as played", func() bool { return board(t, p.rig, d.ID).Injects[1].DoneAt != nil })
		_, err = p.Stop(planner(t.Context()), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		measures, err := p.Score(planner(t.Context()), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		checkByHand(t, p, d.ID, measures)

		if real := p.cases(t, incident.ExerciseNone); len(real) != 1 || real[0].ExerciseID != "" || real[0].State != incident.StateNew {
			t.Errorf("the real queue holds %+v", real)
		}
		if all := p.cases(t, incident.ExerciseAny); len(all) != 1 {
			t.Errorf("%d exercise cases", len(all))
		}
		checkEvidence(t, p, p.cases(t, incident.ExerciseNone)[0].ID)

		made, err := p.Report(planner(t.Context()), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		checkReport(t, made.PDF, d.ID)
		for _, kind := range []string{"drill.plan", "drill.approve", "drill.start", "drill.pause", "drill.resume", "drill.answer", "drill.stop", "drill.score", "drill.report"} {
			if !strings.Contains(p.book.said(), kind) {
				t.Errorf("the ledger lacks %s: %s", kind, p.book.said())
			}
		}
	})
}

// replayReal runs the sensor as it runs every day: without an exercise.
func replayReal(t *testing.T, s *drill.Sensor, capture string) {
	t.Helper()
	dir := t.TempDir()
	rules := filepath.Join(dir, "antin.rules")
	err := os.WriteFile(rules, traffic.Rules, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(s.Path, "run", "-r", capture, "-S", rules, "-l", dir, "--nats", s.NATS, "--name", "real").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// checkByHand does the sums anew, straight from the tables.
func checkByHand(t *testing.T, p *pipeline, id string, measures []drill.Measure) {
	t.Helper()
	at := func(query string, args ...any) time.Time {
		t.Helper()
		var v time.Time
		err := p.db.NewRaw(query, args...).Scan(t.Context(), &v)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return v
	}
	fired := at("SELECT fired_at FROM drill_inject WHERE drill_id = ? AND inject_id = 'attack'", id)
	asked := at("SELECT fired_at FROM drill_inject WHERE drill_id = ? AND inject_id = 'ask'", id)
	answered := at("SELECT answered_at FROM drill_inject WHERE drill_id = ? AND inject_id = 'ask'", id)
	history := func(action string) time.Time {
		return at("SELECT h.at FROM incident_history h JOIN incident_case c ON c.id = h.case_id WHERE c.exercise_id = ? AND h.action = ?", id, action)
	}
	pause := at("SELECT to_at FROM drill_pause WHERE drill_id = ?", id).Sub(at("SELECT from_at FROM drill_pause WHERE drill_id = ?", id))
	want := map[string]time.Duration{
		drill.MeasureDetect:      history("open").Sub(fired),
		drill.MeasureAcknowledge: history("acknowledge").Sub(history("open")),
		drill.MeasureClose:       history("close").Sub(history("open")) - pause,
		drill.MeasureAnswer:      answered.Sub(asked) - pause,
	}
	if len(measures) != len(want) || pause < time.Second {
		t.Fatalf("%d measures, pause %s", len(measures), pause)
	}
	for _, m := range measures {
		if m.Taken() != want[m.Name] || m.Points != 10 {
			t.Errorf("%s: %s with %d points, the rows say %s", m.Name, m.Taken(), m.Points, want[m.Name])
		}
	}
}

// checkEvidence looks at what stands behind the real case.
func checkEvidence(t *testing.T, p *pipeline, id string) {
	t.Helper()
	detail, err := p.incidents.Get(analyst(t.Context()), id)
	if err != nil {
		t.Fatal(err)
	}
	sids := map[int64]bool{}
	packets := 0
	for _, e := range detail.Evidence {
		sids[e.Event.SID] = true
		if !e.Intact || !json.Valid(e.Raw) {
			t.Errorf("evidence %s is not intact", e.Event.ID)
		}
		if len(e.Packet) > 0 {
			packets++
		}
	}
	for sid := int64(9000001); sid <= 9000004; sid++ {
		if !sids[sid] {
			t.Errorf("rule %d has no evidence", sid)
		}
	}
	if packets == 0 || detail.Case.Severity != incident.Critical || detail.Case.Class != "ransomware" || detail.Case.AgencyID != "xa-tan-lap" {
		t.Errorf("%d packets, case %+v", packets, detail.Case)
	}
}

func checkReport(t *testing.T, pdf []byte, id string) {
	t.Helper()
	dir := os.Getenv("ANTIN_TEST_KEEP")
	if dir == "" {
		dir = t.TempDir()
	}
	path := filepath.Join(dir, "drill-report.pdf")
	err := os.WriteFile(path, pdf, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = exec.LookPath("pdftotext")
	if err != nil {
		t.Skip("pdftotext absent")
	}
	out, err := exec.Command("pdftotext", "-layout", path, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(out, []byte("\f")) != 1 {
		t.Errorf("the report has %d pages", bytes.Count(out, []byte("\f")))
	}
	for _, want := range []string{"DIỄN TẬP", id, "Phát hiện", "40/40", "Bùi Hồng Sơn", "TRUNG TÂM GIÁM SÁT"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the report lacks %q:\n%s", want, out)
		}
	}
}

func TestStoppingADrillCutsItsPacketsOff(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		begun := make(chan string, 1)
		r := newRig(t, db, clock.System{}, hanging{begun})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		d := running(t, r, quick)
		select {
		case got := <-begun:
			if got != d.ID {
				t.Errorf("the sensor was told exercise %q", got)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the packets were not played")
		}
		_, err := r.Stop(planner(t.Context()), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the end noted", func() bool { return board(t, r, d.ID).Injects[1].DoneAt != nil })
		if fault := board(t, r, d.ID).Injects[1].Fault; fault == "" {
			t.Error("nothing says that the packets were cut off")
		}
		cancel()
		err = <-done
		if err != nil {
			t.Error(err)
		}
	})
}

// hanging is a sensor that plays until it is stopped.
type hanging struct{ begun chan string }

func (h hanging) Replay(ctx context.Context, _, exercise string) error {
	h.begun <- exercise
	<-ctx.Done()
	return ctx.Err()
}
