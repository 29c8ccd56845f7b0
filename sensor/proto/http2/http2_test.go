package http2

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

func frame(kind, flags byte, stream byte, body string) string {
	n := len(body)
	return string([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags, 0, 0, 0, stream}) + body
}

func block(t testing.TB, pairs ...string) string {
	t.Helper()
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(pairs); i += 2 {
		err := e.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func turns(t testing.TB) []prototest.Turn {
	request := block(t, ":authority", "a.vn", ":method", "GET", ":path", "/f.bin?x=1", "user-agent", "test")
	answer := block(t, ":status", "200", "content-type", "text/plain; charset=utf-8")
	return []prototest.Turn{
		{Dir: 0, Data: preface + frame(frameSettings, 0, 0, "\x00\x04\x00\x00\xff\xff")},
		{Dir: 1, Data: frame(frameSettings, 0, 0, "\x00\x03\x00\x00\x00\x64") + frame(frameSettings, flagAck, 0, "")},
		{Dir: 0, Data: frame(frameHeaders, flagEndStream, 1, request[:9]) + frame(frameContinuation, flagEndHeaders, 1, request[9:])},
		{Dir: 1, Data: frame(frameHeaders, flagEndHeaders, 1, answer) + frame(frameData, 0, 1, "some ")},
		{Dir: 1, Data: frame(frameData, flagEndStream|flagPadded, 1, "\x03text\x00\x00\x00")},
		{Dir: 0, Data: frame(frameGoAway, 0, 0, "\x00\x00\x00\x01\x00\x00\x00\x00")},
	}
}

func TestAConnection(t *testing.T) {
	want := []string{
		`"http2":{"stream_id":0,"request":{"settings":[{"settings_id":"SETTINGSINITIALWINDOWSIZE","settings_value":65535}]}`,
		`"response":{"settings":[{"settings_id":"SETTINGSMAXCONCURRENTSTREAMS","settings_value":100}]}`,
		`"response_headers":[{"name":":status","value":"200"},{"name":"content-type","value":"text/plain; charset=utf-8"}],` +
			`"hostname":"a.vn","http_method":"GET","url":"/f.bin?x=1","http_user_agent":"test","http_content_type":"text/plain","status":200,"length":9`,
		`"request":{"error_code":"NOERROR"}`,
	}
	r := prototest.Talk(t, open, turns(t)...)
	r.Want(t, want...)
	if len(r.Files) != 1 || r.Files[0] != "1 /f.bin 9 CLOSED" {
		t.Errorf("files %q", r.Files)
	}
	for _, want := range []string{
		`0 http.method "GET"`, `0 http.uri "/f.bin?x=1"`, `0 http.host "a.vn"`, `0 http.user_agent "test"`,
		`0 http.header ":authority: a.vn\r\n:method: GET\r\n:path: /f.bin?x=1\r\nuser-agent: test\r\n"`,
		`1 http.stat_code "200"`, `1 http.content_type "text/plain; charset=utf-8"`, `1 http.response_body "some text"`,
		`1 http.header_names "\r\n:status\r\ncontent-type\r\n\r\n"`,
	} {
		if !slices.Contains(r.Fields, want) {
			t.Errorf("rules do not see %s in %q", want, r.Fields)
		}
	}
	var bytewise []prototest.Turn
	for _, turn := range turns(t) {
		for i := range len(turn.Data) {
			bytewise = append(bytewise, prototest.Turn{Dir: turn.Dir, Data: turn.Data[i : i+1]})
		}
	}
	prototest.Talk(t, open, bytewise...).Want(t, want...)
}

func TestFieldsAreBounded(t *testing.T) {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for range 5000 {
		err := e.WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("y", 3000)})
		if err != nil {
			t.Fatal(err)
		}
	}
	c := New(&prototest.Recorder{})
	err := c.Feed(0, []byte(preface+frame(frameHeaders, flagEndHeaders, 1, b.String())))
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, f := range c.streams[0].half[0].fields {
		size += len(f.value)
	}
	if size > maxFieldBytes+3000 {
		t.Errorf("%d bytes of fields are kept", size)
	}
}

func FuzzHTTP2(f *testing.F) { prototest.Fuzz(f, open, append(turns(f), lookups(f)...)...) }

func TestPrioritiesAndWhatIsSaidTwice(t *testing.T) {
	request := block(t, ":authority", "a.vn", ":method", "GET", ":path", "/")
	const reset = "\x00\x00\x00\x08"
	r := prototest.Talk(t, open, prototest.Turn{Data: preface +
		frame(frameHeaders, flagEndHeaders|flagPriority, 1, "\x00\x00\x00\x00\x0f"+request) +
		frame(frameHeaders, flagEndHeaders|flagPriority, 3, "\x00\x00\x00\x00\x10"+request) +
		frame(framePriority, 0, 3, "\x00\x00\x00\x00\x11") +
		frame(frameHeaders, flagEndHeaders, 5, request) +
		frame(frameReset, 0, 5, reset) + frame(frameReset, 0, 5, reset) +
		frame(frameHeaders, flagEndHeaders, 7, request),
	}, prototest.Turn{Dir: 1, Data: frame(frameHeaders, flagEndHeaders|flagPriority, 7, "\x00\x00\x00\x00\x0f"+block(t, ":status", "2XX"))})
	r.Want(t,
		`"http2":{"stream_id":1,"request":{"priority":15}}`,
		`"http2":{"stream_id":3,"request":{"priority":16,"has_multiple":"priority"}}`,
		`"http2":{"stream_id":5,"request":{"error_code":"CANCEL","has_multiple":"error_code"}}`,
		`"status_string":"2XX","length":0,"http2":{"stream_id":7}}`,
	)
}
