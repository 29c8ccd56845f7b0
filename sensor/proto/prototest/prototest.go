// Package prototest drives protocol parsers in tests: a host that keeps what
// it is told as EVE would show it, and one fuzz body for all.
package prototest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/rules"
)

// Recorder keeps what a parser tells. It implements proto.Host.
type Recorder struct {
	// Records are the objects of the records, one JSON object each.
	Records []string
	Files   []string
	// Notices are the names of what was noticed, Fields what rules would see:
	// direction, buffer and value.
	Notices, Fields []string
	Upgrades        int
	// Lookups are the names of messages of DNS, after their directions.
	Lookups  []string
	Carries  int
	Expected []*proto.Expectation
	// LogIns are the accounts, each with "accepted" or "refused".
	LogIns []string
}

func render(bodies []encode.Body) string {
	e := encode.Encoder{B: []byte{'{'}}
	for _, b := range bodies {
		b.Encode(&e)
	}
	return string(append(e.B, '}'))
}

// Record implements proto.Host.
func (r *Recorder) Record(e proto.Event) {
	r.Records = append(r.Records, render(e.Bodies))
	for _, dir := range e.Sides() {
		r.fields(dir, e.Bodies)
	}
}

// Inspect implements proto.Host.
func (r *Recorder) Inspect(dir int, _ uint64, bodies ...encode.Body) { r.fields(dir, bodies) }

// Notice implements proto.Host.
func (r *Recorder) Notice(_ int, _ uint64, name string) { r.Notices = append(r.Notices, name) }

// fields asks the bodies for their fields, as the sensor does.
func (r *Recorder) fields(dir int, bodies []encode.Body) {
	var b rules.Buffers
	for _, body := range bodies {
		f, ok := body.(proto.Fields)
		if ok {
			f.Fields(dir, &b)
		}
	}
	b.Each(func(name rules.Buffer, value []byte) {
		r.Fields = append(r.Fields, fmt.Sprintf("%d %s %q", dir, name, value))
	})
}

// FileStore implements proto.Host.
func (r *Recorder) FileStore() *files.Store { return nil }

// Join implements proto.Host.
func (r *Recorder) Join(_, _, _ []byte, _ files.Range) *files.Part { return nil }

// File implements proto.Host.
func (r *Recorder) File(dir int, tx uint64, f *files.File, bodies ...encode.Body) {
	render(append(bodies, files.Body{File: f, Tx: tx}))
	r.Files = append(r.Files, fmt.Sprintf("%d %s %d %s", dir, f.Name, f.Size, f.State))
}

// Upgrade implements proto.Host.
func (r *Recorder) Upgrade() { r.Upgrades++ }

// Carry implements proto.Host.
func (r *Recorder) Carry() { r.Carries++ }

// LogIn implements proto.Host.
func (r *Recorder) LogIn(account string, refused bool) {
	word := "accepted"
	if refused {
		word = "refused"
	}
	r.LogIns = append(r.LogIns, account+" "+word)
}

// Lookup implements proto.Host.
func (r *Recorder) Lookup(dir int, _ uint64, m *dns.Message) {
	name := ""
	if len(m.Queries) > 0 {
		name = string(m.Queries[0].Name)
	}
	r.Lookups = append(r.Lookups, fmt.Sprintf("%d %s", dir, name))
}

// Expect implements proto.Host.
func (r *Recorder) Expect(e *proto.Expectation) { r.Expected = append(r.Expected, e) }

// WantLogIns fails unless exactly these log-ins were told.
func (r *Recorder) WantLogIns(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(r.LogIns, want) {
		t.Errorf("log-ins %q, want %q", r.LogIns, want)
	}
}

// Turn is what one side says.
type Turn struct {
	Dir  int
	Data string
}

// Talk feeds the turns whole and closes the conversation. Its records must be
// well formed.
func Talk(t *testing.T, open func(proto.Host) proto.Parser, turns ...Turn) *Recorder {
	t.Helper()
	r := &Recorder{}
	p := open(r)
	for _, turn := range turns {
		err := p.Feed(turn.Dir, []byte(turn.Data))
		if err != nil {
			t.Fatalf("%q: %v", turn.Data, err)
		}
	}
	p.Close()
	r.judgeForm(t)
	return r
}

// Refuses fails unless the parser refuses one of the turns.
func Refuses(t *testing.T, open func(proto.Host) proto.Parser, turns ...Turn) {
	t.Helper()
	p := open(&Recorder{})
	for _, turn := range turns {
		if p.Feed(turn.Dir, []byte(turn.Data)) != nil {
			return
		}
	}
	t.Errorf("%+v is taken for the protocol", turns)
}

// Heard is Talk for conversations that the parser may refuse.
func Heard(open func(proto.Host) proto.Parser, turns ...Turn) *Recorder {
	r := &Recorder{}
	p := open(r)
	refused := [2]bool{}
	for _, turn := range turns {
		if !refused[turn.Dir] {
			refused[turn.Dir] = p.Feed(turn.Dir, []byte(turn.Data)) != nil
		}
	}
	p.Close()
	return r
}

// Noticed is a conversation and what a parser notices in it.
type Noticed struct {
	name  string
	turns []Turn
	want  []string
}

// Case names a conversation and what a parser must notice in it.
func Case(name string, turns []Turn, want []string) Noticed { return Noticed{name, turns, want} }

// Notices checks what a parser notices.
func Notices(t *testing.T, open func(proto.Host) proto.Parser, cases ...Noticed) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := Heard(open, c.turns...).Notices
			if !slices.Equal(got, c.want) {
				t.Errorf("noticed %v, want %v", got, c.want)
			}
		})
	}
}

// Want checks that the records contain each text, in their order.
func (r *Recorder) Want(t *testing.T, want ...string) {
	t.Helper()
	if len(r.Records) != len(want) {
		t.Fatalf("%d records instead of %d:\n%s", len(r.Records), len(want), strings.Join(r.Records, "\n"))
	}
	for i, w := range want {
		if !strings.Contains(r.Records[i], w) {
			t.Errorf("record %d is %s, without %s", i, r.Records[i], w)
		}
	}
}

// judgeForm wants every record well formed.
func (r *Recorder) judgeForm(t *testing.T) {
	t.Helper()
	for _, s := range r.Records {
		err := Form([]byte(s))
		if err != nil {
			t.Fatalf("%v: %s", err, s)
		}
	}
}

// Fuzz feeds hostile bytes in pieces and with gaps: nothing may panic, and
// every record must be well formed. The first byte of a piece says whose it is and
// how long.
func Fuzz(f *testing.F, open func(proto.Host) proto.Parser, turns ...Turn) {
	var seed []byte
	for _, t := range turns {
		for at := 0; at < len(t.Data); at += 60 {
			part := t.Data[at:min(at+60, len(t.Data))]
			seed = append(append(seed, byte(t.Dir)<<7|byte(len(part))), part...)
		}
	}
	f.Add(seed)
	f.Add(bytes.Repeat([]byte{0x7f, 0xff, 0}, 50))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &Recorder{}
		p := open(r)
		failed := [2]bool{}
		for len(b) > 0 {
			dir, n := int(b[0]>>7), min(int(b[0]&0x3f), len(b)-1)
			if b[0]&0x40 != 0 {
				p.Gap(dir, n)
			} else if !failed[dir] {
				failed[dir] = p.Feed(dir, b[1:1+n]) != nil
			}
			b = b[1+n:]
		}
		p.Close()
		r.judgeForm(t)
	})
}
