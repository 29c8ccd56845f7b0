package ledger

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	formatsnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

func TestAnEntryIsAppendedReadProvedAndVerified(t *testing.T) {
	dir := t.TempDir()
	key, _ := newTestKey(t)
	now := time.Date(2026, 11, 22, 8, 0, 0, 5000, time.FixedZone("ICT", 7*3600))
	l, err := Open(t.Context(), Options{Dir: dir, Origin: testOrigin, Signer: key, Clock: clock.NewFake(now)})
	if err != nil {
		t.Fatal(err)
	}
	e := testEntry("so-01/QĐ"[:5])
	e.Time = time.Time{}
	e.Detail["html"] = `<a href="x">&`
	r, err := l.Append(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Entry(t.Context(), r.Index)
	if err != nil || !got.Time.Equal(now) || got.Object != e.Object || got.Detail["html"] != e.Detail["html"] {
		t.Errorf("read %+v, %v", got, err)
	}
	begin := time.Now()
	p, err := l.Proof(t.Context(), r.Index)
	if err != nil {
		t.Fatal(err)
	}
	if wait := time.Since(begin); wait > 2*time.Second {
		t.Errorf("the proof took %s", wait)
	}
	if p.LeafHash != r.LeafHash {
		t.Error("proof and receipt name different leaf hashes")
	}
	vkey, err := os.ReadFile(filepath.Join(dir, VKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	// The proof travels as JSON, with other white space and escapes.
	raw, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var sent Proof
	err = json.Unmarshal(raw, &sent)
	if err != nil {
		t.Fatal(err)
	}
	proved, err := VerifyProof(&sent, string(vkey))
	if err != nil || proved.Object != e.Object {
		t.Errorf("VerifyProof gave %+v, %v", proved, err)
	}
	for name, spoil := range map[string]func(*Proof){
		"another index":      func(p *Proof) { p.Index++ },
		"another entry":      func(p *Proof) { p.Entry = bytes.Replace(p.Entry, []byte("acc-17"), []byte("acc-18"), 1) },
		"another leaf hash":  func(p *Proof) { p.LeafHash = strings.Repeat("0", 64) },
		"another tree size":  func(p *Proof) { p.TreeSize++ },
		"a changed head":     func(p *Proof) { p.Checkpoint = strings.Replace(p.Checkpoint, "\n1\n", "\n2\n", 1); p.TreeSize = 2 },
		"an additional hash": func(p *Proof) { p.Hashes = append(p.Hashes, strings.Repeat("0", 64)) },
	} {
		bad := sent
		spoil(&bad)
		_, err := VerifyProof(&bad, string(vkey))
		if !errors.Is(err, ErrProof) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err = l.Entry(t.Context(), 99)
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("an entry that is not there gave %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = l.Proof(ctx, 99)
	if !errors.Is(err, ErrNotPublished) {
		t.Errorf("a proof of an entry that is not there gave %v", err)
	}
	err = l.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Append(t.Context(), e)
	if !errors.Is(err, ErrClosed) {
		t.Errorf("append after close gave %v", err)
	}
}

func TestProofsHoldAcrossManyTiles(t *testing.T) {
	dir := t.TempDir()
	key, _ := newTestKey(t)
	fill(t, dir, key, 700)
	r, err := OpenReader(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	vkey, err := r.VKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range []uint64{0, 1, 255, 256, 511, 512, 699} {
		p, err := r.Proof(t.Context(), index)
		if err != nil {
			t.Fatalf("proof %d: %v", index, err)
		}
		_, err = VerifyProof(p, vkey)
		if err != nil {
			t.Errorf("proof %d: %v", index, err)
		}
	}
}

func TestTheCheckpointVerifiesWithTheCommonTool(t *testing.T) {
	dir := t.TempDir()
	key, _ := newTestKey(t)
	fill(t, dir, key, 3)
	vkey, err := os.ReadFile(filepath.Join(dir, VKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	v, err := formatsnote.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(raw, note.VerifierList(v))
	if err != nil || len(n.Sigs) != 1 || !strings.HasPrefix(n.Text, testOrigin+"\n3\n") {
		t.Errorf("transparency-dev/formats reads %+v, %v", n, err)
	}
}

func TestWhatIsNotFitForTheLedgerIsRefused(t *testing.T) {
	key, _ := newTestKey(t)
	l := openTest(t, t.TempDir(), key)
	defer l.Close()
	for name, spoil := range map[string]func(*Entry){
		"a kind without a room":                   func(e *Entry) { e.Kind = "sign" },
		"a kind in capitals":                      func(e *Entry) { e.Kind = "Sign.Document" },
		"no actor":                                func(e *Entry) { e.Actor = "" },
		"the name of a person instead of an id":   func(e *Entry) { e.Actor = "Nguyễn Văn A" },
		"a name without marks":                    func(e *Entry) { e.Actor = "Nguyen Van A" },
		"no object":                               func(e *Entry) { e.Object = "" },
		"a digest that is too short":              func(e *Entry) { e.Digest = "abcd" },
		"a digest in capitals":                    func(e *Entry) { e.Digest = strings.ToUpper(e.Digest) },
		"free text in a detail":                   func(e *Entry) { e.Detail = map[string]string{"note": "đã ký"} },
		"a detail with a line break":              func(e *Entry) { e.Detail = map[string]string{"note": "a\nb"} },
		"a detail that is too long":               func(e *Entry) { e.Detail = map[string]string{"note": strings.Repeat("a", 2000)} },
		"a year that JSON cannot hold":            func(e *Entry) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"an exercise id with a space":             func(e *Entry) { e.ExerciseID = "a b" },
		"more details than anybody has use for":   func(e *Entry) { e.Detail = manyDetails(33) },
		"details that are longer than one record": func(e *Entry) { e.Detail = longDetails() },
	} {
		e := testEntry("x")
		spoil(&e)
		_, err := l.Append(t.Context(), e)
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	size, err := l.Size(t.Context())
	if err != nil || size != 0 {
		t.Errorf("the log has %d entries, %v", size, err)
	}
}

func manyDetails(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out[fmt.Sprint("d", i)] = "x"
	}
	return out
}

func longDetails() map[string]string {
	out := map[string]string{}
	for i := range 32 {
		out[fmt.Sprint("d", i)] = strings.Repeat("x", 1024)
	}
	return out
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	key, _ := newTestKey(t)
	other, _ := newTestKey(t)
	fill(t, dir, key, 300)
	l := openTest(t, dir, key)
	_, err := Open(t.Context(), Options{Dir: dir, Origin: testOrigin, Signer: key})
	if !errors.Is(err, ErrOpenTwice) {
		t.Errorf("a log opened twice in one process gave %v", err)
	}
	err = l.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Options{Dir: dir, Origin: testOrigin, Signer: other})
	if !errors.Is(err, ErrKeyChanged) {
		t.Errorf("another key gave %v", err)
	}
	_, err = Open(t.Context(), Options{Dir: dir, Origin: "other/ledger", Signer: key})
	if !errors.Is(err, ErrKeyChanged) {
		t.Errorf("another origin gave %v", err)
	}
	_, err = Open(t.Context(), Options{Dir: dir, Origin: "a b", Signer: key})
	if !errors.Is(err, ErrVKey) {
		t.Errorf("an origin with a space gave %v", err)
	}
	state := filepath.Join(dir, stateDir, "treeState")
	flip(t, filepath.Join(dir, "tile/0/001.p/44"), 3)
	_, err = Open(t.Context(), Options{Dir: dir, Origin: testOrigin, Signer: key})
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("a damaged right edge gave %v", err)
	}
	err = os.Remove(state)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Options{Dir: dir, Origin: testOrigin, Signer: key})
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("a log without its state gave %v: it would be begun anew", err)
	}
}

func TestTwoProcessesAppendToOneLog(t *testing.T) {
	dir := t.TempDir()
	key, keyFile := newTestKey(t)
	const each = 400
	var outputs [2]bytes.Buffer
	var wg sync.WaitGroup
	for i := range outputs {
		cmd := writerProcess(t, dir, keyFile, each)
		cmd.Stdout = &outputs[i]
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		wg.Go(func() {
			err := cmd.Run()
			if err != nil {
				t.Errorf("writer: %v\n%s", err, stderr.String())
			}
		})
	}
	l := openTest(t, dir, key)
	mine := map[uint64]string{}
	for i := range 50 {
		object := fmt.Sprint("mine-", i)
		r, err := l.Append(t.Context(), testEntry(object))
		if err != nil {
			t.Fatal(err)
		}
		mine[r.Index] = object
	}
	wg.Wait()
	for i := range outputs {
		for index, object := range receipts(t, &outputs[i]) {
			if mine[index] != "" {
				t.Fatalf("index %d was given twice", index)
			}
			mine[index] = object
		}
	}
	if len(mine) != 2*each+50 {
		t.Errorf("%d receipts", len(mine))
	}
	checkObjects(t, l, mine)
	err := l.Close()
	if err != nil {
		t.Fatal(err)
	}
	report, err := Verify(t.Context(), dir, VerifyOptions{})
	if err != nil || !report.OK() || report.Entries != 2*each+50 {
		t.Errorf("verify: %+v, %v", report, err)
	}
}

func TestOneOfSeveralWritersCollectsAndTheNextOneAfterIt(t *testing.T) {
	dir := t.TempDir()
	key, _ := newTestKey(t)
	err := openTest(t, dir, key).Close()
	if err != nil {
		t.Fatal(err)
	}
	other, err := claimCollector(dir) // the kernel's lock is another one for each opening, as for each process
	if err != nil || other == nil {
		t.Fatalf("the lock of a closed log is not free: %v, %v", other, err)
	}
	l := openTest(t, dir, key)
	if l.collector != nil {
		t.Error("two collect")
	}
	_, err = l.Append(t.Context(), testEntry("not-collecting"))
	err = errors.Join(err, l.Close(), leaveCollector(other))
	if err != nil {
		t.Fatal(err)
	}
	l = openTest(t, dir, key)
	if l.collector == nil {
		t.Error("nobody collects")
	}
	err = l.Close()
	if err != nil {
		t.Error(err)
	}
}

func TestEveryAcknowledgedEntrySurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	key, keyFile := newTestKey(t)
	acknowledged := map[uint64]string{}
	for round := range 6 {
		cmd := writerProcess(t, dir, keyFile, 100_000)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		err = cmd.Start()
		if err != nil {
			t.Fatal(err)
		}
		var printed bytes.Buffer
		lines := bufio.NewReader(out)
		for range 60 + 37*round {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			printed.WriteString(line)
		}
		err = cmd.Process.Kill()
		if err != nil {
			t.Fatal(err)
		}
		rest, _ := lines.ReadString(0) // what was printed before the kill counts too
		printed.WriteString(rest)
		cmd.Wait()
		for index, object := range receipts(t, &printed) {
			if acknowledged[index] != "" {
				t.Fatalf("index %d was given twice", index)
			}
			acknowledged[index] = object
		}
	}
	l := openTest(t, dir, key)
	size, err := l.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checkObjects(t, l, acknowledged)
	_, err = l.Append(t.Context(), testEntry("after"))
	if err != nil {
		t.Fatal(err)
	}
	err = l.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d entries acknowledged over 6 kills, %d in the log", len(acknowledged), size)
	report, err := Verify(t.Context(), dir, VerifyOptions{})
	if err != nil || !report.OK() || report.Beyond != 0 || len(report.Strangers) != 0 {
		t.Errorf("verify: %+v, %v", report, err)
	}
}

// receipts reads what writerMain prints; a last line that was cut is dropped.
func receipts(t *testing.T, out *bytes.Buffer) map[uint64]string {
	t.Helper()
	got := map[uint64]string{}
	for line := range strings.Lines(out.String()) {
		var index uint64
		var object string
		_, err := fmt.Sscanf(line, "%d %s\n", &index, &object)
		if err != nil || !strings.HasSuffix(line, "\n") {
			continue
		}
		if got[index] != "" {
			t.Fatalf("index %d was given twice", index)
		}
		got[index] = object
	}
	return got
}

func checkObjects(t *testing.T, l *Log, want map[uint64]string) {
	t.Helper()
	for index, object := range want {
		e, err := l.Entry(t.Context(), index)
		if err != nil || e.Object != object {
			t.Fatalf("entry %d: %q, %v; acknowledged was %q", index, e.Object, err, object)
		}
	}
}

func TestAWriterWhoGivesUpIsNotWritten(t *testing.T) {
	dir := t.TempDir()
	key, _ := newTestKey(t)
	l := openTest(t, dir, key)
	// Somebody else holds the append lock for a while.
	lock, err := openAppendLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lock.acquire()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = l.Append(ctx, testEntry("given-up"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	err = lock.close()
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Append(t.Context(), testEntry("next"))
	if err != nil || r.Index != 0 {
		t.Errorf("the next entry has index %d, %v", r.Index, err)
	}
	err = l.Close()
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprint("writers-", writers), func(b *testing.B) {
			key, _ := newTestKey(b)
			l := openTest(b, b.TempDir(), key)
			var mu sync.Mutex
			var longest time.Duration
			work := make(chan int)
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for i := range work {
						begin := time.Now()
						_, err := l.Append(b.Context(), testEntry(fmt.Sprint("object-", i)))
						if err != nil {
							b.Error(err)
						}
						mu.Lock()
						longest = max(longest, time.Since(begin))
						mu.Unlock()
					}
				})
			}
			for i := range b.N {
				work <- i
			}
			close(work)
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
			b.ReportMetric(float64(longest.Milliseconds()), "longest-ms")
			err := l.Close()
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}
