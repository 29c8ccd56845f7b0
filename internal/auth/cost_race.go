//go:build race

package auth

// What a password hash costs under the race detector, which is for tests only
// and makes the real cost (cost.go) ten times as long. A hash names its own
// cost, so hashes of both kinds are checked alike.
const (
	argonTime   = 1
	argonMemory = 256 // KiB
)
