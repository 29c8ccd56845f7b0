package ca

import "errors"

// Errors that a caller can act on. Those of registration stand in ca/ra, those
// of profiles and lint in ca/profile.
var (
	// ErrConfig says that the service must not start as configured.
	ErrConfig = errors.New("ca: refused to start")
	// ErrNotInitialised says that the authorities have not been made; see Init.
	ErrNotInitialised = errors.New("ca: authorities are not initialised")
	// ErrWaiting says that issuing authorities wait for their certificates from
	// a root elsewhere.
	ErrWaiting = errors.New("ca: authorities wait for their certificates")
	// ErrImport says that a certificate, a chain or an answer from elsewhere is
	// not taken.
	ErrImport = errors.New("ca: import refused")
	// ErrNotFound says that no such certificate or authority is known.
	ErrNotFound = errors.New("ca: not found")
	// ErrRevoked says that the certificate is revoked already.
	ErrRevoked = errors.New("ca: certificate is revoked already")
	// ErrCause says that a cause is not one of the closed list.
	ErrCause = errors.New("ca: unknown cause of revocation")
	// ErrState says that the certificate is not in a state for the act.
	ErrState = errors.New("ca: certificate is in another state")
	// ErrActor says that nobody is signed in, or that a system act names a
	// person.
	ErrActor = errors.New("ca: no actor")
	// ErrNotPrepared says that something asked for a signature that this
	// service had not prepared, linted and recorded.
	ErrNotPrepared = errors.New("ca: certificate was not prepared")
	// ErrLedger says that the ledger refused the entry; the act did not take
	// place.
	ErrLedger = errors.New("ca: ledger refused")
	// ErrKey says that a key in the token does not fit its certificate.
	ErrKey = errors.New("ca: key does not fit")
	// ErrSerial says that no unused serial number was found.
	ErrSerial = errors.New("ca: serial number in use")
)
