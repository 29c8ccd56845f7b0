package rdp

import (
	"bytes"
	"fmt"
	"unicode/utf16"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

// maxChannels is the most that a client may ask for (§2.2.1.3.4).
const maxChannels = 31

// record begins each of the bodies below, which implement encode.Body: number
// counts those of the connection, from 1.
type record struct{ number uint64 }

func (r record) open(e *encode.Encoder, event string) {
	e.Open("rdp")
	e.Uint("tx_id", r.number)
	e.String("event_type", event)
}

type request struct {
	record
	cookie []byte
}

type response struct {
	record
	kind, flags uint8
	value       uint32
}

// client is what the client tells of itself (§2.2.1.3.2).
type client struct {
	record
	version, build, layout, keyboard, keys uint32
	width, height                          uint16
	colours, colours2, colours3            uint16
	capabilities                           uint16
	product                                *uint16
	name, id                               string
	channels                               []string
}

// connected is the server's answer to the client.
type connected struct{ record }

// parseClient reads the connect request: an MCS unit (ITU-T T.125) around a
// conference request whose user data begins with "Duca" (§4.1.3).
func parseClient(b []byte) *client {
	const core, network = 0xc001, 0xc003
	if len(b) < 2 || b[0] != 0x7f || b[1] != 0x65 {
		return nil
	}
	_, rest, ok := bytes.Cut(b, []byte("Duca"))
	if !ok || len(rest) < 2 {
		return nil
	}
	// The length of the user data: one byte, or two with the high bit set.
	skip := 1 + int(rest[0]>>7)
	r := wire.Reader{B: rest[skip:]}
	c := &client{}
	for len(r.B) >= 4 {
		kind, size := r.L16(), int(r.L16())
		if size < 4 || size-4 > len(r.B) {
			break
		}
		in := wire.Reader{B: r.Take(size - 4)}
		switch kind {
		case core:
			c.core(&in)
		case network:
			n := in.L32()
			for range min(n, maxChannels) {
				name, _, _ := bytes.Cut(in.Take(8), []byte{0})
				in.L32()
				if !in.Short {
					c.channels = append(c.channels, string(name))
				}
			}
		}
	}
	return c
}

// core reads the client's core data; all after the input method is optional.
func (c *client) core(r *wire.Reader) {
	c.version, c.width, c.height = r.L32(), r.L16(), r.L16()
	c.colours = r.L16()
	r.L16() // SAS sequence
	c.layout, c.build = r.L32(), r.L32()
	c.name = wide(r.Take(32))
	c.keyboard = r.L32()
	r.L32()
	c.keys = r.L32()
	r.Take(64) // input method's file
	c.colours2 = r.L16()
	product := r.L16()
	if !r.Short {
		c.product = &product
	}
	r.L32()
	c.colours3 = r.L16()
	r.L16() // supported depths
	c.capabilities = r.L16()
	c.id = wide(r.Take(64))
}

// depth is the colour depth that is asked for, in bits, by the newest of the
// three fields that has one (§2.2.1.3.2); 0 when none does.
func (c *client) depth() uint64 {
	const lowest, highest = 0xca00, 0xca04
	switch c.colours3 {
	case 4, 8, 15, 16, 24:
		return uint64(c.colours3)
	}
	if c.colours2 >= lowest && c.colours2 <= highest {
		return [...]uint64{4, 8, 15, 16, 24}[c.colours2-lowest]
	}
	if c.colours == lowest || c.colours == lowest+1 {
		return [...]uint64{4, 8}[c.colours-lowest]
	}
	return 0
}

// wide reads UTF-16 up to its zero.
func wide(b []byte) string {
	var out []uint16
	for i := 0; i+1 < len(b); i += 2 {
		v := uint16(b[i]) | uint16(b[i+1])<<8
		if v == 0 {
			break
		}
		out = append(out, v)
	}
	return string(utf16.Decode(out))
}

// Encode writes the rdp object.
func (r *request) Encode(e *encode.Encoder) {
	r.open(e, "initial_request")
	e.Text("cookie", r.cookie)
	e.Close()
}

// Encode writes the rdp object.
func (r *response) Encode(e *encode.Encoder) {
	r.open(e, "initial_response")
	switch r.kind {
	case answered:
		name := protocolName(r.value)
		if name != "" {
			flags(e, "server_supports", uint32(r.flags), []string{
				"extended_client_data", "dynvc_gfx", "", "restricted_admin", "redirected_authentication",
			})
			e.String("protocol", name)
		}
	case refused:
		why := refusal(r.value)
		if why != "" {
			e.Uint("error_code", uint64(r.value))
			e.String("reason", why)
		}
	}
	e.Close()
}

// protocolName names what was agreed on (§2.2.1.2.1), "" when it is none of
// these.
func protocolName(v uint32) string {
	switch v {
	case 0:
		return "rdp"
	case 1:
		return "ssl"
	case 2:
		return "hybrid"
	case 4:
		return "rds_tls"
	case 8:
		return "hybrid_ex"
	}
	return ""
}

// refusal is why the server refuses (§2.2.1.2.2).
func refusal(code uint32) string {
	reasons := [...]string{
		1: "ssl required by server", 2: "ssl not allowed by server", 3: "ssl cert not on server",
		4: "inconsistent flags", 5: "hybrid required by server", 6: "ssl with user auth required by server",
	}
	if code >= uint32(len(reasons)) {
		return ""
	}
	return reasons[code]
}

// flags lists the names of the bits that are set; no list when none is.
func flags(e *encode.Encoder, name string, v uint32, names []string) {
	open := false
	for i, n := range names {
		if n == "" || v&(1<<i) == 0 {
			continue
		}
		if !open {
			e.Array(name)
			open = true
		}
		e.String("", n)
	}
	if open {
		e.End()
	}
}

// Encode writes the rdp object.
func (c *client) Encode(e *encode.Encoder) {
	c.open(e, "connect_request")
	e.Open("client")
	e.String("version", versionName(c.version))
	e.Uint("desktop_width", uint64(c.width))
	e.Uint("desktop_height", uint64(c.height))
	if depth := c.depth(); depth != 0 {
		e.Uint("color_depth", depth)
	}
	e.String("keyboard_layout", localeName(c.layout))
	e.String("build", buildName(c.build))
	e.Text("client_name", []byte(c.name))
	if kind := keyboardName(c.keyboard); kind != "" {
		e.String("keyboard_type", kind)
	}
	if c.keys != 0 {
		e.Uint("function_keys", uint64(c.keys))
	}
	if c.product != nil {
		e.Uint("product_id", uint64(*c.product))
	}
	flags(e, "capabilities", uint32(c.capabilities), []string{
		"support_errinfo_pdf", "want_32bpp_session", "support_statusinfo_pdu", "strong_asymmetric_keys", "",
		"valid_connection_type", "support_monitor_layout_pdu", "support_netchar_autodetect", "support_dynvc_gfx_protocol",
		"support_dynamic_time_zone", "support_heartbeat_pdu",
	})
	e.Text("id", []byte(c.id))
	e.Close()
	e.Strings("channels", c.channels)
	e.Close()
}

// Encode writes the rdp object.
func (c *connected) Encode(e *encode.Encoder) {
	c.open(e, "connect_response")
	e.Close()
}

func versionName(v uint32) string {
	const v4, v5, v10, last = 0x00080001, 0x00080004, 0x00080005, 0x00080011
	switch {
	case v == v4:
		return "v4"
	case v == v5:
		return "v5"
	case v >= v10 && v <= last:
		return fmt.Sprintf("v10.%d", v-v10)
	}
	return unknown
}

// keyboardName names a kind of keyboard (§2.2.1.3.2), "" when it is none.
func keyboardName(v uint32) string {
	names := [...]string{1: "xt", 2: "ico", 3: "at", 4: "enhanced", 5: "1050", 6: "9140", 7: "jp"}
	if v >= uint32(len(names)) {
		return ""
	}
	return names[v]
}

// buildName names the system by its build, with its service pack or release.
func buildName(v uint32) string {
	switch v {
	case 528:
		return "Windows NT 3.1"
	case 807:
		return "Windows NT 3.5"
	case 1057:
		return "Windows NT 3.51"
	case 1381:
		return "Windows NT 4.0"
	case 2195:
		return "Windows 2000"
	case 2600:
		return "Windows XP"
	case 3790:
		return "Windows Server 2003"
	case 6000:
		return "Windows Vista RTM"
	case 6001:
		return "Windows Vista SP1"
	case 6002:
		return "Windows Vista SP2"
	case 7600:
		return "Windows 7 RTM"
	case 7601:
		return "Windows 7 SP1"
	case 9200:
		return "Windows 8"
	case 9600:
		return "Windows 8.1"
	case 10240:
		return "Windows 10 TH1"
	case 10586:
		return "Windows 10 TH2"
	case 14393:
		return "Windows 10 RS1"
	case 15063:
		return "Windows 10 RS2"
	case 16299:
		return "Windows 10 RS3"
	case 17134:
		return "Windows 10 RS4"
	case 17763:
		return "Windows 10 RS5"
	}
	switch {
	case v > 17763 && v < 22000:
		return "Windows 10"
	case v >= 22000:
		return "Windows 11"
	}
	return unknown
}
