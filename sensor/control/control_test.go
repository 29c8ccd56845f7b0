package control_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	s, err := control.Listen(path, control.Handlers{
		Figures: func() control.Figures { return control.Figures{Name: "a", Alerts: 3} },
		Top: func(rows int) control.Top {
			return control.Top{Figures: control.Figures{Name: "a"}, Talkers: make([]control.Row, rows)}
		},
		Reload: func() (control.Reload, error) { return control.Reload{}, errors.New("bad rules") },
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
	err = s.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, err = control.Listen("/"+strings.Repeat("a", 200), control.Handlers{}, log)
	if !errors.Is(err, control.ErrPath) {
		t.Errorf("a long path: %v", err)
	}
}
