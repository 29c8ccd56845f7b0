package ssh

import (
	"slices"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h, true) }

var turns = []prototest.Turn{{Dir: 1, Data: "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"}, {Dir: 0, Data: "SSH-2.0-Go\r\n"},
	{Dir: 0, Data: "\x00\x00\x00J\x04\x140123456789abcdef\x00\x00\x00\x01k\x00\x00\x00\x00\x00\x00\x00\x01e\x00\x00\x00\x00\x00\x00\x00\x01m\x00\x00\x00\x00\x00\x00\x00\x04none\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}}

func TestBannersAndFingerprint(t *testing.T) {
	r := prototest.Talk(t, open, turns...)
	r.Want(t, `"client":{"proto_version":"2.0","software_version":"Go","hassh":{`)
	r.Want(t, `"string":"k;e;m;none"`)
	r.Want(t, `"server":{"proto_version":"2.0","software_version":"OpenSSH_9.2p1"}`)
}

func FuzzSSH(f *testing.F) { prototest.Fuzz(f, open, turns...) }

func TestWithoutFingerprintsARecordComesAtTheBanners(t *testing.T) {
	r := &prototest.Recorder{}
	c := New(r, false)
	for i, turn := range turns {
		err := c.Feed(turn.Dir, []byte(turn.Data))
		if err != nil {
			t.Fatal(err)
		}
		if want := min(i, 1); len(r.Records) != want {
			t.Fatalf("%d records after turn %d, want %d", len(r.Records), i, want)
		}
	}
	c.Close()
	r.Want(t, `{"ssh":{"client":{"proto_version":"2.0","software_version":"Go"},"server":{"proto_version":"2.0","software_version":"OpenSSH_9.2p1"}}}`)
	if want := `0 ssh.hassh.string "k;e;m;none"`; !slices.Contains(r.Fields, want) {
		t.Errorf("rules see %q, without %s", r.Fields, want)
	}
}
