package detect_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/antin-gov/antin/sensor/detect"
)

var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// silent is a connection that nobody answered.
func silent(src string, dst netip.Addr, port uint16, at time.Time) *detect.Flow {
	return &detect.Flow{
		Start: at, Last: at, Client: netip.AddrPortFrom(netip.MustParseAddr(src), 40000), Server: netip.AddrPortFrom(dst, port),
		Proto: 6, Packets: [2]uint64{1, 0}, Bytes: [2]uint64{60, 0}, Flags: [2]uint8{2, 0}, Ended: true,
	}
}

func TestTheSameIsToldOnceAndMemoryStaysBounded(t *testing.T) {
	e, err := detect.New(detect.Config{Limit: 64})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for i := range 20_000 {
		dst := netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})
		told += len(e.Flow(silent("203.0.113.5", dst, 445, start.Add(time.Duration(i)*time.Millisecond))))
	}
	s := e.Stats()
	if told != 1 || s.Findings != 1 || s.Repeated == 0 || s.Evicted == 0 {
		t.Errorf("told %d, %+v", told, s)
	}
}

func TestAScannerOfOursIsIgnoredAndADetectorCanBeOff(t *testing.T) {
	for _, c := range []detect.Config{{Ignore: []string{"203.0.113.0/24"}}, {Off: []string{"host_scan", "port_scan"}}} {
		e, err := detect.New(c)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			found := e.Flow(silent("203.0.113.5", netip.AddrFrom4([4]byte{10, 9, 0, byte(i)}), 445, start))
			if len(found) > 0 {
				t.Fatalf("%+v", found)
			}
		}
	}
}

func TestWhatWasLearntOutlivesTheRun(t *testing.T) {
	c := detect.Config{State: filepath.Join(t.TempDir(), "learnt.json"), Learn: time.Hour}
	for run, want := range []int{0, 0, 1} {
		e, err := detect.New(c)
		if err != nil {
			t.Fatal(err)
		}
		at := start.Add(time.Duration(run) * 24 * time.Hour)
		found := e.Flow(silent("10.3.9.9", netip.MustParseAddr("203.0.113.1"), 80, at))
		if run == 2 {
			found = e.Flow(silent("10.3.9.10", netip.MustParseAddr("203.0.113.1"), 80, at))
		}
		if len(found) != want {
			t.Errorf("run %d: %+v", run, found)
		}
		err = e.Save()
		if err != nil {
			t.Fatal(err)
		}
	}
	err := os.WriteFile(c.State, []byte("{"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = detect.New(c)
	if err == nil {
		t.Error("a damaged file is taken")
	}
}

func TestAConfigurationThatDoesNotHoldTogetherIsRefused(t *testing.T) {
	var must, off, link, agreement detect.Config
	must.Certificates.Must = []string{"10.0.0.0/8"}
	off.Off = []string{"nothing"}
	link.Links = []detect.Link{{Name: "x"}}
	agreement.Agreements = []detect.Agreement{{From: "a", To: "b"}}
	for i, c := range []detect.Config{must, off, link, agreement, {Home: []string{"home"}}} {
		_, err := detect.New(c)
		if !errors.Is(err, detect.ErrConfig) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestWordsAndRareMissesAreNoGeneratedNames(t *testing.T) {
	e, err := detect.New(detect.Config{})
	if err != nil {
		t.Fatal(err)
	}
	f := silent("10.3.9.9", netip.MustParseAddr("10.1.0.53"), 53, start)
	for i := range 60 {
		found := e.DNS(&detect.Lookup{Flow: f, Name: fmt.Sprintf("bao-dien-tu-mien-nam-%c%c.com", 'a'+i%20, 'a'+i/20), Response: true, Missing: true})
		if len(found) > 0 {
			t.Fatalf("%+v", found)
		}
	}
}
