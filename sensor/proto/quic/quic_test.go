package quic

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

// datagrams are those of a capture of one flow.
func datagrams(t testing.TB, name string) []prototest.Turn {
	t.Helper()
	src, err := capture.OpenFile(testkit.Data(t, "pcap/suricata-verify/tests/"+name+"/input.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	d := decode.New(decode.Options{})
	var out []prototest.Turn
	var frame capture.Frame
	var p decode.Packet
	client := uint16(0)
	for {
		err = src.Next(&frame)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		outcome, _ := d.Decode(&frame, &p)
		if outcome != decode.Decoded || p.Proto != decode.ProtoUDP {
			continue
		}
		if client == 0 {
			client = p.SrcPort
		}
		dir := proto.ToServer
		if p.SrcPort != client {
			dir = proto.ToClient
		}
		out = append(out, prototest.Turn{Dir: dir, Data: string(p.Payload)})
	}
}

func TestHellosOfRealConnections(t *testing.T) {
	for name, want := range map[string]string{
		"quic-ietf":           `"sni":"msquic.net"`,
		"quic-v2-ja3":         `"version":"2","ja3":{"hash":"ea0aece5703cb982b232a0684fc35b16"`,
		"quic-frag-unordered": `"sni":"mastodon.social"`,
	} {
		t.Run(name, func(t *testing.T) {
			r := prototest.Talk(t, open, datagrams(t, name)...)
			if len(r.Records) == 0 || !strings.Contains(r.Records[0], want) {
				t.Errorf("got %q", r.Records)
			}
		})
	}
}

func TestNoticesWhatIsWrong(t *testing.T) {
	real := datagrams(t, "quic-ietf")
	broken := []byte(real[0].Data)
	broken[len(broken)/2] ^= 1
	prototest.Notices(t, open,
		prototest.Case("an ordinary connection", real, nil),
		prototest.Case("a packet that cannot be opened", []prototest.Turn{{Dir: 0, Data: string(broken)}, {Dir: 0, Data: string(broken)}}, []string{"failed_decrypt"}),
	)
	for name, frames := range map[string]string{
		"error_on_data":        "\x08\x01",
		"crypto_frag_too_long": "\x06\x80\x01\x00\x00\x01a",
	} {
		r := &prototest.Recorder{}
		New(r).frames(0, []byte(frames))
		if !slices.Equal(r.Notices, []string{name}) {
			t.Errorf("%x: noticed %v, want %s", frames, r.Notices, name)
		}
	}
}

func TestPartsOfTheHandshakeAreJoined(t *testing.T) {
	s := &stream{}
	for _, part := range []struct {
		at   int
		text string
	}{{5, "fgh"}, {2, "cd"}, {0, "abc"}, {maxCrypto, "far"}, {4, "ef"}} {
		s.add(part.at, []byte(part.text))
	}
	if got := string(s.front()); got != "abcdefgh" {
		t.Errorf("got %q", got)
	}
}

func FuzzQUIC(f *testing.F) {
	prototest.Fuzz(f, open, prototest.Turn{Data: "\xc3\x00\x00\x00\x01\x08\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x20" + strings.Repeat("x", 32)})
}
