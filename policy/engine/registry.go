package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/util"
)

// Registry is what sharing decisions are made over: a copy of the tables, as
// objects keyed by id.
type Registry struct {
	Agencies map[string]Agency  `json:"agencies"`
	Datasets map[string]Dataset `json:"datasets"`
	// Agreements by dataset, consumer agency and agreement id.
	Agreements map[string]map[string]map[string]Agreement `json:"agreements"`
}

// Agency is the time in which an agency exists.
type Agency struct {
	From Seconds  `json:"from"`
	To   *Seconds `json:"to,omitempty"`
}

// Dataset is a shared database with its accountable owner.
type Dataset struct {
	Owner string `json:"owner"`
	// Parameters are the names of query parameters that are not fields.
	Parameters []string         `json:"parameters"`
	Fields     map[string]Field `json:"fields"`
}

// Field is the classification of a data item (R33).
type Field struct {
	Sharing    string `json:"sharing"`    // open, shared, private
	Importance string `json:"importance"` // core, important, other
	Personal   string `json:"personal"`   // none, personal, sensitive
}

// Agreement is what an agreement lets its consumer have.
type Agreement struct {
	State         string               `json:"state"`
	ValidFrom     Seconds              `json:"valid_from"`
	ValidTo       Seconds              `json:"valid_to"`
	SuspendedFrom *Seconds             `json:"suspended_from,omitempty"`
	Purposes      []string             `json:"purposes"`
	Operations    []string             `json:"operations"`
	Fields        map[string]Treatment `json:"fields"`
}

// Seconds is a time as the policy compares it.
type Seconds int64

// At returns the time in seconds.
func At(t time.Time) Seconds { return Seconds(t.Unix()) }

// document returns the registry as OPA's storage takes it, with the digest of
// its canonical JSON (encoding/json sorts the keys of maps).
func (r Registry) document() (document map[string]any, digest string, err error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, "", fmt.Errorf("encode sharing registry: %w", err)
	}
	err = util.UnmarshalJSON(text, &document)
	if err != nil {
		return nil, "", fmt.Errorf("decode sharing registry: %w", err)
	}
	sum := sha256.Sum256(text)
	return document, hex.EncodeToString(sum[:]), nil
}
