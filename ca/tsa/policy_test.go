package tsa_test

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/sha3"
	"encoding/asn1"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/digitorus/timestamp"

	"github.com/antin-gov/antin/ca/tsa"
)

// tstInfo mirrors TSTInfo for encoding/asn1, up to the nonce.
type tstInfo struct {
	Version  int
	Policy   asn1.ObjectIdentifier
	Imprint  asn1.RawValue
	Serial   asn1.RawValue
	GenTime  time.Time `asn1:"generalized"`
	Accuracy struct {
		Seconds int `asn1:"optional"`
		Millis  int `asn1:"tag:0,optional"`
		Micros  int `asn1:"tag:1,optional"`
	} `asn1:"optional"`
	Ordering bool          `asn1:"optional,default:false"`
	Nonce    asn1.RawValue `asn1:"optional"`
}

// stamped reads the TSTInfo out of a response by another parser than the writer;
// openssl judges whole tokens in ca.
func (f *fixture) stamped(t *testing.T, der []byte) tstInfo {
	t.Helper()
	response, err := f.authority.Respond(t.Context(), der)
	check(t, err)
	// TSTInfo is the only OCTET STRING whose content begins with version 1 and the policy.
	at := bytes.Index(response, []byte{2, 1, 1, 6})
	for _, head := range []int{2, 3} {
		var info tstInfo
		_, err = asn1.Unmarshal(response[at-head:], &info)
		if err == nil {
			return info
		}
	}
	t.Fatalf("TSTInfo: %v", err)
	return tstInfo{}
}

func TestPoliciesDifferInDigestsAccuracyAndOrdering(t *testing.T) {
	f := newFixture(t, ecKey(t, elliptic.P256()))
	f.now.Set(f.now.Now().Truncate(time.Second).Add(123400 * time.Microsecond))
	sum := sha3.Sum384([]byte("Quyết định"))
	archive := request(t, func(r *req) {
		r.Policy = policies()[1].OID
		r.MessageImprint.Hash.Algorithm = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 9}
		r.MessageImprint.Digest = sum[:]
	})
	info := f.stamped(t, archive)
	if !info.Policy.Equal(policies()[1].OID) || info.Accuracy.Seconds != 0 || info.Accuracy.Millis != 250 || info.Accuracy.Micros != 5 || info.Ordering {
		t.Errorf("archive: %+v", info)
	}
	ordered := request(t, func(r *req) { r.Policy = policies()[2].OID })
	first, second := f.stamped(t, ordered), f.stamped(t, ordered)
	if !first.Ordering || !first.GenTime.Equal(f.now.Now().Truncate(time.Millisecond)) || !second.GenTime.Equal(first.GenTime.Add(time.Millisecond)) {
		t.Errorf("ordered: %s, %s", first.GenTime, second.GenTime)
	}
	if info := f.stamped(t, request(t, nil)); !info.GenTime.Equal(f.now.Now().Truncate(time.Second)) || info.Accuracy.Seconds != 1 {
		t.Errorf("general: %+v", info)
	}
}

func TestAnAddressMayNameThePolicy(t *testing.T) {
	f := newFixture(t, ecKey(t, elliptic.P256()))
	for path, want := range map[string]int{"/tsa": 200, "/tsa/ordered": 200, "/tsa/none": 404} {
		r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(request(t, nil)))
		r.Header.Set("Content-Type", "application/timestamp-query")
		w := httptest.NewRecorder()
		f.authority.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
			continue
		}
		if path == "/tsa/ordered" {
			got, err := timestamp.ParseResponse(w.Body.Bytes())
			check(t, err)
			if !got.Policy.Equal(policies()[2].OID) {
				t.Errorf("policy %s", got.Policy)
			}
		}
	}
}

func TestARenewedUnitStampsFromThenOn(t *testing.T) {
	f := newFixture(t, ecKey(t, elliptic.P256()))
	other := newFixture(t, ecKey(t, elliptic.P384()))
	check(t, f.authority.SetUnit(other.config.Unit))
	der, err := f.authority.Respond(t.Context(), request(t, func(r *req) { r.CertReq = true }))
	check(t, err)
	got, err := timestamp.ParseResponse(der)
	check(t, err)
	if !got.Certificates[0].Equal(other.config.Unit.Chain[0]) && !got.Certificates[1].Equal(other.config.Unit.Chain[0]) {
		t.Error("the old unit stamps")
	}
	bad := other.config.Unit
	bad.Chain = bad.Chain[1:]
	if err := f.authority.SetUnit(bad); !errors.Is(err, tsa.ErrConfig) {
		t.Errorf("an unfit unit: %v", err)
	}
}

// machine stands for the machine under a clock watch.
type machine struct {
	up      time.Duration
	kernel  error
	error   time.Duration
	offsets map[string]time.Duration // by server; absent: silent
}

func (m *machine) config(sources ...tsa.Source) tsa.WatchConfig {
	return tsa.WatchConfig{Sources: sources,
		Uptime: func() (time.Duration, error) { return m.up, nil },
		Kernel: func() (time.Duration, error) { return m.error, m.kernel },
		Ask: func(_ context.Context, server string) (time.Duration, error) {
			d, there := m.offsets[server]
			if !there {
				return 0, errors.New("no answer")
			}
			return d, nil
		}}
}

func TestAClockThatWasSetIsNotTrustedUntilItIsRightAgain(t *testing.T) {
	m := &machine{up: time.Hour, kernel: tsa.ErrUnsynchronised}
	now := time.Date(2026, 11, 28, 4, 0, 0, 0, time.UTC)
	w, err := tsa.NewClockWatch(m.config(tsa.SourceSteps, tsa.SourceKernelOnce), now)
	check(t, err)
	passes := func(d time.Duration) { m.up += d; now = now.Add(d) }
	want := func(trusted bool, when string) {
		t.Helper()
		err := w.Check(now)
		if (err == nil) != trusted || err != nil && !errors.Is(err, tsa.ErrClock) {
			t.Errorf("%s: %v", when, err)
		}
	}
	want(true, "at the start, on a machine without a time service")
	passes(24 * time.Hour)
	want(true, "a day later")
	now = now.Add(2 * time.Second)
	want(false, "set forward by two seconds")
	passes(time.Hour)
	want(false, "an hour later, with nobody to confirm it")
	now = now.Add(-2 * time.Second)
	want(true, "set back")
	now = now.Add(-time.Minute)
	want(false, "set back by a minute")
	m.kernel = nil
	want(false, "the kernel is synchronised just now")
	passes(30 * time.Second)
	want(false, "half a minute later")
	passes(30 * time.Second)
	want(true, "a minute later")
	m.kernel = tsa.ErrUnsynchronised
	want(false, "the time service is lost")
	m.kernel, m.error = nil, 2*time.Second
	want(false, "the kernel thinks itself two seconds wrong")
	m.error = time.Millisecond
	want(true, "it found its time")
}

func TestMostTimeServersMustAgree(t *testing.T) {
	m := &machine{up: time.Hour, kernel: tsa.ErrUnsynchronised, offsets: map[string]time.Duration{"a": 20 * time.Millisecond, "b": -300 * time.Millisecond, "c": 5 * time.Second}}
	now := time.Date(2026, 11, 28, 4, 0, 0, 0, time.UTC)
	cfg := m.config(tsa.SourceNTP)
	cfg.NTP = []string{"a", "b", "c"}
	w, err := tsa.NewClockWatch(cfg, now)
	check(t, err)
	for _, c := range []struct {
		name    string
		act     func()
		trusted bool
	}{
		{"before any was asked", func() {}, false},
		{"two of three agree", func() { w.AskServers(t.Context()) }, true},
		{"six minutes without a question", func() { m.up += 6 * time.Minute }, false},
		{"one of three agrees", func() { delete(m.offsets, "a"); w.AskServers(t.Context()) }, false},
		{"nobody answers", func() { m.offsets = nil; w.AskServers(t.Context()) }, false},
	} {
		c.act()
		if err := w.Check(now); (err == nil) != c.trusted {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for name, cfg := range map[string]tsa.WatchConfig{"no server": m.config(tsa.SourceNTP), "an unknown source": m.config("sun")} {
		_, err := tsa.NewClockWatch(cfg, now)
		if !errors.Is(err, tsa.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNothingIsStampedWhileTheClockIsNotTrusted(t *testing.T) {
	f := newFixture(t, ecKey(t, elliptic.P256()))
	m := &machine{up: time.Hour, kernel: tsa.ErrUnsynchronised}
	w, err := tsa.NewClockWatch(m.config(tsa.SourceKernel), f.now.Now())
	check(t, err)
	f.config.Time = w
	f.authority, err = tsa.New(f.config)
	check(t, err)
	_, err = f.authority.Respond(t.Context(), request(t, nil))
	var refusal *tsa.Failure
	if !errors.As(err, &refusal) || refusal.Info != tsa.TimeNotAvailable || len(f.journal.reserved) != 0 || f.authority.Stats().Clock == "" {
		t.Errorf("got %v", err)
	}
	m.kernel = nil
	_, err = f.authority.Respond(t.Context(), request(t, nil))
	check(t, err)
}

func TestTheRealMachineIsAsked(t *testing.T) {
	now := time.Now()
	w, err := tsa.NewClockWatch(tsa.WatchConfig{Sources: []tsa.Source{tsa.SourceSteps}}, now)
	check(t, err)
	check(t, w.Check(time.Now()))
	err = w.Check(time.Now().Add(-time.Minute))
	if !errors.Is(err, tsa.ErrClock) {
		t.Errorf("a minute back: %v", err)
	}
}
