// Command clockstep runs the sensor's engine on an interface with a clock that
// is set while it runs: by an hour forward at SIGUSR1, by two hours back at
// SIGUSR2. The machine's own clock is left alone, as others use it. Records go
// to eve.json and to a hub, as those of antin-sensor do.
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/spool"
)

// stepped is the machine's clock with what it was set by.
type stepped struct{ by atomic.Int64 }

func (c *stepped) Now() time.Time { return time.Now().UTC().Add(time.Duration(c.by.Load())) }

// shifted is an interface whose frames carry that clock's time.
type shifted struct {
	*capture.Live
	clock *stepped
}

func (s *shifted) Next(f *capture.Frame) error {
	err := s.Live.Next(f)
	f.Time = f.Time.Add(time.Duration(s.clock.by.Load()))
	return err
}

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	err := run(log)
	if err != nil {
		log.Error("clockstep", "error", err)
		os.Exit(3)
	}
}

func run(log *slog.Logger) error {
	iface := flag.String("i", "", "interface")
	dir := flag.String("l", ".", "folder of eve.json and the spool")
	hub := output.HubConfig{Sensor: "sensor-demo", Site: "metronet", Logger: log}
	flag.StringVar(&hub.URL, "nats", "", "hub")
	flag.StringVar(&hub.CertFile, "tls-cert", "", "certificate")
	flag.StringVar(&hub.KeyFile, "tls-key", "", "key")
	flag.StringVar(&hub.CAFile, "tls-ca", "", "authority")
	flag.Parse()
	file, err := output.OpenFile(filepath.Join(*dir, "eve.json"))
	if err != nil {
		return err
	}
	key, err := spool.LoadKey(filepath.Join(*dir, "spool.key"))
	if err != nil {
		return err
	}
	hub.Spool = spool.Options{Dir: filepath.Join(*dir, "spool"), Key: key, Logger: log}
	sink, err := output.OpenHub(hub)
	if err != nil {
		return err
	}
	clock := &stepped{}
	e, err := sensor.New(sensor.Config{
		Identity: eve.Identity{Host: hub.Sensor}, Clock: clock, Logger: log, Checksums: sensor.ChecksumNone,
		Sinks: []output.Sink{file, sink}, Health: sensor.Health{Spool: sink.Spool, Connected: sink.Connected},
	})
	if err != nil {
		return err
	}
	lives, err := capture.OpenLive(capture.LiveOptions{Interface: *iface})
	if err != nil {
		return err
	}
	err = capture.Start(lives)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	steps := make(chan os.Signal, 1)
	signal.Notify(steps, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range steps {
			by := time.Hour
			if s == syscall.SIGUSR2 {
				by = -2 * time.Hour
			}
			clock.by.Add(int64(by))
		}
	}()
	err = e.RunLive(ctx, []sensor.LiveSource{&shifted{lives[0], clock}}, func() { log.Info("capturing") })
	over, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return errors.Join(err, file.Close(over), sink.Close(over))
}
