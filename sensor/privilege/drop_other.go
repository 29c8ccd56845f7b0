//go:build !linux

package privilege

import "errors"

// Drop works on Linux alone.
func Drop(Options) (Held, error) {
	return Held{}, errors.New("privilege: dropping privileges needs Linux")
}
