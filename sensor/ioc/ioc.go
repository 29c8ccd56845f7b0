// Package ioc holds indicators of compromise: lists of addresses, networks,
// domains, URLs, file digests and TLS fingerprints that somebody has warned
// of, millions of them, and finds one in what the sensor sees.
//
// The indicators stand in one file that is mapped, not loaded: a miss costs
// two reads of memory and no allocation. The file is replaced as a whole and
// never changed, so a running sensor takes the next one between two packets.
// Lists are read as STIX 2.1 bundles, MISP events and CSV or plain lines. Not
// here: fetching lists, and what is done about a hit.
package ioc

import (
	"errors"
	"fmt"
	"time"
)

// Kind is what an indicator names.
type Kind uint8

// The kinds. The numbers stand in files: they never change.
const (
	KindAddress Kind = iota + 1
	KindNetwork
	KindDomain
	KindURL
	KindMD5
	KindSHA1
	KindSHA256
	KindJA3
	KindJA3S
	KindJA4
	kinds
)

var kindNames = [kinds]string{
	KindAddress: "address", KindNetwork: "network", KindDomain: "domain", KindURL: "url", KindMD5: "md5",
	KindSHA1: "sha1", KindSHA256: "sha256", KindJA3: "ja3", KindJA3S: "ja3s", KindJA4: "ja4",
}

// String is the kind's name in lists and records.
func (k Kind) String() string {
	if k == 0 || k >= kinds {
		return fmt.Sprintf("kind-%d", uint8(k))
	}
	return kindNames[k]
}

// Kinds returns all kinds in their order.
func Kinds() []Kind {
	out := make([]Kind, 0, kinds-1)
	for k := KindAddress; k < kinds; k++ {
		out = append(out, k)
	}
	return out
}

// KindOf is the kind of that name.
func KindOf(name string) (Kind, bool) {
	for k := KindAddress; k < kinds; k++ {
		if kindNames[k] == name {
			return k, true
		}
	}
	return 0, false
}

// Indicator is one entry of a list.
type Indicator struct {
	Kind Kind `json:"-"`
	// Value is the canonical text.
	Value string `json:"value"`
	// Subdomains makes a domain stand for all names under it as well.
	Subdomains bool `json:"subdomains,omitempty"`
	// Source is the list that it came with.
	Source string `json:"source"`
	// Confidence is 0 to 100, as STIX 2.1 §3.2 has it.
	Confidence  uint8  `json:"confidence"`
	Description string `json:"description,omitempty"`
	// Expires is when it no longer counts; zero is never.
	Expires time.Time `json:"expires,omitzero"`
}

// Limits of a table.
const (
	// MaxEntries bounds a table: 20 million take about 1 GB on disk.
	MaxEntries = 20_000_000
	// MaxValue bounds one value; browsers and servers stop at about 8,000
	// bytes of URL, lists hold far shorter ones.
	MaxValue = 2048
	// MaxDescription cuts descriptions: a page shows one line.
	MaxDescription = 256
	// MaxSources bounds the lists in one table.
	MaxSources = 4096
	// maxSame bounds the entries of one value, each of another list.
	maxSame = 64
)

// Errors of the package.
var (
	// ErrValue means that a text is no indicator of its kind.
	ErrValue = errors.New("ioc: not such an indicator")
	// ErrBroad means that an indicator would hit nearly everything.
	ErrBroad = errors.New("ioc: too broad")
	// ErrTable means that a file is no table, or a damaged one.
	ErrTable = errors.New("ioc: not a sound table")
	// ErrFull means that a limit of the table is reached.
	ErrFull = errors.New("ioc: table is full")
	// ErrFormat means that a list cannot be read any further.
	ErrFormat = errors.New("ioc: list not readable")
)
