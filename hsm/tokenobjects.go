package hsm

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"
)

// Mechanisms and key types of PKCS#11 v3.0 that the library has no names for.
const (
	ckmECEdwardsKeyPairGen = 0x1055 // CKM_EC_EDWARDS_KEY_PAIR_GEN
	ckmEdDSA               = 0x1057 // CKM_EDDSA
	ckmAESKeyWrapPad       = 0x210a // CKM_AES_KEY_WRAP_PAD (RFC 5649)
	ckkECEdwards           = 0x40   // CKK_EC_EDWARDS

	ckmSHA3_256     = 0x2b0 // CKM_SHA3_256
	ckmSHA3_384     = 0x2c0
	ckmSHA3_512     = 0x2d0
	ckgMGF1SHA3_256 = 0x7 // CKG_MGF1_SHA3_256
	ckgMGF1SHA3_384 = 0x8
	ckgMGF1SHA3_512 = 0x9
)

// maxWrapped bounds a wrapped key: RSA-4096 as PKCS #8 has about 2,400 bytes.
const maxWrapped = 8 << 10

// importCertificate stores a certificate beside its private key.
func (t *token) importCertificate(ctx context.Context, label string, der []byte) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("%w: certificate: %w", ErrBadRequest, err)
	}
	serial, err := asn1.Marshal(cert.SerialNumber)
	if err != nil {
		return fmt.Errorf("encode serial number: %w", err)
	}
	t.objects.Lock()
	defer t.objects.Unlock()
	return t.attempt(ctx, func() error {
		key := t.found[label]
		if key == nil {
			return fmt.Errorf("%w: %q", ErrNotFound, label)
		}
		if !samePublic(key.pub, cert.PublicKey) {
			return fmt.Errorf("%w: the certificate is not of key %q", ErrKeyMismatch, label)
		}
		old, err := t.findAll([]*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE), pkcs11.NewAttribute(pkcs11.CKA_ID, key.id)})
		if err != nil {
			return err
		}
		_, err = t.mod.CreateObject(t.anchor, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE),
			pkcs11.NewAttribute(pkcs11.CKA_CERTIFICATE_TYPE, pkcs11.CKC_X_509),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
			pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false),
			pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
			pkcs11.NewAttribute(pkcs11.CKA_ID, key.id),
			pkcs11.NewAttribute(pkcs11.CKA_SUBJECT, cert.RawSubject),
			pkcs11.NewAttribute(pkcs11.CKA_ISSUER, cert.RawIssuer),
			pkcs11.NewAttribute(pkcs11.CKA_SERIAL_NUMBER, serial),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE, der),
		})
		if err != nil {
			return fmt.Errorf("store certificate: %w", err)
		}
		return t.destroy(old) // the new one stands, so nothing is missing in between
	})
}

// destroy destroys objects.
func (t *token) destroy(handles []pkcs11.ObjectHandle) error {
	for _, h := range handles {
		err := t.mod.DestroyObject(t.anchor, h)
		if err != nil && !isCode(err, pkcs11.CKR_OBJECT_HANDLE_INVALID) {
			return fmt.Errorf("destroy object: %w", err)
		}
	}
	return nil
}

// deleteKey destroys a key with all that stands under its id. The private key
// goes last: a deletion that was cut can be repeated.
func (t *token) deleteKey(ctx context.Context, label string, id []byte) error {
	t.objects.Lock()
	defer t.objects.Unlock()
	err := t.reload(ctx)
	if err != nil {
		return err
	}
	key := t.lookup(label)
	if key == nil || len(id) == 0 || !bytes.Equal(key.id, id) {
		return fmt.Errorf("%w: %q with that id", ErrNotFound, label)
	}
	err = t.attempt(ctx, func() error {
		for _, class := range []uint{pkcs11.CKO_CERTIFICATE, pkcs11.CKO_PUBLIC_KEY, pkcs11.CKO_PRIVATE_KEY} {
			handles, err := t.findAll([]*pkcs11.Attribute{
				pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_ID, id)})
			if err != nil {
				return err
			}
			err = t.destroy(handles)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return t.reload(ctx)
}

// withKEK lends f a wrapping key that lives in the session only.
func (t *token) withKEK(kek []byte, f func(pkcs11.ObjectHandle) error) error {
	if len(kek) != 16 && len(kek) != 24 && len(kek) != 32 {
		return fmt.Errorf("%w: key-encryption key of %d bytes", ErrBadRequest, len(kek))
	}
	h, err := t.mod.CreateObject(t.anchor, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_WRAP, true),
		pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, true),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE, kek),
	})
	if err != nil {
		return unsupported(fmt.Errorf("bring in the key-encryption key: %w", err))
	}
	return errors.Join(f(h), t.destroy([]pkcs11.ObjectHandle{h}))
}

// unsupported marks errors by which tokens say that they cannot do a thing.
func unsupported(err error) error {
	for _, code := range []uint{pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_MECHANISM_PARAM_INVALID, pkcs11.CKR_FUNCTION_NOT_SUPPORTED,
		pkcs11.CKR_KEY_UNEXTRACTABLE, pkcs11.CKR_KEY_NOT_WRAPPABLE, pkcs11.CKR_TEMPLATE_INCONSISTENT, pkcs11.CKR_ATTRIBUTE_TYPE_INVALID,
		pkcs11.CKR_ATTRIBUTE_VALUE_INVALID, pkcs11.CKR_KEY_TYPE_INCONSISTENT, pkcs11.CKR_CURVE_NOT_SUPPORTED, pkcs11.CKR_KEY_SIZE_RANGE,
		pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED, pkcs11.CKR_ACTION_PROHIBITED} {
		if isCode(err, code) {
			return fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
	}
	return err
}

// wrapKey gives a key as PKCS #8 under RFC 5649.
func (t *token) wrapKey(ctx context.Context, label string, kek []byte) ([]byte, error) {
	t.objects.Lock()
	defer t.objects.Unlock()
	var wrapped []byte
	err := t.attempt(ctx, func() error {
		key := t.found[label]
		if key == nil {
			return fmt.Errorf("%w: %q", ErrNotFound, label)
		}
		if !key.extractable {
			return fmt.Errorf("%w: key %q was not made for backup", ErrUnsupported, label)
		}
		return t.withKEK(kek, func(h pkcs11.ObjectHandle) error {
			var err error
			wrapped, err = t.mod.WrapKey(t.anchor, []*pkcs11.Mechanism{pkcs11.NewMechanism(ckmAESKeyWrapPad, nil)}, h, key.handle)
			return unsupported(err)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("wrap %q: %w", label, err)
	}
	return wrapped, nil
}

// unwrapKey puts a key back and proves it before it stays.
func (t *token) unwrapKey(ctx context.Context, req unwrapRequest) (backendKey, error) {
	if len(req.ID) == 0 || len(req.ID) > 64 || len(req.Wrapped) > maxWrapped {
		return backendKey{}, fmt.Errorf("%w: id of %d bytes, wrapped key of %d", ErrBadRequest, len(req.ID), len(req.Wrapped))
	}
	keyType, public, err := publicTemplate(req.Public)
	if err != nil {
		return backendKey{}, err
	}
	t.objects.Lock()
	defer t.objects.Unlock()
	err = t.reload(ctx)
	if err != nil {
		return backendKey{}, err
	}
	key := t.lookup(req.Label)
	if key != nil {
		return backendKey{}, fmt.Errorf("%w: %q", ErrExists, req.Label)
	}
	err = t.attempt(ctx, func() error { return t.unwrapPair(req, keyType, public) })
	if err != nil {
		return backendKey{}, fmt.Errorf("unwrap %q: %w", req.Label, err)
	}
	err = t.reload(ctx)
	if err != nil {
		return backendKey{}, err
	}
	key = t.lookup(req.Label)
	if key == nil || !samePublic(key.pub, req.Public) {
		return backendKey{}, fmt.Errorf("%w: the unwrapped key %q is not found", ErrWorkerFailed, req.Label)
	}
	return key.backendKey(), nil
}

// unwrapPair makes the private and the public object of an unwrapped key. The
// private one is destroyed again when it does not sign for the public key.
func (t *token) unwrapPair(req unwrapRequest, keyType uint, public []*pkcs11.Attribute) error {
	err := t.removeOrphans(req.Label, req.ID)
	if err != nil {
		return err
	}
	return t.withKEK(req.KEK, func(kek pkcs11.ObjectHandle) error {
		h, err := t.mod.UnwrapKey(t.anchor, []*pkcs11.Mechanism{pkcs11.NewMechanism(ckmAESKeyWrapPad, nil)}, kek, req.Wrapped, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY),
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, keyType),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
			pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
			pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
			pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, true), // a restored key can be backed up again
			pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
			pkcs11.NewAttribute(pkcs11.CKA_LABEL, req.Label),
			pkcs11.NewAttribute(pkcs11.CKA_ID, req.ID),
		})
		if notOpened(err) {
			// Without the code: the token is well, the wrapping is not.
			return fmt.Errorf("%w: the wrapped key does not open under this key-encryption key (%v)", ErrBadRequest, err)
		}
		if err != nil {
			return unsupported(err)
		}
		err = t.proveHandle(h, req)
		if err == nil {
			_, err = t.mod.CreateObject(t.anchor, append([]*pkcs11.Attribute{
				pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY),
				pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
				pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true),
				pkcs11.NewAttribute(pkcs11.CKA_LABEL, req.Label),
				pkcs11.NewAttribute(pkcs11.CKA_ID, req.ID),
			}, public...))
		}
		if err != nil {
			return errors.Join(err, t.destroy([]pkcs11.ObjectHandle{h}))
		}
		return nil
	})
}

// notOpened says whether a token answers so to a wrapping that fails its check
// (RFC 5649 §3); SoftHSM answers CKR_GENERAL_ERROR.
func notOpened(err error) bool {
	return isCode(err, pkcs11.CKR_WRAPPED_KEY_INVALID) || isCode(err, pkcs11.CKR_WRAPPED_KEY_LEN_RANGE) ||
		isCode(err, pkcs11.CKR_ENCRYPTED_DATA_INVALID) || isCode(err, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE) || isCode(err, pkcs11.CKR_GENERAL_ERROR)
}

// proveHandle signs once with an object that is in no listing yet.
func (t *token) proveHandle(h pkcs11.ObjectHandle, req unwrapRequest) error {
	plan, err := provingPlan(req.Public)
	if err != nil {
		return err
	}
	raw, err := t.signOnce(&tokenKey{label: req.Label, id: req.ID, handle: h, pub: req.Public}, plan)
	if err != nil {
		return err
	}
	sig, err := plan.finish(raw)
	if err != nil {
		return err
	}
	if !plan.verify(sig) {
		return fmt.Errorf("%w: the unwrapped key %q", ErrKeyMismatch, req.Label)
	}
	return nil
}

// publicTemplate describes a public key for C_CreateObject.
func publicTemplate(pub any) (uint, []*pkcs11.Attribute, error) {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return pkcs11.CKK_RSA, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_RSA),
			pkcs11.NewAttribute(pkcs11.CKA_MODULUS, k.N.Bytes()),
			pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, bigEndian(k.E))}, nil
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return 0, nil, fmt.Errorf("encode public key: %w", err)
		}
		for _, c := range curveSpecs() {
			if c.curve == k.Curve {
				return ecTemplate(pkcs11.CKK_EC, c.oid, point)
			}
		}
	case ed25519.PublicKey:
		return ecTemplate(ckkECEdwards, oidEd25519(), k)
	}
	return 0, nil, fmt.Errorf("%w: public key %T", ErrUnsupported, pub)
}

// ecTemplate describes a point on a curve (PKCS#11 v3.0 §2.3.3).
func ecTemplate(keyType uint, curve asn1.ObjectIdentifier, point []byte) (uint, []*pkcs11.Attribute, error) {
	params, err := asn1.Marshal(curve)
	if err != nil {
		return 0, nil, fmt.Errorf("encode curve: %w", err)
	}
	octets, err := asn1.Marshal(point)
	if err != nil {
		return 0, nil, fmt.Errorf("encode point: %w", err)
	}
	return keyType, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, keyType),
		pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, params),
		pkcs11.NewAttribute(pkcs11.CKA_EC_POINT, octets)}, nil
}

// bigEndian gives a small positive number without leading zeros.
func bigEndian(n int) []byte {
	var out []byte
	for ; n > 0; n >>= 8 {
		out = append([]byte{byte(n)}, out...)
	}
	return out
}
