package hsm

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

const (
	// maxRequest bounds one request: a digest, a label, a certificate or a
	// wrapped key.
	maxRequest = 64 << 10
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
	opSign     operation = "sign"
	opPublic   operation = "public"
	opGenerate operation = "generate"
	opKeys     operation = "keys"
	opHealth   operation = "health"

	opTokens            operation = "tokens"
	opSetState          operation = "set_state"
	opProbe             operation = "probe"
	opImportCertificate operation = "import_certificate"
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
	// Scheme, Hash, Salt and Digest describe a signature.
	Scheme scheme `json:"scheme,omitempty"`
	Hash   string `json:"hash,omitempty"`
	Salt   int    `json:"salt,omitempty"`
	Digest []byte `json:"digest,omitempty"`
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
	ID        uint64      `json:"id"`
	Error     errorCode   `json:"error,omitempty"`
	Message   string      `json:"message,omitempty"`
	Signature []byte      `json:"signature,omitempty"`
	Key       *wireKey    `json:"key,omitempty"`
	Keys      []wireKey   `json:"keys,omitempty"`
	Health    *HealthInfo `json:"health,omitempty"`
	Tokens    []TokenInfo `json:"tokens,omitempty"`
	Probe     *Probe      `json:"probe,omitempty"`
	Wrapped   []byte      `json:"wrapped,omitempty"`
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

// writeFrame writes v as one frame.
func writeFrame(w io.Writer, v any, limit int) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode frame: %w", err)
	}
	if len(body) > limit {
		return fmt.Errorf("%w: frame of %d bytes, limit %d", ErrBadRequest, len(body), limit)
	}
	frame := make([]byte, frameHeader, frameHeader+len(body))
	binary.BigEndian.PutUint32(frame, uint32(len(body)))
	_, err = w.Write(append(frame, body...))
	return err
}

// readFrame reads one frame into v. io.EOF means that the peer closed between
// two frames; every other error means that the connection is of no more use.
func readFrame(r io.Reader, v any, limit uint32) error {
	var header [frameHeader]byte
	_, err := io.ReadFull(r, header[:])
	if err != nil {
		return err
	}
	return readBody(r, header, v, limit)
}

// readBody reads the part of a frame after its length.
func readBody(r io.Reader, header [frameHeader]byte, v any, limit uint32) error {
	n := binary.BigEndian.Uint32(header[:])
	if n == 0 || n > limit {
		return fmt.Errorf("%w: frame of %d bytes, limit %d", ErrBadRequest, n, limit)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	if err != nil {
		return fmt.Errorf("read frame: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err = dec.Decode(v)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrBadRequest, "not the expected JSON")
	}
	_, err = dec.Token()
	if err != io.EOF {
		return fmt.Errorf("%w: %s", ErrBadRequest, "data after the JSON value")
	}
	return nil
}
