package dnp3

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

// Control octets: a request of a master, an answer of an outstation, with
// unconfirmed user data.
const (
	fromMaster  = linkMaster | linkPrimary | linkUnconfirmed
	fromStation = linkPrimary | linkUnconfirmed
	whole       = segmentFirst | segmentLast
)

// frame is a frame of the link layer from station 3 to station 2.
func frame(control byte, user string) string {
	b := []byte{5, 0x64, byte(counted + len(user)), control, 2, 0, 3, 0}
	b = binary.LittleEndian.AppendUint16(b, sum(b))
	for len(user) > 0 {
		n := min(blockLength, len(user))
		b = append(b, user[:n]...)
		b = binary.LittleEndian.AppendUint16(b, sum([]byte(user[:n])))
		user = user[n:]
	}
	return string(b)
}

// request and answer are fragments in one segment.
func request(app string) string { return frame(fromMaster, string([]byte{whole})+app) }
func answer(app string) string  { return frame(fromStation, string([]byte{whole})+app) }

const (
	readClasses = "\xc1\x01\x3c\x02\x06\x3c\x03\x06"
	operate     = "\xc2\x03\x0c\x01\x28\x01\x00\x07\x00\x03\x01\x64\x00\x00\x00\x64\x00\x00\x00\x00"
	values      = "\xc1\x81\x90\x00\x1e\x01\x00\x00\x01\x02\xff\xff\xff\xff\x01\x07\x00\x00\x00\x50\x01\x00\x00\x0a\x00\x04"
	file        = "\xc4\x19\x46\x03\x5b\x01\x20\x00\x1a\x00\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x04\x04\x00./test"
)

var turns = []prototest.Turn{
	{Dir: 0, Data: request(readClasses)}, {Dir: 1, Data: answer(values)}, {Dir: 0, Data: request(operate)}, {Dir: 0, Data: request(file)},
}

func TestRequestsAndAnswers(t *testing.T) {
	prototest.Talk(t, open, turns...).Want(t,
		`{"dnp3":{"type":"request","control":{"dir":true,"pri":true,"fcb":false,"fcv":false,"function_code":4},"src":3,"dst":2,"application":{"control":{"fir":true,"fin":true,"con":false,"uns":false,"sequence":1},"function_code":1,"objects":[{"group":60,"variation":2,"qualifier":6,"prefix_code":0,"range_code":6,"start":0,"stop":0,"count":0},{"group":60,"variation":3,`,
		`{"group":30,"variation":1,"qualifier":0,"prefix_code":0,"range_code":0,"start":0,"stop":1,"count":2,"points":[{"prefix":0,"index":0,"online":0,"restart":1,"comm_lost":0,"remote_forced":0,"local_forced":0,"over_range":0,"reference_err":0,"reserved0":0,"value":-1},{"prefix":0,"index":1,"online":1,"restart":0,"comm_lost":0,"remote_forced":0,"local_forced":0,"over_range":0,"reference_err":0,"reserved0":0,"value":7}]},{"group":80,"variation":1,"qualifier":0,"prefix_code":0,"range_code":0,"start":0,"stop":10,"count":11,"points":[{"prefix":0,"index":0,"state":0},`,
		`"points":[{"prefix":7,"index":7,"op_type":3,"qu":0,"cr":0,"tcc":0,"count":1,"ontime":100,"offtime":100,"status_code":0,"reserved":0}]}],"complete":true}`,
		`"points":[{"prefix":32,"index":0,"size":32,"filename_offset":26,"filename_size":6,"created":0,"permissions":0,"authentication_key":0,"file_size":0,"operational_mode":1,"maximum_block_size":1024,"request_id":4,"filename":"./test"}]}],"complete":true}`,
	)
}

func TestIndicationsOfAnAnswer(t *testing.T) {
	prototest.Talk(t, open, prototest.Turn{Dir: 1, Data: answer("\xf0\x82\x90\x02")}).Want(t,
		`"type":"unsolicited_response"`)
	r := prototest.Talk(t, open, prototest.Turn{Dir: 1, Data: answer("\xf0\x82\x90\x02")})
	r.Want(t, `"iin":{"indicators":["need_time","device_restart","object_unknown"]}`)
	if !strings.Contains(strings.Join(r.Fields, "\n"), `1 dnp3.ind.value "\x00\x00\x00\x00\x00\x00\x90\x02"`) {
		t.Errorf("rules see %v", r.Fields)
	}
}

func TestFragmentsInSegments(t *testing.T) {
	cut := func(control byte, app string) prototest.Turn {
		return prototest.Turn{Data: frame(fromMaster, string([]byte{control})+app)}
	}
	t.Run("are put together", func(t *testing.T) {
		prototest.Talk(t, open, cut(segmentFirst|63, operate[:9]), cut(0, operate[9:12]), cut(segmentLast|1, operate[12:])).Want(t, `"ontime":100`)
	})
	t.Run("out of their order are dropped", func(t *testing.T) {
		prototest.Talk(t, open, cut(segmentFirst|1, operate[:9]), cut(segmentLast|3, operate[9:]), cut(segmentLast|4, operate[9:])).Want(t)
	})
	t.Run("without a first are dropped", func(t *testing.T) {
		prototest.Talk(t, open, cut(segmentLast|3, operate)).Want(t)
	})
}

func TestBytesInPieces(t *testing.T) {
	var pieces []prototest.Turn
	for _, c := range []byte("DNP3 outstation\r\n" + request(readClasses) + "\x05" + request(operate)) {
		pieces = append(pieces, prototest.Turn{Data: string([]byte{c})})
	}
	prototest.Talk(t, open, pieces...).Want(t, `"function_code":1,`, `"function_code":3,`)
}

func TestTheNextFrameIsFoundAfterAGap(t *testing.T) {
	r := &prototest.Recorder{}
	c := New(r)
	b := []byte(request(operate))
	err := c.Feed(0, b[:14])
	if err != nil {
		t.Fatal(err)
	}
	c.Gap(0, 5)
	err = c.Feed(0, append(b[19:], request(readClasses)...))
	if err != nil {
		t.Fatal(err)
	}
	r.Want(t, `"function_code":1,`)
}

func TestDatagramsStandAlone(t *testing.T) {
	r := &prototest.Recorder{}
	c := NewPackets(r)
	b := request(operate)
	for _, d := range []string{b[:14], b[14:], b} {
		err := c.Feed(0, []byte(d))
		if err != nil {
			t.Fatal(err)
		}
	}
	r.Want(t, `"function_code":3,`)
}

func TestProbe(t *testing.T) {
	good := request(readClasses)
	for _, c := range []struct {
		name      string
		dir       int
		data      string
		ports     [2]uint16
		yes, more bool
	}{
		{"a request", 0, good, [2]uint16{50000, Port}, true, false},
		{"a request on another port", 0, good, [2]uint16{50000, 4000}, true, false},
		{"the beginning of one", 0, good[:5], [2]uint16{50000, Port}, false, true},
		{"a wrong checksum", 0, good[:8] + "\x00\x00" + good[10:], [2]uint16{50000, Port}, false, false},
		{"something else", 0, "GET / HTTP/1.0", [2]uint16{50000, Port}, false, false},
		{"an answer from the side taken for the client", 0, answer(values), [2]uint16{Port, 50000}, false, false},
		{"the same with the ends exchanged", 1, answer(values), [2]uint16{50000, Port}, true, false},
	} {
		yes, more := Probe(c.dir, []byte(c.data), proto.Hint{Ports: c.ports})
		if yes != c.yes || more != c.more {
			t.Errorf("%s: %v, %v", c.name, yes, more)
		}
	}
}

func FuzzDNP3(f *testing.F) { prototest.Fuzz(f, open, turns...) }

// FuzzFragment reads fragments as they come out of their frames, which random
// bytes with no right checksum seldom pass.
func FuzzFragment(f *testing.F) {
	for _, app := range []string{readClasses, operate, values, file} {
		f.Add(0, app)
	}
	f.Fuzz(func(t *testing.T, dir int, app string) {
		r := &prototest.Recorder{}
		c := New(r)
		for first := byte(segmentFirst); len(app) > 0; first = 0 {
			n := min(249, len(app))
			last := byte(0)
			if n == len(app) {
				last = segmentLast
			}
			err := c.Feed(dir&1, []byte(frame(fromMaster, string([]byte{first | last | (c.side[dir&1].sequence+1)&segmentNumber})+app[:n])))
			if err != nil {
				t.Fatal(err)
			}
			app = app[n:]
		}
		for _, s := range r.Records {
			if !valid(s) {
				t.Fatalf("not JSON: %s", s)
			}
		}
	})
}
