package cos

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rand"
	"fmt"
)

// streamCipher turns stored bytes into plain ones.
type streamCipher func([]byte) ([]byte, error)

// objectKey is algorithm 1 and 1.A of ISO 32000-2.
func (c *crypt) objectKey(m method, ref Ref) []byte {
	if m == methodAESV3 {
		return c.key
	}
	h := md5.New()
	h.Write(c.key)
	h.Write([]byte{byte(ref.Num), byte(ref.Num >> 8), byte(ref.Num >> 16), byte(ref.Gen), byte(ref.Gen >> 8)})
	if m == methodAESV2 {
		h.Write([]byte("sAlT"))
	}
	return h.Sum(nil)[:min(len(c.key)+5, 16)]
}

func (c *crypt) decrypt(m method, ref Ref, data []byte) ([]byte, error) {
	switch m {
	case methodNone:
		return data, nil
	case methodRC4:
		return rc4Once(c.objectKey(m, ref), data), nil
	}
	if len(data) < aes.BlockSize {
		return nil, nil // an empty string is sometimes stored without its vector
	}
	block, err := aes.NewCipher(c.objectKey(m, ref))
	if err != nil {
		return nil, fmt.Errorf("cos: decrypt object %s: %w", ref, err)
	}
	body := data[aes.BlockSize:]
	body = body[:len(body)/aes.BlockSize*aes.BlockSize]
	out := make([]byte, len(body))
	cipher.NewCBCDecrypter(block, data[:aes.BlockSize]).CryptBlocks(out, body)
	if len(out) == 0 {
		return out, nil
	}
	pad := int(out[len(out)-1])
	if pad >= 1 && pad <= aes.BlockSize {
		out = out[:len(out)-pad]
	}
	return out, nil
}

func (c *crypt) encrypt(m method, ref Ref, data []byte) ([]byte, error) {
	switch m {
	case methodNone:
		return data, nil
	case methodRC4:
		return rc4Once(c.objectKey(m, ref), data), nil
	}
	block, err := aes.NewCipher(c.objectKey(m, ref))
	if err != nil {
		return nil, fmt.Errorf("cos: encrypt object %s: %w", ref, err)
	}
	pad := aes.BlockSize - len(data)%aes.BlockSize
	body := append(bytes.Clone(data), bytes.Repeat([]byte{byte(pad)}, pad)...)
	out := make([]byte, aes.BlockSize+len(body))
	_, err = rand.Read(out[:aes.BlockSize])
	if err != nil {
		return nil, fmt.Errorf("cos: initial vector: %w", err)
	}
	cipher.NewCBCEncrypter(block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], body)
	return out, nil
}

// decryptObject decrypts the strings of an object in place and gives its
// stream the way to decrypt its bytes.
func (f *File) decryptObject(o Object, ref Ref) {
	c := f.crypt
	if c == nil || ref == c.ref {
		return
	}
	switch t := o.(type) {
	case Dict:
		c.decryptDict(t, ref)
	case Array:
		c.decryptArray(t, ref)
	case *Stream:
		if t.Dict["Type"] == Name("XRef") {
			return
		}
		c.decryptDict(t.Dict, ref)
		m := c.streamMethod(t.Dict)
		if m != methodNone {
			t.src.cipher = func(data []byte) ([]byte, error) { return c.decrypt(m, ref, data) }
		}
	}
}

// streamMethod is the crypt filter of a stream (ISO 32000-2, 7.6.6).
func (c *crypt) streamMethod(d Dict) method {
	filters := list(d["Filter"])
	if len(filters) > 0 && filters[0] == Name("Crypt") {
		params := list(d["DecodeParms"])
		if len(params) > 0 {
			p, _ := params[0].(Dict)
			name, ok := p["Name"].(Name)
			if ok {
				return c.filters[name]
			}
		}
		return methodNone
	}
	if d["Type"] == Name("Metadata") && !c.metadata {
		return methodNone
	}
	return c.streams
}

// clearContents tells whether the dictionary is a signature's, whose /Contents
// is never encrypted (ISO 32000-2, 7.6.2).
func clearContents(d Dict) bool {
	_, isString := d["Contents"].(String)
	return isString && d["ByteRange"] != nil
}

func (c *crypt) decryptDict(d Dict, ref Ref) {
	signature := clearContents(d)
	for k, v := range d {
		if signature && k == "Contents" {
			continue
		}
		d[k] = c.decryptValue(v, ref)
	}
}

func (c *crypt) decryptArray(a Array, ref Ref) {
	for i, v := range a {
		a[i] = c.decryptValue(v, ref)
	}
}

func (c *crypt) decryptValue(o Object, ref Ref) Object {
	switch t := o.(type) {
	case String:
		plain, err := c.decrypt(c.strings, ref, t)
		if err != nil {
			return t
		}
		return String(plain)
	case Dict:
		c.decryptDict(t, ref)
	case Array:
		c.decryptArray(t, ref)
	}
	return o
}
