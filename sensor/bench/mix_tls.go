package bench

import (
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"

	"golang.org/x/crypto/cryptobyte"
)

// Types of TLS records and messages (RFC 8446 §5.1, §4).
const (
	recordChange      = 20
	recordHandshake   = 22
	recordApplication = 23

	helloClient       = 1
	helloServer       = 2
	helloCertificates = 11
	helloKeys         = 12
	helloDone         = 14
	helloClientKeys   = 16
)

const (
	tls12 = 0x0303
	tls13 = 0x0304
	// mostRecord bounds the content of a record (RFC 8446 §5.1).
	mostRecord = 1 << 14
)

// profiles are the cipher suites that different programs offer.
var profiles = [...][]uint16{
	{0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035},
	{0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc00a, 0xc009, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035},
	{0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0x009f, 0xcca9, 0xcca8, 0xccaa, 0xc02b, 0xc02f, 0x009e},
}

const sites = 64

// tlsMix makes TLS connections. What would be encrypted is noise; hellos and
// certificates are real.
type tlsMix struct {
	names  [sites]string
	chains [sites][][]byte
}

func newTLSMix() (*tlsMix, error) {
	m := &tlsMix{}
	r := rand.New(rand.NewPCG(3, 4))
	root := ed25519.NewKeyFromSeed(fill(r, ed25519.SeedSize))
	issuer := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{"VN"}, Organization: []string{"Example Trust"}, CommonName: "Example Issuing CA 1"},
		NotBefore: began.AddDate(-2, 0, 0), NotAfter: began.AddDate(8, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	issuerDER, err := x509.CreateCertificate(nil, issuer, issuer, root.Public(), root)
	if err != nil {
		return nil, err
	}
	for i := range sites {
		m.names[i] = fmt.Sprintf("dich-vu-%d.so%d.example.vn", i, i%9)
		key := ed25519.NewKeyFromSeed(fill(r, ed25519.SeedSize))
		names := []string{m.names[i]}
		for k := range 12 {
			names = append(names, fmt.Sprintf("may-chu-%d.%s", k, m.names[i]))
		}
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(int64(1000 + i)), Subject: pkix.Name{Country: []string{"VN"}, Organization: []string{"Example"}, CommonName: m.names[i]},
			NotBefore: began.AddDate(0, -1, 0), NotAfter: began.AddDate(1, 0, 0), DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature,
		}
		der, err := x509.CreateCertificate(nil, leaf, issuer, key.Public(), root)
		if err != nil {
			return nil, err
		}
		m.chains[i] = [][]byte{der, issuerDER}
	}
	return m, nil
}

// conversation is one connection.
func (m *tlsMix) conversation(i int, r *rand.Rand) [][]byte {
	c, s := ends(i, 443)
	t := newTalk(c, s, r.Uint32(), r.Uint32())
	t.open()
	site := i % sites
	version := uint16(tls13)
	if i%3 == 0 {
		version = tls12
	}
	t.say(client, record(recordHandshake, clientHello(m.names[site], version, profiles[i%len(profiles)], r)))
	change := record(recordChange, []byte{1})
	if version == tls13 {
		t.say(server, join(record(recordHandshake, serverHello(version, 0x1301, r)), change, record(recordApplication, fill(r, 2600))))
		t.say(client, join(change, record(recordApplication, fill(r, 53))))
	} else {
		t.say(server, record(recordHandshake, join(serverHello(version, 0xc02b, r), certificates(m.chains[site]), message(helloKeys, fill(r, 144)), message(helloDone, nil))))
		t.say(client, join(record(recordHandshake, message(helloClientKeys, fill(r, 66))), change, record(recordHandshake, fill(r, 40))))
		t.say(server, join(change, record(recordHandshake, fill(r, 40))))
	}
	t.say(client, record(recordApplication, fill(r, 300+r.IntN(300))))
	for left := 20_000 + r.IntN(40_000); left > 0; left -= mostRecord {
		t.say(server, record(recordApplication, fill(r, min(left, mostRecord))))
	}
	t.close()
	return t.frames
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func record(kind byte, content []byte) []byte {
	head := []byte{kind, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(content)))
	return append(head, content...)
}

func message(kind byte, body []byte) []byte {
	n := len(body)
	return append([]byte{kind, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// clientHello is the message of RFC 8446 §4.1.2.
func clientHello(name string, version uint16, suites []uint16, r *rand.Rand) []byte {
	var b cryptobyte.Builder
	b.AddUint16(tls12)
	b.AddBytes(fill(r, 32))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(fill(r, 32)) })
	if version == tls12 {
		suites = suites[3:]
	}
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { words(b, suites...) })
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		extension(b, 0, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8(0)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
			})
		})
		extension(b, 23, nil)
		extension(b, 0xff01, func(b *cryptobyte.Builder) { b.AddUint8(0) })
		extension(b, 10, func(b *cryptobyte.Builder) { list(b, 29, 23, 24) })
		extension(b, 11, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 0}) })
		extension(b, 35, nil)
		extension(b, 16, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("\x02h2\x08http/1.1")) })
		})
		extension(b, 13, func(b *cryptobyte.Builder) {
			list(b, 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601, 0x0807)
		})
		if version == tls12 {
			return
		}
		extension(b, 51, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { share(b, r) })
		})
		extension(b, 45, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 1}) })
		extension(b, 43, func(b *cryptobyte.Builder) {
			b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { words(b, tls13, tls12) })
		})
	})
	return message(helloClient, b.BytesOrPanic())
}

// serverHello is the message of RFC 8446 §4.1.3.
func serverHello(version, suite uint16, r *rand.Rand) []byte {
	var b cryptobyte.Builder
	b.AddUint16(tls12)
	b.AddBytes(fill(r, 32))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(fill(r, 32)) })
	b.AddUint16(suite)
	b.AddUint8(0)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		if version == tls12 {
			extension(b, 0xff01, func(b *cryptobyte.Builder) { b.AddUint8(0) })
			extension(b, 16, func(b *cryptobyte.Builder) {
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("\x02h2")) })
			})
			return
		}
		extension(b, 51, func(b *cryptobyte.Builder) { share(b, r) })
		extension(b, 43, func(b *cryptobyte.Builder) { b.AddUint16(version) })
	})
	return message(helloServer, b.BytesOrPanic())
}

func certificates(chain [][]byte) []byte {
	var b cryptobyte.Builder
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, der := range chain {
			b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(der) })
		}
	})
	return message(helloCertificates, b.BytesOrPanic())
}

func extension(b *cryptobyte.Builder, kind uint16, body func(*cryptobyte.Builder)) {
	b.AddUint16(kind)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		if body != nil {
			body(b)
		}
	})
}

func words(b *cryptobyte.Builder, all ...uint16) {
	for _, v := range all {
		b.AddUint16(v)
	}
}

func list(b *cryptobyte.Builder, all ...uint16) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { words(b, all...) })
}

// share is a key of X25519.
func share(b *cryptobyte.Builder, r *rand.Rand) {
	b.AddUint16(29)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(fill(r, 32)) })
}
