package detect

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// inventory is what machines and services there are. What is not in it after
// the time of learning is told once. IPv6 addresses change by design and are
// left out, as are services on ports that are given out by turns.
type inventory struct {
	started time.Time
	known   map[uint64]bool
	limit   int
	refused uint64
}

// maxServicePort is where Linux begins to give out ports by turns
// (ip_local_port_range).
const maxServicePort = 32767

// add reports whether the key is new. A full inventory learns nothing more
// and says nothing more.
func (v *inventory) add(key uint64) bool {
	if v.known[key] {
		return false
	}
	if len(v.known) >= v.limit {
		v.refused++
		return false
	}
	v.known[key] = true
	return true
}

func serviceHash(a netip.AddrPort, proto uint8) uint64 {
	b := a.Addr().As16()
	return hashName(string(append(binary.BigEndian.AppendUint16(b[:], a.Port()), proto)))
}

func (e *Engine) inventory(f *Flow) {
	if f.Packets[0] > 0 {
		e.device(f, f.Client)
	}
	if f.Packets[1] == 0 {
		return
	}
	e.device(f, f.Server)
	server := f.Server
	if !e.home.has(server.Addr()) || !server.Addr().Is4() || f.Midstream || server.Port() > maxServicePort || server.Port() == 0 || f.App == "ftp-data" {
		return
	}
	switch {
	case f.Proto == protoTCP && f.Flags[1]&flagSYN != 0 && f.Flags[1]&flagRST == 0:
	case f.Proto == protoUDP && f.App != "" && f.App != "failed":
	default:
		return
	}
	if !e.seen.add(serviceHash(server, f.Proto)) || e.learning(f.Last) {
		return
	}
	found := f.finding(newService())
	found.Vi = fmt.Sprintf("Dịch vụ chưa từng thấy: %s (%s)", server, f.App)
	found.En = fmt.Sprintf("Service not seen before: %s (%s)", server, f.App)
	found.Fields = []Field{
		{"agency", e.agencyOf(server.Addr())}, {"app_proto", f.App}, {"learnt", len(e.seen.known)}, {"threshold", 1},
		{"window", f.Last.Sub(e.seen.started)}, {"examples", []string{f.Client.Addr().String()}},
	}
	e.tell(server.String()+strconv.Itoa(int(f.Proto)), e.cfg.Repeat, found)
}

func (e *Engine) learning(now time.Time) bool { return now.Sub(e.seen.started) < e.cfg.Learn }

func (e *Engine) device(f *Flow, a netip.AddrPort) {
	if !a.Addr().Is4() || !e.home.has(a.Addr()) {
		return
	}
	if !e.seen.add(serviceHash(netip.AddrPortFrom(a.Addr(), 0), 0)) || e.learning(f.Last) {
		return
	}
	found := f.finding(newDevice())
	found.Src, found.Dst = a, f.Server
	if a == f.Server {
		found.Dst = f.Client
	}
	found.Vi = fmt.Sprintf("Thiết bị chưa từng thấy: %s", a.Addr())
	found.En = fmt.Sprintf("Device not seen before: %s", a.Addr())
	found.Fields = []Field{
		{"agency", e.agencyOf(a.Addr())}, {"learnt", len(e.seen.known)}, {"threshold", 1}, {"window", f.Last.Sub(e.seen.started)},
		{"examples", []string{found.Dst.String()}},
	}
	e.tell(a.Addr().String(), e.cfg.Repeat, found)
}

// between judges a flow from one agency to another.
func (e *Engine) between(f *Flow) {
	if len(e.cfg.Agreements) == 0 || f.Midstream {
		return
	}
	from, to := e.agencyOf(f.Client.Addr()), e.agencyOf(f.Server.Addr())
	if from == "" || to == "" || from == to {
		return
	}
	for _, a := range e.cfg.Agreements {
		if a.From != from || a.To != to {
			continue
		}
		if len(a.Ports) == 0 {
			return
		}
		for _, p := range a.Ports {
			if p == f.Server.Port() {
				return
			}
		}
	}
	found := f.finding(agencyTraffic())
	found.Vi = fmt.Sprintf("%s (%s) mở kết nối tới %s (%s) mà không có thoả thuận nào cho phép", f.Client.Addr(), from, f.Server, to)
	found.En = fmt.Sprintf("%s (%s) opened a connection to %s (%s) that no agreement allows", f.Client.Addr(), from, f.Server, to)
	found.Fields = []Field{
		{"from", from}, {"to", to}, {"port", int(f.Server.Port())}, {"app_proto", f.App}, {"answered", fmt.Sprint(f.Packets[1] > 0)},
		{"agreements", len(e.cfg.Agreements)}, {"threshold", 1}, {"window", e.cfg.Repeat},
	}
	e.tell(f.Client.Addr().String()+"|"+f.Server.String(), e.cfg.Repeat, found)
}
