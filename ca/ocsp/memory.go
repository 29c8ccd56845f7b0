package ocsp

import (
	"crypto"
	"math/big"
	"sync"
	"time"
)

// SerialSize is the longest serial number that is kept (RFC 5280 §4.1.2.2).
const SerialSize = 20

// Serial is a serial number, big-endian, filled with zeros on the left.
type Serial [SerialSize]byte

// SerialOf returns the number as Serial; false when it does not fit, so that no
// certificate here can have it.
func SerialOf(n *big.Int) (Serial, bool) {
	var s Serial
	if n.Sign() < 0 || n.BitLen() > 8*SerialSize {
		return s, false
	}
	n.FillBytes(s[:])
	return s, true
}

// Int is the serial number as a number.
func (s Serial) Int() *big.Int { return new(big.Int).SetBytes(s[:]) }

// Certificate is what the register says of one certificate.
type Certificate struct {
	Serial  Serial
	Status  Status
	Expires time.Time
}

// kinds are the digests of CertIDs for which answers are made in advance; the
// first for every certificate, the others when they are asked for.
const (
	kindSHA1 = iota
	kindSHA256
	kinds
)

func kindOf(h crypto.Hash) (int, bool) {
	switch h {
	case crypto.SHA1:
		return kindSHA1, true
	case crypto.SHA256:
		return kindSHA256, true
	}
	return 0, false
}

// record is one certificate in memory. Answers are kept as their signatures
// only: everything else of an answer follows from the record, so that a million
// certificates take some 200 bytes each and no pointer. Times are seconds.
type record struct {
	serial    Serial
	expires   uint32
	revokedAt uint32
	made      [kinds]uint32 // thisUpdate of the answer; 0 for none
	length    [kinds]uint16 // of its signature
	proven    [kinds]bool   // made here, or read from the file and verified
	state     uint8
	reason    uint8
}

func (r *record) status() Status {
	s := Status{State: State(r.state), Reason: int(r.reason)}
	if s.State == Revoked {
		s.RevokedAt = time.Unix(int64(r.revokedAt), 0).UTC()
	}
	return s
}

// pageSize is how many signatures lie in one piece of memory.
const pageSize = 4096

// memory holds the certificates of one issuer.
type memory struct {
	width int

	mu      sync.RWMutex
	index   map[Serial]uint32
	records []record
	// signatures lie in pages by kind, width bytes each; a nil page has none.
	signatures [kinds][][]byte
}

func newMemory(width int) *memory { return &memory{width: width, index: make(map[Serial]uint32)} }

func seconds(t time.Time) uint32 {
	n := t.Unix()
	if n < 0 {
		return 0
	}
	return uint32(n)
}

// add puts in certificates that are not there yet; those that are keep what a
// later change told of them.
func (m *memory) add(list []Certificate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range list {
		_, there := m.index[c.Serial]
		if !there {
			m.append(c)
		}
	}
}

// append adds a record; mu is held.
func (m *memory) append(c Certificate) {
	r := record{serial: c.Serial, expires: seconds(c.Expires)}
	r.set(c.Status)
	m.index[c.Serial] = uint32(len(m.records))
	m.records = append(m.records, r)
}

func (r *record) set(s Status) {
	r.state, r.reason, r.revokedAt = uint8(s.State), uint8(s.Reason), 0
	if s.State == Revoked {
		r.revokedAt = seconds(s.RevokedAt)
	}
	r.made, r.proven = [kinds]uint32{}, [kinds]bool{}
}

// change brings certificates to a new state; answers made for the old one are
// gone. It returns the places of those that changed.
func (m *memory) change(list []Certificate) []uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var changed []uint32
	for _, c := range list {
		at, there := m.index[c.Serial]
		if !there {
			m.append(c)
			changed = append(changed, m.index[c.Serial])
			continue
		}
		r := &m.records[at]
		old := *r
		r.set(c.Status)
		if old.state == r.state && old.reason == r.reason && old.revokedAt == r.revokedAt {
			*r = old
			continue
		}
		changed = append(changed, at)
	}
	return changed
}

// forget drops all answers: the key changed.
func (m *memory) forget(width int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.width = width
	m.signatures = [kinds][][]byte{}
	for i := range m.records {
		m.records[i].made, m.records[i].proven = [kinds]uint32{}, [kinds]bool{}
	}
}

// found is a copy of what memory has of a certificate.
type found struct {
	record
	at        uint32
	signature []byte // nil for none
}

// find copies the record and its signature for the kind of CertID.
func (m *memory) find(serial Serial, kind int) (found, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, there := m.index[serial]
	if !there {
		return found{}, false
	}
	return m.copy(at, kind), true
}

// copy copies a record; mu is held.
func (m *memory) copy(at uint32, kind int) found {
	f := found{record: m.records[at], at: at}
	if f.made[kind] != 0 {
		slot := m.slot(at, kind)
		f.signature = append(make([]byte, 0, m.width), slot[:f.length[kind]]...)
	}
	return f
}

// slot is where the signature of a record lies; nil when its page is not there.
func (m *memory) slot(at uint32, kind int) []byte {
	page := int(at / pageSize)
	if page >= len(m.signatures[kind]) || m.signatures[kind][page] == nil {
		return nil
	}
	from := int(at%pageSize) * m.width
	return m.signatures[kind][page][from : from+m.width]
}

// put keeps an answer, unless the certificate has changed since f was copied.
func (m *memory) put(f found, kind int, made time.Time, signature []byte, proven bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &m.records[f.at]
	if r.state != f.state || r.reason != f.reason || r.revokedAt != f.revokedAt || len(signature) > m.width {
		return
	}
	page := int(f.at / pageSize)
	for len(m.signatures[kind]) <= page {
		m.signatures[kind] = append(m.signatures[kind], nil)
	}
	if m.signatures[kind][page] == nil {
		m.signatures[kind][page] = make([]byte, pageSize*m.width)
	}
	copy(m.slot(f.at, kind), signature)
	r.made[kind], r.length[kind], r.proven[kind] = seconds(made), uint16(len(signature)), proven
}

// prove marks an answer from the file as verified, or drops it.
func (m *memory) prove(f found, kind int, good bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &m.records[f.at]
	if r.made[kind] != f.made[kind] {
		return
	}
	r.proven[kind] = good
	if !good {
		r.made[kind] = 0
	}
}

// due copies up to most records from the place on whose answer was made before
// the time, or for SHA-1 not at all, and that have not expired. It returns where
// to go on; 0 at the end.
func (m *memory) due(from uint32, before, now time.Time, most int) ([]found, [][kinds]bool, uint32) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var list []found
	var which [][kinds]bool
	limit, today := seconds(before), seconds(now)
	for at := from; int(at) < len(m.records); at++ {
		r := &m.records[at]
		if r.expires < today {
			continue
		}
		var want [kinds]bool
		want[kindSHA1] = r.made[kindSHA1] < limit
		want[kindSHA256] = r.made[kindSHA256] != 0 && r.made[kindSHA256] < limit
		if !want[kindSHA1] && !want[kindSHA256] {
			continue
		}
		list, which = append(list, found{record: *r, at: at}), append(which, want)
		if len(list) == most {
			return list, which, at + 1
		}
	}
	return list, which, 0
}

// size is the number of certificates and of answers for SHA-1 in memory.
func (m *memory) size() (certificates, answers int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i := range m.records {
		if m.records[i].made[kindSHA1] != 0 {
			answers++
		}
	}
	return len(m.records), answers
}
