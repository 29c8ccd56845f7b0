package mail

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/rules"
)

// read writes a message in pieces and returns it with its record.
func read(t *testing.T, text string) (*Message, string) {
	t.Helper()
	m := New(nil)
	for part := range slices.Chunk([]byte(text), 100) {
		m.Write(part)
	}
	m.End()
	m.Close()
	return m, record(t, m)
}

func record(t *testing.T, m *Message) string {
	t.Helper()
	e := encode.Encoder{B: []byte{'{'}}
	m.Encode(&e)
	text := string(append(e.B, '}'))
	if !json.Valid([]byte(text)) {
		t.Fatalf("not JSON: %s", text)
	}
	return text
}

func held(m *Message) []string {
	var out []string
	for _, f := range m.Files() {
		out = append(out, fmt.Sprintf("%s %d %s", f.Name, f.Size, f.State))
	}
	return out
}

func TestAMessageIsRead(t *testing.T) {
	const text, file = "Content-Type: text/plain\n\n", "Content-Disposition: attachment; filename="
	inner := "--i\n" + text + "see HTTP://x.vn/a\"b\n--i\n" + file + "deep.txt\n\n12\n--i--\n"
	for _, c := range []struct {
		name, message string
		record        []string
		files         []string
	}{
		{"a plain one", "From: a@x.vn\r\nTo: \"b, c\" <b@x.vn>, d@x.vn\r\nCc: e@x.vn\r\nSubject: s\r\nDate: today\r\nMessage-ID: <1>\r\nX-Mailer: m\r\nReceived: one\r\nReceived: two\r\n\r\nhi mailto:z@x.vn\r\n",
			[]string{`"from":"a@x.vn","to":["\"b, c\" <b@x.vn>","d@x.vn"],"cc":["e@x.vn"],"subject":"s","date":"today","message_id":"<1>","x_mailer":"m","received":["one","two"],"url":["mailto:z@x.vn"]`}, nil},
		{"folded fields", "Subject: a\r\n b\r\n\tc\r\n\r\n", []string{`"subject":"a bc"`}, nil},
		{"no body", "Subject: a", []string{`"subject":"a"`}, nil},
		{"no header", "\r\nhttp://x.vn/ ", []string{`"url":["http://x.vn/"]`}, nil},
		{"one that is a file", "Content-Type: application/pdf; name=\"a b.pdf\"\nContent-Transfer-Encoding: BASE64\n\nAA\nEC=\nignored", []string{`"attachment":["a b.pdf"]`}, []string{"a b.pdf 3 CLOSED"}},
		{"quoted-printable", "Content-Transfer-Encoding: quoted-printable\n\nhttp://x.vn/=\n=41 z", []string{`"url":["http://x.vn/A"]`}, nil},
		{"parts within parts", "Content-Type: multipart/mixed; boundary=o\n\npreamble http://no.vn/\n--o\nContent-Type: multipart/alternative; boundary=i\n\n" + inner + "\n--o\n" + file + "top.txt\n\n3\n--o--\nepilogue",
			[]string{`"attachment":["deep.txt","top.txt"],"url":["HTTP://x.vn/a"]`}, []string{"deep.txt 2 CLOSED", "top.txt 1 CLOSED"}},
		{"a message within", "Content-Type: message/rfc822\n\nSubject: inner\nContent-Type: multipart/mixed; boundary=i\n\n" + inner, []string{`"attachment":["deep.txt"]`}, []string{"deep.txt 2 CLOSED"}},
		{"a part without its end", "Content-Type: multipart/mixed; boundary=o\n\n--o\n" + file + "a\n\n12", []string{`"attachment":["a"]`}, []string{"a 2 TRUNCATED"}},
		{"a type that breaks the standard", "Content-Type: Multipart/Mixed; boundary=\"o\"; boundary=o; =\n\n--o\n" + file + "a\n\n12\n--o--", nil, []string{"a 2 CLOSED"}},
		{"a link within a word, and twice", "\n\nxhttps://x.vn/y https:nothing ftp://z>", []string{`"url":["https://x.vn/y","ftp://z"]`}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, got := read(t, c.message)
			for _, want := range c.record {
				if !strings.Contains(got, want) {
					t.Errorf("%s, without %s", got, want)
				}
			}
			if list := held(m); !slices.Equal(list, c.files) {
				t.Errorf("files %q, want %q", list, c.files)
			}
		})
	}
}

func TestSumsAreThoseOfTheBodyAndTheSubject(t *testing.T) {
	const body = "hello\r\n"
	m, got := read(t, "Subject: s\r\n\r\n"+body)
	sum, subject := md5.Sum([]byte(body)), md5.Sum([]byte("s"))
	want := fmt.Sprintf(`"body_md5":"%x","subject_md5":"%x"`, sum, subject)
	if !strings.Contains(got, want) {
		t.Errorf("%s, without %s", got, want)
	}
	var b rules.Buffers
	m.Fields(0, &b)
	var seen []string
	b.Each(func(name rules.Buffer, v []byte) { seen = append(seen, fmt.Sprintf("%s %s", name, v)) })
	if want := []string{"email.subject s", "email.body_md5 " + hex.EncodeToString(sum[:])}; !slices.Equal(seen, want) {
		t.Errorf("rules see %q, want %q", seen, want)
	}
}

func TestWhatDidNotComeWholeSaysSo(t *testing.T) {
	const text = "Content-Disposition: attachment; filename=a\n\n123"
	for _, c := range []struct {
		name     string
		write    func(*Message)
		complete bool
	}{
		{"no end", func(*Message) {}, false},
		{"a gap", func(m *Message) { m.Gap(3); m.End() }, true},
		{"more than is kept", func(m *Message) { m.Write(make([]byte, maxMessage)); m.End() }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := New(nil)
			m.Write([]byte(text))
			c.write(m)
			m.Close()
			m.Close()
			got := record(t, m)
			if strings.Contains(got, "body_md5") || strings.Contains(got, "PARSE_DONE") != c.complete {
				t.Error(got)
			}
			if len(m.Files()) != 1 || held(m)[0] != fmt.Sprintf("a %d TRUNCATED", m.Files()[0].Size) {
				t.Errorf("files %q", held(m))
			}
		})
	}
}

func TestHostileMessagesAreBounded(t *testing.T) {
	long := strings.Repeat("b", 300)
	for _, c := range []struct {
		name, message string
		troubles      []string
		files         int
	}{
		{"parts without number", "Content-Type: multipart/mixed; boundary=o\n\n" + strings.Repeat("--o\nContent-Type: x/y; name=a\n\n", 1000), nil, maxParts - 1},
		{"depth without end", strings.Repeat("Content-Type: message/rfc822\n\n", 1000) + "Content-Type: x/y; name=a\n\n", nil, 0},
		{"fields and links without number", strings.Repeat("To: a\n", 1000) + "\n" + strings.Repeat("http://a ", 1000), nil, 0},
		{"long names", "Content-Type: multipart/mixed; boundary=" + long + "\n\n--" + long + "\nContent-Type: x/y; name=" + long + "\n\n1\n", []string{"mime_long_boundary", "mime_long_filename"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, got := read(t, c.message)
			if len(m.Files()) != c.files || !slices.Equal(m.Troubles(), c.troubles) {
				t.Errorf("%d files and troubles %v, want %d and %v", len(m.Files()), m.Troubles(), c.files, c.troubles)
			}
			if len(got) > 32<<10 {
				t.Errorf("a record of %d bytes", len(got))
			}
		})
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte("From: a\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: base64\nContent-Type: x; name=y\n\nAAEC\n--b--"))
	f.Fuzz(func(t *testing.T, text []byte) { read(t, string(text)) })
}
