package hsm

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/miekg/pkcs11"
)

// maxObjects bounds the objects that are looked at; a province has thousands
// of keys, not millions.
const maxObjects = 100_000

// findBatch is how many handles one C_FindObjects asks for.
const findBatch = 500

// findAll lists handles on the anchor session. The final call always happens,
// or the session would answer CKR_OPERATION_ACTIVE from then on.
func (t *token) findAll(template []*pkcs11.Attribute) (handles []pkcs11.ObjectHandle, err error) {
	err = t.mod.FindObjectsInit(t.anchor, template)
	if err != nil {
		return nil, fmt.Errorf("find objects: %w", err)
	}
	defer func() {
		final := t.mod.FindObjectsFinal(t.anchor)
		if err == nil && final != nil {
			err = fmt.Errorf("find objects: %w", final)
		}
	}()
	for len(handles) < maxObjects {
		batch, _, err := t.mod.FindObjects(t.anchor, findBatch)
		if err != nil {
			return nil, fmt.Errorf("find objects: %w", err)
		}
		if len(batch) == 0 {
			return handles, nil
		}
		handles = append(handles, batch...)
	}
	return nil, fmt.Errorf("%w: more than %d objects in the token", ErrUnsupported, maxObjects)
}

// attributes reads attributes of one object; nil when the token has not all.
func (t *token) attributes(h pkcs11.ObjectHandle, types ...uint) [][]byte {
	template := make([]*pkcs11.Attribute, len(types))
	for i, typ := range types {
		template[i] = pkcs11.NewAttribute(typ, nil)
	}
	got, err := t.mod.GetAttributeValue(t.anchor, h, template)
	if err != nil || len(got) != len(types) {
		return nil
	}
	out := make([][]byte, len(types))
	for i := range got {
		out[i] = got[i].Value
	}
	return out
}

// isTrue says whether an attribute is there and true.
func (t *token) isTrue(h pkcs11.ObjectHandle, typ uint) bool {
	got := t.attributes(h, typ)
	return got != nil && bytes.Equal(got[0], []byte{1})
}

// loadKeys lists all private keys once and finds the public half of each; the
// caller holds life for writing or is the only user. Without a login a token
// shows no private object at all, which must not be taken for an empty token.
func (t *token) loadKeys() error {
	info, err := t.mod.GetSessionInfo(t.anchor)
	if err != nil {
		return fmt.Errorf("session state: %w", err)
	}
	if info.State != pkcs11.CKS_RW_USER_FUNCTIONS {
		err := t.login()
		if err != nil {
			return err
		}
	}
	private, err := t.findAll([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY), pkcs11.NewAttribute(pkcs11.CKA_SIGN, true)})
	if err != nil {
		return err
	}
	public, err := t.loadPublic()
	if err != nil {
		return err
	}
	found := make([]*tokenKey, 0, len(private))
	for _, h := range private {
		attrs := t.attributes(h, pkcs11.CKA_LABEL, pkcs11.CKA_ID)
		if attrs == nil {
			continue
		}
		pub := public[string(attrs[1])]
		if pub == nil {
			pub = t.publicFromPrivate(h)
		}
		if pub == nil || AlgorithmOf(pub) == "" {
			t.log.Warn("a private key without a usable public key is left out", slog.String("label", string(attrs[0])))
			continue
		}
		found = append(found, &tokenKey{label: string(attrs[0]), id: attrs[1], handle: h, pub: pub,
			alwaysAuth: t.isTrue(h, pkcs11.CKA_ALWAYS_AUTHENTICATE), extractable: t.isTrue(h, pkcs11.CKA_EXTRACTABLE)})
	}
	keys := t.named(found)
	t.found = keys
	t.finds.Add(1)
	return nil
}

// named gives each key the name by which it is asked for: its label or, where
// there is none or it stands for several keys, the label and CKA_ID in hex, as
// in "sign [0a1b]". Choosing one by the label alone would sign with a key that
// nobody chose. Keys that no name tells apart are left out.
func (t *token) named(found []*tokenKey) map[string]*tokenKey {
	labels, names := map[string]int{}, map[string]int{}
	for _, k := range found {
		labels[k.label]++
	}
	for _, k := range found {
		if k.label == "" || labels[k.label] > 1 {
			k.label = strings.TrimSpace(fmt.Sprintf("%s [%x]", k.label, k.id))
		}
		names[k.label]++
	}
	keys := make(map[string]*tokenKey, len(found))
	for _, k := range found {
		if names[k.label] > 1 || checkLabel(k.label) != nil {
			t.log.Warn("a private key without a name of its own is left out", slog.String("label", k.label))
			continue
		}
		keys[k.label] = k
	}
	return keys
}

// loadPublic reads all public keys and certificates, by CKA_ID.
func (t *token) loadPublic() (map[string]crypto.PublicKey, error) {
	out := map[string]crypto.PublicKey{}
	certs, err := t.findAll([]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE)})
	if err != nil {
		return nil, err
	}
	for _, h := range certs {
		attrs := t.attributes(h, pkcs11.CKA_ID, pkcs11.CKA_VALUE)
		if attrs == nil {
			continue
		}
		cert, err := x509.ParseCertificate(attrs[1])
		if err == nil {
			out[string(attrs[0])] = cert.PublicKey
		}
	}
	handles, err := t.findAll([]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY)})
	if err != nil {
		return nil, err
	}
	for _, h := range handles {
		attrs := t.attributes(h, pkcs11.CKA_ID)
		pub := t.publicKey(h)
		if attrs != nil && pub != nil {
			out[string(attrs[0])] = pub
		}
	}
	return out, nil
}

// publicKey reads a public key object; nil when it is of no use here.
func (t *token) publicKey(h pkcs11.ObjectHandle) crypto.PublicKey {
	ec := t.attributes(h, pkcs11.CKA_EC_PARAMS, pkcs11.CKA_EC_POINT)
	if ec != nil && len(ec[1]) > 0 {
		key, err := ecPublicKey(ec[0], ec[1])
		if err == nil {
			return key
		}
		edwards, err := edPublicKey(ec[0], ec[1])
		if err == nil {
			return edwards
		}
		return nil
	}
	return t.publicFromPrivate(h)
}

// publicFromPrivate reads the RSA numbers that a private key object has too.
func (t *token) publicFromPrivate(h pkcs11.ObjectHandle) crypto.PublicKey {
	attrs := t.attributes(h, pkcs11.CKA_MODULUS, pkcs11.CKA_PUBLIC_EXPONENT)
	if attrs == nil {
		return nil
	}
	key, err := rsaPublicKey(attrs[0], attrs[1])
	if err != nil {
		return nil
	}
	return key
}

// generate makes a key pair. A label that exists with the same id is the
// result of an earlier attempt of the same request.
func (t *token) generate(ctx context.Context, req generateRequest) (backendKey, error) {
	key, err := t.generateKey(ctx, req)
	if err != nil {
		return backendKey{}, err
	}
	return key.backendKey(), nil
}

func (t *token) generateKey(ctx context.Context, req generateRequest) (*tokenKey, error) {
	label, id := req.Label, req.ID
	err := checkLabel(label)
	if err != nil {
		return nil, err
	}
	if len(id) != keyIDSize {
		return nil, fmt.Errorf("%w: key id of %d bytes", ErrBadRequest, len(id))
	}
	mech, params, err := generation(req.Algorithm)
	if err != nil {
		return nil, err
	}
	t.objects.Lock()
	defer t.objects.Unlock()
	err = t.reload(ctx)
	if err != nil {
		return nil, err
	}
	key := t.lookup(label)
	if key != nil && bytes.Equal(key.id, id) {
		return key, nil
	}
	if key != nil {
		return nil, fmt.Errorf("%w: %q", ErrExists, label)
	}
	err = t.attempt(ctx, func() error { return t.generatePair(req, mech, params) })
	if err != nil {
		return nil, fmt.Errorf("generate %q: %w", label, err)
	}
	err = t.reload(ctx)
	if err != nil {
		return nil, err
	}
	key = t.lookup(label)
	if key == nil || !bytes.Equal(key.id, id) {
		return nil, fmt.Errorf("%w: the new key %q is not found or not alone", ErrWorkerFailed, label)
	}
	return key, nil
}

// generation gives the mechanism and the part of the public template that
// chooses the size.
func generation(algorithm string) (*pkcs11.Mechanism, []*pkcs11.Attribute, error) {
	for _, c := range curveSpecs() {
		if c.name != algorithm {
			continue
		}
		params, err := asn1.Marshal(c.oid)
		if err != nil {
			return nil, nil, fmt.Errorf("encode curve: %w", err)
		}
		return pkcs11.NewMechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil), []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_EC),
			pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, params)}, nil
	}
	if algorithm == algorithmEd25519 {
		params, err := asn1.Marshal(oidEd25519())
		if err != nil {
			return nil, nil, fmt.Errorf("encode curve: %w", err)
		}
		return pkcs11.NewMechanism(ckmECEdwardsKeyPairGen, nil), []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, ckkECEdwards),
			pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, params)}, nil
	}
	bits, ok := rsaBits(algorithm)
	if !ok {
		return nil, nil, fmt.Errorf("%w: %q", ErrUnsupported, algorithm)
	}
	return pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, nil), []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_RSA),
		pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, bits),
		pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1})}, nil
}

// generatePair makes the two objects and checks that the private one cannot
// leave the token.
func (t *token) generatePair(req generateRequest, mech *pkcs11.Mechanism, params []*pkcs11.Attribute) error {
	label, id := req.Label, req.ID
	err := t.removeOrphans(label, id)
	if err != nil {
		return err
	}
	public := append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id),
	}, params...)
	private := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, req.Backup),
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id),
	}
	_, handle, err := t.mod.GenerateKeyPair(t.anchor, []*pkcs11.Mechanism{mech}, public, private)
	if isCode(err, pkcs11.CKR_GENERAL_ERROR) || isCode(err, pkcs11.CKR_FUNCTION_FAILED) {
		// SoftHSM 2.6.1 answers so when another process makes objects at the
		// same time; the second attempt works.
		err = t.removeOrphans(label, id)
		if err != nil {
			return err
		}
		_, handle, err = t.mod.GenerateKeyPair(t.anchor, []*pkcs11.Mechanism{mech}, public, private)
	}
	if err != nil {
		return err
	}
	kept := t.attributes(handle, pkcs11.CKA_PRIVATE, pkcs11.CKA_SENSITIVE, pkcs11.CKA_EXTRACTABLE, pkcs11.CKA_NEVER_EXTRACTABLE)
	yes, no := []byte{1}, []byte{0}
	if req.Backup && kept != nil {
		kept[2], kept[3] = no, yes // such a key may leave the token, encrypted
	}
	if kept == nil || !bytes.Equal(kept[0], yes) || !bytes.Equal(kept[1], yes) || !bytes.Equal(kept[2], no) || !bytes.Equal(kept[3], yes) {
		return errors.Join(fmt.Errorf("%w: the token made a key that can leave it", ErrWorkerFailed), t.mod.DestroyObject(t.anchor, handle))
	}
	return nil
}

// removeOrphans destroys the public key that a worker killed in the middle of
// the same request may have left. Private keys are never destroyed: an id that
// has one is in use.
func (t *token) removeOrphans(label string, id []byte) error {
	private, err := t.findAll([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY), pkcs11.NewAttribute(pkcs11.CKA_ID, id)})
	if err != nil {
		return err
	}
	if len(private) > 0 {
		return fmt.Errorf("%w: key id", ErrExists)
	}
	public, err := t.findAll([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_ID, id)})
	if err != nil {
		return err
	}
	for _, h := range public {
		err := t.mod.DestroyObject(t.anchor, h)
		if err != nil {
			return fmt.Errorf("remove an unfinished key: %w", err)
		}
	}
	return nil
}

// sign makes a signature and gives it in the form of crypto.Signer.
func (t *token) sign(ctx context.Context, label string, plan signPlan) ([]byte, error) {
	err := t.pool.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer t.pool.leave()
	var sig []byte
	err = t.attempt(ctx, func() error {
		// After a recovery the handle of the same label is another one.
		current := t.found[label]
		if current == nil {
			return fmt.Errorf("%w: %q", ErrNotFound, label)
		}
		if !samePublic(current.pub, plan.pub) {
			return fmt.Errorf("%w: %q", ErrKeyMismatch, label)
		}
		raw, err := t.signOnce(current, plan)
		if err != nil {
			return err
		}
		sig, err = plan.finish(raw)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sign with %q: %w", label, err)
	}
	return sig, nil
}

// signOnce is one C_SignInit and C_Sign, in one crossing to C.
func (t *token) signOnce(key *tokenKey, plan signPlan) ([]byte, error) {
	session, err := t.pool.take(t.mod, t.slot)
	if err != nil {
		return nil, err
	}
	spoilt := true
	defer func() { t.pool.give(t.mod, session, spoilt) }()
	mech, data := plan.mechanism()
	var pin []byte
	if key.alwaysAuth {
		value, err := t.cfg.pin.read(context.Background())
		if err != nil {
			return nil, err
		}
		defer value.wipe()
		pin = value.raw
	}
	raw, err := t.shim.sign(session, key.handle, mech, pin, data)
	if isCode(err, pkcs11.CKR_MECHANISM_INVALID) || isCode(err, pkcs11.CKR_MECHANISM_PARAM_INVALID) || isCode(err, pkcs11.CKR_ARGUMENTS_BAD) {
		return nil, fmt.Errorf("%w: the token does not sign as %s %s: %w", ErrUnsupported, plan.scheme, plan.hashName(), err)
	}
	if err != nil {
		return nil, err
	}
	spoilt = false
	return raw, nil
}
