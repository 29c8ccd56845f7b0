package rules

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// stands is the plain way to say what a matcher must find.
func stands(s seek, data []byte) bool {
	p, d := bytes.ToLower(s.pattern), bytes.ToLower(data)
	if s.exact && s.place == anywhere && len(p) < shortPattern {
		return bytes.Contains(data, s.pattern)
	}
	switch s.place {
	case atStart:
		return bytes.HasPrefix(d, p)
	case atEnd:
		return bytes.HasSuffix(d, p)
	case nearStart:
		return bytes.Contains(d[:min(len(d), s.limit)], p)
	}
	return bytes.Contains(d, p)
}

// randomText draws from few letters, so that patterns do occur.
func randomText(r *rand.Rand, n int) []byte {
	const letters = "aAbB\x00.-@"
	out := make([]byte, n)
	for i := range out {
		out[i] = letters[r.IntN(len(letters))]
	}
	return out
}

func TestMatcherFindsWhatStandsThere(t *testing.T) {
	t.Run("windows", func(t *testing.T) { matcherFinds(t, true) })
	t.Run("Hyperscan", func(t *testing.T) {
		if !hasLibrary {
			t.Skip("built without the tag hyperscan")
		}
		matcherFinds(t, false)
	})
}

func matcherFinds(t *testing.T, plain bool) {
	r := rand.New(rand.NewPCG(1, 2))
	found, absent := 0, 0
	for round := range 400 {
		shortest := 1 + round%8
		b := newMatcherBuilder()
		b.plain = plain
		seeks := make([]seek, 1+r.IntN(200))
		for i := range seeks {
			p := randomText(r, shortest+r.IntN(5))
			if i%10 == 9 {
				p = randomText(r, 30+r.IntN(20))
			}
			seeks[i] = seek{pattern: p, place: place(r.IntN(4)), limit: len(p) + r.IntN(20), exact: round%2 == 0}
			b.add(seeks[i], int32(i))
		}
		m := b.build()
		ctx := &Context{ruleSeen: make([]uint32, len(seeks))}
		for range 20 {
			data := randomText(r, r.IntN(70))
			if i := r.IntN(len(seeks)); r.IntN(3) == 0 {
				data = append(append(data[:len(data)/2:len(data)/2], seeks[i].pattern...), data[len(data)/2:]...)
			}
			ctx.begin0()
			m.scan(data, 0, 0, ctx)
			for i, s := range seeks {
				got, want := ctx.ruleSeen[i] == ctx.generation, stands(s, data)
				if want && !got {
					t.Fatalf("%q (place %d, limit %d) was not found in %q", s.pattern, s.place, s.limit, data)
				}
				if got && !want && s.place != nearStart && !s.exact && len(s.pattern) <= maxPattern {
					t.Fatalf("%q (place %d) was found in %q", s.pattern, s.place, data)
				}
				if want {
					found++
				} else {
					absent++
				}
			}
		}
	}
	if found < 1000 || absent < 1000 {
		t.Errorf("%d found and %d absent do not say much", found, absent)
	}
}

// begin0 starts a unit in a context that has no engine.
func (ctx *Context) begin0() {
	ctx.generation++
	ctx.candidates = ctx.candidates[:0]
}

// TestStreamInPiecesAlertsAsWithoutTrail shows a growing and sliding window
// with and without the memory of what was scanned.
func TestStreamInPiecesAlertsAsWithoutTrail(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	text := ""
	for i := range 60 {
		p := randomText(r, 2+r.IntN(6))
		if i >= 54 {
			p = bytes.Repeat([]byte("ab"), 20)
		}
		opts := []string{"", " nocase;", " depth:60;", " startswith;", " endswith;", ` content:"bb"; distance:0;`}[i%6]
		hex := ""
		for _, c := range p {
			hex += fmt.Sprintf("%02x", c)
		}
		text += fmt.Sprintf("alert tcp any any -> any any (flow:to_server,only_stream; content:\"|%s|\";%s sid:%d;)\n", hex, opts, i+1)
	}
	alerts := 0
	for round := range 60 {
		plain, trailed := mustEngine(t, text), mustEngine(t, text)
		pc, tc := plain.NewContext(), trailed.NewContext()
		var pf, tf FlowState
		var trail Trail
		var window []byte
		offset := uint64(0)
		for piece := range 30 {
			fresh := randomText(r, 1+r.IntN(30))
			if piece < 4 && round%3 == 0 {
				fresh = bytes.Repeat([]byte("ab"), 8)
			}
			if len(window) > 120 {
				gone := len(window) - 40
				window = append([]byte{}, window[gone:]...)
				offset += uint64(gone)
			}
			window = append(window, fresh...)
			show := func(f *FlowState, trail *Trail) Input {
				in := *toServer("")
				in.View, in.Payload, in.StreamOffset, in.Fresh, in.Flow, in.Trail = ViewStream, window, offset, len(fresh), f, trail
				in.Unit = uint64(piece)
				if round == 7 && piece == 15 {
					in.AppProto = "http"
				}
				return in
			}
			a, b := show(&pf, nil), show(&tf, &trail)
			want, got := sids(plain.Inspect(pc, &a)), sids(trailed.Inspect(tc, &b))
			if fmt.Sprint(want) != fmt.Sprint(got) {
				t.Fatalf("round %d, piece %d: %v with trail, %v without", round, piece, got, want)
			}
			alerts += len(want)
		}
	}
	if alerts < 1000 {
		t.Errorf("%d alerts do not say much", alerts)
	}
}

func TestJoinedGroupFindsWhatItsPartsFind(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 200 {
		var parts [3]*group
		users := int32(0)
		for i := range parts {
			b := newGroupBuilder()
			for range r.IntN(30) {
				p := randomText(r, 1+round%8+r.IntN(6))
				b.put(seek{pattern: p, place: place(r.IntN(4)), limit: len(p) + r.IntN(20), exact: r.IntN(2) == 0}, true, users)
				users++
			}
			b.put(seek{}, false, users)
			users++
			g := b.build()
			parts[i] = &g
		}
		joined := join(parts[:])
		ctx := &Context{ruleSeen: make([]uint32, users)}
		for range 20 {
			data := randomText(r, r.IntN(90))
			ctx.begin0()
			for _, g := range parts {
				ctx.prefilter(g, &subject{raw: data}, 0)
			}
			apart := slices.Clone(ctx.candidates)
			ctx.begin0()
			ctx.prefilter(joined, &subject{raw: data}, 0)
			for _, id := range apart {
				if ctx.ruleSeen[id] != ctx.generation {
					t.Fatalf("rule %d is found in %q by its group and not by the joined one", id, data)
				}
			}
		}
	}
}
