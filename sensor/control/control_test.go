package control_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/sensor/control"
)

func TestTheSensorAnswersAtItsSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	ctx, log := context.Background(), slog.New(slog.DiscardHandler)
	c := control.NewClient(path)
	_, err := c.Figures(ctx)
	if !errors.Is(err, control.ErrNoSensor) {
		t.Errorf("without a sensor: %v", err)
	}
	gone := make(chan struct{}, 1)
	s, err := control.Listen(path, control.Handlers{
		Figures: func() control.Figures { return control.Figures{Name: "a", Alerts: 3} },
		Top: func(rows int) control.Top {
			return control.Top{Figures: control.Figures{Name: "a"}, Talkers: make([]control.Row, rows)}
		},
		Reload: func() (control.Reload, error) { return control.Reload{}, errors.New("bad rules") },
		Profile: func(ctx context.Context, ask control.ProfileAsk) (control.Profile, error) {
			if ask.Seconds == 0 {
				return control.Profile{Packets: uint64(ask.Rows)}, nil
			}
			<-ctx.Done()
			gone <- struct{}{}
			return control.Profile{Ended: true}, nil
		},
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.Figures(ctx)
	if err != nil || f.Name != "a" || f.Alerts != 3 {
		t.Errorf("%+v, %v", f, err)
	}
	top, err := c.Top(ctx)
	if err != nil || top.Name != "a" || len(top.Talkers) == 0 {
		t.Errorf("%+v, %v", top, err)
	}
	var no *control.RefusedError
	_, err = c.Reload(ctx)
	if !errors.As(err, &no) || no.Reason != "bad rules" {
		t.Errorf("a refused reload: %v", err)
	}
	_, err = c.Rotate(ctx)
	if !errors.As(err, &no) {
		t.Errorf("what the sensor does not do: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	_, err = control.Listen(path, control.Handlers{}, log)
	if !errors.Is(err, control.ErrInUse) {
		t.Errorf("a second sensor: %v", err)
	}
	p, err := c.Profile(ctx, control.ProfileAsk{Rows: 7})
	if err != nil || p.Packets != 7 {
		t.Errorf("%+v, %v", p, err)
	}
	away, leave := context.WithTimeout(ctx, 50*time.Millisecond)
	defer leave()
	_, err = c.Profile(away, control.ProfileAsk{Seconds: 1})
	if err == nil {
		t.Error("an answer to a client that went away")
	}
	<-gone
	ended := make(chan error)
	go func() {
		p, err := c.Profile(ctx, control.ProfileAsk{Seconds: 1})
		if err == nil && !p.Ended {
			err = errors.New("not ended")
		}
		ended <- err
	}()
	time.Sleep(50 * time.Millisecond)
	err = s.Close()
	if err := <-ended; err != nil {
		t.Errorf("a profile at the end of the sensor: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = control.Listen("/"+strings.Repeat("a", 200), control.Handlers{}, log)
	if !errors.Is(err, control.ErrPath) {
		t.Errorf("a long path: %v", err)
	}
}
