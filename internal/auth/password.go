package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What is the same for every cost of argon2id (cost.go): two lanes for the
// machines of a province.
const (
	argonThreads = 2
	argonKey     = 32
	argonSalt    = 16
)

// Limits of a password: NIST SP 800-63B §3.1.1 asks for 15 characters where it
// stands alone and 8 beside a second factor; the upper limit bounds the work.
const (
	minPassword = 10
	maxPassword = 256
)

// ErrPassword means that a password is too short or too long.
var ErrPassword = errors.New("auth: a password has 10 to 256 characters")

// maxHashing bounds how many passwords are checked at the same time: each takes
// argonMemory, and a flood of log-ins must not take all of the machine's.
const maxHashing = 4

// errHash means that a stored hash is not one of ours.
var errHash = errors.New("auth: malformed password hash")

// hashPassword returns the PHC string of the password.
func hashPassword(password string) (string, error) {
	if len(password) < minPassword || len(password) > maxPassword {
		return "", ErrPassword
	}
	salt := make([]byte, argonSalt)
	_, err := rand.Read(salt)
	if err != nil {
		return "", err
	}
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// checkPassword says whether the password is that of the PHC string.
func checkPassword(phc, password string) (bool, error) {
	if len(password) > maxPassword {
		return false, nil
	}
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errHash
	}
	var version int
	var memory, rounds uint32
	var threads uint8
	_, err := fmt.Sscanf(parts[2], "v=%d", &version)
	if err != nil || version != argon2.Version {
		return false, errHash
	}
	_, err = fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &rounds, &threads)
	if err != nil {
		return false, errHash
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, errHash
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) != argonKey {
		return false, errHash
	}
	got := argon2.IDKey([]byte(password), salt, rounds, memory, threads, argonKey)
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}
