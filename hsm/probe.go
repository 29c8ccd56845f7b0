package hsm

import "time"

// Probe is what a token was seen to do.
type Probe struct {
	Token        string `json:"token"`
	Kind         string `json:"kind"`
	Serial       string `json:"serial,omitempty"`
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	Firmware     string `json:"firmware,omitempty"`
	// Means says how it was found out: "session keys" (made in the token, never
	// stored), "stored keys" (made, used and destroyed) or "mechanism list"
	// (what the token claims; nothing was tried).
	Means string    `json:"means"`
	At    time.Time `json:"at"`
	// Algorithms has an entry for each algorithm that Generate knows.
	Algorithms []ProbedAlgorithm `json:"algorithms"`
	// Wrap says that a key was wrapped and unwrapped (RFC 5649) and signed the
	// same afterwards.
	Wrap bool `json:"wrap"`
	// Rates are signatures a second by sessions at the same time; Knee is the
	// least number of sessions with 95 % of the best rate.
	Rates []ProbedRate `json:"rates,omitempty"`
	Knee  int          `json:"knee,omitempty"`
}

// ProbedAlgorithm tells about keys of one algorithm.
type ProbedAlgorithm struct {
	Algorithm string `json:"algorithm"`
	// Works says that a key was made and at least one signature verified.
	Works bool `json:"works"`
	// Milliseconds is how long the making of a key took.
	Milliseconds int64 `json:"milliseconds,omitempty"`
	// Error says why not.
	Error      string            `json:"error,omitempty"`
	Signatures []ProbedSignature `json:"signatures,omitempty"`
}

// ProbedSignature tells about one way to sign with a key.
type ProbedSignature struct {
	// Scheme is "rsa-pkcs1", "rsa-pss", "ecdsa" or "ed25519".
	Scheme string `json:"scheme"`
	// Hash is "SHA-256" and the like; empty for Ed25519. PSS was tried with a
	// salt as long as the hash.
	Hash string `json:"hash,omitempty"`
	// Works says that the signature was made and verified here, outside the
	// token.
	Works bool   `json:"works"`
	Error string `json:"error,omitempty"`
}

// ProbedRate is a measured rate.
type ProbedRate struct {
	Algorithm string  `json:"algorithm"`
	Sessions  int     `json:"sessions"`
	PerSecond float64 `json:"per_second"`
}

// Supports says whether a key of that algorithm was seen to sign so.
func (p Probe) Supports(algorithm, scheme, hash string) bool {
	for _, a := range p.Algorithms {
		if a.Algorithm != algorithm {
			continue
		}
		for _, s := range a.Signatures {
			if s.Scheme == scheme && s.Hash == hash {
				return s.Works
			}
		}
	}
	return false
}
