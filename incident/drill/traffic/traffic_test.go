package traffic

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)

func compose(t *testing.T, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	err := Attack(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTheSameSeedGivesTheSameBytes(t *testing.T) {
	a, b := compose(t, Options{Start: start, Seed: 7}), compose(t, Options{Start: start, Seed: 7})
	if !bytes.Equal(a, b) {
		t.Error("two captures of one seed differ")
	}
	if bytes.Equal(a, compose(t, Options{Start: start, Seed: 8})) {
		t.Error("another seed gives the same capture")
	}
}

func TestEveryChecksumAndLengthIsRight(t *testing.T) {
	b := compose(t, Options{Start: start, Targets: 20})[24:]
	frames := 0
	last := time.Time{}
	for len(b) > 0 {
		at := time.Unix(int64(binary.LittleEndian.Uint32(b)), int64(binary.LittleEndian.Uint32(b[4:]))*1000)
		n := binary.LittleEndian.Uint32(b[8:])
		f := b[16 : 16+n]
		b = b[16+n:]
		frames++
		if at.Before(last) || at.Before(start) || at.After(start.Add(Length)) {
			t.Fatalf("frame %d at %s", frames, at)
		}
		last = at
		ip := f[etherHeader:]
		if checksum(0, ip[:ipHeader]) != 0 {
			t.Fatalf("frame %d: IP checksum", frames)
		}
		length := binary.BigEndian.Uint16(ip[2:])
		src, dst := netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
		if transportSum(src, dst, ip[9], ip[ipHeader:length]) != 0 {
			t.Fatalf("frame %d: transport checksum", frames)
		}
	}
	if frames < 100 {
		t.Errorf("only %d frames", frames)
	}
}

func TestWiresharkSeesTheAttackWithoutFault(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark absent")
	}
	path := filepath.Join(t.TempDir(), "attack.pcap")
	err = os.WriteFile(path, compose(t, Options{Start: start}), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	read := func(filter string) []string {
		cmd := exec.Command(tshark, "-r", path, "-Y", filter, "-o", "ip.check_checksum:TRUE",
			"-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
	}
	for filter, want := range map[string]int{
		"ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0": 0,
		"_ws.malformed || tcp.analysis.flags":                                             0,
		"dns.qry.name == \"cap-nhat.khoa-du-lieu.example\" && dns.flags.response == 1":    1,
		"http.request.uri contains \"van-ban-khan\"":                                      1,
		"http.response.code == 200":                                                       1,
		"smb2.cmd == 0":                                                                   defaultTargets,
		"http.user_agent contains \"AntinBeacon\"":                                        beacons,
	} {
		got := read(filter)
		if len(got) != want {
			t.Errorf("%s: %d frames, want %d\n%s", filter, len(got), want, strings.Join(got, "\n"))
		}
	}
}

func TestWhatCannotBeComposedIsRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"no start":         {},
		"an unknown step":  {Start: start, Steps: []Step{"magic"}},
		"an IPv6 victim":   {Start: start, Victim: netip.MustParseAddr("2001:db8::1")},
		"too many targets": {Start: start, Targets: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			err := Attack(&bytes.Buffer{}, o)
			if !errors.Is(err, ErrOptions) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRulesHaveTheirOwnNumbers(t *testing.T) {
	sids := map[string]bool{}
	for _, line := range strings.Split(string(Rules), "\n") {
		if !strings.HasPrefix(line, "alert ") {
			continue
		}
		_, rest, _ := strings.Cut(line, "sid:")
		sid, _, _ := strings.Cut(rest, ";")
		if !strings.HasPrefix(sid, "9000") || len(sid) != 7 || sids[sid] {
			t.Errorf("sid %q", sid)
		}
		sids[sid] = true
	}
	if len(sids) != 4 {
		t.Errorf("%d rules", len(sids))
	}
}
