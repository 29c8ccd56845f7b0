package http1_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/proto/http1"
)

// recorder writes what it is told, one line each.
type recorder struct {
	log    []string
	files  []string
	odd    []string
	tunnel string
	ended  map[uint64]int
	length uint64
}

func (r *recorder) Request(tx *http1.Tx) {
	host, _ := tx.Host()
	r.log = append(r.log, fmt.Sprintf("request %d %s %s %s %q", tx.ID, tx.Method, tx.URI, host, tx.Request.Body))
}

func (r *recorder) Response(tx *http1.Tx) {
	r.log = append(r.log, fmt.Sprintf("response %d %d %d %q", tx.ID, tx.Status, tx.Response.Length, tx.Response.Decoded()))
}

func (r *recorder) End(tx *http1.Tx) {
	r.log = append(r.log, fmt.Sprintf("end %d", tx.ID))
	if r.ended == nil {
		r.ended = map[uint64]int{}
	}
	r.ended[tx.ID]++
	r.length = tx.Response.Length
}
func (r *recorder) FileStore() *files.Store { return nil }

func (r *recorder) Join(_, _, _ []byte, _ files.Range) *files.Part { return nil }

func (r *recorder) File(tx *http1.Tx, dir int, f *files.File) {
	r.files = append(r.files, fmt.Sprintf("%d %d %s %d %s", tx.ID, dir, f.Name, f.Size, f.State))
}

func (r *recorder) Odd(_ *http1.Tx, dir int, o http1.Oddity) {
	r.odd = append(r.odd, fmt.Sprintf("%d %d", dir, o))
}

func (r *recorder) Tunnel(dir int, b []byte) { r.tunnel += fmt.Sprintf("%d%s", dir, b) }

func zipped(kind, text string) string {
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	switch kind {
	case "zlib":
		w = zlib.NewWriter(&b)
	case "deflate":
		w, _ = flate.NewWriter(&b, flate.DefaultCompression)
	}
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

type turn struct {
	dir  int
	text string
}

const get = "GET /a?b=c HTTP/1.1\r\nHost: Example.VN:8080\r\n\r\n"

var conversations = []struct {
	name  string
	turns []turn
	want  []string
}{
	{"a request and its answer", []turn{{0, get}, {1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}},
		[]string{`request 0 GET /a?b=c example.vn ""`, `response 0 200 2 "ok"`, "end 0"}},
	{"several on one connection", []turn{
		{0, get}, {1, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
		{0, "POST /x HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\nabc"}, {1, "HTTP/1.1 204 No Content\r\n\r\n"}},
		[]string{`request 0 GET /a?b=c example.vn ""`, `response 0 404 0 ""`, "end 0",
			`request 1 POST /x b "abc"`, `response 1 204 0 ""`, "end 1"}},
	{"requests sent ahead", []turn{
		{0, "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"},
		{1, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"}},
		[]string{`request 0 GET /1  ""`, `request 1 GET /2  ""`, `response 0 200 1 "a"`, "end 0", `response 1 200 1 "b"`, "end 1"}},
	{"chunks", []turn{{0, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"},
		{1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n"}},
		[]string{`request 0 POST /  "abcde"`, `response 0 200 1 "z"`, "end 0"}},
	{"an answer until the connection closes", []turn{{0, "GET / HTTP/1.0\r\n\r\n"}, {1, "HTTP/1.0 200 OK\r\n\r\nall of it"}},
		[]string{`request 0 GET /  ""`, `response 0 200 9 "all of it"`, "end 0"}},
	{"HEAD has no body", []turn{{0, "HEAD / HTTP/1.1\r\n\r\n"}, {1, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"}, {0, get}, {1, "HTTP/1.1 304 Not Modified\r\n\r\n"}},
		[]string{`request 0 HEAD /  ""`, `response 0 200 0 ""`, "end 0", `request 1 GET /a?b=c example.vn ""`, `response 1 304 0 ""`, "end 1"}},
	{"an interim answer", []turn{{0, "PUT / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"}, {1, "HTTP/1.1 100 Continue\r\n\r\n"}, {0, "x"}, {1, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"}},
		[]string{`request 0 PUT /  "x"`, `response 0 201 0 ""`, "end 0"}},
	{"a request without an answer", []turn{{0, get}}, []string{`request 0 GET /a?b=c example.vn ""`, "end 0"}},
	{"a request cut in its body", []turn{{0, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"}}, []string{`request 0 POST /  "abc"`, "end 0"}},
	{"an answer without its request", []turn{{1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}}, []string{`response 0 200 2 "ok"`, "end 0"}},
	{"bare line feeds", []turn{{0, "GET /x HTTP/1.1\nHost: h\n\n"}, {1, "HTTP/1.1 200 OK\nContent-Length: 1\n\nz"}},
		[]string{`request 0 GET /x h ""`, `response 0 200 1 "z"`, "end 0"}},
	{"gzip is undone", []turn{{0, get}, {1, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(zipped("gzip", "text")), zipped("gzip", "text"))}},
		[]string{`request 0 GET /a?b=c example.vn ""`, fmt.Sprintf(`response 0 200 %d "text"`, len(zipped("gzip", "text"))), "end 0"}},
	{"deflate is undone", []turn{{0, get}, {1, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n%s", len(zipped("zlib", "text")), zipped("zlib", "text"))}},
		[]string{`request 0 GET /a?b=c example.vn ""`, fmt.Sprintf(`response 0 200 %d "text"`, len(zipped("zlib", "text"))), "end 0"}},
	{"bare deflate is undone", []turn{{0, get}, {1, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n%s", len(zipped("deflate", "text")), zipped("deflate", "text"))}},
		[]string{`request 0 GET /a?b=c example.vn ""`, fmt.Sprintf(`response 0 200 %d "text"`, len(zipped("deflate", "text"))), "end 0"}},
	{"a proxy request", []turn{{0, "GET http://Real.vn:81/p HTTP/1.1\r\nHost: other\r\n\r\n"}}, []string{`request 0 GET http://Real.vn:81/p real.vn ""`, "end 0"}},
}

func TestConversations(t *testing.T) {
	for _, c := range conversations {
		for _, size := range []int{1, 7, 1 << 20} {
			t.Run(fmt.Sprintf("%s in pieces of %d", c.name, size), func(t *testing.T) {
				r := &recorder{}
				conn := http1.New(r)
				for _, turn := range c.turns {
					for at := 0; at < len(turn.text); at += size {
						err := conn.Feed(turn.dir, []byte(turn.text[at:min(at+size, len(turn.text))]))
						if err != nil {
							t.Fatal(err)
						}
					}
				}
				conn.Close()
				if got := strings.Join(r.log, "\n"); got != strings.Join(c.want, "\n") {
					t.Errorf("got\n%s\nwant\n%s", got, strings.Join(c.want, "\n"))
				}
			})
		}
	}
}

func TestATunnelIsHandedOver(t *testing.T) {
	r := &recorder{}
	conn := http1.New(r)
	for _, turn := range []turn{
		{0, "CONNECT h:443 HTTP/1.1\r\n\r\n"}, {1, "HTTP/1.1 200 Connection established\r\n\r\n"}, {0, "abc"}, {1, "def"},
	} {
		err := conn.Feed(turn.dir, []byte(turn.text))
		if err != nil {
			t.Fatal(err)
		}
	}
	if r.tunnel != "0abc1def" || len(r.log) != 3 {
		t.Errorf("tunnel %q, log %v", r.tunnel, r.log)
	}
}

func TestReadingGoesOnAfterAGap(t *testing.T) {
	r := &recorder{}
	conn := http1.New(r)
	feed := func(dir int, text string) {
		err := conn.Feed(dir, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
	}
	feed(0, "GET /1 HTTP/1.1\r\n\r\n")
	feed(1, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
	conn.Gap(1, 6)
	feed(1, "cd")
	feed(0, "GET /2 HTTP/1.1\r\nHo")
	conn.Gap(0, 20)
	feed(0, "rest of something")
	feed(0, "GET /3 HTTP/1.1\r\n\r\n")
	conn.Close()
	want := "request 0 GET /1  \"\"\nresponse 0 200 10 \"abcd\"\nend 0\nrequest 1 GET /3  \"\"\nend 1"
	if got := strings.Join(r.log, "\n"); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestLimits(t *testing.T) {
	t.Run("a head without end is refused", func(t *testing.T) {
		conn := http1.New(&recorder{})
		err := conn.Feed(0, append([]byte("GET / HTTP/1.1\r\n"), bytes.Repeat([]byte("A: b\r\n"), 20000)...))
		if err == nil {
			t.Error("accepted")
		}
	})
	t.Run("a body is kept to its limit and counted whole", func(t *testing.T) {
		r := &recorder{}
		conn := http1.New(r)
		err := conn.Feed(1, append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n"), make([]byte, 300000)...))
		if err != nil || len(r.log) != 2 || !strings.HasPrefix(r.log[0], "response 0 200 ") || r.length != 300000 {
			t.Fatalf("error %v, %d lines, length %d", err, len(r.log), r.length)
		}
	})
	t.Run("a large body is told when no more of it is kept", func(t *testing.T) {
		r := &recorder{}
		conn := http1.New(r)
		err := conn.Feed(1, append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n"), make([]byte, 150000)...))
		if err != nil || len(r.log) != 1 || !strings.HasPrefix(r.log[0], "response 0 200 ") {
			t.Fatalf("error %v, %d lines", err, len(r.log))
		}
		conn.Close()
		if len(r.log) != 2 || r.log[1] != "end 0" || r.length != 150000 {
			t.Errorf("%d lines, length %d", len(r.log), r.length)
		}
	})
	t.Run("a bomb is opened to the limit", func(t *testing.T) {
		m := &http1.Message{Body: []byte(zipped("gzip", strings.Repeat("0", 50<<20)))}
		m.Headers = []http1.Header{{Name: []byte("Content-Encoding"), Value: []byte("gzip")}}
		if n := len(m.Decoded()); n > 5*http1.MaxBody || n < http1.MaxBody {
			t.Errorf("%d bytes", n)
		}
	})
	t.Run("requests without answers are bounded", func(t *testing.T) {
		r := &recorder{}
		conn := http1.New(r)
		for range 500 {
			err := conn.Feed(0, []byte("GET / HTTP/1.1\r\n\r\n"))
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(r.ended) != 500-64 {
			t.Errorf("%d were ended", len(r.ended))
		}
	})
}

func TestProbes(t *testing.T) {
	cases := []struct {
		in        string
		yes, more bool
	}{
		{"GET / HTTP/1.1\r\n", true, false},
		{"GET / HTTP/1.1", false, true},
		{"BREW /pot HTTP/1.1\r\n", true, false},
		{"GE", false, true},
		{"GET /" + strings.Repeat("A", 2000), true, false},
		{"OPTIONS rtsp://x RTSP/1.0\r\n", false, false},
		{"INVITE sip:a SIP/2.0\r\n", false, false},
		{"USER anonymous\r\n", false, false},
		{"\x16\x03\x01", false, false},
	}
	for _, c := range cases {
		yes, more := http1.ProbeRequest([]byte(c.in))
		if yes != c.yes || more != c.more {
			t.Errorf("%.30q: %v, %v", c.in, yes, more)
		}
	}
}

func TestNormalURI(t *testing.T) {
	for in, want := range map[string]string{
		"/a%2Fb%20c":       "/a/b c",
		"http://h/x?y=%41": "/x?y=A",
		"http://h":         "/",
		"/100%":            "/100%",
		"/%zz%4":           "/%zz%4",
	} {
		tx := &http1.Tx{URI: []byte(in)}
		if got := string(tx.NormalURI()); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestOddMessages(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	form := func(body string) string {
		return fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=q\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	bomb := zipped("gzip", strings.Repeat("\x00", 4<<20))[:800]
	lzma := "\x5d\xff\xff\xff\x7f" + strings.Repeat("\xff", 20)
	for _, c := range []struct {
		name  string
		turns []turn
		want  []http1.Oddity
		dir   int
	}{
		{"ordinary messages", []turn{{0, get}, {1, ok + "Content-Length: 2\r\n\r\nok"}}, nil, 0},
		{"what is not HTTP any more", []turn{{0, get}, {1, ok + "Content-Length: 2\r\n\r\nok"}, {1, "nothing\r\n\r\n"}}, []http1.Oddity{http1.OddUnknown}, 1},
		{"a chunk size in a request that is none", []turn{{0, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}}, []http1.Oddity{http1.OddChunk}, 0},
		{"a chunk size in an answer that is none", []turn{{0, get}, {1, ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"}}, []http1.Oddity{http1.OddChunk}, 1},
		{"a chunk with an extension", []turn{{0, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n"}}, []http1.Oddity{http1.OddChunkExtension}, 0},
		{"100 twice", []turn{{0, get}, {1, strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 2) + ok + "Content-Length: 0\r\n\r\n"}}, []http1.Oddity{http1.OddContinue}, 1},
		{"a request line without end", []turn{{0, "GET /a"}}, []http1.Oddity{http1.OddLine}, 0},
		{"a body that was not announced", []turn{{0, get + "more\r\n"}}, []http1.Oddity{http1.OddBody}, 0},
		{"a length of no content", []turn{{0, get}, {1, "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n"}}, []http1.Oddity{http1.OddBody}, 1},
		{"a body that is not compressed", []turn{{0, get}, {1, ok + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok"}}, []http1.Oddity{http1.OddDecompression}, 1},
		{"a bomb", []turn{{0, get}, {1, ok + "Content-Encoding: gzip\r\nContent-Length: 800\r\n\r\n" + bomb}}, []http1.Oddity{http1.OddBomb}, 1},
		{"a large window", []turn{{0, get}, {1, ok + "Content-Encoding: lzma\r\nContent-Length: 25\r\n\r\n" + lzma}}, []http1.Oddity{http1.OddWindow}, 1},
		{"a range that is none", []turn{{0, get}, {1, ok + "Content-Range: bytes 5-1/9\r\nContent-Length: 2\r\n\r\nok"}}, []http1.Oddity{http1.OddRange}, 1},
		{"a long file name", []turn{{0, get}, {1, ok + "Content-Disposition: attachment; filename=" + strings.Repeat("a", 5000) + "\r\nContent-Length: 2\r\n\r\nok"}}, []http1.Oddity{http1.OddFileName}, 1},
		{"a request behind a change of protocol", []turn{{0, "CONNECT a:1 HTTP/1.1\r\n\r\n" + get}, {1, ok + "\r\n"}}, []http1.Oddity{http1.OddUpgrade}, 1},
		{"an ordinary form", []turn{{0, form("--q\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nx\r\n--q--\r\n")}}, nil, 0},
		{"a form without its end", []turn{{0, form("--q\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n")}}, []http1.Oddity{http1.OddForm}, 0},
		{"a form without its beginning", []turn{{0, form("hello")}}, []http1.Oddity{http1.OddForm}, 0},
		{"a part without disposition", []turn{{0, form("--q\r\nA: b\r\n\r\nx\r\n--q--\r\n")}}, []http1.Oddity{http1.OddFormHeader}, 0},
		{"an empty file", []turn{{0, form("--q\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n\r\n--q--\r\n")}}, []http1.Oddity{http1.OddFormData}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &recorder{}
			conn := http1.New(r)
			for _, turn := range c.turns {
				err := conn.Feed(turn.dir, []byte(turn.text))
				if err != nil {
					break
				}
			}
			conn.Close()
			var want []string
			for _, o := range c.want {
				want = append(want, fmt.Sprintf("%d %d", c.dir, o))
			}
			if !slices.Equal(r.odd, want) {
				t.Errorf("told %v, want %v", r.odd, want)
			}
		})
	}
}

func FuzzConversation(f *testing.F) {
	for _, c := range conversations {
		var b []byte
		for _, turn := range c.turns {
			b = append(b, byte(turn.dir))
			b = append(b, turn.text...)
			b = append(b, 0xff)
		}
		f.Add(b, 5)
	}
	f.Fuzz(func(t *testing.T, script []byte, size int) {
		r := &recorder{}
		conn := http1.New(r)
		for i, text := range bytes.Split(script, []byte{0xff}) {
			if len(text) == 0 {
				conn.Gap(i&1, 3)
				continue
			}
			dir := int(text[0] & 1)
			text = text[1:]
			step := max(1, size%64)
			for at := 0; at < len(text); at += step {
				err := conn.Feed(dir, text[at:min(at+step, len(text))])
				if err != nil {
					break
				}
			}
		}
		conn.Close()
		for id, n := range r.ended {
			if n != 1 {
				t.Errorf("transaction %d ended %d times", id, n)
			}
		}
	})
}
