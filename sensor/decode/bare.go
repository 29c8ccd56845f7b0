package decode

import (
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Bare decodes Ethernet frames as a program does that uses gopacket as its
// documentation says and does nothing else: one DecodingLayerParser over reused
// decoders. It is the yardstick that sensor/bench measures by.
type Bare struct {
	eth  layers.Ethernet
	tag  layers.Dot1Q
	ip4  layers.IPv4
	ip6  layers.IPv6
	tcp  layers.TCP
	udp  layers.UDP
	all  *gopacket.DecodingLayerParser
	seen []gopacket.LayerType
}

// NewBare returns a yardstick for one goroutine.
func NewBare() *Bare {
	b := &Bare{seen: make([]gopacket.LayerType, 0, 8)}
	b.all = gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &b.eth, &b.tag, &b.ip4, &b.ip6, &b.tcp, &b.udp)
	b.all.IgnoreUnsupported = true
	return b
}

// Decode decodes a frame and returns how many layers it has. What breaks off
// counts as far as it goes.
func (b *Bare) Decode(frame []byte) int {
	// A frame that breaks off is no reason to stop.
	_ = b.all.DecodeLayers(frame, &b.seen)
	return len(b.seen)
}
