package sensor

import (
	"fmt"
	"log/slog"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/proto/http1"
	"github.com/antin-gov/antin/sensor/proto/tls"
	"github.com/antin-gov/antin/sensor/rules"
	"github.com/antin-gov/antin/sensor/stream"
)

// levelPanic is the log level of a contained panic: it is our mistake.
const levelPanic = slog.LevelError

func panicAttrs(app string, value any) []slog.Attr {
	return []slog.Attr{slog.String("app_proto", app), slog.String("panic", fmt.Sprint(value))}
}

// app is the application protocol of a conversation.
type app uint8

const (
	appUnknown app = iota
	appFailed
	appDNS
	appTLS
	appHTTP
	// appOther has a parser of its own: the conversation's other.
	appOther
)

// Names of the protocols, as EVE and the rules have them.
const (
	nameDNS  = "dns"
	nameTLS  = "tls"
	nameHTTP = "http"

	nameFTPData = "ftp-data"
	// nameDoH is HTTP/2 that carries DNS.
	nameHTTP2 = "http2"
	nameDoH   = "doh2"
)

// maxProbe is how much of a direction is kept while its protocol is not
// known.
const maxProbe = 8 << 10

// conversation is what the worker keeps with a flow. It is the handler of the
// flow's stream and of its HTTP parser.
type conversation struct {
	w *worker
	f *flow.Flow
	// home is the memory that it is in.
	home *seat
	tcp  stream.Conn
	app  app
	// flipped is true when the flow's ends were exchanged after the stream's
	// directions had been numbered.
	flipped bool
	// deep has the directions that have told that they reached the depth.
	deep [2]bool
	// judged is true when the server's word on a log-in was seen.
	judged bool
	// dead is true after a panic: the flow is only counted from then on.
	dead bool
	// orig is the protocol that the conversation began with, when it has
	// changed.
	orig    string
	alerted bool

	probe  [2][]byte
	failed [2]bool
	// finding is how the protocol was found; compareFrom is the side whose
	// first words are still to be compared with it.
	finding     finding
	compareFrom int
	// first is how each direction began.
	first [2][4]byte

	http     *httpSide
	tls      *tls.Conn
	tlsDone  bool
	tlsQuiet [2]bool
	dnsIn    [2]dns.Stream
	asked    []dnsAsked
	tx       uint64
	// transactions is how many the records of the flow have numbered.
	transactions uint64

	other     proto.Parser
	otherName string
	// candidate is the entry of protocols that other was made by.
	candidate int
	quiet     [2]bool

	rules rules.FlowState
	size  [2]sequence
	tag   *tagged
	// keep is what is still to be kept of the packets.
	keep *keeping
	// chosen is which files to come are kept; nil chooses none.
	chosen *chosen
	// watch and records look for events, when rules ask for them.
	watch   *stream.Watch
	records *[2]tlsRecords
	// events numbers what was noticed outside transactions; noticed says that
	// the parser named what it refuses, anomalies counts the records.
	events    uint64
	noticed   bool
	anomalies int
	// windows are what rules see of the streams; nil until they do.
	windows *[2]window
	// told are the bytes that the detectors know of.
	told [2]uint64
}

// httpSide is what is kept of a conversation that speaks HTTP.
type httpSide struct {
	*http1.Conn
	// files are those that ended before their message was inspected, odd the
	// events of halves that were not inspected yet.
	files [2][]*files.File
	odd   [2][]string
	// warnings counts the events; badSettings is true of a request to go on as
	// HTTP/2 whose settings cannot be read.
	warnings    int
	badSettings bool
	// becomes is the protocol that was agreed to go on as, asked what was asked
	// by it in HTTP/1.
	becomes string
	asked   *http1.Tx
}

// guard runs a parser; a panic ends the parsing of this flow alone.
func (c *conversation) guard(run func()) {
	if c.dead {
		return
	}
	defer c.contain()
	run()
}

// contain is deferred around a parser.
func (c *conversation) contain() {
	if r := recover(); r != nil {
		c.dead = true
		c.w.logPanic(c.appName(), r)
		c.w.tallyApp(c, AppCounts{Panics: 1})
	}
}

// segment gives a TCP segment to the flow's stream, guarded.
func (c *conversation) segment(raw int, dir flow.Direction, p *decode.Packet) {
	if c.dead {
		return
	}
	defer c.contain()
	was := c.f.Swapped()
	c.w.asm.Segment(&c.tcp, raw, p, c)
	if c.f.Swapped() != was {
		dir = dir.Reverse()
	}
	c.streamTurn(int(dir), p)
}

func (c *conversation) appName() string {
	switch c.app {
	case appFailed:
		if c.http != nil {
			// Something unknown in a tunnel that HTTP opened.
			return nameHTTP
		}
		return "failed"
	case appDNS:
		return nameDNS
	case appTLS:
		return nameTLS
	case appHTTP:
		return nameHTTP
	case appOther:
		return c.otherName
	}
	return ""
}

// tallied is the protocol as an onlooker sees it: that of the flow, or else
// what carries it.
func (c *conversation) tallied() string {
	name := c.appName()
	if name != "" && name != "failed" {
		return name
	}
	switch c.f.Proto {
	case decode.ProtoTCP:
		return "tcp, other"
	case decode.ProtoUDP:
		return "udp, other"
	}
	return "other"
}

// ruleApp is the protocol as rules name it, empty when not known.
func (c *conversation) ruleApp() string {
	if c.app == appFailed && c.http == nil {
		return ""
	}
	return c.appName()
}

// header is the beginning of a record about this flow, addressed in the given
// direction.
func (c *conversation) header(kind string, dir flow.Direction) eve.Header {
	f := c.f
	h := eve.Header{
		Time: f.Last, FlowID: f.ID, Interface: c.w.iface, PcapFile: c.w.file, Type: kind,
		VLANs: f.VLANs[:f.VLANLen], Src: f.Client, Dst: f.Server, Proto: f.Proto,
		ICMPType: f.ICMPType, ICMPCode: f.ICMPCode, CommunityID: f.CommunityID(),
		PacketSource: eve.SourceTimeout,
	}
	if dir == flow.ToClient {
		h.Src, h.Dst = h.Dst, h.Src
	}
	if p := c.w.cur; p != nil {
		h.Time, h.PacketSource = p.Time, source(p)
		if c.w.iface == "" {
			h.PcapCount = p.Number
		}
	}
	c.remembered(&h)
	return h
}

// remembered tells what rules remember of the flow. The lists are good until the
// worker's next header.
func (c *conversation) remembered(h *eve.Header) {
	w := c.w
	if w.rules == nil {
		return
	}
	w.bits, w.ints = w.rules.Remembered(&c.rules, w.bits[:0], w.ints[:0])
	h.Flowbits, h.Flowints = w.bits, w.ints
}

// recordNetflow records what each direction carried.
func (c *conversation) recordNetflow() {
	for _, dir := range [...]flow.Direction{flow.ToServer, flow.ToClient} {
		if c.f.Count[dir].Packets == 0 {
			continue
		}
		h := c.header(kindNetflow, dir)
		h.AppProto, h.PacketSource = c.appName(), ""
		if dir == flow.ToClient {
			h.ICMPType, h.ICMPCode = c.f.ReplyType, c.f.ReplyCode
		}
		c.w.emit(h.Type, c.w.eve.Netflow(&h, c.f, dir, c.transactions))
	}
}

// Data takes reassembled bytes. It implements stream.Handler.
func (c *conversation) Data(raw int, b []byte) {
	dir := raw
	if c.flipped {
		dir = 1 - raw
	}
	c.feed(dir, b)
	if c.flipped {
		dir = 1 - raw
	}
	c.streamData(dir, b)
}

// Gap implements stream.Handler.
func (c *conversation) Gap(raw int, n int) {
	dir := raw
	if c.flipped {
		dir = 1 - raw
	}
	c.inspectStream(dir)
	if c.w.rules != nil {
		c.window(dir).gap(n)
	}
	switch c.app {
	case appUnknown:
		c.failed[dir], c.probe[dir], c.finding.lost = true, nil, true
	case appHTTP:
		c.http.Gap(dir, n)
	case appTLS:
		c.tls.Gap(dir)
		c.tlsQuiet[dir] = true
	case appOther:
		c.other.Gap(dir, n)
	case appDNS:
		// Where the next message starts cannot be known.
		c.app = appFailed
	}
}

// feed gives bytes to the protocol's parser, or finds out which it is.
func (c *conversation) feed(dir int, b []byte) {
	if dir == 0 && c.w.e.cfg.Detectors != nil {
		c.secrets(b)
	}
	if c.finding.compare && dir == c.compareFrom {
		c.compareSides(dir, b)
	}
	switch c.app {
	case appUnknown:
		c.detect(dir, b)
	case appHTTP:
		c.noticed = false
		c.parsed("http", c.http.Feed(dir, b))
	case appTLS:
		c.feedTLS(dir, b)
	case appOther:
		c.feedOther(dir, b)
	case appDNS:
		c.dnsIn[dir].Feed(b, func(msg []byte) { c.dnsMessage(dir, msg) })
	}
}

// parsed notes a parser's refusal.
func (c *conversation) parsed(layer string, err error) {
	if err == nil {
		return
	}
	c.w.packets.errs++
	c.w.tallyApp(c, AppCounts{Errors: 1})
	if c.w.e.cfg.NoAnomalies || c.noticed {
		return
	}
	h := c.header(kindAnomaly, flow.ToServer)
	h.AppProto = c.appName()
	c.w.emit(h.Type, c.w.eve.Anomaly(&h, "applayer", "malformed_"+layer, "proto_parser"))
}

// end is called when the flow is over.
func (c *conversation) end() {
	c.w.asm.Close(&c.tcp, c)
	c.inspectStream(0)
	c.inspectStream(1)
	if c.http != nil {
		c.http.Close()
	}
	if c.other != nil {
		c.other.Close()
	}
	c.recordTLS()
}
