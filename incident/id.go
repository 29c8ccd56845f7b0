package incident

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// newID returns an identifier that sorts by time: 48 bits of milliseconds and
// 80 random bits.
func newID(at time.Time) (string, error) {
	var random [10]byte
	_, err := rand.Read(random[:])
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return fmt.Sprintf("%012x%s", at.UnixMilli(), hex.EncodeToString(random[:])), nil
}

// Prefixes of case numbers: sự cố, and diễn tập, which counts apart so that the
// register of real incidents has no gaps.
const (
	prefixReal     = "SC"
	prefixExercise = "DT"
)

// vietnamTime is the zone whose calendar year numbers cases.
var vietnamTime = time.FixedZone("ICT", 7*60*60)

// nextNumber takes the next case number of the year in the transaction: a
// rolled-back case leaves no gap, and no two cases share a number.
func nextNumber(ctx context.Context, tx bun.Tx, exercise bool, at time.Time) (string, error) {
	prefix := prefixReal
	if exercise {
		prefix = prefixExercise
	}
	series := fmt.Sprintf("%s-%d", prefix, at.In(vietnamTime).Year())
	var n int
	err := tx.NewRaw(`INSERT INTO incident_number (series, last) VALUES (?, 1)
		ON CONFLICT (series) DO UPDATE SET last = incident_number.last + 1 RETURNING last`, series).Scan(ctx, &n)
	if err != nil {
		return "", fmt.Errorf("take a number of %s: %w", series, err)
	}
	return fmt.Sprintf("%s-%04d", series, n), nil
}

// maxID limits an identifier that comes from outside.
const maxID = 64

// ValidID says whether s may name an account or an exercise: 1 to 64 printable
// ASCII characters without spaces, which is what the ledger takes.
func ValidID(s string) bool {
	if s == "" || len(s) > maxID {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
