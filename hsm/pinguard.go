package hsm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/miekg/pkcs11"
)

// pinGuard remembers that a token refused the PIN of a source, in a file, until
// the PIN is written anew. A service that is started again and again
// with a wrong PIN would otherwise lock the token.
type pinGuard struct {
	marker string
	state  string
}

// allow decides before a login from the token's flags (PKCS#11 v2.40 §3.2) and
// from what happened before. CKF_USER_PIN_COUNT_LOW alone allows one attempt
// with a PIN that was not refused yet: SoftHSM sets it at the first failure
// and clears it only at the next success.
func (g pinGuard) allow(flags uint) error {
	if flags&pkcs11.CKF_USER_PIN_LOCKED != 0 {
		return fmt.Errorf("%w: the token is locked; the security officer must set a new PIN", ErrPIN)
	}
	if flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0 {
		return fmt.Errorf("%w: one more failure would lock the token; log in by hand once with the right PIN", ErrPIN)
	}
	old, err := os.ReadFile(g.marker)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPIN, err)
	}
	if string(old) == g.state {
		return fmt.Errorf("%w before and has not been written anew since; put the right PIN there", ErrPIN)
	}
	return nil
}

// refused remembers the failure.
func (g pinGuard) refused() error {
	err := os.WriteFile(g.marker, []byte(g.state), 0o600)
	if err != nil {
		return fmt.Errorf("remember the refused PIN: %w", err)
	}
	return nil
}

// accepted forgets earlier failures.
func (g pinGuard) accepted() error {
	err := os.Remove(g.marker)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the refused PIN: %w", err)
	}
	return nil
}
