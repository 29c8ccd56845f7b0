package http2

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

const (
	question = "\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02vn\x00\x00\x01\x00\x01"
	answer   = "\x00\x00\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01a\x02vn\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x01\x02\x03"
	media    = "application/dns-message"
)

// lookups are a question in a path and one in a body, with their answers.
func lookups(t testing.TB) []prototest.Turn {
	get := block(t, ":authority", "dns.vn", ":method", "GET", ":path", "/dns-query?ct&dns="+base64.RawURLEncoding.EncodeToString([]byte(question)))
	post := block(t, ":authority", "dns.vn", ":method", "POST", ":path", "/dns-query", "content-type", media)
	reply := block(t, ":status", "200", "content-type", media+"; x")
	return []prototest.Turn{
		{Dir: 0, Data: preface + frame(frameHeaders, flagEndStream|flagEndHeaders, 1, get)},
		{Dir: 1, Data: frame(frameHeaders, flagEndHeaders, 1, reply) + frame(frameData, 0, 1, answer[:20]) + frame(frameData, flagEndStream, 1, answer[20:])},
		{Dir: 0, Data: frame(frameHeaders, flagEndHeaders, 3, post) + frame(frameData, flagEndStream, 3, question)},
		// Given up while the answer is on its way.
		{Dir: 0, Data: frame(frameReset, 0, 3, "\x00\x00\x00\x08")},
		{Dir: 1, Data: frame(frameHeaders, flagEndHeaders, 3, reply) + frame(frameData, flagEndStream, 3, answer)},
	}
}

func TestQuestionsAndAnswersOfDNS(t *testing.T) {
	r := prototest.Talk(t, open, lookups(t)...)
	const said = `{"dns":{"version":3,"type":"response","tx_id":`
	r.Want(t, said+`0,"id":0,"flags":"8180"`, said+`1,"id":0,"flags":"8180"`)
	for _, record := range r.Records {
		for _, want := range []string{`"queries":[{"rrname":"a.vn","rrtype":"A"}],"answers":[{"rrname":"a.vn","rrtype":"A","ttl":60,"rdata":"10.1.2.3"}]`, `"http":{"version":"2"`, `"hostname":"dns.vn"`} {
			if !strings.Contains(record, want) {
				t.Errorf("%s, without %s", record, want)
			}
		}
	}
	if want := []string{"0 a.vn", "1 a.vn", "0 a.vn", "1 a.vn"}; !slices.Equal(r.Lookups, want) {
		t.Errorf("lookups %q, want %q", r.Lookups, want)
	}
	for _, want := range []string{`0 dns.query "a.vn"`, `1 dns.answers.rrname "a.vn"`, `0 http.host "dns.vn"`} {
		if !slices.Contains(r.Fields, want) {
			t.Errorf("rules do not see %s in %q", want, r.Fields)
		}
	}
	if len(r.Files) > 0 || len(r.Notices) > 0 {
		t.Errorf("files %q and notices %q", r.Files, r.Notices)
	}
}

func TestWhatOnlyLooksLikeDNSIsHTTP(t *testing.T) {
	for _, c := range []struct{ name, path, kind, body string }{
		{"a variable of another service", "/?dns=example", "text/plain", "x"},
		{"an answer in a path", "/?dns=" + base64.RawURLEncoding.EncodeToString([]byte(answer)), "text/plain", "x"},
		{"a body that cannot be read", "/", media, "no message"},
		{"an empty body", "/", media, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := prototest.Talk(t, open,
				prototest.Turn{Dir: 0, Data: preface + frame(frameHeaders, flagEndStream|flagEndHeaders, 1, block(t, ":method", "GET", ":path", c.path))},
				prototest.Turn{Dir: 1, Data: frame(frameHeaders, flagEndHeaders, 1, block(t, ":status", "200", "content-type", c.kind)) + frame(frameData, flagEndStream, 1, c.body)})
			r.Want(t, `{"http":{`)
			if len(r.Lookups) > 0 {
				t.Errorf("lookups %q", r.Lookups)
			}
		})
	}
}

func TestStreamsThatAreResetDoNotPileUp(t *testing.T) {
	get := block(t, ":method", "GET", ":path", "/")
	r := &prototest.Recorder{}
	c := New(r)
	err := c.Feed(0, []byte(preface))
	if err != nil {
		t.Fatal(err)
	}
	const streams = 100
	for i := range byte(streams) {
		err = c.Feed(0, []byte(frame(frameHeaders, flagEndStream|flagEndHeaders, 2*i+1, get)+frame(frameReset, 0, 2*i+1, "\x00\x00\x00\x08")+frame(frameReset, 0, 2*i+1, "\x00\x00\x00\x08")))
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(c.streams) != maxReset || len(r.Records) != streams-maxReset {
		t.Errorf("%d streams are kept and %d told", len(c.streams), len(r.Records))
	}
	c.Close()
	if len(r.Records) != streams || c.reset != 0 {
		t.Errorf("%d told in the end, %d counted", len(r.Records), c.reset)
	}
}
