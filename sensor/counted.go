package sensor

import (
	"maps"
	"slices"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/eve"
)

// protoSCTP is what IANA numbers SCTP.
const protoSCTP = 132

// PacketKinds counts packets by what they are, those inside others too.
type PacketKinds struct {
	IPv4, IPv6, TCP, UDP, ICMPv4, ICMPv6, SCTP uint64
	// VLAN are packets with so many tags or more.
	VLAN [decode.MaxVLANs]uint64
	// Fragments and Reassembled are those of IPv4 and of IPv6.
	Fragments, Reassembled [2]uint64
	// BadTCP are those of TCP with a wrong checksum.
	BadTCP uint64
	// Largest is the length of the largest frame in bytes.
	Largest uint64
}

func (k *PacketKinds) add(o *PacketKinds) {
	k.IPv4 += o.IPv4
	k.IPv6 += o.IPv6
	k.TCP += o.TCP
	k.UDP += o.UDP
	k.ICMPv4 += o.ICMPv4
	k.ICMPv6 += o.ICMPv6
	k.SCTP += o.SCTP
	for i := range k.VLAN {
		k.VLAN[i] += o.VLAN[i]
	}
	for i := range k.Fragments {
		k.Fragments[i] += o.Fragments[i]
		k.Reassembled[i] += o.Reassembled[i]
	}
	k.BadTCP += o.BadTCP
	k.Largest = max(k.Largest, o.Largest)
}

// count takes a packet whose IP header was read.
func (k *PacketKinds) count(p *decode.Packet, held bool) {
	for i := range p.VLANLen {
		k.VLAN[i]++
	}
	v := 0
	if p.Version == 6 {
		v = 1
		k.IPv6++
	} else {
		k.IPv4++
	}
	if held || p.Defragmented {
		k.Fragments[v]++
	}
	if held {
		return
	}
	if p.Defragmented {
		k.Reassembled[v]++
	}
	switch p.Proto {
	case decode.ProtoTCP:
		k.TCP++
		if p.BadChecksum {
			k.BadTCP++
		}
	case decode.ProtoUDP:
		k.UDP++
	case decode.ProtoICMP:
		k.ICMPv4++
	case decode.ProtoICMPv6:
		k.ICMPv6++
	case protoSCTP:
		k.SCTP++
	}
}

// FlowKinds counts flows by their protocol when they begin.
type FlowKinds struct{ TCP, UDP, ICMPv4, ICMPv6 uint64 }

func (k *FlowKinds) add(o *FlowKinds) {
	k.TCP += o.TCP
	k.UDP += o.UDP
	k.ICMPv4 += o.ICMPv4
	k.ICMPv6 += o.ICMPv6
}

func (k *FlowKinds) count(proto uint8) {
	switch proto {
	case decode.ProtoTCP:
		k.TCP++
	case decode.ProtoUDP:
		k.UDP++
	case decode.ProtoICMP:
		k.ICMPv4++
	case decode.ProtoICMPv6:
		k.ICMPv6++
	}
}

// AppKey is an application protocol over TCP or UDP.
type AppKey struct {
	Name string
	UDP  bool
}

// AppCounts are the figures of one: flows and transactions when the flow has
// ended, what its parser refused, and how often the parser itself failed.
type AppCounts struct{ Flows, Transactions, Errors, Panics uint64 }

func (n *AppCounts) add(o AppCounts) {
	n.Flows += o.Flows
	n.Transactions += o.Transactions
	n.Errors += o.Errors
	n.Panics += o.Panics
}

func addApps(into, from map[AppKey]AppCounts) map[AppKey]AppCounts {
	if into == nil {
		into = make(map[AppKey]AppCounts, len(from))
	}
	for k, v := range from {
		n := into[k]
		n.add(v)
		into[k] = n
	}
	return into
}

// both are the protocols whose figures over TCP and UDP stand apart.
var both = map[string]bool{"dcerpc": true, "dns": true, "failed": true, "krb5": true, "ldap": true, "sip": true}

// foreign are those that Suricata does not know.
var foreign = map[string]bool{"mysql": true, "socks": true, "xmpp": true}

// figure is the protocol's name in a stats record.
func (k AppKey) figure() string {
	switch {
	case !both[k.Name]:
		return k.Name
	case k.UDP:
		return k.Name + "_udp"
	}
	return k.Name + "_tcp"
}

// appFigures lists the application protocols, those that Suricata knows and
// the others.
func appFigures(apps map[AppKey]AppCounts) (known, own []eve.Counter) {
	merged := make(map[string]AppCounts, len(apps))
	for k, v := range apps {
		n := merged[k.figure()]
		n.add(v)
		merged[k.figure()] = n
	}
	sorted := slices.Sorted(maps.Keys(merged))
	list := func(group string, value func(name string, n AppCounts) []eve.Counter) {
		for _, name := range sorted {
			for _, c := range value(name, merged[name]) {
				c.Name = "app_layer." + group + "." + c.Name
				if foreign[name] {
					own = append(own, c)
				} else {
					known = append(known, c)
				}
			}
		}
	}
	list("error", func(name string, n AppCounts) []eve.Counter {
		// A flow of UDP that nobody knows cannot be refused.
		if name == "failed_udp" {
			return nil
		}
		return []eve.Counter{{Name: name + ".parser", Value: n.Errors}, {Name: name + ".internal", Value: n.Panics}}
	})
	list("flow", func(name string, n AppCounts) []eve.Counter { return []eve.Counter{{Name: name, Value: n.Flows}} })
	list("tx", func(name string, n AppCounts) []eve.Counter {
		if name == "failed_tcp" || name == "failed_udp" {
			return nil
		}
		return []eve.Counter{{Name: name, Value: n.Transactions}}
	})
	return known, own
}
