package trust

import (
	"bytes"
	"encoding/asn1"
	"hash/maphash"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// removeFromCRL and certificateHold are CRLReason values (RFC 5280 §5.3.1).
const (
	reasonHold   = 6
	reasonRemove = 8
)

// maxIndirectIssuers bounds the authorities one indirect list speaks for.
const maxIndirectIssuers = 1024

// Entry is what a list says about one certificate.
type Entry struct {
	RevokedAt time.Time
	Reason    int // CRLReason; -1 when not given
}

// entryIndex finds an entry by issuer and serial number. The entries are
// walked once, without an allocation for each: the table holds their places.
type entryIndex struct {
	entries cryptobyte.String
	seed    maphash.Seed
	slots   []uint32 // place in entries plus one; open addressing
	owners  []uint16 // of each slot, into issuers; nil for a direct list
	issuers map[string]uint16
	count   int
	// critical is an entry extension that is not understood: the list then
	// speaks for no certificate (RFC 5280 §5.3).
	critical bool
}

// lookup finds the entry of a certificate by the DER of its issuer's name and
// the content octets of its serial number. The first call reads all entries.
func (c *CRL) lookup(issuer distinguished, serial []byte) (Entry, bool, RevocationWhy) {
	c.indexed.Do(func() { c.index, c.indexErr = c.buildIndex() })
	switch {
	case c.indexErr != nil:
		return Entry{}, false, WhyMalformed
	case c.index.critical:
		return Entry{}, false, WhyCritical
	}
	owner, known := c.index.issuers[issuer.key()]
	if !known {
		return Entry{}, false, WhyNone
	}
	entry, ok := c.index.find(owner, shortest(serial))
	return entry, ok, WhyNone
}

// Len returns the number of entries. The first call reads all entries.
func (c *CRL) Len() (int, error) {
	c.indexed.Do(func() { c.index, c.indexErr = c.buildIndex() })
	if c.indexErr != nil {
		return 0, c.indexErr
	}
	return c.index.count, nil
}

func (c *CRL) buildIndex() (*entryIndex, error) {
	x := &entryIndex{entries: c.entries, seed: maphash.MakeSeed(), issuers: map[string]uint16{c.issuer.key(): 0}}
	total, err := countElements(c.entries)
	if err != nil {
		return nil, err
	}
	size := 8
	for size < 2*total {
		size *= 2
	}
	x.slots = make([]uint32, size)
	if c.scope.indirect {
		x.owners = make([]uint16, size)
	}
	in, owner := c.entries, uint16(0)
	for !in.Empty() {
		place := len(c.entries) - len(in)
		raw, ok := readRawEntry(&in)
		if !ok {
			return nil, crlMalformed("revokedCertificates")
		}
		if len(raw.extensions) > 0 {
			if !c.versioned {
				return nil, crlMalformed("entry extensions in version 1")
			}
			issuer, err := x.inspect(raw, c.scope.indirect)
			if err != nil {
				return nil, err
			}
			if issuer != nil {
				owner, err = x.owner(issuer)
				if err != nil {
					return nil, err
				}
			}
		}
		x.insert(owner, raw.serial, uint32(place))
		x.count++
	}
	return x, nil
}

func countElements(in cryptobyte.String) (int, error) {
	n := 0
	for !in.Empty() {
		if !in.SkipASN1(casn1.SEQUENCE) {
			return 0, crlMalformed("revokedCertificates")
		}
		n++
	}
	return n, nil
}

type rawEntry struct{ serial, date, extensions cryptobyte.String }

func readRawEntry(in *cryptobyte.String) (rawEntry, bool) {
	var raw rawEntry
	var entry cryptobyte.String
	var tag casn1.Tag
	ok := in.ReadASN1(&entry, casn1.SEQUENCE) && entry.ReadASN1(&raw.serial, casn1.INTEGER) && len(raw.serial) > 0 &&
		entry.ReadAnyASN1Element(&raw.date, &tag) && (tag == casn1.UTCTime || tag == casn1.GeneralizedTime)
	raw.serial, raw.extensions = shortest(raw.serial), entry
	return raw, ok
}

// shortest strips what makes an INTEGER longer than DER has it, so that an
// entry and a certificate find each other however they are written.
func shortest(content cryptobyte.String) cryptobyte.String {
	for len(content) > 1 && (content[0] == 0 && content[1]&0x80 == 0 || content[0] == 0xff && content[1]&0x80 != 0) {
		content = content[1:]
	}
	return content
}

// inspect looks for critical entry extensions and for the certificateIssuer,
// from which on the entries of an indirect list are another authority's. It is
// run for every entry of a list, so it makes nothing.
func (x *entryIndex) inspect(raw rawEntry, indirect bool) (issuer distinguished, err error) {
	in := raw.extensions
	var list cryptobyte.String
	if !in.ReadASN1(&list, casn1.SEQUENCE) || !in.Empty() {
		return nil, crlMalformed("crlEntryExtensions")
	}
	for !list.Empty() {
		var ext, oid, value cryptobyte.String
		var critical bool
		ok := list.ReadASN1(&ext, casn1.SEQUENCE) && ext.ReadASN1(&oid, casn1.OBJECT_IDENTIFIER) &&
			(!ext.PeekASN1Tag(casn1.BOOLEAN) || ext.ReadASN1Boolean(&critical)) && ext.ReadASN1(&value, casn1.OCTET_STRING) && ext.Empty()
		if !ok {
			return nil, crlMalformed("crlEntryExtensions")
		}
		switch {
		case string(oid) == "\x55\x1d\x15", string(oid) == "\x55\x1d\x18": // reasonCode, invalidityDate
		case indirect && string(oid) == "\x55\x1d\x1d": // certificateIssuer
			issuer, err = readCertificateIssuer(value)
			if err != nil {
				return nil, err
			}
		case critical:
			x.critical = true
		}
	}
	return issuer, nil
}

// readCertificateIssuer reads the one directory name of RFC 5280 §5.3.3.
func readCertificateIssuer(value cryptobyte.String) (distinguished, error) {
	var list cryptobyte.String
	if !value.ReadASN1(&list, casn1.SEQUENCE) || !value.Empty() {
		return nil, crlMalformed("certificateIssuer")
	}
	names, err := readGeneralNames(list)
	if err != nil {
		return nil, crlMalformed("certificateIssuer")
	}
	for _, name := range names {
		if name.form == formDirectory {
			return name.name, nil
		}
	}
	return nil, crlMalformed("certificateIssuer")
}

func (x *entryIndex) owner(issuer distinguished) (uint16, error) {
	key := issuer.key()
	owner, known := x.issuers[key]
	if known {
		return owner, nil
	}
	if len(x.issuers) == maxIndirectIssuers {
		return 0, crlMalformed("too many certificate issuers")
	}
	owner = uint16(len(x.issuers))
	x.issuers[key] = owner
	return owner, nil
}

func (x *entryIndex) hash(owner uint16, serial []byte) int {
	return int((maphash.Bytes(x.seed, serial) + uint64(owner)*0x9e3779b97f4a7c15) & uint64(len(x.slots)-1))
}

// insert keeps the first of several entries for one certificate.
func (x *entryIndex) insert(owner uint16, serial []byte, place uint32) {
	n := x.hash(owner, serial)
	for x.slots[n] != 0 {
		if x.is(n, owner, serial) {
			return
		}
		n = (n + 1) & (len(x.slots) - 1)
	}
	x.slots[n] = place + 1
	if x.owners != nil {
		x.owners[n] = owner
	}
}

func (x *entryIndex) is(slot int, owner uint16, serial []byte) bool {
	if x.owners != nil && x.owners[slot] != owner {
		return false
	}
	in := x.entries[x.slots[slot]-1:]
	raw, ok := readRawEntry(&in)
	return ok && bytes.Equal(raw.serial, serial)
}

func (x *entryIndex) find(owner uint16, serial []byte) (Entry, bool) {
	for n := x.hash(owner, serial); x.slots[n] != 0; n = (n + 1) & (len(x.slots) - 1) {
		if !x.is(n, owner, serial) {
			continue
		}
		in := x.entries[x.slots[n]-1:]
		raw, _ := readRawEntry(&in)
		return raw.entry(), true
	}
	return Entry{}, false
}

// entry reads what was walked over before. A reason that cannot be read is
// none: the certificate is revoked all the same.
func (raw rawEntry) entry() Entry {
	e := Entry{Reason: -1}
	date := raw.date
	readTime(&date, &e.RevokedAt)
	if len(raw.extensions) == 0 {
		return e
	}
	_ = readExtensions(raw.extensions, func(oid asn1.ObjectIdentifier, _ bool, value cryptobyte.String) error {
		if oid.Equal(oidReasonCode) && !value.ReadASN1Enum(&e.Reason) {
			e.Reason = -1
		}
		return nil
	})
	return e
}

// LookupSerial finds what the list says about a serial number of an issuer (the
// DER of its name), without judging whether the list may speak about it. The
// first call reads all entries; a list that cannot be read says nothing.
func (c *CRL) LookupSerial(rawIssuer []byte, serial *big.Int) (Entry, bool) {
	issuer, err := readName(rawIssuer)
	if err != nil {
		return Entry{}, false
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1BigInt(serial)
	der, err := b.Bytes()
	in := cryptobyte.String(der)
	var content cryptobyte.String
	if err != nil || !in.ReadASN1(&content, casn1.INTEGER) {
		return Entry{}, false
	}
	entry, ok, why := c.lookup(issuer, content)
	return entry, ok && why == WhyNone
}
