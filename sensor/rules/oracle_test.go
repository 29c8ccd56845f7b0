package rules

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
)

// TestPacketRulesAgreeWithSuricata runs the UDP and ICMP rules over the
// packets of the captures that Suricata 5.0.10 judged with the same rules and
// compares who alerted. TCP needs reassembly and is compared elsewhere.
func TestPacketRulesAgreeWithSuricata(t *testing.T) {
	root := testkit.Data(t, "pcap")
	summary, err := os.Open(filepath.Join(testkit.Data(t, "pcap/oracle-suricata5"), "summary.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = summary.Close() }() // read-only
	all, _ := loadET(t)
	var rs []*Rule
	ours := map[string]bool{}
	for _, r := range all {
		if r.proto.ip&^(ipUDP|ipICMP4|ipICMP6) == 0 && r.proto.app == "" && r.flow.views == 1<<ViewPacket {
			rs = append(rs, r)
			ours[strconv.Itoa(int(r.SID))] = true
		}
	}
	e, err := NewEngine(rs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	captures, agreed, missed, extra := 0, 0, 0, 0
	lines := bufio.NewScanner(summary)
	for lines.Scan() {
		var entry struct {
			PCAP   string
			Alerts map[string]int
		}
		err = json.Unmarshal(lines.Bytes(), &entry)
		if err != nil {
			t.Fatal(err)
		}
		packets, ok := readPCAP(filepath.Join(root, filepath.FromSlash(entry.PCAP)))
		if !ok {
			continue
		}
		captures++
		got := inspectAll(e, packets)
		for sid := range entry.Alerts {
			switch {
			case !ours[sid]:
			case got[sid]:
				agreed++
			default:
				missed++
				t.Logf("%s: Suricata alerts %s, we do not", entry.PCAP, sid)
			}
		}
		for sid := range got {
			if entry.Alerts[sid] == 0 {
				extra++
				t.Logf("%s: we alert %s, Suricata does not", entry.PCAP, sid)
			}
		}
	}
	t.Logf("%d rules over %d captures: %d agreed, %d missed, %d extra", len(rs), captures, agreed, missed, extra)
	if captures == 0 || agreed == 0 || missed > 0 || extra > 0 {
		t.Errorf("disagreement with the peer")
	}
}

// inspectAll judges packets with a small flow table: the first packet's
// direction is to the server, both directions seen is established.
func inspectAll(e *Engine, packets []Input) map[string]bool {
	type key struct {
		proto uint8
		a, b  netip.AddrPort
	}
	type flow struct {
		state FlowState
		from  netip.AddrPort
		both  bool
	}
	flows := map[key]*flow{}
	ctx := e.NewContext()
	got := map[string]bool{}
	for i := range packets {
		in := &packets[i]
		k := key{in.Proto, in.Src, in.Dst}
		if in.Dst.Compare(in.Src) < 0 {
			k.a, k.b = k.b, k.a
		}
		f := flows[k]
		if f == nil {
			f = &flow{from: in.Src}
			flows[k] = f
		}
		in.ToServer = in.Src == f.from
		f.both = f.both || !in.ToServer
		in.Established, in.Flow = f.both, &f.state
		for _, m := range e.Inspect(ctx, in) {
			got[strconv.Itoa(int(m.Rule.SID))] = true
		}
	}
	return got
}

// protoGRE marks captures with tunnels, which readPCAP does not open.
const protoGRE = 47

// readPCAP reads the UDP and ICMP packets of a classic little-endian capture
// on Ethernet or raw IP. Fragments and everything else are left out; captures
// with tunnels are not read.
func readPCAP(name string) (packets []Input, ok bool) {
	data, err := os.ReadFile(name)
	if err != nil || len(data) < 24 || binary.LittleEndian.Uint32(data) != 0xa1b2c3d4 {
		return nil, false
	}
	link := binary.LittleEndian.Uint32(data[20:])
	if link != 1 && link != 101 {
		return nil, false
	}
	for data = data[24:]; len(data) >= 16; {
		sec, n := binary.LittleEndian.Uint32(data), int(binary.LittleEndian.Uint32(data[8:]))
		if n > len(data)-16 {
			break
		}
		frame := data[16 : 16+n]
		data = data[16+n:]
		if link == 1 {
			frame = stripEthernet(frame)
		}
		if len(frame) > 9 && frame[9] == protoGRE {
			return nil, false
		}
		in, ok := decodeIPv4(frame)
		if ok {
			in.Time = time.Unix(int64(sec), 0)
			packets = append(packets, in)
		}
	}
	return packets, true
}

func stripEthernet(b []byte) []byte {
	for at := 12; at+2 <= len(b); at += 4 {
		switch binary.BigEndian.Uint16(b[at:]) {
		case 0x8100, 0x88a8:
			continue
		case 0x0800:
			return b[at+2:]
		}
		return nil
	}
	return nil
}

func decodeIPv4(b []byte) (in Input, ok bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return in, false
	}
	head, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if head < 20 || total < head+8 || total > len(b) || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
		return in, false
	}
	src, dst := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	in.Proto = b[9]
	b = b[head:total]
	switch in.Proto {
	case ProtoUDP:
		in.Src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(b))
		in.Dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:]))
	case ProtoICMP:
		in.Src, in.Dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
		in.ICMPType, in.ICMPCode = b[0], b[1]
	default:
		return in, false
	}
	in.Payload = b[8:]
	return in, true
}
