package encode

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "\xff\xfe", "\"\\\n\r\t\x00\x7f", "tiếng Việt", "\xe2\x82", "\U0001f600", "\u2028"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		b := AppendText(nil, v)
		var back string
		err := json.Unmarshal(b, &back)
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if string(AppendText(nil, string(v))) != string(b) {
			t.Error("strings and bytes are written differently")
		}
		if json.Valid(v) && strings.ToValidUTF8(string(v), "") == string(v) && back != string(v) {
			t.Errorf("%q came back as %q", v, back)
		}
	})
}

func TestTimesAreWrittenAsTheirLayoutHasThem(t *testing.T) {
	var e Encoder
	zone := time.FixedZone("ICT", 7*3600)
	at := time.Date(2026, 2, 28, 23, 59, 58, 999_999_999, time.UTC)
	for _, when := range []time.Time{
		at, at.Add(time.Nanosecond), at.Add(time.Second), at.Add(-time.Hour), at.In(zone), {}, time.Unix(0, 0),
		time.Unix(-1, 7000), time.Date(12026, 1, 1, 0, 0, 0, 1000, time.UTC), at.Add(time.Millisecond), at,
	} {
		e.B = e.B[:0]
		e.Time("t", when)
		want := `"t":"` + when.UTC().Format(TimeLayout) + `"`
		if string(e.B) != want {
			t.Errorf("got %s, want %s", e.B, want)
		}
	}
}

func TestWhatHasNothingInItIsLeftOut(t *testing.T) {
	for _, c := range []struct {
		name  string
		write func(e *Encoder)
		want  string
	}{
		{"the only member", func(e *Encoder) { e.Open("a"); e.Close() }, `{}`},
		{"after another", func(e *Encoder) { e.Uint("n", 1); e.Array("a"); e.End(); e.Uint("m", 2) }, `{"n":1,"m":2}`},
		{"before another", func(e *Encoder) { e.Open("a"); e.Close(); e.Uint("m", 2) }, `{"m":2}`},
		{"all that an object has", func(e *Encoder) { e.Open("a"); e.Array("b"); e.End(); e.Close(); e.Uint("m", 2) }, `{"m":2}`},
		{"in a list it counts", func(e *Encoder) {
			e.Array("a")
			e.Open("")
			e.Close()
			e.Open("")
			e.Close()
			e.End()
		}, `{"a":[{},{}]}`},
		{"a list that is told all the same", func(e *Encoder) { e.Array("a"); e.EndAny() }, `{"a":[]}`},
		{"a text that looks like it", func(e *Encoder) { e.Open("a"); e.String("b", `":{`); e.Close() }, `{"a":{"b":"\":{"}}`},
		{"behind a text that looks like a name", func(e *Encoder) { e.String("b", `",`); e.Open("a"); e.Close() }, `{"b":"\","}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &Encoder{B: []byte{'{'}}
			c.write(e)
			e.Close()
			if string(e.B) != c.want {
				t.Errorf("%s, want %s", e.B, c.want)
			}
		})
	}
	// Members before an object has begun: nothing stands before the name.
	e := &Encoder{}
	e.Open("a")
	e.Close()
	if len(e.B) != 0 {
		t.Errorf("%q", e.B)
	}
}
