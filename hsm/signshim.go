package hsm

/*
#cgo LDFLAGS: -ldl
#cgo nocallback antin_sign
#cgo noescape antin_sign
#cgo nocallback antin_login
#cgo noescape antin_login
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

// The few types of PKCS#11 v2.40 that a signature needs. On Unix the headers
// of the standard ask for the platform's own alignment.
typedef unsigned long ck_ulong;
typedef struct { ck_ulong mechanism; void *parameter; ck_ulong length; } ck_mechanism;
typedef struct { ck_ulong hash, mgf, salt; } ck_pss; // CK_RSA_PKCS_PSS_PARAMS
typedef ck_ulong (*ck_function)();
// CK_FUNCTION_LIST: a version of two bytes, then pointers in the order of
// pkcs11f.h, of which these are the 19th, the 43rd and the 44th.
typedef struct { unsigned char major, minor; ck_function f[68]; } ck_function_list;
typedef ck_ulong (*ck_login)(ck_ulong, ck_ulong, const unsigned char *, ck_ulong);
typedef ck_ulong (*ck_sign_init)(ck_ulong, ck_mechanism *, ck_ulong);
typedef ck_ulong (*ck_sign)(ck_ulong, const unsigned char *, ck_ulong, unsigned char *, ck_ulong *);

// antin_list takes the function list out of the library's context, which begins
// with the handle of dlopen and the list. The handle tells whether it still
// does: dlopen gives the same one again for a module that is loaded.
static ck_function_list *antin_list(const char *path, void **context) {
	void *lib = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	if (lib == NULL) return NULL;
	ck_function_list *list = context[0] == lib ? context[1] : NULL;
	dlclose(lib);
	return list != NULL && (list->major == 2 || list->major == 3) ? list : NULL;
}

// antin_sign is C_SignInit, C_Login for this one use when there is a PIN, and
// C_Sign. When hash is not 0 the mechanism has PSS parameters.
static ck_ulong antin_sign(ck_function_list *list, ck_ulong session, ck_ulong key, ck_ulong mechanism,
		ck_ulong hash, ck_ulong mgf, ck_ulong salt, const unsigned char *pin, ck_ulong pin_len,
		const unsigned char *data, ck_ulong data_len, unsigned char *out, ck_ulong *out_len) {
	ck_pss pss = { hash, mgf, salt };
	ck_mechanism m = { mechanism, NULL, 0 };
	if (hash != 0) { m.parameter = &pss; m.length = sizeof pss; }
	ck_ulong rv = ((ck_sign_init)list->f[42])(session, &m, key);
	if (rv != 0) return rv;
	if (pin != NULL) {
		rv = ((ck_login)list->f[18])(session, 2, pin, pin_len); // CKU_CONTEXT_SPECIFIC
		if (rv != 0) return rv;
	}
	return ((ck_sign)list->f[43])(session, data, data_len, out, out_len);
}

// antin_login is C_Login with the caller's own bytes: the library would make a
// copy of the PIN that nobody overwrites.
static ck_ulong antin_login(ck_function_list *list, ck_ulong session, ck_ulong user, const unsigned char *pin, ck_ulong pin_len) {
	return ((ck_login)list->f[18])(session, user, pin, pin_len);
}

// antin_sign_loop signs the same data n times: what the token itself can do.
static ck_ulong antin_sign_loop(ck_function_list *list, ck_ulong session, ck_ulong key, ck_ulong mechanism,
		const unsigned char *data, ck_ulong data_len, ck_ulong n) {
	unsigned char out[1024];
	for (ck_ulong i = 0; i < n; i++) {
		ck_ulong len = sizeof out;
		ck_ulong rv = antin_sign(list, session, key, mechanism, 0, 0, 0, NULL, 0, data, data_len, out, &len);
		if (rv != 0) return rv;
	}
	return 0;
}
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/miekg/pkcs11"
)

// maxSignature is the longest signature: RSA of 8,192 bits.
const maxSignature = 1024

// shim signs in one crossing from Go to C, where the library needs three and
// calls C_Sign twice. Everything else goes through the library. The function
// list is the library's own: a module may give each caller of
// C_GetFunctionList an instance of its own (p11-kit does), with sessions of its
// own.
type shim struct {
	list *C.ck_function_list
}

// openShim takes the function list of a module that the library has loaded.
func openShim(module string, lib *pkcs11.Ctx) (*shim, error) {
	path := C.CString(module)
	defer C.free(unsafe.Pointer(path))
	// pkcs11.Ctx has one field, the pointer to its C structure.
	context := *(*unsafe.Pointer)(unsafe.Pointer(lib))
	s := &shim{list: C.antin_list(path, (*unsafe.Pointer)(context))}
	if s.list == nil {
		return nil, fmt.Errorf("%w: the functions of %s are not where this version of the PKCS#11 library keeps them", ErrUnsupported, module)
	}
	return s, nil
}

// mechanism is a mechanism for C_SignInit; hash is 0 without PSS parameters.
type mechanism struct{ mech, hash, mgf, salt uint }

// sign makes one signature. A pin logs in for this one use
// (CKA_ALWAYS_AUTHENTICATE).
func (s *shim) sign(session pkcs11.SessionHandle, key pkcs11.ObjectHandle, m mechanism, pin, data []byte) ([]byte, error) {
	if len(data) == 0 {
		data = make([]byte, 1)[:0] // a null pointer would be CKR_ARGUMENTS_BAD
	}
	var out [maxSignature]byte
	length := C.ck_ulong(len(out))
	rv := C.antin_sign(s.list, C.ck_ulong(session), C.ck_ulong(key), C.ck_ulong(m.mech),
		C.ck_ulong(m.hash), C.ck_ulong(m.mgf), C.ck_ulong(m.salt), bytePointer(pin), C.ck_ulong(len(pin)),
		bytePointer(data), C.ck_ulong(len(data)), bytePointer(out[:]), &length)
	if rv != 0 {
		return nil, pkcs11.Error(rv)
	}
	if length > C.ck_ulong(len(out)) {
		return nil, fmt.Errorf("%w: signature of %d bytes", ErrWorkerFailed, length)
	}
	return append([]byte(nil), out[:length]...), nil
}

// login logs in for all sessions of the token.
func (s *shim) login(session pkcs11.SessionHandle, user uint, pin []byte) error {
	rv := C.antin_login(s.list, C.ck_ulong(session), C.ck_ulong(user), bytePointer(pin), C.ck_ulong(len(pin)))
	if rv != 0 {
		return pkcs11.Error(rv)
	}
	return nil
}

// loop signs n times without coming back.
func (s *shim) loop(session pkcs11.SessionHandle, key pkcs11.ObjectHandle, mech uint, data []byte, n int) error {
	rv := C.antin_sign_loop(s.list, C.ck_ulong(session), C.ck_ulong(key), C.ck_ulong(mech), bytePointer(data), C.ck_ulong(len(data)), C.ck_ulong(n))
	if rv != 0 {
		return pkcs11.Error(rv)
	}
	return nil
}

// bytePointer points at the first byte; nil for none.
func bytePointer(b []byte) *C.uchar {
	return (*C.uchar)(unsafe.Pointer(unsafe.SliceData(b)))
}
