package sensor

import (
	"net/netip"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/dcerpc"
	"github.com/antin-gov/antin/sensor/proto/dhcp"
	"github.com/antin-gov/antin/sensor/proto/dnp3"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/proto/ftp"
	"github.com/antin-gov/antin/sensor/proto/http2"
	"github.com/antin-gov/antin/sensor/proto/imap"
	"github.com/antin-gov/antin/sensor/proto/krb5"
	"github.com/antin-gov/antin/sensor/proto/ldap"
	"github.com/antin-gov/antin/sensor/proto/mdns"
	"github.com/antin-gov/antin/sensor/proto/modbus"
	"github.com/antin-gov/antin/sensor/proto/mqtt"
	"github.com/antin-gov/antin/sensor/proto/mysql"
	"github.com/antin-gov/antin/sensor/proto/named"
	"github.com/antin-gov/antin/sensor/proto/ntp"
	"github.com/antin-gov/antin/sensor/proto/pgsql"
	"github.com/antin-gov/antin/sensor/proto/pop3"
	"github.com/antin-gov/antin/sensor/proto/quic"
	"github.com/antin-gov/antin/sensor/proto/rdp"
	"github.com/antin-gov/antin/sensor/proto/sip"
	"github.com/antin-gov/antin/sensor/proto/smb"
	"github.com/antin-gov/antin/sensor/proto/smtp"
	"github.com/antin-gov/antin/sensor/proto/snmp"
	"github.com/antin-gov/antin/sensor/proto/socks"
	"github.com/antin-gov/antin/sensor/proto/ssh"
	"github.com/antin-gov/antin/sensor/proto/tftp"
	"github.com/antin-gov/antin/sensor/proto/xmpp"
)

// protocol is how a protocol is found and read. The probes judge the first
// bytes of a direction: yes, no, or more are needed.
type protocol struct {
	// name is the protocol as EVE and the rules have it.
	name   string
	stream func(dir int, b []byte, h proto.Hint) (yes, more bool)
	packet func(dir int, b []byte, h proto.Hint) bool
	open   func(*conversation) proto.Parser
}

// protocols are tried in their order: those with the surest mark first.
var protocols = [...]protocol{
	{name: "ssh", stream: ssh.Probe, open: func(c *conversation) proto.Parser { return ssh.New(host{c}, !c.w.e.cfg.NoHASSH) }},
	{name: "ftp", stream: ftp.Probe, open: func(c *conversation) proto.Parser { return ftp.New(host{c}) }},
	{name: "mqtt", stream: mqtt.Probe, open: func(c *conversation) proto.Parser { return mqtt.New(host{c}) }},
	{name: "smtp", stream: smtp.Probe, open: mail},
	{name: "sip", stream: sip.Probe, open: func(c *conversation) proto.Parser { return sip.NewStream(host{c}) }},
	{name: "sip", packet: sip.ProbePacket, open: func(c *conversation) proto.Parser { return sip.New(host{c}) }},
	{name: "mdns", packet: mdns.Probe, open: func(c *conversation) proto.Parser { return mdns.New(host{c}) }},
	{name: "dhcp", packet: dhcp.Probe, open: func(c *conversation) proto.Parser { return dhcp.New(host{c}) }},
	{name: "snmp", packet: snmp.Probe, open: func(c *conversation) proto.Parser { return snmp.New(host{c}) }},
	{name: "krb5", stream: krb5.Probe, open: func(c *conversation) proto.Parser { return krb5.NewStream(host{c}) }},
	{name: "http2", stream: http2.Probe, open: upgraded},
	{name: "pop3", stream: pop3.Probe, open: func(c *conversation) proto.Parser { return pop3.New(host{c}) }},
	{name: "imap", stream: imap.Probe, open: func(c *conversation) proto.Parser { return imap.New(host{c}) }},
	{name: "rfb", stream: named.RFB, open: silent},
	{name: "rdp", stream: rdp.Probe, open: func(c *conversation) proto.Parser { return rdp.New(host{c}) }},
	{name: "smb", stream: smb.Probe, open: func(c *conversation) proto.Parser { return smb.New(host{c}) }},
	{name: "dcerpc", stream: dcerpc.Probe, open: func(c *conversation) proto.Parser { return dcerpc.New(host{c}) }},
	{name: "dnp3", stream: dnp3.Probe, open: func(c *conversation) proto.Parser { return dnp3.New(host{c}) }},
	{name: "dnp3", packet: dnp3.ProbePacket, open: func(c *conversation) proto.Parser { return dnp3.NewPackets(host{c}) }},
	{name: "ldap", stream: ldap.Probe, open: func(c *conversation) proto.Parser { return ldap.NewStream(host{c}) }},
	{name: "modbus", stream: modbus.Probe, open: func(c *conversation) proto.Parser { return modbus.New(host{c}) }},
	{name: "mysql", stream: mysql.Probe, open: func(c *conversation) proto.Parser { return mysql.New(host{c}) }},
	{name: "pgsql", stream: pgsql.Probe, open: func(c *conversation) proto.Parser { return pgsql.New(host{c}) }},
	{name: "xmpp", stream: xmpp.Probe, open: func(c *conversation) proto.Parser { return xmpp.New(host{c}) }},
	{name: "socks", stream: socks.Probe, open: func(c *conversation) proto.Parser { return socks.New(host{c}) }},
	{name: "quic", packet: quic.Probe, open: func(c *conversation) proto.Parser { return quic.New(host{c}) }},
	{name: "krb5", packet: krb5.ProbePacket, open: func(c *conversation) proto.Parser { return krb5.New(host{c}) }},
	{name: "ldap", packet: ldap.ProbePacket, open: func(c *conversation) proto.Parser { return ldap.New(host{c}) }},
	{name: "tftp", packet: tftp.Probe, open: func(c *conversation) proto.Parser { return tftp.New(host{c}) }},
	{name: "dcerpc", packet: dcerpc.ProbePacket, open: func(c *conversation) proto.Parser { return dcerpc.NewPackets(host{c}) }},
	{name: "ntp", packet: ntp.Probe, open: func(c *conversation) proto.Parser { return ntp.New(host{c}) }},
}

// mail opens SMTP, which must know whether the server has greeted when its words
// are not kept any more.
func mail(c *conversation) proto.Parser {
	s := smtp.New(host{c})
	if first := c.first[1]; c.failed[1] && first[0] != 0 {
		s.Greeted(first)
	}
	return s
}

// upgraded opens HTTP/2, whose first request was asked in HTTP/1 when the connection
// was upgraded to it.
func upgraded(c *conversation) proto.Parser {
	h := http2.New(host{c})
	if c.http != nil && c.http.asked != nil {
		h.Asked(c.http.asked)
	}
	return h
}

// nameOnly keeps the protocol's name and reads nothing of it.
func (c *conversation) nameOnly(name string) {
	c.app, c.otherName, c.other, c.quiet = appOther, name, named.Silent{}, [2]bool{true, true}
}

// silent is for protocols that are only named.
func silent(*conversation) proto.Parser { return named.Silent{} }

func (c *conversation) hint(dir int) proto.Hint {
	return proto.Hint{Ports: [2]uint16{c.f.Client.Port(), c.f.Server.Port()}, First: c.first[1-dir]}
}

// guessOther finds one of protocols by the first bytes of a stream.
func (c *conversation) guessOther(dir int, b []byte) (found, more bool) {
	h := c.hint(dir)
	for i := range protocols {
		if protocols[i].stream == nil {
			continue
		}
		yes, wait := protocols[i].stream(dir, b, h)
		if yes {
			c.candidate = i
			return true, false
		}
		more = more || wait
	}
	return false, more
}

// datagramOther finds one of protocols by a datagram and reads it.
func (c *conversation) datagramOther(dir int, b []byte) {
	h := c.hint(dir)
	for i := range protocols {
		p := &protocols[i]
		if p.packet == nil || !p.packet(dir, b, h) {
			continue
		}
		if !c.w.wanted.content {
			c.nameOnly(p.name)
			return
		}
		c.app, c.candidate, c.otherName = appOther, i, p.name
		c.other = p.open(c)
		c.feedOther(dir, b)
		return
	}
	c.app = appFailed
}

// feedOther gives bytes to the parser unless it has refused that direction.
func (c *conversation) feedOther(dir int, b []byte) {
	if c.quiet[dir] {
		return
	}
	c.noticed = false
	err := c.other.Feed(dir, b)
	if err != nil {
		c.quiet[dir] = c.f.Proto == decode.ProtoTCP
		c.parsed(c.otherName, err)
	}
}

// recordFile writes the record of a file that was judged, when it is decided whether
// it is kept.
func (c *conversation) recordFile(dir int, tx uint64, f *files.File, bodies ...encode.Body) {
	c.settle(dir, tx, f)
	if c.w.wanted.writes(kindFileinfo) {
		h := c.header(kindFileinfo, flow.Direction(dir))
		h.AppProto = c.appName()
		c.w.emit(h.Type, c.w.eve.Object(&h, append(bodies, files.Body{File: f, Tx: tx})...))
	}
	c.indicateFile(dir, tx, f)
}

// Inspect implements proto.Host.
func (h host) Inspect(dir int, tx uint64, bodies ...encode.Body) { h.c.inspectFields(dir, tx, bodies) }

// Notice implements proto.Host.
func (h host) Notice(dir int, tx uint64, name string) {
	h.c.appEventOf(flow.Direction(dir), tx, true, h.c.eventApp()+"."+name)
}

// host is a conversation as its parser sees it. It implements proto.Host.
type host struct{ c *conversation }

// Record implements proto.Host.
func (h host) Record(e proto.Event) {
	c := h.c
	for _, dir := range e.Sides() {
		c.inspectFields(dir, e.Tx, e.Bodies)
	}
	if e.HasTx {
		c.transactions = max(c.transactions, e.Tx+1)
	}
	if !c.w.wanted.writes(e.Kind) {
		return
	}
	head := c.header(e.Kind, flow.Direction(e.Dir))
	head.TxID, head.HasTx = e.Tx, e.HasTx
	c.w.emit(head.Type, c.w.eve.Object(&head, e.Bodies...))
}

// FileStore implements proto.Host.
func (h host) FileStore() *files.Store { return h.c.FileStore() }

// FileStore implements http1.Handler.
func (c *conversation) FileStore() *files.Store { return c.w.store }

// File implements proto.Host.
func (h host) File(dir int, tx uint64, f *files.File, bodies ...encode.Body) {
	h.c.inspectFile(dir, tx, f, bodies)
	h.c.recordFile(dir, tx, f, bodies...)
}

// Upgrade implements proto.Host.
func (h host) Upgrade() {
	c := h.c
	c.orig = c.appName()
	c.app, c.failed = appUnknown, [2]bool{}
	c.finding = finding{expect: nameTLS}
}

// Carry implements proto.Host.
func (h host) Carry() {
	h.Upgrade()
	h.c.finding = finding{}
}

// LogIn implements proto.Host.
func (h host) LogIn(account string, refused bool) { h.c.behaveLogIn(account, refused) }

// Lookup implements proto.Host.
func (h host) Lookup(dir int, tx uint64, m *dns.Message) {
	c := h.c
	if c.app == appOther && c.otherName == nameHTTP2 {
		c.orig, c.otherName = nameHTTP2, nameDoH
	}
	c.lookedUp(flow.Direction(dir), tx, m)
}

// Expect implements proto.Host.
func (h host) Expect(e *proto.Expectation) {
	f, w := h.c.f, h.c.w
	to, from := f.Client.Addr(), f.Server.Addr()
	if e.Server {
		to, from = from, to
	}
	if len(w.expected) >= maxExpected {
		// An announcement that nobody followed makes room.
		for k := range w.expected {
			delete(w.expected, k)
			break
		}
	}
	if w.expected == nil {
		w.expected = make(map[expected]*proto.Expectation)
	}
	w.expected[expected{netip.AddrPortFrom(to, e.Port), from}] = e
}

// maxExpected bounds the connections that are waited for.
const maxExpected = 4096

// expected names a connection to come: where to, and who opens it.
type expected struct {
	to   netip.AddrPort
	from netip.Addr
}

// announced starts the parser of a connection that another announced.
func (c *conversation) announced() {
	if len(c.w.expected) == 0 || c.f.Proto != decode.ProtoTCP {
		return
	}
	key := expected{c.f.Server, c.f.Client.Addr()}
	e := c.w.expected[key]
	if e == nil {
		return
	}
	delete(c.w.expected, key)
	c.app, c.otherName = appOther, nameFTPData
	c.other = ftp.NewData(host{c}, e)
}
