package cos

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// method is how a crypt filter works (ISO 32000-2, table 25).
type method int

const (
	methodNone method = iota
	methodRC4
	methodAESV2
	methodAESV3
)

// crypt is the state of the standard security handler (ISO 32000-2, 7.6.4).
type crypt struct {
	key       []byte
	filters   map[Name]method
	strings   method
	streams   method
	metadata  bool // metadata streams are encrypted too
	owner     bool
	perms     uint32
	permsOdd  bool // R6: the sealed copy of the permissions does not agree
	ref       Ref  // the encryption dictionary, whose strings are in the clear
	revision  int64
	o, u      []byte
	oe, ue    []byte
	id        []byte
	sealed    []byte // /Perms of revision 6
	keyLength int
}

// Permission is a bit of /P (ISO 32000-2, table 22).
type Permission uint32

// Permissions that matter when a file is extended.
const (
	PermitModify   Permission = 1 << 3
	PermitAnnotate Permission = 1 << 5
	PermitFill     Permission = 1 << 8
)

// Permits tells whether the file allows an action to whom it was opened for:
// everything when it is not encrypted or was opened by its owner.
func (f *File) Permits(p Permission) bool {
	return f.crypt == nil || f.crypt.owner || f.crypt.perms&uint32(p) != 0
}

// passwordPad fills short passwords (ISO 32000-2, algorithm 2, step a).
var passwordPad = []byte("\x28\xBF\x4E\x5E\x4E\x75\x8A\x41\x64\x00\x4E\x56\xFF\xFA\x01\x08\x2E\x2E\x00\xB6\xD0\x68\x3E\x80\x2F\x0C\xA9\xFE\x64\x53\x69\x7A")

// openCrypt finds the file key when the file is encrypted.
func (f *File) openCrypt(password string) error {
	f.crypt = nil
	clear(f.cache)
	clear(f.packs)
	f.packBytes = 0
	v := f.Latest()
	entry := v.Trailer()["Encrypt"]
	if entry == nil {
		return nil
	}
	d := v.Dict(entry)
	if d == nil {
		return fmt.Errorf("%w: the encryption dictionary cannot be read", ErrHandler)
	}
	c, err := v.readCrypt(d)
	if err != nil {
		return err
	}
	c.ref, _ = entry.(Ref)
	tries := []string{""}
	if password != "" {
		tries = append(tries, password)
	}
	// An owner's password gives more rights than the empty user password that
	// opens the file as well, so it is tried first.
	for _, p := range []string{password, ""} {
		if p != "" && c.openOwner([]byte(p)) {
			c.owner = true
			f.useCrypt(c)
			return nil
		}
	}
	for _, p := range tries {
		if c.openUser([]byte(p)) {
			f.useCrypt(c)
			return nil
		}
	}
	if c.openOwner(nil) {
		c.owner = true
		f.useCrypt(c)
		return nil
	}
	return ErrPassword
}

func (f *File) useCrypt(c *crypt) {
	f.crypt = c
	clear(f.cache)
	clear(f.packs)
	f.packBytes = 0
}

func (v *View) readCrypt(d Dict) (*crypt, error) {
	if name := v.Name(d["Filter"]); name != "Standard" {
		return nil, fmt.Errorf("%w: security handler %q", ErrHandler, string(name))
	}
	version, _ := v.Int(d["V"])
	c := &crypt{metadata: true, filters: map[Name]method{"Identity": methodNone}}
	c.revision, _ = v.Int(d["R"])
	bits, ok := v.Int(d["Length"])
	if !ok {
		bits = 40
	}
	p, _ := v.Int(d["P"])
	c.perms = uint32(p)
	c.o, c.u = v.bytesOf(d["O"]), v.bytesOf(d["U"])
	c.oe, c.ue = v.bytesOf(d["OE"]), v.bytesOf(d["UE"])
	id := v.Array(v.Trailer()["ID"])
	if len(id) > 0 {
		c.id = v.bytesOf(id[0])
	}
	flag, err := v.Resolve(d["EncryptMetadata"])
	if err == nil && flag == false && version >= 4 {
		c.metadata = false
	}
	switch version {
	case 1:
		c.strings, c.streams, c.keyLength = methodRC4, methodRC4, 5
	case 2:
		c.strings, c.streams, c.keyLength = methodRC4, methodRC4, int(bits/8)
	case 4, 5:
		c.keyLength = 16
		if version == 5 {
			c.keyLength = 32
		}
		err = v.readCryptFilters(c, d)
		if err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: algorithm V=%d", ErrHandler, version)
	}
	if c.revision == 2 {
		c.keyLength = 5
	}
	if c.keyLength < 5 || c.keyLength > 32 || c.keyLength > 16 && version < 5 {
		return nil, fmt.Errorf("%w: key of %d bytes", ErrHandler, c.keyLength)
	}
	old := c.revision >= 2 && c.revision <= 4 && version < 5
	recent := (c.revision == 5 || c.revision == 6) && version == 5
	if !old && !recent {
		return nil, fmt.Errorf("%w: revision %d with V=%d", ErrHandler, c.revision, version)
	}
	if len(c.o) < 32 || len(c.u) < 32 || recent && (len(c.o) < 48 || len(c.u) < 48 || len(c.oe) < 32 || len(c.ue) < 32) {
		return nil, fmt.Errorf("%w: password entries too short", ErrHandler)
	}
	if recent {
		c.o, c.u, c.oe, c.ue = c.o[:48], c.u[:48], c.oe[:32], c.ue[:32]
		c.permsOdd = c.revision == 6
		c.sealed = v.bytesOf(d["Perms"])
	}
	return c, nil
}

func (v *View) readCryptFilters(c *crypt, d Dict) error {
	cf := v.Dict(d["CF"])
	for name, o := range cf {
		filter := v.Dict(o)
		switch cfm := v.Name(filter["CFM"]); cfm {
		case "", "None":
			c.filters[name] = methodNone
		case "V2":
			c.filters[name] = methodRC4
		case "AESV2":
			c.filters[name] = methodAESV2
		case "AESV3":
			c.filters[name] = methodAESV3
		default:
			return fmt.Errorf("%w: crypt filter method %q", ErrHandler, string(cfm))
		}
	}
	pick := func(key Name) (method, error) {
		name := v.Name(d[key])
		if name == "" {
			name = "Identity"
		}
		m, ok := c.filters[name]
		if !ok {
			return 0, fmt.Errorf("%w: crypt filter %q is not defined", ErrHandler, string(name))
		}
		return m, nil
	}
	var err error
	c.strings, err = pick("StrF")
	if err != nil {
		return err
	}
	c.streams, err = pick("StmF")
	return err
}

func (v *View) bytesOf(o Object) []byte {
	s, _ := v.Bytes(o)
	return s
}

func (c *crypt) openUser(password []byte) bool {
	if c.revision >= 5 {
		return c.openRecent(password, c.u, nil, c.ue)
	}
	key := c.oldKey(password)
	if c.revision == 2 {
		if !same(rc4Once(key, passwordPad), c.u[:32]) {
			return false
		}
		c.key = key
		return true
	}
	h := md5.New()
	h.Write(passwordPad)
	h.Write(c.id)
	check := h.Sum(nil)
	for i := range 20 {
		check = rc4Once(xorKey(key, byte(i)), check)
	}
	if !same(check, c.u[:16]) {
		return false
	}
	c.key = key
	return true
}

func (c *crypt) openOwner(password []byte) bool {
	if c.revision >= 5 {
		return c.openRecent(password, c.o, c.u, c.oe)
	}
	sum := md5.Sum(padPassword(password))
	digest := sum[:]
	if c.revision >= 3 {
		for range 50 {
			sum = md5.Sum(digest)
			digest = sum[:]
		}
	}
	key := digest[:min(c.keyLength, 16)]
	user := c.o[:32]
	if c.revision == 2 {
		user = rc4Once(key, user)
	} else {
		for i := 19; i >= 0; i-- {
			user = rc4Once(xorKey(key, byte(i)), user)
		}
	}
	return c.openUser(user)
}

// oldKey is algorithm 2 of ISO 32000-2.
func (c *crypt) oldKey(password []byte) []byte {
	h := md5.New()
	h.Write(padPassword(password))
	h.Write(c.o[:32])
	var p [4]byte
	binary.LittleEndian.PutUint32(p[:], c.perms)
	h.Write(p[:])
	h.Write(c.id)
	if c.revision >= 4 && !c.metadata {
		h.Write([]byte{0xff, 0xff, 0xff, 0xff})
	}
	key := h.Sum(nil)
	n := min(c.keyLength, 16)
	if c.revision >= 3 {
		for range 50 {
			sum := md5.Sum(key[:n])
			key = sum[:]
		}
	}
	return key[:n]
}

// openRecent is algorithm 2.A of ISO 32000-2.
func (c *crypt) openRecent(password, check, extra, sealed []byte) bool {
	password = password[:min(len(password), 127)]
	if !same(c.hash(password, check[32:40], extra), check[:32]) {
		return false
	}
	block, err := aes.NewCipher(c.hash(password, check[40:48], extra))
	if err != nil {
		return false
	}
	key := make([]byte, 32)
	cipher.NewCBCDecrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(key, sealed)
	c.key = key
	c.permsOdd = !c.permsAgree()
	return true
}

// permsAgree opens the sealed permissions (ISO 32000-2, algorithm 13).
func (c *crypt) permsAgree() bool {
	if len(c.sealed) != aes.BlockSize {
		return false
	}
	block, err := aes.NewCipher(c.key)
	if err != nil {
		return false
	}
	var open [aes.BlockSize]byte
	block.Decrypt(open[:], c.sealed)
	return string(open[9:12]) == "adb" && binary.LittleEndian.Uint32(open[:4]) == c.perms
}

// hash is algorithm 2.B of ISO 32000-2, and plain SHA-256 for revision 5.
func (c *crypt) hash(password, salt, extra []byte) []byte {
	h := sha256.New()
	h.Write(password)
	h.Write(salt)
	h.Write(extra)
	k := h.Sum(nil)
	if c.revision == 5 {
		return k
	}
	for round := 0; ; round++ {
		part := bytes.Join([][]byte{password, k, extra}, nil)
		e := bytes.Repeat(part, 64)
		block, err := aes.NewCipher(k[:16])
		if err != nil {
			return nil
		}
		cipher.NewCBCEncrypter(block, k[16:32]).CryptBlocks(e, e)
		sum := 0
		for _, b := range e[:16] {
			sum += int(b)
		}
		switch sum % 3 {
		case 0:
			s := sha256.Sum256(e)
			k = s[:]
		case 1:
			s := sha512.Sum384(e)
			k = s[:]
		default:
			s := sha512.Sum512(e)
			k = s[:]
		}
		if round >= 63 && int(e[len(e)-1]) <= round-31 {
			return k[:32]
		}
	}
}

func padPassword(p []byte) []byte {
	out := append([]byte(nil), p[:min(len(p), 32)]...)
	return append(out, passwordPad[:32-len(out)]...)
}

func xorKey(key []byte, x byte) []byte {
	out := make([]byte, len(key))
	for i := range key {
		out[i] = key[i] ^ x
	}
	return out
}

// rc4Once applies RC4; a key of legal length cannot fail.
func rc4Once(key, data []byte) []byte {
	c, err := rc4.NewCipher(key)
	if err != nil {
		return nil
	}
	out := make([]byte, len(data))
	c.XORKeyStream(out, data)
	return out
}

func same(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
