package eve

import (
	"strconv"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto/http1"
)

// HTTP writes an http record of one transaction.
func (w *Writer) HTTP(h *Header, tx *http1.Tx) []byte {
	e := w.begin(h)
	e.http(tx)
	return w.finish()
}

// HTTPBody is the http object of a transaction, for records that carry it
// beside their own.
type HTTPBody struct{ Tx *http1.Tx }

// Encode implements encode.Body.
func (b HTTPBody) Encode(e *encode.Encoder) {
	w := encoder{*e}
	w.http(b.Tx)
	*e = w.Encoder
}

func (e *encoder) http(tx *http1.Tx) {
	e.Open("http")
	host, port := tx.Host()
	e.Text("hostname", host)
	n, err := strconv.ParseUint(string(port), 10, 16)
	if err == nil {
		e.Uint("http_port", n)
	}
	e.Text("url", tx.URI)
	e.Text("http_user_agent", tx.Request.Get("User-Agent"))
	e.Text("http_content_type", mediaType(tx.Response.Get("Content-Type")))
	e.Text("http_refer", tx.Request.Get("Referer"))
	e.Text("xff", tx.Request.Get("X-Forwarded-For"))
	e.Text("http_method", tx.Method)
	if len(tx.Request.Protocol) > 0 {
		e.Bytes("protocol", tx.Request.Protocol)
	} else {
		e.Text("protocol", tx.Response.Protocol)
	}
	if tx.Response.Seen {
		if tx.Status > 0 {
			e.Uint("status", uint64(tx.Status))
		} else {
			e.Text("status_string", tx.StatusCode)
		}
		if tx.Status/100 == 3 {
			e.Text("redirect", tx.Response.Get("Location"))
		}
		r, ok, _ := http1.ContentRange(tx.Response.Get("Content-Range"))
		if ok {
			e.Open("content_range")
			e.Bytes("raw", tx.Response.Get("Content-Range"))
			e.Uint("start", r.Start)
			e.Uint("end", r.End)
			if r.Size > 0 {
				e.Uint("size", r.Size)
			}
			e.Close()
		}
	}
	e.Uint("length", tx.Response.Length)
	e.Close()
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
