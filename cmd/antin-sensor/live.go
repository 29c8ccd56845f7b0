package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/privilege"
)

// open opens the captures, makes the folders that records go to, and then
// gives up what only that needed. Nothing else of the run is privileged.
func (f *runFlags) open(s *settings, log *slog.Logger) error {
	f.hangups = make(chan os.Signal, 1)
	signal.Notify(f.hangups, syscall.SIGHUP, syscall.SIGUSR1)
	// A second thread, so that loading rules and collecting garbage do not hold
	// the capture up where the sensor has one core.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 2))
	c := &s.Capture
	names := slices.Compact(slices.Sorted(slices.Values(f.interfaces)))
	for _, name := range names {
		lives, err := capture.OpenLive(capture.LiveOptions{
			Interface: name, Workers: c.Workers, Blocks: c.RingMB, Filter: f.filter,
			NoPromiscuous: c.Promiscuous != nil && !*c.Promiscuous, HardwareTime: c.HardwareTime, SnapLen: c.SnapLen,
		})
		if err != nil {
			return err
		}
		f.lives = append(f.lives, lives)
	}
	f.interfaces = names
	err := makeFolders(s)
	if err != nil {
		return err
	}
	held, err := privilege.Drop(privilege.Options{
		User: s.Privileges.User, NoSeccomp: s.Privileges.Seccomp != nil && !*s.Privileges.Seccomp,
	})
	if err != nil {
		return err
	}
	log.Info("privileges dropped", "uid", held.UID, "gid", held.GID, "capabilities", "none", "seccomp", held.Filtered)
	if held.UID == 0 {
		log.Warn("the sensor stays root without capabilities: name another with --user or privileges.user")
	}
	return nil
}

// makeFolders makes the folders of the records while the sensor still may, for
// the user that it becomes.
func makeFolders(s *settings) error {
	uid, gid := -1, -1
	if s.Privileges.User != "" {
		a, err := privilege.Lookup(s.Privileges.User)
		if err != nil {
			return err
		}
		uid, gid = a.UID, a.GID
	}
	for _, dir := range []string{s.Output.Dir, s.Output.NATS.Spool.Dir, s.Packets.Dir, s.Output.Files.Dir} {
		err := makeFolder(dir, uid, gid)
		if err != nil {
			return err
		}
	}
	return nil
}

func makeFolder(dir string, uid, gid int) error {
	if dir == "" {
		return nil
	}
	_, err := os.Stat(dir)
	if err == nil {
		return nil
	}
	err = os.MkdirAll(filepath.Dir(dir), 0o755)
	if err == nil {
		err = os.Mkdir(dir, 0o750)
	}
	if err == nil && uid >= 0 {
		err = os.Chown(dir, uid, gid)
	}
	if err != nil {
		return fmt.Errorf("make the folder of records: %w", err)
	}
	return nil
}

// closeUnused closes captures that never came to run.
func (f *runFlags) closeUnused() {
	for _, lives := range f.lives {
		capture.CloseAll(lives)
	}
	f.lives = nil
}

func (f *runFlags) captureLive(ctx context.Context, e *sensor.Engine, log *slog.Logger) error {
	var sources []sensor.LiveSource
	for _, lives := range f.lives {
		err := capture.Start(lives)
		if err != nil {
			return err
		}
		for _, l := range lives {
			sources = append(sources, l)
		}
	}
	f.lives = nil
	ready := func() { log.Info("capturing", "interfaces", f.interfaces, "workers", len(sources)) }
	return e.RunLive(ctx, sources, ready)
}
