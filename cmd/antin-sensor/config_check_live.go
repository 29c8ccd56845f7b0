package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/capture/pcapfilter"
	"github.com/antin-gov/antin/sensor/control"
	"github.com/antin-gov/antin/sensor/privilege"
)

// Limits of what a configuration may ask of a live sensor.
const (
	maxWorkers = 256
	// maxRingMB is what one ring of the kernel can have.
	maxRingMB   = 4096
	leastRotate = time.Minute
)

// judgeLive looks at what concerns live capture and its files.
func (c *checker) judgeLive(s *settings) {
	p := &s.Capture
	_, err := pcapfilter.New(p.Filter, true)
	if err != nil {
		c.at("capture.filter", "try it with tcpdump -d", "%v", err)
	}
	c.within("capture.workers", int64(p.Workers), maxWorkers)
	c.within("capture.ring_mb", int64(p.RingMB), maxRingMB)
	if p.SnapLen != 0 && (p.SnapLen < capture.MinSnapLen || p.SnapLen > capture.MaxFrame) {
		c.at("capture.snaplen", "leave it out to take whole packets", "%d is not from %d to %d", p.SnapLen, capture.MinSnapLen, capture.MaxFrame)
	}
	if s.Privileges.User != "" {
		_, err = privilege.Lookup(s.Privileges.User)
		if err != nil {
			c.at("privileges.user", "name a user of this machine that is not root", "%v", err)
		}
	}
	if s.Control != "" && s.Control != noControl {
		err = control.CheckPath(s.Control)
		if err != nil {
			c.at("control", "name a shorter path, such as "+usualSocket, "%v", err)
		} else if filepath.Dir(s.Control) != filepath.Clean(s.Output.Dir) {
			// The sensor makes the folder of its records itself.
			c.folder("control", filepath.Dir(s.Control))
		}
	}
	c.judgeFiles(s)
	k := &s.Packets
	c.within("packets.file_mb", k.FileMB, 1<<20)
	c.within("packets.keep", int64(k.Keep), 1<<20)
	c.within("packets.before_mb", int64(k.BeforeMB), maxRingMB)
	c.within("packets.after_packets", int64(k.AfterPackets), 1<<30)
	if k.Dir == "" && c.lines["packets"] > 0 {
		c.at("packets", "give packets.dir, or leave it out", "has no folder to keep packets in")
	}
}

// judgeFiles looks at what becomes of records beside the hub.
func (c *checker) judgeFiles(s *settings) {
	for _, kind := range s.Output.Types {
		if !slices.Contains(sensor.EventTypes(), kind) {
			c.at("output.types", "write of: "+strings.Join(sensor.EventTypes(), " "), "%q is no event type", kind)
		}
	}
	r := &s.Output.Rotate
	c.within("output.rotate.size_mb", r.SizeMB, 1<<20)
	c.within("output.rotate.keep", int64(r.Keep), 1<<20)
	if r.Every != 0 && r.Every < leastRotate {
		c.at("output.rotate.every", "give at least 1m", "%v is too short", r.Every)
	}
	if (r.Keep > 0 || r.Compress) && r.SizeMB == 0 && r.Every == 0 {
		c.at("output.rotate", "give size_mb or every", "says what becomes of old files, and not when a file is old")
	}
	c.judgeStore(s)
	switch s.Output.Socket.Type {
	case "", "stream", "dgram":
	default:
		c.at("output.socket.type", "write stream or dgram", "%q is no type of socket", s.Output.Socket.Type)
	}
	if s.Output.Socket.Type != "" && s.Output.Socket.Path == "" {
		c.at("output.socket", "give the path at which the reader listens", "has no path")
	}
}

// judgeStore looks at which files are kept.
func (c *checker) judgeStore(s *settings) {
	f := &s.Output.Files
	c.within("output.files.file_mb", f.FileMB, 1<<20)
	c.within("output.files.total_mb", f.TotalMB, 1<<30)
	c.within("ranges.memory_mb", s.Ranges.MemoryMB, maxRingMB)
	if s.Ranges.Timeout < 0 {
		c.at("ranges.timeout", "leave it out for the default", "%v is less than nothing", s.Ranges.Timeout)
	}
	switch f.Keep {
	case "", keepAll, keepRules:
	default:
		c.at("output.files.keep", "write all or rules", "%q says nothing of which files are kept", f.Keep)
	}
	if f.Dir == "" && c.lines["output.files"] > 0 {
		c.at("output.files", "give output.files.dir, or leave it out", "has no folder to keep files in")
	}
}

// within tells of a number that is below zero or too large; zero is the
// default.
func (c *checker) within(key string, n, most int64) {
	if n < 0 || n > most {
		c.at(key, "leave it out for the default", "%d is not from 1 to %d", n, most)
	}
}

// folder tells of a folder that is not there.
func (c *checker) folder(key, dir string) {
	info, err := os.Stat(dir)
	if err != nil {
		c.at(key, "make the folder, for the sensor's user", "%v", err)
	} else if !info.IsDir() {
		c.at(key, "name a folder", "%s is none", dir)
	}
}
