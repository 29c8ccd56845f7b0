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

// request, response and client implement encode.Body.
type request struct{ cookie []byte }

type response struct {
	kind, flags uint8
	value       uint32
}

// client is what the client tells of itself (§2.2.1.3.2).
type client struct {
	version, build, layout, keyboard, keys uint32
	width, height, product                 uint16
	capabilities                           uint16
	name, id                               string
	channels                               []string
}

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

func (c *client) core(r *wire.Reader) {
	c.version, c.width, c.height = r.L32(), r.L16(), r.L16()
	r.L32() // depth of colours, SAS sequence
	c.layout, c.build = r.L32(), r.L32()
	c.name = wide(r.Take(32))
	c.keyboard = r.L32()
	r.L32()
	c.keys = r.L32()
	r.Take(64) // input method's file
	r.L16()
	c.product = r.L16()
	r.L32()
	r.L32() // depths of colours
	c.capabilities = r.L16()
	c.id = wide(r.Take(64))
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
	e.Open("rdp")
	e.String("event_type", "initial_request")
	e.Text("cookie", r.cookie)
	e.Close()
}

// Encode writes the rdp object.
func (r *response) Encode(e *encode.Encoder) {
	const answered, refused = 2, 3
	e.Open("rdp")
	e.String("event_type", "initial_response")
	switch r.kind {
	case answered:
		flags(e, "server_supports", uint32(r.flags), []string{
			"extended_client_data", "dynvc_gfx", "redirected_authentication_mode_1", "restricted_admin_mode", "redirected_authentication_mode_2",
		})
		e.String("protocol", protocolName(r.value))
	case refused:
		e.Uint("error_code", uint64(r.value))
	}
	e.Close()
}

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
	return fmt.Sprintf("unknown-%d", v)
}

// flags lists the names of the bits that are set.
func flags(e *encode.Encoder, name string, v uint32, names []string) {
	e.Array(name)
	for i, n := range names {
		if n != "" && v&(1<<i) != 0 {
			e.String("", n)
		}
	}
	e.End()
}

// Encode writes the rdp object.
func (c *client) Encode(e *encode.Encoder) {
	e.Open("rdp")
	e.String("event_type", "connect_request")
	e.Open("client")
	e.String("version", versionName(c.version))
	e.Uint("desktop_width", uint64(c.width))
	e.Uint("desktop_height", uint64(c.height))
	e.Uint("keyboard_layout", uint64(c.layout))
	e.String("build", buildName(c.build))
	e.Text("client_name", []byte(c.name))
	e.Uint("keyboard_type", uint64(c.keyboard))
	e.Uint("function_keys", uint64(c.keys))
	e.Uint("product_id", uint64(c.product))
	flags(e, "capabilities", uint32(c.capabilities), []string{
		"support_errinfo_pdf", "want_32bpp_session", "support_statusinfo_pdf", "strong_asymmetric_keys", "",
		"valid_connection_type", "support_monitor_layout_pdf", "support_netchar_autodetect", "support_dynvc_gfx_protocol",
		"support_dynamic_time_zone", "support_heartbeat_pdf",
	})
	e.Text("id", []byte(c.id))
	e.Close()
	e.Strings("channels", c.channels)
	e.Close()
}

func versionName(v uint32) string {
	switch {
	case v == 0x00080001:
		return "v4"
	case v == 0x00080004:
		return "v5"
	case v >= 0x00080005 && v <= 0x00080011:
		return fmt.Sprintf("v10.%d", v-0x00080005)
	}
	return fmt.Sprintf("unknown-%#08x", v)
}

// buildName names the system by its build.
func buildName(v uint32) string {
	switch {
	case v == 2600:
		return "Windows XP"
	case v == 3790:
		return "Windows Server 2003"
	case v >= 6000 && v <= 6002:
		return "Windows Vista"
	case v >= 7600 && v <= 7601:
		return "Windows 7"
	case v == 9200:
		return "Windows 8"
	case v == 9600:
		return "Windows 8.1"
	case v >= 10240 && v < 22000:
		return "Windows 10"
	case v >= 22000:
		return "Windows 11"
	}
	return fmt.Sprintf("build %d", v)
}
