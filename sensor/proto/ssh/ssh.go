// Package ssh reads the cleartext beginning of an SSH connection (RFC 4253):
// the banners and the key exchange offers, with HASSH fingerprints
// (github.com/salesforce/hassh).
//
// Not here: anything after the key exchange, which is encrypted.
package ssh

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
)

const (
	// maxBanner is the longest banner line (RFC 4253 §4.2 allows 255).
	maxBanner = 8192
	// maxPacket is the longest packet that must be supported (§6.1).
	maxPacket = 35000
	// msgKexInit is SSH_MSG_KEXINIT (§12).
	msgKexInit = 20
	msgNewKeys = 21
	// longBanner is the longest banner that is not told as odd: RFC 4253's 255
	// and the line's end.
	longBanner = 256
	// kexLists is how many name-lists a KEXINIT has (§7.1).
	kexLists = 10
)

// ErrMalformed means that a direction is not SSH.
var ErrMalformed = errors.New("ssh: malformed")

// Side is what one end said.
type Side struct {
	// Proto and Software are the parts of the banner.
	Proto, Software []byte
	// Hassh and HasshText are the fingerprint and what it is made of.
	Hassh, HasshText string
}

type half struct {
	Side
	buf    []byte
	banner bool
	done   bool
	// long is true of a banner over longBanner.
	long, longTold bool
	// shown is true after rules have seen a fingerprint that the record is
	// without.
	shown bool
}

// Conn reads one connection. It implements proto.Parser.
type Conn struct {
	host  proto.Host
	half  [2]half
	hassh bool
	wrote bool
}

// New returns a reader that tells host. With hassh the record has the
// fingerprints, for which it waits; without, it is written as soon as both
// banners are known. Rules see the fingerprints either way.
func New(host proto.Host, hassh bool) *Conn { return &Conn{host: host, hassh: hassh} }

// Probe tells SSH by its banner.
func Probe(_ int, b []byte, _ proto.Hint) (yes, more bool) {
	const mark = "SSH-"
	n := min(len(b), len(mark))
	return n == len(mark) && string(b[:n]) == mark, n < len(mark) && string(b[:n]) == mark[:n]
}

// Client and Server return what the ends said so far.
func (c *Conn) Client() *Side { return &c.half[0].Side }

// Server is the server's side.
func (c *Conn) Server() *Side { return &c.half[1].Side }

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	h := &c.half[dir]
	if h.done {
		return nil
	}
	if len(h.buf)+len(b) > maxBanner+2*maxPacket {
		h.done, h.buf = true, nil
		return ErrMalformed
	}
	h.buf = append(h.buf, b...)
	told := h.banner
	err := h.read(dir)
	if h.banner && !told {
		c.host.Inspect(dir, 0, c)
	}
	broken := err != nil
	if broken && c.old() {
		err = nil
	}
	c.notice(dir, told, err)
	if broken {
		h.done, h.buf = true, nil
	}
	c.ready(dir)
	return err
}

// ready writes the record when all that it has is known, and shows rules what
// comes to be known after that.
func (c *Conn) ready(dir int) {
	switch {
	case c.wrote:
		if c.half[dir].Hassh != "" && !c.half[dir].shown {
			c.half[dir].shown = true
			c.host.Inspect(dir, 0, c)
		}
	case c.half[0].done && c.half[1].done, !c.hassh && c.half[0].banner && c.half[1].banner:
		c.record()
	}
}

// old reports whether an end speaks version 1, whose packets are of another
// form and not read; 1.99 is version 2 (§5.1).
func (c *Conn) old() bool {
	for i := range c.half {
		v := string(c.half[i].Proto)
		if strings.HasPrefix(v, "1.") && v != "1.99" {
			return true
		}
	}
	return false
}

// notice tells what is wrong with what was just read; told says that the
// banner had been read before.
func (c *Conn) notice(dir int, told bool, err error) {
	h := &c.half[dir]
	if h.long && !h.longTold {
		h.longTold = true
		c.host.Notice(dir, 0, "long_banner")
	}
	switch {
	case err == nil:
	case told || h.banner:
		c.host.Notice(dir, 0, "invalid_record")
	default:
		c.host.Notice(dir, 0, "invalid_banner")
	}
}

func (h *half) read(dir int) error {
	if !h.banner {
		i := bytes.IndexByte(h.buf, '\n')
		h.long = i > longBanner || i < 0 && len(h.buf) > longBanner
		if i < 0 {
			if len(h.buf) > maxBanner {
				return ErrMalformed
			}
			return nil
		}
		if !h.readBanner(bytes.TrimRight(h.buf[:i], "\r\n")) {
			return ErrMalformed
		}
		h.buf = h.buf[i+1:]
	}
	for len(h.buf) >= 6 {
		n := binary.BigEndian.Uint32(h.buf)
		if n < 2 || n > maxPacket {
			return ErrMalformed
		}
		if len(h.buf) < int(n)+4 {
			return nil
		}
		h.packet(dir, h.buf[4:4+n])
		h.buf = h.buf[4+n:]
		if h.done {
			h.buf = nil
		}
	}
	return nil
}

// readBanner reads "SSH-protoversion-softwareversion SP comments".
func (h *half) readBanner(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("SSH-"))
	if !ok {
		return false
	}
	version, software, ok := bytes.Cut(rest, []byte{'-'})
	if !ok || len(version) == 0 {
		return false
	}
	software, _, _ = bytes.Cut(software, []byte{' '})
	h.Proto, h.Software, h.banner = bytes.Clone(version), bytes.Clone(software), true
	return true
}

// packet reads one cleartext packet; new keys end the cleartext.
func (h *half) packet(dir int, p []byte) {
	padding, kind := int(p[0]), p[1]
	if 1+padding > len(p) {
		return
	}
	switch kind {
	case msgNewKeys:
		h.done = true
	case msgKexInit:
		h.kexInit(dir, p[2:max(2, len(p)-padding)])
	}
}

// kexInit makes the fingerprint of the offers: key exchange, then encryption,
// MAC and compression of the side's own direction.
func (h *half) kexInit(dir int, b []byte) {
	const cookie = 16
	if len(b) < cookie || h.Hassh != "" {
		return
	}
	b = b[cookie:]
	var lists [kexLists][]byte
	for i := range lists {
		if len(b) < 4 {
			return
		}
		n := binary.BigEndian.Uint32(b)
		if uint64(n) > uint64(len(b)-4) {
			return
		}
		lists[i], b = b[4:4+n], b[4+n:]
	}
	text := bytes.Join([][]byte{lists[0], lists[2+dir], lists[4+dir], lists[6+dir]}, []byte{';'})
	sum := md5.Sum(text)
	h.HasshText, h.Hassh = string(text), hex.EncodeToString(sum[:])
}

// Gap implements proto.Parser: what follows cannot be placed.
func (c *Conn) Gap(dir int, _ int) {
	c.half[dir].done, c.half[dir].buf = true, nil
}

// Close implements proto.Parser.
func (c *Conn) Close() { c.record() }

func (c *Conn) record() {
	if c.wrote || !c.half[0].banner && !c.half[1].banner {
		return
	}
	c.wrote = true
	c.host.Record(proto.Event{Kind: "ssh", HasTx: true, Bodies: []encode.Body{c}})
}

// Encode writes the ssh object. It implements encode.Body.
func (c *Conn) Encode(e *encode.Encoder) {
	e.Open("ssh")
	for i, name := range [...]string{"client", "server"} {
		h := &c.half[i]
		if !h.banner {
			continue
		}
		e.Open(name)
		e.Bytes("proto_version", h.Proto)
		e.Text("software_version", h.Software)
		if h.Hassh != "" && (c.hassh || h.shown) {
			e.Open("hassh")
			e.String("hash", h.Hassh)
			e.String("string", h.HasshText)
			e.Close()
		}
		e.Close()
	}
	e.Close()
}
