package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"

	"golang.org/x/sync/errgroup"

	"github.com/antin-gov/antin/sensor"
)

// ErrTshark means that tshark could not be run or read.
var ErrTshark = errors.New("conformance: tshark")

// What is compared with tshark: a DNS message by id, kind and name; a TLS client
// by its name and JA3, a server by its JA3S; an HTTP request by method, host and URI.
const (
	comparedDNS    = "dns"
	comparedClient = "tls client"
	comparedServer = "tls server"
	comparedHTTP   = "http"
	comparedJA4    = "ja4"
)

func comparedKinds() []string {
	return []string{comparedDNS, comparedClient, comparedServer, comparedHTTP, comparedJA4}
}

// Read is what one reader found in a capture: how often each thing, by kind.
type Read map[string]map[string]int

func (r Read) add(kind, what string) {
	if r[kind] == nil {
		r[kind] = map[string]int{}
	}
	r[kind][what]++
}

// ReadDifference is something that one reader found more often.
type ReadDifference struct {
	Kind   string `json:"kind"`
	What   string `json:"what"`
	Ours   int    `json:"ours"`
	Theirs int    `json:"theirs"`
	// Why explains it; empty for what is not explained.
	Why string `json:"why,omitempty"`
}

// ReadCapture compares the sensor with tshark on one capture.
type ReadCapture struct {
	Capture   string           `json:"capture"`
	Equal     map[string]int   `json:"equal"` // things both found, by kind
	Different []ReadDifference `json:"different,omitempty"`
	Failure   string           `json:"failure,omitempty"`
}

// Captures lists the capture files below a folder.
func Captures(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".pcap", ".pcapng", ".cap":
			if d.Type().IsRegular() {
				out = append(out, path)
			}
		}
		return nil
	})
	if err == nil && len(out) == 0 {
		err = ErrEmpty
	}
	return out, err
}

// CompareTshark reads each capture with the sensor and with tshark.
func CompareTshark(ctx context.Context, captures []string, progress func(done, all int)) ([]ReadCapture, error) {
	return compareReads(ctx, captures, progress, readRecords, readTshark)
}

// compareReads holds what the sensor's records tell of each capture against what
// another reader with tshark does.
func compareReads(
	ctx context.Context, captures []string, progress func(done, all int),
	ours func([]map[string]any) Read, theirs func(ctx context.Context, bin, path string) (Read, error),
) ([]ReadCapture, error) {
	bin, err := exec.LookPath("tshark")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTshark, err)
	}
	why, err := readExplanations()
	if err != nil {
		return nil, err
	}
	out := make([]ReadCapture, len(captures))
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	for n, path := range captures {
		group.Go(func() error {
			c := ReadCapture{Capture: path, Equal: map[string]int{}}
			records, err := recordsOf(ctx, path, sensor.Config{})
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				c.Failure = "sensor: " + err.Error()
			}
			read, err := theirs(ctx, bin, path)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				// What it read until then is compared.
				c.Failure = strings.TrimSpace(c.Failure + " " + err.Error())
			}
			c.compare(ours(records), read, why.Tshark)
			out[n] = c
			mu.Lock()
			defer mu.Unlock()
			done++
			if progress != nil {
				progress(done, len(captures))
			}
			return nil
		})
	}
	return out, group.Wait()
}

func (c *ReadCapture) compare(ours, theirs Read, why []Explanation) {
	for _, kind := range comparedKinds() {
		all := maps.Clone(ours[kind])
		if all == nil {
			all = map[string]int{}
		}
		maps.Copy(all, theirs[kind])
		for _, what := range slices.Sorted(maps.Keys(all)) {
			a, b := ours[kind][what], theirs[kind][what]
			c.Equal[kind] += min(a, b)
			if a != b {
				c.Different = append(c.Different, ReadDifference{Kind: kind, What: what, Ours: a, Theirs: b, Why: because(why, c.Capture, 0, kind)})
			}
		}
	}
}

// readRecords takes what is compared from the sensor's records.
func readRecords(records []map[string]any) Read {
	out := Read{}
	for _, r := range records {
		kind := text(r["event_type"])
		body, _ := r[kind].(map[string]any)
		switch kind {
		case "dns", "mdns":
			out.add(comparedDNS, dnsKey(said(body, "id"), said(body, "type") == "response", said(body, "queries", "rrname")))
		case "tls":
			if hash := said(body, "ja3", "hash"); hash != "" {
				out.add(comparedClient, hash+" "+strings.ToLower(said(body, "sni")))
			}
			if hash := said(body, "ja3s", "hash"); hash != "" {
				out.add(comparedServer, hash)
			}
		case "http":
			if method := said(body, "http_method"); method != "" {
				out.add(comparedHTTP, httpKey(method, said(body, "hostname"), said(body, "url")))
			}
		}
	}
	return out
}

// said is the text at a path of a record, of a list its first; empty when there is
// none.
func said(v any, path ...string) string {
	for _, key := range path {
		list, ok := v.([]any)
		if ok && len(list) > 0 {
			v = list[0]
		}
		m, _ := v.(map[string]any)
		v = m[key]
	}
	if v == nil {
		return ""
	}
	return text(v)
}

func dnsKey(id string, response bool, name string) string {
	kind := "request"
	if response {
		kind = "response"
	}
	return id + " " + kind + " " + strings.ToLower(name)
}

func httpKey(method, host, uri string) string {
	name, _, err := net.SplitHostPort(host)
	if err == nil {
		host = name
	}
	return method + " " + strings.ToLower(host) + " " + uri
}

// tsharkFilter are the packets that tshark is asked about.
const tsharkFilter = "((dns or mdns) and not icmp and not icmpv6) or ((tls.handshake.type == 1 or tls.handshake.type == 2) and tcp) or (http.request.method and tcp)"

// maxLine bounds a line of tshark's answer.
const maxLine = 16 << 20

// readTshark takes what is compared from tshark's own reading.
func readTshark(ctx context.Context, bin, path string) (Read, error) {
	args := []string{"-r", path, "-n", "-Y", tsharkFilter, "-T", "ek"}
	for _, f := range []string{
		"tcp.stream", "dns.id", "dns.flags.response", "dns.qry.name", "tls.handshake.type", "tls.handshake.ja3", "tls.handshake.ja3s",
		"tls.handshake.extensions_server_name", "http.request.method", "http.host", "http.request.uri", "frame.protocols",
	} {
		args = append(args, "-e", f)
	}
	out := Read{}
	hellos := map[string]bool{}
	err := runTshark(ctx, bin, args, func(r io.Reader) error {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxLine)
		for lines.Scan() {
			var line struct {
				Layers map[string][]string `json:"layers"`
			}
			err := json.Unmarshal(lines.Bytes(), &line)
			if err != nil {
				return err
			}
			take(out, hellos, line.Layers)
		}
		return lines.Err()
	})
	return out, err
}

// runTshark has its answer read. An error tells what tshark said.
func runTshark(ctx context.Context, bin string, args []string, read func(io.Reader) error) error {
	cmd := exec.CommandContext(ctx, bin, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTshark, err)
	}
	err = cmd.Start()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTshark, err)
	}
	err = read(pipe)
	_, copied := io.Copy(io.Discard, pipe)
	err = errors.Join(err, copied, cmd.Wait())
	if err != nil {
		return fmt.Errorf("%w: %w: %.200s", ErrTshark, err, said.String())
	}
	return nil
}

// take adds a packet. A client that says hello twice on one connection is one.
func take(out Read, hellos map[string]bool, layers map[string][]string) {
	first := func(name string) string {
		if len(layers[name]) == 0 {
			return ""
		}
		return layers[name][0]
	}
	ids, replies, names := layers["dns_id"], layers["dns_flags_response"], layers["dns_qry_name"]
	for n, id := range ids {
		number, err := strconv.ParseUint(strings.TrimPrefix(id, "0x"), 16, 16)
		if err != nil || n >= len(replies) {
			continue
		}
		name := ""
		if n < len(names) {
			name = names[n]
		}
		if name == "<Root>" {
			name = ""
		}
		out.add(comparedDNS, dnsKey(strconv.FormatUint(number, 10), replies[n] == "1" || replies[n] == "true", name))
	}
	stream := first("tcp_stream")
	if ja3 := first("tls_handshake_ja3"); ja3 != "" && !hellos["c"+stream] {
		hellos["c"+stream] = true
		out.add(comparedClient, ja3+" "+strings.ToLower(first("tls_handshake_extensions_server_name")))
	}
	if ja3s := first("tls_handshake_ja3s"); ja3s != "" && !hellos["s"+stream] {
		hellos["s"+stream] = true
		out.add(comparedServer, ja3s)
	}
	methods, hosts, uris := layers["http_request_method"], layers["http_host"], layers["http_request_uri"]
	for n, method := range methods {
		host, uri := "", ""
		if n < len(hosts) {
			host = hosts[n]
		}
		if n < len(uris) {
			uri = uris[n]
		}
		out.add(comparedHTTP, httpKey(method, host, uri))
	}
}

// ReadTally sums up a kind.
type ReadTally struct {
	Kind      string `json:"kind"`
	Captures  int    `json:"captures"` // in which either found some
	SameIn    int    `json:"same_in"`  // of them, both found the same
	Equal     int    `json:"equal"`
	Ours      int    `json:"only_ours"`
	Theirs    int    `json:"only_theirs"`
	Explained int    `json:"explained"`
}

// SumUpReads counts by kind, those of which there is any.
func SumUpReads(captures []ReadCapture) []ReadTally {
	var out []ReadTally
	for _, kind := range comparedKinds() {
		t := ReadTally{Kind: kind}
		for i := range captures {
			c := &captures[i]
			different := false
			for _, d := range c.Different {
				if d.Kind != kind {
					continue
				}
				different = true
				t.Ours += max(0, d.Ours-d.Theirs)
				t.Theirs += max(0, d.Theirs-d.Ours)
				if d.Why != "" {
					t.Explained += max(d.Ours-d.Theirs, d.Theirs-d.Ours)
				}
			}
			t.Equal += c.Equal[kind]
			if different || c.Equal[kind] > 0 {
				t.Captures++
			}
			if !different && c.Equal[kind] > 0 {
				t.SameIn++
			}
		}
		if t.Captures > 0 {
			out = append(out, t)
		}
	}
	return out
}

// PrintReads writes the differences and the sum.
func PrintReads(w io.Writer, captures []ReadCapture, tallies []ReadTally) error {
	for i := range captures {
		c := &captures[i]
		if c.Failure != "" {
			fmt.Fprintf(w, "%s: %s\n", c.Capture, c.Failure)
		}
		for _, d := range c.Different {
			why := d.Why
			if why == "" {
				why = "not explained"
			}
			fmt.Fprintf(w, "%s: %s %.120q: %d here, %d there: %s\n", c.Capture, d.Kind, d.What, d.Ours, d.Theirs, why)
		}
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "read\tcaptures\tthe same in\tequal\tonly here\tonly there\texplained\t")
	for _, t := range tallies {
		fmt.Fprintf(tab, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", t.Kind, t.Captures, t.SameIn, t.Equal, t.Ours, t.Theirs, t.Explained)
	}
	return tab.Flush()
}
