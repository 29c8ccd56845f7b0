package drill

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/antin-gov/antin/incident/drill/traffic"
)

// replayLimit bounds one run of the sensor over a capture of seconds.
const replayLimit = 2 * time.Minute

// maxFault limits what is kept of a child's last words.
const maxFault = 2000

// Sensor runs the real sensor program over a capture, as a child process.
type Sensor struct {
	// Path is the program antin-sensor.
	Path string
	// NATS is the URL of the bus.
	NATS string
	// Args are further arguments: credentials, site, name.
	Args []string
	// Env is the child's environment; secrets go here, not into Args.
	Env []string
}

// Replay implements Replayer. The rules are those of the composed attacks.
func (s *Sensor) Replay(ctx context.Context, capture, exerciseID string) error {
	ctx, cancel := context.WithTimeout(ctx, replayLimit)
	defer cancel()
	dir, err := os.MkdirTemp(filepath.Dir(capture), "sensor-")
	if err != nil {
		return fmt.Errorf("make the sensor's folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // nothing but a copy of what was sent
	rules := filepath.Join(dir, "antin.rules")
	err = os.WriteFile(rules, traffic.Rules, 0o600)
	if err != nil {
		return fmt.Errorf("write the sensor's rules: %w", err)
	}
	args := append([]string{"run", "-r", capture, "-S", rules, "-l", dir, "--exercise", exerciseID}, s.Args...)
	if s.NATS != "" {
		args = append(args, "--nats", s.NATS)
	}
	cmd := exec.CommandContext(ctx, s.Path, args...)
	cmd.Env = s.Env
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	if err != nil {
		said := bytes.TrimSpace(out.Bytes())
		return fmt.Errorf("run the sensor: %w: %s", err, said[max(0, len(said)-maxFault):])
	}
	return nil
}

// play composes the inject's capture and lets the sensor read it, beside the
// schedule.
func (s *Service) play(ctx context.Context, d *Drill, in *Inject) {
	ctx, cancel := context.WithCancel(ctx)
	key := d.ID + "/" + in.ID
	s.mu.Lock()
	s.playing[key] = cancel
	s.mu.Unlock()
	s.workers.Add(1)
	go func() {
		defer s.workers.Done()
		err := s.compose(ctx, d, in)
		cancel()
		s.mu.Lock()
		delete(s.playing, key)
		s.mu.Unlock()
		// What ended must be noted also when the program is being stopped; an
		// interrupted inject keeps its claim and is played again after the lease.
		if errors.Is(err, context.Canceled) && !s.ended(context.WithoutCancel(ctx), d.ID) {
			return
		}
		s.played(context.WithoutCancel(ctx), d.ID, in.ID, err)
	}()
}

func (s *Service) compose(ctx context.Context, d *Drill, in *Inject) error {
	file, err := os.CreateTemp(s.d.WorkDir, "drill-*.pcap")
	if err != nil {
		return fmt.Errorf("make a capture: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // it can be composed again
	seed := sha256.Sum256([]byte(d.ID + "/" + in.ID))
	err = traffic.Attack(file, traffic.Options{
		Start: s.now().Add(-traffic.Length), Victim: in.Packets.Victim, Steps: in.Packets.Steps,
		Seed: binary.BigEndian.Uint64(seed[:]),
	})
	err = errors.Join(err, file.Close())
	if err != nil {
		return fmt.Errorf("compose a capture: %w", err)
	}
	err = s.d.Sensor.Replay(ctx, file.Name(), d.ID)
	if ctx.Err() != nil {
		return context.Canceled
	}
	return err
}

func (s *Service) ended(ctx context.Context, id string) bool {
	d, err := s.read(ctx, s.d.DB, id)
	return err == nil && d.Over()
}

// played notes how the packets went.
func (s *Service) played(ctx context.Context, drillID, injectID string, cause error) {
	fault := ""
	if cause != nil {
		fault = cause.Error()
		s.d.Logger.ErrorContext(ctx, "playing packets failed", "drill", drillID, "inject", injectID, "error", cause)
	}
	_, err := s.d.DB.NewUpdate().Model((*Happening)(nil)).Set("done_at = ?", s.now()).Set("fault = ?", fault).
		Where("drill_id = ? AND inject_id = ?", drillID, injectID).Exec(ctx)
	if err != nil {
		s.d.Logger.ErrorContext(ctx, "noting played packets failed", "drill", drillID, "inject", injectID, "error", err)
	}
}

// cut stops the packets of a drill.
func (s *Service) cut(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, cancel := range s.playing {
		if len(key) > len(id) && key[:len(id)+1] == id+"/" {
			cancel()
		}
	}
}

// cutEnded stops the packets of drills that another process ended.
func (s *Service) cutEnded(ctx context.Context) error {
	s.mu.Lock()
	busy := len(s.playing) > 0
	s.mu.Unlock()
	if !busy {
		return nil
	}
	var ids []string
	err := s.d.DB.NewSelect().Model((*Drill)(nil)).Column("id").Where("state = ?", StateStopped).Scan(ctx, &ids)
	if err != nil {
		return fmt.Errorf("find stopped drills: %w", err)
	}
	for _, id := range ids {
		s.cut(id)
	}
	return nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
