package hsm

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

const (
	// maxRequest bounds one request in JSON: a label, a certificate or a wrapped
	// key.
	maxRequest = 64 << 10
	// maxMessage bounds what Ed25519 signs, which is the whole message: a
	// certificate, or a revocation list with some thousand entries.
	maxMessage = 1 << 20
	// maxResponse bounds one response; the longest is the list of keys, about
	// 1 KiB for a key of RSA-4096.
	maxResponse = 8 << 20
	// maxLabel bounds the label of a key (CKA_LABEL has no bound of its own).
	maxLabel = 128
	// frameHeader is the length field.
	frameHeader = 4
)

// operation is what a request asks for.
type operation string

const (
	opPublic   operation = "public"
	opGenerate operation = "generate"
	opKeys     operation = "keys"
	opHealth   operation = "health"

	opTokens            operation = "tokens"
	opSetState          operation = "set_state"
	opProbe             operation = "probe"
	opImportCertificate operation = "import_certificate"
	opCertificates      operation = "certificates"
	opDelete            operation = "delete"
	opWrap              operation = "wrap"
	opUnwrap            operation = "unwrap"
)

// request is one frame from the client.
type request struct {
	ID    uint64    `json:"id"`
	Op    operation `json:"op"`
	Label string    `json:"label,omitempty"`
	// Algorithm is the kind of key to generate.
	Algorithm string `json:"algorithm,omitempty"`
	// KeyID is the CKA_ID of a key to generate. The client chooses it, so that
	// a request repeated after a crash finds what the first one made.
	KeyID []byte `json:"key_id,omitempty"`
	// Token names a token (TokenInfo.Name); empty means the first that will do.
	Token string `json:"token,omitempty"`
	// State is the state to put the token in.
	State TokenState `json:"state,omitempty"`
	// Backup asks for a key that may leave the token encrypted.
	Backup bool `json:"backup,omitempty"`
	// Certificate is a DER certificate to keep beside its key.
	Certificate []byte `json:"certificate,omitempty"`
	// KEK, Wrapped and SPKI are for the backup of a key and its return.
	KEK     []byte `json:"kek,omitempty"`
	Wrapped []byte `json:"wrapped,omitempty"`
	SPKI    []byte `json:"spki,omitempty"`
}

// response is one frame from the worker.
type response struct {
	ID      uint64    `json:"id"`
	Error   errorCode `json:"error,omitempty"`
	Message string    `json:"message,omitempty"`
	// Signature comes in binary frames only (see wire.go).
	Signature []byte      `json:"-"`
	Key       *wireKey    `json:"key,omitempty"`
	Keys      []wireKey   `json:"keys,omitempty"`
	Health    *HealthInfo `json:"health,omitempty"`
	Tokens    []TokenInfo `json:"tokens,omitempty"`
	Probe     *Probe      `json:"probe,omitempty"`
	Wrapped   []byte      `json:"wrapped,omitempty"`
	// Certificates answer opCertificates.
	Certificates []wireCertificate `json:"certificates,omitempty"`
}

// wireKey is a key in a response; SPKI is a DER SubjectPublicKeyInfo
// (RFC 5280 §4.1.2.7).
type wireKey struct {
	Label     string `json:"label"`
	ID        []byte `json:"id"`
	Algorithm string `json:"algorithm"`
	SPKI      []byte `json:"spki"`
	// Tokens are the names of the tokens that hold the key.
	Tokens []string `json:"tokens,omitempty"`
	Backup bool     `json:"backup,omitempty"`
}

// HealthInfo is the state of a worker and its tokens: Token and Serial are
// those of the first, the figures those of all.
type HealthInfo struct {
	PID        int       `json:"pid"`
	Token      string    `json:"token"`
	Serial     string    `json:"serial"`
	StartedAt  time.Time `json:"started_at"`
	Keys       int       `json:"keys"`
	Sessions   int       `json:"sessions"`
	Signatures uint64    `json:"signatures"`
	// Recoveries counts re-logins, reloads and re-initialisations of the module.
	Recoveries uint64 `json:"recoveries"`
	// Refused counts signatures that did not verify and were not released.
	Refused uint64 `json:"refused"`
	// Tokens are the tokens one by one.
	Tokens []TokenInfo `json:"tokens"`
}

// appendFrame writes v as one frame of JSON.
func appendFrame(b []byte, v any, limit int) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return b, fmt.Errorf("encode frame: %w", err)
	}
	if len(body) > limit {
		return b, fmt.Errorf("%w: frame of %d bytes, limit %d", ErrBadRequest, len(body), limit)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...), nil
}

// frameReader reads frames from a connection.
type frameReader struct {
	in    *bufio.Reader
	limit uint32
	body  []byte
}

// readBuffer is how much is read at once: frames that came together cost one
// read.
const readBuffer = 64 << 10

func newFrameReader(r io.Reader, limit uint32) *frameReader {
	return &frameReader{in: bufio.NewReaderSize(r, readBuffer), limit: limit}
}

// next reads the body of a frame; it is good until the next call. io.EOF means
// that the peer closed between two frames; every other error means that the
// connection is of no more use.
func (f *frameReader) next() ([]byte, error) {
	head, err := f.in.Peek(frameHeader)
	if len(head) == 0 && err != nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("read frame: %w", io.ErrUnexpectedEOF)
	}
	n := binary.BigEndian.Uint32(head)
	if n == 0 || n > f.limit {
		return nil, fmt.Errorf("%w: frame of %d bytes, limit %d", ErrBadRequest, n, f.limit)
	}
	_, err = f.in.Discard(frameHeader)
	if err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	if uint32(cap(f.body)) < n || cap(f.body) > readBuffer {
		f.body = make([]byte, 0, max(n, 512))
	}
	f.body = f.body[:n]
	_, err = io.ReadFull(f.in, f.body)
	if err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	return f.body, nil
}

// whole says whether a whole frame waits in memory, so that next will not have
// to wait for the peer.
func (f *frameReader) whole() bool {
	have := f.in.Buffered()
	if have < frameHeader {
		return false
	}
	head, err := f.in.Peek(frameHeader)
	return err == nil && uint64(have) >= frameHeader+uint64(binary.BigEndian.Uint32(head))
}

// decodeJSON reads a body of JSON.
func decodeJSON(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrBadRequest, "not the expected JSON")
	}
	_, err = dec.Token()
	if err != io.EOF {
		return fmt.Errorf("%w: %s", ErrBadRequest, "data after the JSON value")
	}
	return nil
}
