package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

type scans struct {
	ports *bounded[pair, distinct[uint16]]
	hosts *bounded[sweep, distinct[netip.Addr]]
}

type pair struct{ src, dst netip.Addr }

type sweep struct {
	src   netip.Addr
	port  uint16
	proto uint8
}

// probe reports whether a flow only asked whether somebody is there: nothing
// was said over TCP, nothing came back over UDP or ICMP.
func (f *Flow) probe() bool {
	if f.Midstream {
		return false
	}
	switch f.Proto {
	case protoTCP:
		return f.Flags[0]&flagSYN != 0 && (f.Flags[0]|f.Flags[1])&flagPSH == 0 && f.Packets[0] <= 6 &&
			(f.Packets[1] == 0 || (f.Flags[0]|f.Flags[1])&flagRST != 0)
	case protoUDP:
		return f.Packets[1] == 0 && f.Packets[0] <= 3 && !f.Server.Addr().IsMulticast() && f.Server.Port() != 0
	case protoICMP, protoICMPv6:
		return f.Packets[1] == 0 && f.Packets[0] <= 3 && !f.Server.Addr().IsMulticast()
	}
	return false
}

func (e *Engine) scan(f *Flow) {
	if !f.probe() {
		return
	}
	src, dst, port := f.Client.Addr(), f.Server.Addr(), f.Server.Port()
	c := &e.cfg.Scan
	if f.Proto == protoTCP || f.Proto == protoUDP {
		d, _ := e.scans.ports.get(pair{src, dst}, f.Last)
		n := d.add(port, f.Start, c.Window)
		if n >= c.Ports {
			found := f.finding(portScan())
			found.Src, found.Dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
			found.Vi = fmt.Sprintf("%s thử %d cổng của %s trong %s mà không trao đổi dữ liệu", src, n, dst, c.Window)
			found.En = fmt.Sprintf("%s tried %d ports of %s within %s and exchanged nothing", src, n, dst, c.Window)
			found.Fields = []Field{{"ports", n}, {"threshold", c.Ports}, {"window", c.Window}, {"examples", portExamples(d.marks)}}
			e.tell(src.String()+"|"+dst.String(), e.cfg.Repeat, found)
		}
	} else {
		port = 0
	}
	h, _ := e.scans.hosts.get(sweep{src, port, f.Proto}, f.Last)
	n := h.add(dst, f.Start, c.Window)
	if n < c.Hosts {
		return
	}
	found := f.finding(hostScan())
	found.Src, found.Dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, port)
	found.Vi = fmt.Sprintf("%s thử %d máy ở cổng %d trong %s mà không có trao đổi dữ liệu", src, n, port, c.Window)
	found.En = fmt.Sprintf("%s tried %d hosts on port %d within %s and exchanged nothing", src, n, port, c.Window)
	found.Fields = []Field{{"hosts", n}, {"port", int(port)}, {"threshold", c.Hosts}, {"window", c.Window}, {"examples", hostExamples(h.marks)}}
	e.tell(src.String()+"|"+strconv.Itoa(int(port)), e.cfg.Repeat, found)
}

func portExamples(marks []mark[uint16]) []string {
	var ports []uint16
	for _, m := range marks {
		ports = append(ports, m.v)
	}
	slices.Sort(ports)
	var out []string
	for _, p := range ports[:min(len(ports), examples)] {
		out = append(out, strconv.Itoa(int(p)))
	}
	return out
}

func hostExamples(marks []mark[netip.Addr]) []string {
	var out []string
	for _, m := range marks[:min(len(marks), examples)] {
		out = append(out, m.v.String())
	}
	return out
}
