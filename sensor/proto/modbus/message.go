package modbus

import (
	"bytes"
	"encoding/binary"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

// Public functions (V1.1b3 §5.1, §6).
const (
	readCoils          = 1
	readDiscretes      = 2
	readHolding        = 3
	readInput          = 4
	writeCoil          = 5
	writeRegister      = 6
	readException      = 7
	diagnostic         = 8
	eventCounter       = 11
	eventLog           = 12
	writeCoils         = 15
	writeRegisters     = 16
	reportServer       = 17
	readFile           = 20
	writeFile          = 21
	maskWrite          = 22
	readWriteRegisters = 23
	readFIFO           = 24
	encapsulated       = 43

	// failed is set in the function of an answer that is an exception (§7).
	failed = 0x80
)

// Bounds of quantities: bits and registers (§6.1, §6.3).
const (
	maxBits      = 2000
	maxRegisters = 125
)

// access says what a function touches.
type access uint8

const (
	accessRead access = 1 << iota
	accessWrite
	accessDiscretes
	accessCoils
	accessInput
	accessHolding
	accessSingle
	accessMultiple

	accessBits = accessDiscretes | accessCoils
)

var accesses = [...]access{
	readCoils: accessRead | accessCoils, readDiscretes: accessRead | accessDiscretes,
	readHolding: accessRead | accessHolding, readInput: accessRead | accessInput,
	writeCoil: accessWrite | accessCoils | accessSingle, writeRegister: accessWrite | accessHolding | accessSingle,
	writeCoils: accessWrite | accessCoils | accessMultiple, writeRegisters: accessWrite | accessHolding | accessMultiple,
	maskWrite: accessWrite | accessHolding, readWriteRegisters: accessRead | accessWrite | accessHolding | accessMultiple,
}

// What is wrong with a message.
const (
	errorValue = 1 << iota
	errorLength
	errorException
	errorFunction
	errorProtocol
)

// errorEvents are the events of the errors, by their bit.
var errorEvents = [...]string{
	"invalid_value", "invalid_length", "invalid_exception_code", "invalid_function_code", "invalid_protocol_id",
}

// content says which fields of a message are set.
type content uint8

const (
	hasException content = 1 << iota
	hasDiagnostic
	hasMEI
	hasRead
	hasReadData
	hasWrite
	hasWriteMany
	hasMask
)

// message is one request or answer.
type message struct {
	// raw is all of it.
	raw                   []byte
	transaction, protocol uint16
	unit, function        uint8
	access                access
	errors                uint8
	has                   content
	// code is of an exception, a diagnosis or an encapsulated interface.
	code                        uint16
	readAddress, readQuantity   uint16
	writeAddress, writeQuantity uint16
	andMask, orMask             uint16
	data                        []byte
}

// plain is the function without the mark of an exception.
func (m *message) plain() uint8 { return m.function &^ failed }

// parse reads a whole message, head and all.
func parse(dir int, b []byte) *message {
	b = bytes.Clone(b)
	r := wire.Reader{B: b}
	m := &message{raw: b, transaction: r.U16(), protocol: r.U16()}
	r.U16()
	m.unit, m.function = r.U8(), r.U8()
	if m.protocol != 0 {
		m.errors |= errorProtocol
	}
	if m.plain() == 0 || dir == proto.ToServer && m.function >= failed {
		m.errors |= errorFunction
	}
	if int(m.plain()) < len(accesses) {
		m.access = accesses[m.plain()]
	}
	if dir == proto.ToServer {
		m.parseRequest(&r)
	} else {
		m.parseResponse(&r)
	}
	if r.Short {
		m.errors |= errorLength
	}
	return m
}

func (m *message) parseRequest(r *wire.Reader) {
	n := len(r.B)
	switch m.function {
	case diagnostic:
		m.wrong(n != 4, errorLength)
		m.parseDiagnostic(r)
		m.wrong(len(m.data) == 2 && !diagnosticData(m.code, binary.BigEndian.Uint16(m.data)), errorValue)
	case encapsulated:
		m.has, m.code = hasMEI, uint16(r.U8())
	case readFile, writeFile:
		m.wrong(n == 0, errorLength)
	case readException, eventCounter, eventLog, reportServer:
		m.wrong(n > 0, errorLength)
	case readFIFO:
		m.wrong(n != 2, errorLength)
	default:
		if m.function >= failed {
			break
		}
		if m.access&accessRead != 0 {
			m.has = hasRead
			m.readAddress, m.readQuantity = r.U16(), r.U16()
			m.wrong(!m.quantity(m.readQuantity), errorValue)
		}
		if m.access&accessWrite != 0 {
			m.parseWrite(r)
		}
		m.wrong(m.access != 0 && len(r.B) > 0, errorLength)
	}
	m.rest(r)
}

// parseWrite reads what a request writes (§6.5, §6.6, §6.11, §6.12, §6.16).
func (m *message) parseWrite(r *wire.Reader) {
	m.writeAddress = r.U16()
	switch {
	case m.access&accessSingle != 0:
		m.has |= hasWrite
		m.writeQuantity = r.U16()
		const on, off = 0xff00, 0
		m.wrong(m.access&accessCoils != 0 && m.writeQuantity != on && m.writeQuantity != off, errorValue)
	case m.access&accessMultiple != 0:
		m.has |= hasWriteMany
		m.writeQuantity = r.U16()
		count := int(r.U8())
		m.wrong(!m.quantity(m.writeQuantity) || count != m.size(m.writeQuantity) || count != len(r.B), errorValue)
		m.data = r.Take(len(r.B))
	default:
		m.has |= hasMask
		m.andMask, m.orMask = r.U16(), r.U16()
	}
}

func (m *message) parseResponse(r *wire.Reader) {
	n := len(r.B)
	switch {
	case m.function >= failed:
		m.has, m.code = hasException, uint16(r.U8())
		m.wrong(!exceptionPossible(m.plain(), m.code), errorException)
	case m.function == diagnostic:
		m.parseDiagnostic(r)
	case m.function == encapsulated:
		m.has, m.code = hasMEI, uint16(r.U8())
	case m.function == readException:
		m.wrong(n != 1, errorLength)
	case m.function == eventCounter:
		m.wrong(n != 4, errorLength)
	case m.access&accessRead != 0:
		m.has = hasReadData
		count := int(r.U8())
		m.wrong(count == 0 || count != len(r.B), errorValue)
		m.data = r.Take(len(r.B))
	case m.access&(accessSingle|accessMultiple) != 0:
		m.has = hasWrite
		m.writeAddress, m.writeQuantity = r.U16(), r.U16()
		m.wrong(m.access&accessMultiple != 0 && !m.quantity(m.writeQuantity), errorValue)
		m.wrong(len(r.B) > 0, errorLength)
	case m.access&accessWrite != 0:
		m.has = hasMask
		m.writeAddress, m.andMask, m.orMask = r.U16(), r.U16(), r.U16()
		m.wrong(len(r.B) > 0, errorLength)
	}
	m.rest(r)
}

func (m *message) parseDiagnostic(r *wire.Reader) {
	m.has, m.code = hasDiagnostic, r.U16()
	m.rest(r)
}

// rest keeps what has no field of its own.
func (m *message) rest(r *wire.Reader) {
	if m.data == nil && len(r.B) > 0 {
		m.data = r.Take(len(r.B))
	}
}

func (m *message) wrong(is bool, what uint8) {
	if is {
		m.errors |= what
	}
}

// quantity reports whether a function may ask for so many at once.
func (m *message) quantity(n uint16) bool {
	if m.access&accessBits != 0 {
		return n > 0 && n <= maxBits
	}
	return n > 0 && n <= maxRegisters
}

// size is how many bytes hold a quantity.
func (m *message) size(n uint16) int {
	if m.access&accessBits != 0 {
		return (int(n) + 7) / 8
	}
	return 2 * int(n)
}

// diagnosticData reports whether a diagnosis may carry the data (§6.8).
func diagnosticData(code, data uint16) bool {
	const query, restart, delimiter, listen, first, last = 0, 1, 3, 4, 10, 20
	switch {
	case code == query || code == listen:
		return true
	case code == restart:
		return data == 0 || data == 0xff00
	case code == delimiter:
		return data&0xff == 0
	case code == 2 || code >= first && code <= last:
		return data == 0
	}
	return true
}

// exceptionPossible reports whether a function may fail with a code (§7).
func exceptionPossible(function uint8, code uint16) bool {
	const address, value, parity, unknown, last = 2, 3, 8, 9, 11
	switch {
	case code == 0 || code == unknown || code > last:
		return false
	case code == value:
		return function != diagnostic
	case code == address:
		return !(function > writeRegister && function < writeCoils || function > writeRegisters && function < maskWrite)
	case code == parity:
		return function == readFile || function == writeFile
	}
	return true
}

// answers reports whether a response belongs to a request, and notes where it
// does not fit.
func (m *message) answers(q *message) bool {
	if q.transaction != m.transaction || q.unit != m.unit || q.plain() != m.plain() {
		return false
	}
	switch {
	case m.has&hasReadData != 0 && q.has&hasRead != 0:
		m.wrong(len(m.data) != q.size(q.readQuantity), errorValue)
	case m.has&hasWrite != 0 && q.has&(hasWrite|hasWriteMany) != 0:
		m.wrong(m.writeAddress != q.writeAddress || m.writeQuantity != q.writeQuantity, errorValue)
	case m.has&hasMask != 0 && q.has&hasMask != 0:
		m.wrong(m.writeAddress != q.writeAddress || m.andMask != q.andMask || m.orMask != q.orMask, errorValue)
	case m.has&(hasDiagnostic|hasMEI) != 0:
		return m.code == q.code
	}
	return true
}
