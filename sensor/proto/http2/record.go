package http2

import (
	"strconv"
	"strings"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/proto/http1"
)

type field struct{ name, value string }

type setting struct {
	id    uint16
	value uint32
}

// half is one direction of a transaction.
type half struct {
	fields   []field
	settings []setting
	code     uint32
	hasCode  bool
	// weight is the first priority that was given, less one; multiple names the
	// field that was given again.
	weight    uint8
	hasWeight bool
	multiple  string
	ended     bool
	length    uint64

	file *files.File
	// joining is set when the file is a part of another.
	joining *http1.Joining
	// body is the content of a file that ended.
	body    []byte
	coded   bool
	encoded []byte

	// carries is true of a body that is a message of DNS, which message holds
	// until it is whole; lookup is that message, or what the path carries.
	carries bool
	message []byte
	lookup  *dns.Message
}

// transaction is a stream, or what was said about the connection (stream 0). It
// implements encode.Body.
type transaction struct {
	number uint64
	stream uint32
	half   [2]half
	// reset is true when the client gave it up.
	reset bool
}

// value is the first field of that name, whose case does not matter.
func value(list []field, name string) string {
	for _, f := range list {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// Encode writes the http object, after the dns object of what it carries.
func (tx *transaction) Encode(e *encode.Encoder) {
	if m := tx.lookedUp(); m != nil {
		m.Encode(e, tx.number)
	}
	request, response := tx.half[0].fields, tx.half[1].fields
	e.Open("http")
	e.String("version", "2")
	fields(e, "request_headers", request)
	fields(e, "response_headers", response)
	host := value(request, ":authority")
	if host == "" {
		host = value(request, "host")
	}
	e.Text("hostname", []byte(host))
	e.Text("http_method", []byte(value(request, ":method")))
	e.Text("url", []byte(value(request, ":path")))
	e.Text("http_user_agent", []byte(value(request, "user-agent")))
	e.Text("http_refer", []byte(value(request, "referer")))
	kind, _, _ := strings.Cut(value(response, "content-type"), ";")
	e.Text("http_content_type", []byte(strings.TrimSpace(kind)))
	status, err := strconv.ParseUint(value(response, ":status"), 10, 16)
	if err == nil {
		e.Uint("status", status)
	} else {
		e.Text("status_string", []byte(value(response, ":status")))
	}
	if tx.stream != 0 {
		e.Uint("length", tx.half[1].length)
	}
	e.Open("http2")
	e.Uint("stream_id", uint64(tx.stream))
	for i, name := range [...]string{"request", "response"} {
		tx.half[i].encode(e, name, i)
	}
	e.Close()
	e.Close()
}

func fields(e *encode.Encoder, name string, list []field) {
	if len(list) == 0 {
		return
	}
	e.Array(name)
	for _, f := range list {
		e.Open("")
		e.String("name", f.name)
		e.String("value", f.value)
		e.Close()
	}
	e.End()
}

// end takes a code with which the stream is given up.
func (h *half) end(code uint32) {
	if h.hasCode {
		h.again("error_code")
		return
	}
	h.code, h.hasCode = code, true
}

// prioritise takes the weight that a stream is given.
func (h *half) prioritise(weight uint8) {
	if h.hasWeight {
		h.again("priority")
		return
	}
	h.weight, h.hasWeight = weight, true
}

func (h *half) again(name string) {
	if h.multiple == "" {
		h.multiple = name
	}
}

// encode writes what was said of the stream beside its fields, if anything was.
// A priority is the client's to give.
func (h *half) encode(e *encode.Encoder, name string, dir int) {
	priority := h.hasWeight && dir == proto.ToServer
	if len(h.settings) == 0 && !h.hasCode && !priority {
		return
	}
	e.Open(name)
	if len(h.settings) > 0 {
		e.Array("settings")
		for _, s := range h.settings {
			e.Open("")
			e.String("settings_id", settingName(s.id))
			e.Uint("settings_value", uint64(s.value))
			e.Close()
		}
		e.End()
	}
	if h.hasCode {
		e.String("error_code", codeName(h.code))
	}
	if priority {
		e.Uint("priority", uint64(h.weight))
	}
	if h.multiple != "" && (priority || h.multiple != "priority") {
		e.String("has_multiple", h.multiple)
	}
	e.Close()
}

// settingName is the name of RFC 9113 §6.5.2 in Suricata's spelling.
func settingName(id uint16) string {
	names := [...]string{
		1: "SETTINGSHEADERTABLESIZE", 2: "SETTINGSENABLEPUSH", 3: "SETTINGSMAXCONCURRENTSTREAMS",
		4: "SETTINGSINITIALWINDOWSIZE", 5: "SETTINGSMAXFRAMESIZE", 6: "SETTINGSMAXHEADERLISTSIZE",
	}
	if int(id) < len(names) && names[id] != "" {
		return names[id]
	}
	return "SETTINGS" + strconv.Itoa(int(id))
}

// codeName is the name of RFC 9113 §7 in Suricata's spelling.
func codeName(code uint32) string {
	names := [...]string{
		"NOERROR", "PROTOCOLERROR", "INTERNALERROR", "FLOWCONTROLERROR", "SETTINGSTIMEOUT", "STREAMCLOSED",
		"FRAMESIZEERROR", "REFUSEDSTREAM", "CANCEL", "COMPRESSIONERROR", "CONNECTERROR", "ENHANCEYOURCALM",
		"INADEQUATESECURITY", "HTTP11REQUIRED",
	}
	if code < uint32(len(names)) {
		return names[code]
	}
	return strconv.FormatUint(uint64(code), 10)
}
