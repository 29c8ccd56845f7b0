package files

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var (
	noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	from = Source{Client: netip.MustParseAddr("192.0.2.1"), Host: "a.vn", URI: "/f"}
)

// give opens a part and writes it in pieces.
func give(r *Ranges, s *Store, content []byte, start, end, step int) *File {
	p := r.Open(s, from, []byte("/f"), Range{uint64(start), uint64(end - 1), uint64(len(content))}, noon)
	for at := start; at < end; at += step {
		p.Write(content[at:min(at+step, end)])
	}
	return p.Close()
}

func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestPartsInAnyOrderBecomeTheWholeOrNothing(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 5))
		content := noise(rng, 2+rng.IntN(5000))
		checkParts(t, content, rng, seed%3 == 0)
	}
}

// checkParts gives random parts, some of them with gaps and some at the same time
// as others, and then, unless lossy, all that is missing.
func checkParts(t *testing.T, content []byte, rng *rand.Rand, lossy bool) {
	t.Helper()
	r := NewRanges(0, 0)
	seen := make([]bool, len(content))
	var whole *File
	take := func(f *File) {
		if f != nil && whole != nil {
			t.Fatal("told twice")
		}
		if f != nil {
			whole = f
		}
	}
	var open []*Part
	var at, end []int
	for range 1 + rng.IntN(30) {
		a := rng.IntN(len(content))
		b := a + 1 + rng.IntN(len(content)-a)
		p := r.Open(nil, from, nil, Range{uint64(a), uint64(b - 1), uint64(len(content))}, noon)
		if (p == nil) != (b-a == len(content)) {
			t.Fatalf("part %d to %d of %d: %v", a, b, len(content), p)
		}
		if p != nil && whole == nil {
			open, at, end = append(open, p), append(at, a), append(end, b)
		}
	}
	for len(open) > 0 {
		i := rng.IntN(len(open))
		n := min(1+rng.IntN(700), end[i]-at[i])
		if rng.IntN(8) == 0 {
			open[i].Gap(n)
		} else {
			open[i].Write(content[at[i] : at[i]+n])
			for k := at[i]; k < at[i]+n; k++ {
				seen[k] = true
			}
		}
		at[i] += n
		if at[i] == end[i] {
			take(open[i].Close())
			open, at, end = append(open[:i], open[i+1:]...), append(at[:i], at[i+1:]...), append(end[:i], end[i+1:]...)
		}
	}
	for k := range seen {
		if !seen[k] && lossy {
			if whole != nil {
				t.Fatalf("complete, and byte %d never came", k)
			}
			r.Clear()
			break
		}
		if !seen[k] {
			take(give(r, nil, content, k, k+1, 1))
		}
	}
	if whole == nil && !lossy {
		t.Fatalf("%d bytes: never complete", len(content))
	}
	if whole != nil {
		_, _, sum, ok := whole.Digests()
		if !ok || sum != sha256.Sum256(content) || whole.State != Closed || whole.Size != uint64(len(content)) {
			t.Fatalf("not what was sent: %d bytes of %d, %s", whole.Size, len(content), whole.State)
		}
	}
	if n := r.used.Load(); n != 0 {
		t.Fatalf("%d bytes are still counted", n)
	}
}

func FuzzRanges(f *testing.F) {
	f.Add([]byte("some content that comes in parts"), uint64(1), false)
	f.Fuzz(func(t *testing.T, content []byte, seed uint64, lossy bool) {
		if len(content) >= 2 && len(content) < 1<<12 {
			checkParts(t, content, rand.New(rand.NewPCG(seed, seed)), lossy)
		}
	})
}

func TestPartsFromManyConnectionsAtOnceBecomeOneFile(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(dir, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	content := noise(rand.New(rand.NewPCG(1, 2)), 1<<20)
	r := NewRanges(0, 0)
	const parts = 16
	told := make(chan *File, parts)
	var all sync.WaitGroup
	for i := range parts {
		all.Go(func() {
			n := len(content) / parts
			f := give(r, s, content, i*n, (i+1)*n, 1460)
			if f != nil {
				told <- f
			}
		})
	}
	all.Wait()
	close(told)
	f := <-told
	if f == nil {
		t.Fatal("never complete")
	}
	if <-told != nil {
		t.Error("told twice")
	}
	f.Settle()
	got, err := os.ReadFile(filepath.Join(dir, held(t, dir)[0]))
	if err != nil || !bytes.Equal(got, content) || !f.Stored {
		t.Errorf("stored %v: %v", f.Stored, err)
	}
	if n := r.Stats(); n.Whole != 1 || n.Waiting != 0 || n.Bytes != 0 {
		t.Errorf("%+v", n)
	}
}

func TestTheMemoryOfPartsIsBounded(t *testing.T) {
	const limit = 1 << 20
	r := NewRanges(limit, 0)
	content := make([]byte, 256<<10)
	for i := range 40 {
		who := from
		who.URI = string(rune('a' + i))
		p := r.Open(nil, who, nil, Range{1, uint64(len(content)), uint64(len(content)) + 1}, noon)
		p.Write(content)
		if n := r.used.Load(); n > limit {
			t.Fatalf("%d bytes after %d files", n, i+1)
		}
	}
	if n := r.Stats(); n.Evicted < 30 || n.Waiting == 0 {
		t.Errorf("%+v", n)
	}
	// The crumbs of one file cost more than their bytes.
	r = NewRanges(limit, 0)
	p := r.Open(nil, from, nil, Range{1, 1 << 20, 1<<20 + 1}, noon)
	for range maxPieces + 100 {
		p.Gap(2)
		p.Write([]byte{1})
	}
	if n := len(p.whole.pieces); n != maxPieces {
		t.Errorf("%d pieces", n)
	}
}

func TestAFileWhosePartsDoNotComeIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(dir, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRanges(0, time.Minute)
	content := noise(rand.New(rand.NewPCG(3, 3)), 400<<10)
	half := len(content) / 2
	give(r, s, content, 0, half, 1000)
	r.Expire(noon.Add(59 * time.Second))
	if n := r.Stats(); n.Waiting != 1 || n.Expired != 0 {
		t.Fatalf("%+v", n)
	}
	late := r.Open(s, from, nil, Range{uint64(half), uint64(len(content) - 1), uint64(len(content))}, noon)
	r.Expire(noon.Add(61 * time.Second))
	late.Write(content[half:])
	if late.Close() != nil {
		t.Error("complete after it was given up")
	}
	if n := r.Stats(); n.Waiting != 0 || n.Expired != 1 || n.Bytes != 0 {
		t.Errorf("%+v", n)
	}
	if len(held(t, dir)) != 0 || s.open.Load() != 0 {
		t.Errorf("left %q", held(t, dir))
	}
}

func TestWhoKeepsAPartKeepsTheWhole(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(dir, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	s = s.With(Care{Chosen: true})
	r := NewRanges(0, 0)
	content := []byte("0123456789")
	first := s.New(nil)
	p := r.Open(s, from, nil, Range{0, 4, 10}, noon)
	p.Of(first)
	first.Write(content[:5])
	p.Write(content[:5])
	first.Finish(true)
	first.Keep()
	first.Settle()
	f := give(r, s, content, 5, 10, 5)
	f.Settle()
	if !f.Stored || len(held(t, dir)) != 2 {
		t.Errorf("stored %v: %q", f.Stored, held(t, dir))
	}
}

func TestWhatIsNoPartIsNotJoined(t *testing.T) {
	r := NewRanges(0, 0)
	for _, at := range []Range{{0, 9, 10}, {0, 9, 0}, {5, 10, 10}, {7, 6, 10}} {
		p := r.Open(nil, from, nil, at, noon)
		p.Write([]byte("abc"))
		p.Gap(3)
		if p != nil || p.Close() != nil {
			t.Errorf("%+v is taken", at)
		}
	}
	var none *Ranges
	none.Expire(noon)
	none.Clear()
	if none.Open(nil, from, nil, Range{0, 1, 10}, noon) != nil || none.Stats() != (RangeStats{}) {
		t.Error("the nil table takes parts")
	}
}
