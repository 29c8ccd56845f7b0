package flow_test

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/satta/gommunityid"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/flow"
)

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func packet(src, dst string, proto, flags uint8) *decode.Packet {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	return &decode.Packet{
		Time: start, Src: s.Addr(), Dst: d.Addr(), SrcPort: s.Port(), DstPort: d.Port(),
		Proto: proto, Flags: flags, WireLength: 100,
	}
}

// The values are those of the Community ID specification's baseline
// (github.com/corelight/community-id-spec, baseline/baseline_deflt.json).
func TestCommunityIDMatchesTheSpecification(t *testing.T) {
	icmp := packet("192.168.0.89:0", "192.168.0.1:0", decode.ProtoICMP, 0)
	icmp.ICMPType = 8
	reply := packet("192.168.0.1:0", "192.168.0.89:0", decode.ProtoICMP, 0)
	cases := []struct {
		name string
		p    *decode.Packet
		want string
	}{
		{"TCP", packet("128.232.110.120:34855", "66.35.250.204:80", decode.ProtoTCP, decode.SYN), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"TCP answered", packet("66.35.250.204:80", "128.232.110.120:34855", decode.ProtoTCP, decode.ACK), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"UDP", packet("192.168.1.52:54585", "8.8.8.8:53", decode.ProtoUDP, 0), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{"ICMP echo", icmp, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{"ICMP echo reply", reply, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			table := flow.NewTable(0, func(*flow.Flow) {})
			f, _ := table.Find(c.p)
			if got := f.CommunityID(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestCommunityIDAgreesWithGommunityid(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	protos := []uint8{decode.ProtoTCP, decode.ProtoUDP, decode.ProtoICMP, decode.ProtoICMPv6}
	for i := range 20000 {
		proto := protos[i%len(protos)]
		size := 4
		if proto == decode.ProtoICMPv6 || i%3 == 0 && proto != decode.ProtoICMP {
			size = 16
		}
		src, dst := make([]byte, size), make([]byte, size)
		for j := range src {
			src[j], dst[j] = byte(rng.Uint32()), byte(rng.Uint32())
		}
		src[0], dst[0] = 32, 32
		p := &decode.Packet{Time: start, Proto: proto}
		p.Src, _ = netip.AddrFromSlice(src)
		p.Dst, _ = netip.AddrFromSlice(dst)
		a, b := uint16(rng.Uint32()), uint16(rng.Uint32())
		switch proto {
		case decode.ProtoICMP, decode.ProtoICMPv6:
			a, b = a%256, b%16
			if a == 139 || a == 140 {
				// Node information is paired in the specification's own
				// implementation and not in this one.
				continue
			}
			p.ICMPType, p.ICMPCode = uint8(a), uint8(b)
		default:
			p.SrcPort, p.DstPort = a, b
		}
		table := flow.NewTable(0, func(*flow.Flow) {})
		f, _ := table.Find(p)
		tuple := gommunityid.MakeFlowTuple(net.IP(src), net.IP(dst), a, b, proto)
		want := gommunityid.CommunityIDv1{}.CalcBase64(tuple)
		if got := f.CommunityID(); got != want {
			t.Fatalf("protocol %d, %s %d to %s %d: got %s, want %s", proto, p.Src, a, p.Dst, b, got, want)
		}
	}
}

func TestBothDirectionsAreOneFlow(t *testing.T) {
	table := flow.NewTable(0, func(*flow.Flow) {})
	a, dirA := table.Find(packet("10.0.0.9:1000", "10.0.0.1:80", decode.ProtoTCP, decode.SYN))
	b, dirB := table.Find(packet("10.0.0.1:80", "10.0.0.9:1000", decode.ProtoTCP, decode.SYN|decode.ACK))
	if a != b || dirA != flow.ToServer || dirB != flow.ToClient {
		t.Fatalf("flows %p %p, directions %v %v", a, b, dirA, dirB)
	}
	if a.State != flow.StateNew {
		t.Errorf("state %v before the handshake is complete", a.State)
	}
	table.Find(packet("10.0.0.9:1000", "10.0.0.1:80", decode.ProtoTCP, decode.ACK))
	if a.State != flow.StateEstablished || a.Count[0].Packets != 2 || a.Count[1].Bytes != 100 {
		t.Errorf("state %v, counts %+v", a.State, a.Count)
	}
	tagged := packet("10.0.0.9:1000", "10.0.0.1:80", decode.ProtoTCP, decode.ACK)
	tagged.VLANs[0], tagged.VLANLen = 5, 1
	c, _ := table.Find(tagged)
	if c == a {
		t.Error("another VLAN fell into the same flow")
	}
	if c.CommunityID() != a.CommunityID() {
		t.Error("the Community ID depends on the VLAN")
	}
}

func TestASynAckSeenFirstComesFromTheServer(t *testing.T) {
	table := flow.NewTable(0, func(*flow.Flow) {})
	f, dir := table.Find(packet("10.0.0.1:80", "10.0.0.9:1000", decode.ProtoTCP, decode.SYN|decode.ACK))
	if f.Client.Port() != 1000 || dir != flow.ToClient || !f.Midstream {
		t.Errorf("client %s, direction %v", f.Client, dir)
	}
}

func TestFlowsEndForTheirReason(t *testing.T) {
	ended := map[flow.Reason]int{}
	table := flow.NewTable(0, func(f *flow.Flow) { ended[f.Reason]++ })
	table.Find(packet("10.0.0.9:1000", "10.0.0.1:53", decode.ProtoUDP, 0))
	late := packet("10.0.0.9:1001", "10.0.0.1:80", decode.ProtoTCP, decode.SYN)
	late.Time = start.Add(31 * time.Second)
	table.Find(late)
	if ended[flow.ReasonTimeout] != 1 {
		t.Fatalf("after 31 s: %v", ended)
	}
	reset := packet("10.0.0.1:80", "10.0.0.9:1001", decode.ProtoTCP, decode.RST)
	reset.Time = late.Time
	table.Find(reset)
	again := packet("10.0.0.9:1001", "10.0.0.1:80", decode.ProtoTCP, decode.SYN)
	again.Time = late.Time.Add(time.Second)
	table.Find(again)
	if ended[flow.ReasonReuse] != 1 {
		t.Fatalf("after the ports were used again: %v", ended)
	}
	table.Flush(flow.ReasonShutdown)
	if ended[flow.ReasonShutdown] != 1 || table.Stats().Active != 0 {
		t.Errorf("after the end: %v, %d active", ended, table.Stats().Active)
	}
}

func TestAFullTableEndsTheIdlestFlow(t *testing.T) {
	var forced []uint16
	table := flow.NewTable(3, func(f *flow.Flow) { forced = append(forced, f.Client.Port()) })
	for i := range uint16(5) {
		p := packet("10.0.0.9:0", "10.0.0.1:80", decode.ProtoTCP, decode.SYN)
		p.SrcPort, p.Time = 1000+i, start.Add(time.Duration(i)*time.Millisecond)
		table.Find(p)
	}
	if len(forced) != 2 || forced[0] != 1000 || forced[1] != 1001 || table.Stats().Forced != 2 {
		t.Errorf("ended %v, stats %+v", forced, table.Stats())
	}
	if table.Stats().Active != 3 {
		t.Errorf("%d active", table.Stats().Active)
	}
}

func TestFlowIDsAreStable(t *testing.T) {
	id := func() uint64 {
		table := flow.NewTable(0, func(*flow.Flow) {})
		f, _ := table.Find(packet("10.0.0.9:1000", "10.0.0.1:53", decode.ProtoUDP, 0))
		return f.ID
	}
	first := id()
	if first != id() || first == 0 || first >= 1<<53 {
		t.Errorf("id %d", first)
	}
}

func BenchmarkFind(b *testing.B) {
	table := flow.NewTable(0, func(*flow.Flow) {})
	var ps []*decode.Packet
	for i := range 30000 {
		p := packet("10.0.0.9:0", "10.0.0.1:80", decode.ProtoUDP, 0)
		p.SrcPort = uint16(i)
		ps = append(ps, p)
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		table.Find(ps[i%len(ps)])
		i++
	}
}

func TestAPacketOfAnOlderTimeEndsNoFlow(t *testing.T) {
	ended := 0
	table := flow.NewTable(0, func(*flow.Flow) { ended++ })
	const client, server = "10.0.0.1:1000", "10.0.0.2:80"
	table.Find(packet(client, server, decode.ProtoTCP, decode.SYN))
	old := packet(server, client, decode.ProtoTCP, decode.SYN|decode.ACK)
	old.Time = start.AddDate(-20, 0, 0)
	table.Find(old)
	f, _ := table.Find(packet(client, server, decode.ProtoTCP, decode.ACK))
	if ended != 0 || f.State != flow.StateEstablished {
		t.Errorf("%d flows ended, state %v", ended, f.State)
	}
}
