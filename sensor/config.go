// Package sensor ties the parts of the network sensor together: packets come
// from sensor/capture, are decoded (decode), counted into flows (flow), put in
// order (stream), read by protocol (proto/…), judged by rules (rules) and
// judged by behaviour (detect), looked up among indicators (ioc) and recorded as EVE (eve) to its sinks (output).
//
// It is passive and bounded: every table has a limit, everything given up is
// counted by cause, and a parser's panic ends the parser of one flow, nothing
// else. The figures balance: received = processed + dropped + invalid.
package sensor

import (
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/detect"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/hostos"
	"github.com/antin-gov/antin/sensor/ioc"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/rules"
)

// ChecksumPolicy says whether packets with wrong checksums are used.
type ChecksumPolicy string

// The policies. Auto looks at the beginning of a file: a machine that captures
// its own traffic records checksums that its network card has yet to fill in,
// and then nothing can be judged by them.
const (
	ChecksumAuto ChecksumPolicy = "auto"
	ChecksumAll  ChecksumPolicy = "all"
	ChecksumNone ChecksumPolicy = "none"
)

// Config holds what an engine works with.
type Config struct {
	// Identity stands on every record.
	Identity eve.Identity
	// Sinks take the records; at least one.
	Sinks []output.Sink
	// Rules judges traffic; nil runs without rules. Engine.Reload takes others
	// over.
	Rules *rules.Engine
	// Detectors judge behaviour; nil judges none.
	Detectors *detect.Engine
	// Indicators are looked up in what is seen; nil looks nothing up.
	Indicators *ioc.Live
	Clock      clock.Clock
	// Logger is for what an operator must know; nil is silent.
	Logger *slog.Logger
	// Checksums is ChecksumAuto when empty.
	Checksums ChecksumPolicy
	// FlowLimit bounds the flow table; zero is flow.DefaultLimit.
	FlowLimit int
	// StreamDepth bounds reassembly of one direction; zero is
	// stream.DefaultDepth.
	StreamDepth int
	// Hosts are the operating systems of receivers, which decide what is read of
	// bytes that are sent twice; nil takes all for BSD.
	Hosts *hostos.Table
	// Files keeps what is transferred; nil keeps nothing. With FilesChosen only
	// what rules choose by filestore is kept.
	Files       *files.Store
	FilesChosen bool
	// RangeMemory and RangeTimeout bound the files that are put together of their
	// parts: files.DefaultRangeMemory and files.DefaultRangeTimeout when zero.
	RangeMemory  int64
	RangeTimeout time.Duration
	// NoHASSH writes the record of an SSH connection as soon as both banners are
	// known, without the fingerprints of the key exchange.
	NoHASSH bool
	// NoMidstream leaves TCP connections of which the beginning was not seen to
	// the packet rules, as Suricata does unless told otherwise.
	NoMidstream bool
	// Types are the event types that are written; nil writes all. What nobody
	// asks for is not made either: with nothing that looks into protocols,
	// conversations are only told apart by their protocol.
	Types []string
	// Netflow records each direction of a flow by itself as well; a list of Types
	// that names netflow does too.
	Netflow bool
	// NoEvidence leaves payload and packet out of alerts.
	NoEvidence bool
	// NoAnomalies leaves anomaly records out; they are still counted.
	NoAnomalies bool
	// HeaderAnomalies records what is odd about packet headers and TCP
	// connections as well: much, on most networks.
	HeaderAnomalies bool
	// Health is what a live sensor tells of itself.
	Health Health
	// Packets say which packets are kept in capture files.
	Packets Packets
	// Stdin is what the file named Stdin reads; nil is none.
	Stdin io.Reader
	// Filter says which frames of files are taken; nil takes all. Live sources
	// have their own.
	Filter capture.Program
	// Progress, when set, is told how far the files are read.
	Progress func(Progress)
}

// Progress is how far a run over files has come.
type Progress struct {
	File             string
	FilesDone, Files int
	BytesDone, Bytes int64
	Packets          uint64
}

// Errors of the constructor.
var (
	ErrConfig = errors.New("sensor: configuration incomplete")
	// ErrInput means that no input could be read at all.
	ErrInput = errors.New("sensor: nothing to read")
)
