package tls_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	stdtls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/sensor/proto/tls"
)

// tap copies what a connection writes.
type tap struct {
	net.Conn
	mu   *sync.Mutex
	dir  int
	said *[]turn
}

type turn struct {
	dir int
	b   []byte
}

func (c *tap) Write(b []byte) (int, error) {
	c.mu.Lock()
	*c.said = append(*c.said, turn{c.dir, append([]byte(nil), b...)})
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// handshake records a real handshake of the standard library.
func handshake(t testing.TB, version uint16) ([]turn, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x1234), Subject: pkix.Name{Country: []string{"VN"}, Organization: []string{"Ủy ban"}, CommonName: "portal.example.vn"},
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2055, 1, 1, 0, 0, 0, 0, time.UTC),
		DNSNames: []string{"portal.example.vn", "www.example.vn"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	var mu sync.Mutex
	var said []turn
	server := stdtls.Server(&tap{b, &mu, 1, &said}, &stdtls.Config{
		Certificates: []stdtls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MaxVersion: version, NextProtos: []string{"h2"},
	})
	client := stdtls.Client(&tap{a, &mu, 0, &said}, &stdtls.Config{
		ServerName: "portal.example.vn", InsecureSkipVerify: true, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"},
	})
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, server)
		done <- err
	}()
	_, err = client.Write([]byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	<-done
	return said, cert
}

func TestRealHandshakes(t *testing.T) {
	for _, version := range []uint16{stdtls.VersionTLS12, stdtls.VersionTLS13} {
		said, cert := handshake(t, version)
		for _, size := range []int{1, 100, 1 << 20} {
			t.Run(stdtls.VersionName(version), func(t *testing.T) {
				var c tls.Conn
				var seen tls.Seen
				for _, s := range said {
					for at := 0; at < len(s.b); at += size {
						got, err := c.Feed(s.dir, s.b[at:min(at+size, len(s.b))])
						if err != nil {
							t.Fatal(err)
						}
						seen |= got
					}
				}
				if string(c.Client.SNI) != "portal.example.vn" || len(c.Client.ALPN) != 2 || first(c.Server.ALPN) != alpn(version) {
					t.Errorf("SNI %q, ALPN %q and %q", c.Client.SNI, c.Client.ALPN, c.Server.ALPN)
				}
				if c.Server.Selected() != version || seen&tls.SeenReady == 0 {
					t.Errorf("version %x, seen %b", c.Server.Selected(), seen)
				}
				if version == stdtls.VersionTLS13 {
					return
				}
				if len(c.Certificates) != 1 {
					t.Fatal("no certificate")
				}
				got := c.Certificates[0]
				if got.Subject != "C=VN, O=Ủy ban, CN=portal.example.vn" || got.Issuer != got.Subject {
					t.Errorf("subject %q, issuer %q", got.Subject, got.Issuer)
				}
				if !got.NotBefore.Equal(cert.NotBefore) || !got.NotAfter.Equal(cert.NotAfter) || len(got.Names) != 2 {
					t.Errorf("from %v to %v, names %v", got.NotBefore, got.NotAfter, got.Names)
				}
				if new(big.Int).SetBytes(got.Serial).Cmp(cert.SerialNumber) != 0 {
					t.Errorf("serial %x", got.Serial)
				}
			})
		}
	}
}

// alpn is where the server's choice can be read: in clear up to TLS 1.2 only.
func alpn(version uint16) string {
	if version == stdtls.VersionTLS13 {
		return ""
	}
	return "h2"
}

// The vector is the worked example of the JA4 technical details
// (github.com/FoxIO-LLC/ja4, technical_details/JA4.md).
func TestJA4MatchesItsSpecification(t *testing.T) {
	h := &tls.ClientHello{
		Version: 0x0303, Versions: []uint16{0x7a7a, 0x0304, 0x0303}, HasSNI: true, ALPN: [][]byte{[]byte("h2"), []byte("http/1.1")},
		Ciphers: []uint16{
			0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
		},
		Extensions: []uint16{
			0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0x5a5a,
		},
		Signatures: []uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601},
	}
	if got, want := h.JA4(), "t13d1516h2_8daaf6152771_e5627efa2ab1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestJA4EdgeCases(t *testing.T) {
	cases := []struct {
		name  string
		hello tls.ClientHello
		want  string
	}{
		{"nothing offered", tls.ClientHello{Version: 0x0301}, "t10i000000_000000000000_000000000000"},
		{"an ALPN that is not text", tls.ClientHello{Version: 0x0303, ALPN: [][]byte{{0xab, 0xcd}}}, "t12i0000ad_000000000000_000000000000"},
		{"an ALPN of one letter", tls.ClientHello{Version: 0x0303, ALPN: [][]byte{{'x'}}}, "t12i0000xx_000000000000_000000000000"},
		{"SSL 3.0 with the name extension", tls.ClientHello{Version: 0x0300, HasSNI: true, Extensions: []uint16{0}}, "ts3d000100_000000000000_000000000000"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.hello.JA4(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestProbe(t *testing.T) {
	said, _ := handshake(t, stdtls.VersionTLS13)
	first := said[0].b
	for n := range 6 {
		yes, more := tls.Probe(first[:n])
		if yes || !more {
			t.Errorf("after %d bytes: %v, %v", n, yes, more)
		}
	}
	yes, _ := tls.Probe(first)
	no, more := tls.Probe([]byte("GET / HTTP/1.1\r\n"))
	if !yes || no || more {
		t.Errorf("hello %v, HTTP %v and more %v", yes, no, more)
	}
}

func FuzzFeed(f *testing.F) {
	for _, version := range []uint16{stdtls.VersionTLS12, stdtls.VersionTLS13} {
		said, _ := handshake(f, version)
		for _, s := range said {
			f.Add(s.dir, s.b)
		}
	}
	f.Fuzz(func(t *testing.T, dir int, b []byte) {
		var c tls.Conn
		half := len(b) / 2
		_, err := c.Feed(dir&1, b[:half])
		if err == nil {
			_, err = c.Feed(dir&1, b[half:])
		}
		if err != nil {
			return
		}
		if c.Client != nil && len(c.Client.JA4()) != 36 {
			t.Errorf("JA4 %q", c.Client.JA4())
		}
	})
}

func first(list [][]byte) string {
	if len(list) == 0 {
		return ""
	}
	return string(list[0])
}

func TestAHiddenNameIsSeen(t *testing.T) {
	for want, kinds := range map[string][]uint16{"": {0, 16}, "ech": {0, 0xfe0d}, "esni": {0xffce, 16}} {
		h := tls.ClientHello{Extensions: kinds}
		if got := h.HiddenName(); got != want {
			t.Errorf("extensions %x: %q, want %q", kinds, got, want)
		}
	}
}
