package rules

import (
	"encoding/binary"
	"strings"
)

// Buffer names a field of a transaction: what the language calls a sticky
// buffer.
type Buffer uint8

// side says in which direction a buffer exists.
type side uint8

const (
	sideServer side = 1 << iota
	sideClient
	sideBoth = sideServer | sideClient
)

type bufferInfo struct {
	name string
	side side
	// app is the application protocol that the buffer implies, empty for any.
	app string
	// number is set where a keyword compares the buffer, which holds a number
	// in eight big-endian bytes.
	number *numberInfo
	// packet buffers are made of each packet.
	packet bool
}

// String returns the name that rules use.
func (b Buffer) String() string {
	if b >= bufferCount {
		return "unknown"
	}
	return bufferTable[b].name
}

// BufferByName finds a buffer by the name that rules use, old or new.
func BufferByName(name string) (Buffer, bool) {
	name = strings.ToLower(name)
	for i := range bufferTable {
		if bufferTable[i].name == name && bufferTable[i].number == nil {
			return Buffer(i), true
		}
	}
	b, ok := stickyAliases[name]
	return b, ok
}

// numberKeyword finds the buffer of a keyword that compares a number.
func numberKeyword(name string) (Buffer, bool) {
	for i := range bufferTable {
		if bufferTable[i].number != nil && bufferTable[i].name == name {
			return Buffer(i), true
		}
	}
	b, ok := numberAliases[name]
	return b, ok
}

// numberAliases are other names of number keywords.
var numberAliases = map[string]Buffer{
	"mqtt.connack.return_code": BufferMQTTReasonCode, "file.size": BufferFileSize, "dnp3_func": BufferDNP3Function,
}

// Buffers holds the fields of one transaction. The zero value is empty; Reset
// makes it empty again and keeps its memory.
type Buffers struct {
	values [bufferCount][][]byte
	// used lists the buffers that hold something.
	used  []Buffer
	arena []byte
}

// Add adds an instance of a buffer: DNS queries and certificates come in
// several. The bytes are not copied. A present but empty value may be added.
func (b *Buffers) Add(name Buffer, value []byte) {
	if name == BufferPayload || name >= bufferCount {
		return
	}
	if len(b.values[name]) == 0 {
		b.used = append(b.used, name)
	}
	b.values[name] = append(b.values[name], value)
}

// AddText adds an instance of a text that is not empty.
func (b *Buffers) AddText(name Buffer, value []byte) {
	if len(value) > 0 {
		b.Add(name, value)
	}
}

// AddNumber adds an instance of a number.
func (b *Buffers) AddNumber(name Buffer, n uint64) {
	from := len(b.arena)
	b.arena = binary.BigEndian.AppendUint64(b.arena, n)
	b.Add(name, b.arena[from:len(b.arena):len(b.arena)])
}

// Made returns what f appends, in memory that is good until Reset.
func (b *Buffers) Made(f func(dst []byte) []byte) []byte {
	from := len(b.arena)
	b.arena = f(b.arena)
	return b.arena[from:len(b.arena):len(b.arena)]
}

// Empty reports whether no buffer holds anything.
func (b *Buffers) Empty() bool { return len(b.used) == 0 }

// Get returns the instances of a buffer.
func (b *Buffers) Get(name Buffer) [][]byte {
	if b == nil || name >= bufferCount {
		return nil
	}
	return b.values[name]
}

// Each calls f with every instance, in the order in which buffers were added.
func (b *Buffers) Each(f func(name Buffer, value []byte)) {
	for _, name := range b.used {
		for _, v := range b.values[name] {
			f(name, v)
		}
	}
}

// Reset empties all buffers.
func (b *Buffers) Reset() {
	for _, i := range b.used {
		b.values[i] = b.values[i][:0]
	}
	b.used, b.arena = b.used[:0], b.arena[:0]
}
