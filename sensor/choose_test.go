package sensor_test

import (
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/files"
)

// post asks with a body and is answered with one.
func post(c *tcpConn, uri, up, down string) {
	c.say(0, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a.vn\r\nContent-Length: %d\r\n\r\n%s", uri, len(up), up), 1000)
	c.say(1, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(down), down), 1000)
}

// kept lists the contents that a store is left with, and what fileinfo says is
// stored, as direction and name.
func kept(t *testing.T, rule, capture string) (stored []string, held int) {
	t.Helper()
	dir := t.TempDir()
	store, err := files.OpenStore(dir, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	cfg := sensor.Config{Files: store, FilesChosen: true}
	if rule != "" {
		cfg.Rules = ruleEngine(t, rule)
	}
	sink, _, _ := runFiles(t, cfg, capture)
	for _, e := range of(sink.events(t), "fileinfo") {
		f := part(e, "fileinfo")
		if f["stored"] == true {
			stored = append(stored, fmt.Sprint(f["filename"], " ", f["size"]))
		}
		if f["stored"] == true && f["file_id"] == nil {
			t.Errorf("stored without an id: %v", f)
		}
		if sid := fmt.Sprint(f["sid"]); (f["stored"] == true) != (sid == "[1]") {
			t.Errorf("the rules that chose are %s: %v", sid, f)
		}
	}
	slices.Sort(stored)
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			held++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return stored, held
}

func TestOnlyTheFilesThatARuleChoseAreKept(t *testing.T) {
	w := newWire(t)
	c := w.dial("192.168.1.10:40000", "203.0.113.5:80")
	post(c, "/one", "u1", "down of one")
	post(c, "/two", "u2 "+strings.Repeat("x", 200<<10), "down of two")
	post(c, "/three", "u3 of three", "d3")
	c.close()
	capture := w.file()
	for _, x := range []struct {
		name, rule string
		want       []string
	}{
		{"no rules keep nothing", "", nil},
		{"rules without filestore keep nothing", `alert http any any -> any any (file.data; content:"down"; sid:1;)`, nil},
		{"the file that was judged", `alert http any any -> any any (file.data; content:"of two"; filestore; sid:1;)`, []string{"/two 11"}},
		{"without an alert too", `alert http any any -> any any (file.data; content:"u3"; filestore; noalert; sid:1;)`, []string{"/three 11"}},
		{"one larger than what is kept in memory", `alert http any any -> any any (file.data; content:"u2"; filestore; sid:1;)`, []string{"/two 204803"}},
		{"every file", `alert http any any -> any any (filestore; sid:1;)`, []string{"/one 11", "/one 2", "/three 11", "/three 2", "/two 11", "/two 204803"}},
		{"the transaction's in one direction", `alert http any any -> any any (http.uri; content:"/two"; filestore:response; sid:1;)`, []string{"/two 11"}},
		{"the transaction's in both", `alert http any any -> any any (http.uri; content:"/two"; filestore:both,tx; sid:1;)`, []string{"/two 11", "/two 204803"}},
		{"those of the flow from then on", `alert http any any -> any any (http.uri; content:"/two"; filestore:both,flow; sid:1;)`, []string{"/three 11", "/three 2", "/two 11", "/two 204803"}},
		{"those of the flow in one direction", `alert http any any -> any any (http.uri; content:"/two"; filestore:to_server,ssn; sid:1;)`, []string{"/three 11", "/two 204803"}},
		{"a rule on the stream chooses the flow's", `alert tcp any any -> any any (content:"POST /one"; filestore:response,flow; sid:1;)`, []string{"/one 11", "/three 2", "/two 11"}},
		{"the method of what was uploaded", `alert http any any -> any any (http.method; content:"POST"; http.uri; content:"three"; filestore; sid:1;)`, []string{"/three 11"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, held := kept(t, x.rule, capture)
			if !slices.Equal(got, x.want) || held != len(x.want) {
				t.Errorf("stored %q, %d files held, want %q", got, held, x.want)
			}
		})
	}
}

func TestAnAlertSaysThatItsFileIsAboutToBeKept(t *testing.T) {
	w := newWire(t)
	c := w.dial("192.168.1.10:40000", "203.0.113.5:80")
	post(c, "/one", "up", "down")
	c.close()
	store, err := files.OpenStore(t.TempDir(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	sink, _, _ := runFiles(t, sensor.Config{
		Files: store, FilesChosen: true, Rules: ruleEngine(t, `alert http any any -> any any (file.data; content:"down"; filestore; sid:1;)`),
	}, w.file())
	alerts := of(sink.events(t), "alert")
	if len(alerts) != 1 {
		t.Fatalf("%d alerts", len(alerts))
	}
	if line := string(alerts[0].Raw); !strings.Contains(line, `"stored":false,"storing":true`) {
		t.Error(line)
	}
}

// partial asks for a part and is answered with it.
func partial(c *tcpConn, uri, whole string, from, to int) {
	c.say(0, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: A.vn:80\r\nRange: bytes=%d-%d\r\n\r\n", uri, from, to-1), 1000)
	c.say(1, fmt.Sprintf("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n%s",
		from, to-1, len(whole), to-from, whole[from:to]), 1000)
}

// wholes are the names and sizes of the files that are no ranges.
func wholes(sink *memory, t *testing.T) (out []string) {
	for _, e := range of(sink.events(t), "fileinfo") {
		f := part(e, "fileinfo")
		if f["start"] == nil {
			out = append(out, fmt.Sprint(f["filename"], " ", f["size"], " ", f["state"]))
		}
	}
	return out
}

func TestRangesOverConnectionsAreJoinedJudgedAndKept(t *testing.T) {
	whole := strings.Repeat("0123456789", 300) + "the mark" + strings.Repeat("abcdefghij", 300)
	half := 3004 // in the midst of the mark, which no part has
	w := newWire(t)
	one := w.dial("192.168.1.10:40000", "203.0.113.5:80")
	two := w.dial("192.168.1.10:40001", "203.0.113.5:80")
	other := w.dial("192.168.1.11:40000", "203.0.113.5:80")
	partial(two, "/f?x=1", whole, half+900, len(whole))
	partial(other, "/f?x=1", whole, half, half+900)
	partial(one, "/f?x=1", whole, 0, half)
	partial(one, "/f?x=1", whole, 5, half)
	partial(one, "/other", whole, half, half+950)
	before := w.file()
	partial(one, "/f?x=1", whole, half, half+950)
	one.close()
	two.close()
	after := w.file()
	rule := `alert http any any -> any any (msg:"mark"; file.data; content:"the mark"; filestore; sid:1;)`
	stored, held := kept(t, rule, after)
	if want := fmt.Sprintf("/f %d", len(whole)); held != 1 || !slices.Equal(stored, []string{want}) {
		t.Errorf("stored %q", stored)
	}
	sink, n, _ := runFiles(t, sensor.Config{Rules: ruleEngine(t, rule)}, after)
	if got := wholes(sink, t); !slices.Equal(got, []string{fmt.Sprintf("/f %d CLOSED", len(whole))}) {
		t.Errorf("whole files %q", got)
	}
	if got := len(of(sink.events(t), "alert")); got != 1 {
		t.Errorf("%d alerts", got)
	}
	if n.Ranges.Whole != 1 || n.Ranges.Expired != 2 || n.Ranges.Waiting != 0 || n.Ranges.Bytes != 0 {
		t.Errorf("%+v", n.Ranges)
	}
	sink, _, _ = runFiles(t, sensor.Config{}, before)
	if got := wholes(sink, t); got != nil {
		t.Errorf("a part is missing, and %q is whole", got)
	}
}

func TestSeveralRangesInOneAnswerAreJoined(t *testing.T) {
	whole := strings.Repeat("0123456789", 30)
	w := newWire(t)
	c := w.dial("192.168.1.10:40000", "203.0.113.5:80")
	body := ""
	for _, at := range [][2]int{{200, 300}, {0, 120}} {
		body += fmt.Sprintf("--limit\r\nContent-Type: text/plain\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%s\r\n", at[0], at[1]-1, len(whole), whole[at[0]:at[1]])
	}
	body += "--limit--\r\n"
	c.say(0, "GET /f HTTP/1.1\r\nHost: a.vn\r\nRange: bytes=200-299,0-119\r\n\r\n", 1000)
	c.say(1, fmt.Sprintf("HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=limit\r\nContent-Length: %d\r\n\r\n%s", len(body), body), 100)
	partial(c, "/f", whole, 120, 200)
	c.close()
	sink, _, _ := runFiles(t, sensor.Config{}, w.file())
	if got := wholes(sink, t); !slices.Contains(got, "/f 300 CLOSED") {
		t.Errorf("%q", got)
	}
}

func TestRangesOfRealCapturesAreJoined(t *testing.T) {
	for name, want := range map[string]string{
		"suricata-verify/tests/http-range-multiflows/input.pcap":                            "/mqtt5_pub_jpeg.pcap 37323 CLOSED",
		"suricata-verify/tests/http2-range/http2-range.pcap":                                "/eicar 69 CLOSED",
		"other/zeek__testing__btest__Traces__http__concurrent-range-requests-complete.pcap": "/zeek.txt 34 CLOSED",
	} {
		sink, _, _ := runFiles(t, sensor.Config{Checksums: sensor.ChecksumNone}, testkit.Data(t, "pcap/"+name))
		n := 0
		for _, got := range wholes(sink, t) {
			if got == want {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: %d of %q", name, n, want)
		}
	}
}

func TestAFileTellsEachRuleThatChoseItOnce(t *testing.T) {
	w := newWire(t)
	c := w.dial("192.168.1.10:40000", "203.0.113.5:80")
	post(c, "/a", "up", "down")
	post(c, "/b", "up", "down")
	store, err := files.OpenStore(t.TempDir(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	sink, _, _ := runFiles(t, sensor.Config{Files: store, FilesChosen: true, Rules: ruleEngine(t, strings.Join([]string{
		`alert http any any -> any any (msg:"a"; http.uri; content:"/a"; filestore:both,flow; sid:7;)`,
		`alert http any any -> any any (msg:"b"; flow:to_server; http.uri; content:"/b"; filestore:response,tx; sid:8;)`,
	}, "\n"))}, w.file())
	got := map[string]string{}
	for _, e := range of(sink.events(t), "fileinfo") {
		f := part(e, "fileinfo")
		got[fmt.Sprint(f["filename"], " ", f["size"])] = fmt.Sprint(f["sid"])
	}
	want := map[string]string{"/a 2": "[7]", "/a 4": "[7]", "/b 2": "[7]", "/b 4": "[7 8]"}
	if !maps.Equal(got, want) {
		t.Errorf("chosen by %v", got)
	}
}
