package tls

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// sound is a certificate that is right.
func sound(t *testing.T) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "subject"}, DNSNames: []string{"a.vn"},
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestCertificatesAreJudged(t *testing.T) {
	der := sound(t)
	name := []byte("\x30\x12\x31\x10\x30\x0e\x06\x03\x55\x04\x03\x13\x07subject")
	replace := func(old, now string) []byte { return bytes.Replace(der, []byte(old), []byte(now), 1) }
	last := func(old, now string) []byte {
		i := bytes.LastIndex(der, []byte(old))
		return slices.Concat(der[:i], []byte(now), der[i+len(old):])
	}
	if bytes.Count(der, name) != 2 {
		t.Fatalf("%x", der)
	}
	second := func(change func([]byte)) []byte {
		out := bytes.Clone(der)
		change(out[bytes.LastIndex(out, name):])
		return out
	}
	first := func(change func([]byte)) []byte {
		out := bytes.Clone(der)
		change(out[bytes.Index(out, name):])
		return out
	}
	for _, c := range []struct {
		name, want string
		der        []byte
	}{
		{"a sound one", "", der},
		{"something else", OddDER, []byte("hello")},
		{"one cut short", OddChain, der[:40]},
		{"a length cut short", OddChain, []byte{0x30, 5, 0x30, 0x84, 0xff, 0xff, 0xff}},
		{"a length over what is there", OddCertificate, []byte{0x30, 6, 0x30, 0x84, 0xff, 0xff, 0xff, 0xfa}},
		{"nothing within", OddCertificate, []byte{0x30, 2, 1, 0}},
		{"a version that is none", OddVersion, replace("\xa0\x03\x02\x01\x02", "\xa0\x03\x02\x01\x09")},
		{"a serial that is none", OddSerial, replace("\x02\x01\x4d", "\x04\x01\x4d")},
		{"an algorithm that is none", OddAlgorithm, replace("\x30\x05\x06\x03\x2b\x65\x70", "\x30\x05\x04\x03\x2b\x65\x70")},
		{"an issuer that is none", OddIssuer, first(func(b []byte) { b[0] = 0x31 })},
		{"a name that is none", OddName, first(func(b []byte) { b[2] = 0x30 })},
		{"a subject that is none", OddSubject, second(func(b []byte) { b[0] = 0x31 })},
		{"a validity that is none", OddValidity, replace("\x30\x1e\x17\x0d", "\x31\x1e\x17\x0d")},
		{"a date that is none", OddDate, replace("260101000000Z", "269901000000Z")},
		{"extensions that are none", OddExtensions, last("\x06\x03\x55\x1d\x11", "\x04\x03\x55\x1d\x11")},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := judge(c.der); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// hello is a ClientHello with these extensions.
func hello(extensions string) []byte {
	var b cryptobyte.Builder
	b.AddUint16(0x303)
	b.AddBytes(make([]byte, 32))
	b.AddUint8(0)
	b.AddBytes([]byte{0, 2, 0x13, 1, 1, 0})
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(extensions)) })
	return b.BytesOrPanic()
}

func TestHandshakesAreJudged(t *testing.T) {
	const sni = "\x00\x00\x00\x09\x00\x07\x00\x00\x04a.vn"
	record := func(kind byte, body []byte) []byte {
		msg := slices.Concat([]byte{kind, 0, byte(len(body) >> 8), byte(len(body))}, body)
		return slices.Concat([]byte{22, 3, 1, byte(len(msg) >> 8), byte(len(msg))}, msg)
	}
	for _, c := range []struct {
		name string
		dir  int
		data []byte
		want []string
	}{
		{"a sound one", 0, record(1, hello(sni)), nil},
		{"a name twice", 0, record(1, hello(sni+sni)), []string{OddSNITwice}},
		{"a name of another type", 0, record(1, hello("\x00\x00\x00\x09\x00\x07\x05\x00\x04a.vn")), []string{OddSNIType}},
		{"a name longer than its list", 0, record(1, hello("\x00\x00\x00\x09\x00\x07\x00\x00\x09a.vn")), []string{OddSNILength}},
		{"a hello cut short", 0, record(1, hello(sni)[:20]), []string{OddHandshake, OddMessage}},
		{"a message over the limit", 0, []byte{22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff}, []string{OddHandshake, OddMessage}},
		{"a chain that breaks off", 1, record(11, []byte{0, 0, 9, 0, 0, 99, 1, 2, 3}), []string{OddCertificate, OddMessage}},
		{"a certificate that is none", 1, record(11, []byte{0, 0, 6, 0, 0, 3, 1, 2, 3}), []string{OddDER}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var conn Conn
			_, err := conn.Feed(c.dir, c.data)
			if got := conn.TakeOdd(); !slices.Equal(got, c.want) {
				t.Errorf("%v (%v), want %v", got, err, c.want)
			}
		})
	}
}
