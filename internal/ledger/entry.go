// Package ledger keeps the acts that bind somebody in a tile-based Merkle log
// that an outsider can copy and verify without this program (C2SP tlog-tiles,
// tlog-checkpoint, signed-note; RFC 6962 §2.1 hashes). Entries hold identifiers
// and digests, never personal content.
//
// Open gives the log for writing, to several processes of one machine at a
// time; OpenReader gives entries and proofs without a key; Verify checks a
// copy of the whole folder; VerifyProof checks one record.
//
// What it does not do: it does not hide or remove entries, does not search
// them (the SQL store does), and has no witnesses yet, so an operator who
// rewrites the whole log is found only by who kept an older checkpoint.
package ledger

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Entry is one act. Its canonical JSON (RFC 8785) is the leaf of the log.
type Entry struct {
	Time time.Time `json:"time"`
	// Kind names the act, room first: "ca.issue", "sign.document",
	// "policy.decide", "incident.close", "drill.score".
	Kind string `json:"kind"`
	// Actor is the account id of who acted, or "system:PART".
	Actor string `json:"actor"`
	// Agency is the id of the agency on whose behalf the act was done.
	Agency string `json:"agency,omitempty"`
	// Object identifies what was acted upon: a serial, a case id, a request id.
	Object string `json:"object"`
	// Digest is the hex SHA-256 of the bytes that the act binds.
	Digest string `json:"digest,omitempty"`
	// Detail holds further identifiers and codes.
	Detail map[string]string `json:"detail,omitempty"`
	// ExerciseID marks an act of a drill.
	ExerciseID string `json:"exercise_id,omitempty"`
}

// Receipt says where an entry stands.
type Receipt struct {
	Index    uint64 `json:"index"`
	LeafHash string `json:"leaf_hash"` // hex, RFC 6962 §2.1
}

// Appender is what the rooms need of the ledger. Append returns only when the
// entry is durable; an error means that the act must not take place.
type Appender interface {
	Append(ctx context.Context, e Entry) (Receipt, error)
}

const (
	// maxEntry bounds a leaf; tlog-tiles allows 65,535 bytes, and a bundle of
	// 256 entries should stay small enough to fetch for one of them.
	maxEntry = 16 << 10
	// maxID bounds identifiers.
	maxID = 256
	// maxDetail bounds the members of Detail, maxDetailValue each value.
	maxDetail      = 32
	maxDetailValue = 1024
)

// ErrInvalid says that an entry is not fit for the ledger.
var ErrInvalid = errors.New("invalid ledger entry")

// entryRules are the forms of the parts of an entry. Identifiers have no space
// and are ASCII, so that the name of a person cannot slip in for an id.
type entryRules struct{ kind, id, detailName, detailValue *regexp.Regexp }

func newEntryRules() entryRules {
	return entryRules{
		kind:        regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}(\.[a-z][a-z0-9_-]{0,31}){1,3}$`),
		id:          regexp.MustCompile(`^[!-~]+$`),
		detailName:  regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`),
		detailValue: regexp.MustCompile(`^[ -~]*$`),
	}
}

// check says what is wrong with an entry.
func (r entryRules) check(e Entry) error {
	if e.Time.IsZero() || e.Time.Year() > 9999 || e.Time.Year() < 2000 {
		return fmt.Errorf("%w: time %s", ErrInvalid, e.Time)
	}
	if !r.kind.MatchString(e.Kind) {
		return fmt.Errorf("%w: kind %.64q is not ROOM.ACT in lower case", ErrInvalid, e.Kind)
	}
	for _, f := range []struct {
		name, value string
		required    bool
	}{{"actor", e.Actor, true}, {"object", e.Object, true}, {"agency", e.Agency, false}, {"exercise_id", e.ExerciseID, false}} {
		if f.value == "" && !f.required {
			continue
		}
		if len(f.value) > maxID || !r.id.MatchString(f.value) {
			return fmt.Errorf("%w: %s must be an identifier of 1 to %d ASCII characters without spaces", ErrInvalid, f.name, maxID)
		}
	}
	if e.Digest != "" {
		raw, err := hex.DecodeString(e.Digest)
		if err != nil || len(raw) != 32 || hex.EncodeToString(raw) != e.Digest {
			return fmt.Errorf("%w: digest must be a SHA-256 in lower-case hex", ErrInvalid)
		}
	}
	if len(e.Detail) > maxDetail {
		return fmt.Errorf("%w: %d details, limit %d", ErrInvalid, len(e.Detail), maxDetail)
	}
	for name, value := range e.Detail {
		if !r.detailName.MatchString(name) || len(value) > maxDetailValue || !r.detailValue.MatchString(value) {
			return fmt.Errorf("%w: detail %.64q must be a code of at most %d ASCII characters", ErrInvalid, name, maxDetailValue)
		}
	}
	return nil
}

// leaf gives the canonical JSON of an entry.
func leaf(e Entry) ([]byte, error) {
	raw, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	out, err := Canonical(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(out) > maxEntry {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrInvalid, len(out), maxEntry)
	}
	return out, nil
}

// parseLeaf reads a leaf and insists on its canonical form.
func parseLeaf(raw []byte) (Entry, error) {
	var e Entry
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(&e)
	if err != nil {
		return e, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	again, err := Canonical(raw)
	if err != nil {
		return e, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !bytes.Equal(again, raw) {
		return e, fmt.Errorf("%w: not in canonical form", ErrInvalid)
	}
	return e, nil
}
