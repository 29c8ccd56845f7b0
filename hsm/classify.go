package hsm

import (
	"errors"

	"github.com/miekg/pkcs11"
)

// cure is what heals an error of the module.
type cure int

const (
	cureNone    cure = iota // no error
	cureFatal               // nothing here heals it: the caller gets it
	cureWait                // the token is busy: the same session, a little later
	cureSession             // the session is spoilt: another session
	cureLogin               // the token forgot the login: log in again
	cureReload              // the handles are stale: find the objects again
	cureModule              // the token or the module was lost: initialise again
	curePIN                 // the PIN was refused: stop at once
)

// classify says what heals err. Codes as PKCS#11 v2.40 §5.1; what they mean in
// practice was learnt with SoftHSM, p11-kit remoting and CloudHSM.
func classify(err error) cure {
	if err == nil {
		return cureNone
	}
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return cureFatal
	}
	switch uint(code) {
	case pkcs11.CKR_FUNCTION_FAILED: // CloudHSM throttles with it
		return cureWait
	case pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_OPERATION_ACTIVE,
		pkcs11.CKR_OPERATION_NOT_INITIALIZED, pkcs11.CKR_SESSION_COUNT:
		return cureSession
	case pkcs11.CKR_USER_NOT_LOGGED_IN:
		return cureLogin
	case pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_OBJECT_HANDLE_INVALID:
		return cureReload
	case pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_DEVICE_MEMORY, pkcs11.CKR_TOKEN_NOT_PRESENT,
		pkcs11.CKR_TOKEN_NOT_RECOGNIZED, pkcs11.CKR_SLOT_ID_INVALID, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED, pkcs11.CKR_GENERAL_ERROR:
		return cureModule
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_LOCKED, pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE:
		return curePIN
	default:
		return cureFatal
	}
}

// isCode says whether err is the PKCS#11 return value code.
func isCode(err error, code uint) bool {
	var got pkcs11.Error
	return errors.As(err, &got) && uint(got) == code
}
