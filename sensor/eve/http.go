package eve

import (
	"strconv"

	"github.com/antin-gov/antin/sensor/proto/http1"
)

// HTTP writes an http record of one transaction.
func (w *Writer) HTTP(h *Header, tx *http1.Tx) []byte {
	e := w.begin(h)
	e.http(tx)
	return w.finish()
}

func (e *encoder) http(tx *http1.Tx) {
	e.open("http")
	host, port := tx.Host()
	e.text("hostname", host)
	n, err := strconv.ParseUint(string(port), 10, 16)
	if err == nil {
		e.uint("http_port", n)
	}
	e.text("url", tx.URI)
	e.text("http_user_agent", tx.Request.Get("User-Agent"))
	e.text("http_content_type", mediaType(tx.Response.Get("Content-Type")))
	e.text("http_refer", tx.Request.Get("Referer"))
	e.text("xff", tx.Request.Get("X-Forwarded-For"))
	e.text("http_method", tx.Method)
	if len(tx.Request.Protocol) > 0 {
		e.bytes("protocol", tx.Request.Protocol)
	} else {
		e.text("protocol", tx.Response.Protocol)
	}
	if tx.Response.Seen {
		e.uint("status", uint64(tx.Status))
		if tx.Status/100 == 3 {
			e.text("redirect", tx.Response.Get("Location"))
		}
	}
	e.uint("length", tx.Response.Length)
	e.close()
}

// mediaType is the content type without its parameters.
func mediaType(v []byte) []byte {
	for i, c := range v {
		if c == ';' || c == ' ' {
			return v[:i]
		}
	}
	return v
}
