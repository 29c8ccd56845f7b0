package quic

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// Versions that are read (RFC 9000 §15, RFC 9369 §3.1, and the last drafts).
const (
	version1  = 0x00000001
	version2  = 0x6b3343cf
	draft29   = 0xff00001d
	draft34   = 0xff000022
	draft23   = 0xff000017
	lastOfOld = 0xff00001c
)

// salt is the version's (RFC 9001 §5.2, RFC 9369 §3.3.1); nil when the version
// is not known.
func salt(version uint32) []byte {
	switch {
	case version == version1, version == 0xff000021, version == draft34:
		return []byte("\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a")
	case version == version2:
		return []byte("\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9")
	case version >= draft29 && version < 0xff000021:
		return []byte("\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99")
	case version >= draft23 && version <= lastOfOld:
		return []byte("\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02")
	}
	return nil
}

// versionName is the version as records have it.
func versionName(version uint32) string {
	switch {
	case version == version1:
		return "1"
	case version == version2:
		return "2"
	case version>>8 == 0xff0000:
		return fmt.Sprintf("draft-%d", version&0xff)
	}
	return fmt.Sprintf("%08x", version)
}

// keys open the Initial packets of one direction.
type keys struct {
	aead   cipher.AEAD
	header cipher.Block
	iv     []byte
}

// initialKeys derives the keys of client and server from the connection id
// that the client chose (RFC 9001 §5.2).
func initialKeys(version uint32, id []byte) (out [2]*keys, err error) {
	secret, err := hkdf.Extract(sha256.New, id, salt(version))
	if err != nil {
		return out, fmt.Errorf("quic: keys: %w", err)
	}
	prefix := "quic "
	if version == version2 {
		prefix = "quicv2 "
	}
	for i, label := range [...]string{"client in", "server in"} {
		side, err := expand(secret, label, sha256.Size)
		if err != nil {
			return out, err
		}
		out[i], err = newKeys(side, prefix)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func newKeys(secret []byte, prefix string) (*keys, error) {
	const keyLength, ivLength = 16, 12
	key, err := expand(secret, prefix+"key", keyLength)
	if err != nil {
		return nil, err
	}
	iv, err := expand(secret, prefix+"iv", ivLength)
	if err != nil {
		return nil, err
	}
	hp, err := expand(secret, prefix+"hp", keyLength)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("quic: keys: %w", err)
	}
	k := &keys{iv: iv}
	k.aead, err = cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("quic: keys: %w", err)
	}
	k.header, err = aes.NewCipher(hp)
	if err != nil {
		return nil, fmt.Errorf("quic: keys: %w", err)
	}
	return k, nil
}

// expand is HKDF-Expand-Label (RFC 8446 §7.1) without context.
func expand(secret []byte, label string, length int) ([]byte, error) {
	label = "tls13 " + label
	info := append([]byte{byte(length >> 8), byte(length), byte(len(label))}, label...)
	out, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), length)
	if err != nil {
		return nil, fmt.Errorf("quic: keys: %w", err)
	}
	return out, nil
}

// open takes header protection and encryption off a packet (RFC 9001 §5.3,
// §5.4): number is where the packet number begins. The packet is not changed.
func (k *keys) open(packet []byte, number int) ([]byte, bool) {
	const sample = 16
	if len(packet) < number+4+sample {
		return nil, false
	}
	var mask [aes.BlockSize]byte
	k.header.Encrypt(mask[:], packet[number+4:number+4+sample])
	first := packet[0] ^ mask[0]&0x0f
	length := int(first&3) + 1
	head := append([]byte(nil), packet[:number+length]...)
	head[0] = first
	nonce := append([]byte(nil), k.iv...)
	for i := range length {
		head[number+i] ^= mask[1+i]
		nonce[len(nonce)-length+i] ^= head[number+i]
	}
	out, err := k.aead.Open(nil, nonce, packet[number+length:], head)
	return out, err == nil
}
