package drill

import (
	"net/netip"
	"testing"
	"time"

	"github.com/antin-gov/antin/incident"
)

func minute(n float64) *time.Time {
	t := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC).Add(time.Duration(n * float64(time.Minute)))
	return &t
}

func TestMeasuresAreWhatTheRowsSayByHand(t *testing.T) {
	victim := netip.MustParseAddr("10.3.9.23")
	sc := &Scenario{Injects: []Inject{
		{ID: "p", Kind: KindPackets, Packets: &Packets{Victim: victim},
			Expect: Expect{Detect: 2 * time.Minute, Acknowledge: 10 * time.Minute, Close: 40 * time.Minute}},
		{ID: "q", Kind: KindQuestion, Expect: Expect{Answer: 5 * time.Minute}},
	}}
	row := func(seq int, action string, at *time.Time) incident.History {
		return incident.History{Seq: seq, Action: action, At: *at}
	}
	theCase := func(rows ...incident.History) []incident.ExerciseCase {
		return []incident.ExerciseCase{{
			Case:  incident.Case{ID: "c", T0: *minute(1)},
			Hosts: []string{"10.3.9.23"}, History: append([]incident.History{row(1, incident.ActionOpen, minute(1))}, rows...),
		}}
	}
	type want struct {
		taken  float64 // minutes, -1 for never
		points int
	}
	cases := []struct {
		name   string
		pauses []Pause
		cases  []incident.ExerciseCase
		answer *time.Time
		want   [4]want // detect, acknowledge, close, answer
	}{
		{"all in time", nil,
			theCase(row(2, incident.ActionAcknowledge, minute(6)), row(3, incident.ActionClose, minute(31))), minute(4),
			[4]want{{1, 10}, {5, 10}, {30, 10}, {4, 10}}},
		{"late within twice the time is half", nil,
			theCase(row(2, incident.ActionAcknowledge, minute(20)), row(3, incident.ActionClose, minute(60))), minute(9),
			[4]want{{1, 10}, {19, 5}, {59, 5}, {9, 5}}},
		{"nothing detected", nil, nil, nil, [4]want{{-1, 0}, {-1, 0}, {-1, 0}, {-1, 0}}},
		{"a case of another host is not the answer", nil,
			[]incident.ExerciseCase{{Case: incident.Case{ID: "x", T0: *minute(1)}, Hosts: []string{"10.3.9.99"}}}, nil,
			[4]want{{-1, 0}, {-1, 0}, {-1, 0}, {-1, 0}}},
		{"pauses do not count", []Pause{{FromAt: *minute(5), ToAt: minute(25)}, {FromAt: *minute(30), ToAt: minute(32)}},
			theCase(row(2, incident.ActionAcknowledge, minute(27)), row(3, incident.ActionClose, minute(41))), minute(26),
			[4]want{{1, 10}, {6, 10}, {18, 10}, {6, 5}}},
		{"what comes after the end does not count", nil,
			theCase(row(2, incident.ActionAcknowledge, minute(61)), row(3, incident.ActionClose, minute(62))), minute(63),
			[4]want{{1, 10}, {-1, 0}, {-1, 0}, {-1, 0}}},
		{"the first acknowledgement counts", nil,
			theCase(row(2, incident.ActionAcknowledge, minute(3)), row(3, incident.ActionComment, minute(4)), row(4, incident.ActionAcknowledge, minute(50))), nil,
			[4]want{{1, 10}, {2, 10}, {-1, 0}, {-1, 0}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := &Drill{ID: "d", StartedAt: minute(0), EndedAt: minute(60)}
			happened := []Happening{{InjectID: "p", FiredAt: minute(0)}, {InjectID: "q", FiredAt: minute(0), AnsweredAt: c.answer}}
			got := measure(sc, d, happened, c.pauses, c.cases)
			if len(got) != 4 {
				t.Fatalf("%d measures", len(got))
			}
			for i, w := range c.want {
				m := got[i]
				switch {
				case w.taken < 0 && (m.Done() || m.Points != 0):
					t.Errorf("%s: %+v, want never", m.Name, m)
				case w.taken >= 0 && (!m.Done() || m.Taken() != time.Duration(w.taken*float64(time.Minute)) || m.Points != w.points):
					t.Errorf("%s: %s, %d points, want %v", m.Name, m.Taken(), m.Points, w)
				}
			}
		})
	}
}

func TestWhatDidNotReachThePlayersIsNotScored(t *testing.T) {
	sc := &Scenario{Injects: []Inject{
		{ID: "p", Kind: KindPackets, Packets: &Packets{Victim: netip.MustParseAddr("10.3.9.23")}, Expect: Expect{Detect: time.Minute}},
		{ID: "q", Kind: KindQuestion, Expect: Expect{Answer: time.Minute}},
	}}
	d := &Drill{ID: "d", StartedAt: minute(0), EndedAt: minute(60)}
	got := measure(sc, d, []Happening{{InjectID: "p", FiredAt: minute(0), Fault: "no sensor"}, {InjectID: "q"}}, nil, nil)
	if len(got) != 0 {
		t.Errorf("scored %+v", got)
	}
}
