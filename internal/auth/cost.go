//go:build !race

package auth

// What a password hash costs: RFC 9106 §4, second recommended option.
const (
	argonTime   = 3
	argonMemory = 64 << 10 // KiB
)
