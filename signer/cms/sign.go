package cms

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"
)

const (
	// minRSABits is the least modulus of TT 15/2025/TT-BKHCN.
	minRSABits = 2048
	// minECBits is the least curve of the same text.
	minECBits = 256
	// MaxAttached is the most content, in bytes, that goes into a container.
	MaxAttached = maxAttached - maxSize
)

// Params say who signs and how.
type Params struct {
	// Signer holds the key, in a token or in memory.
	Signer crypto.Signer
	// Chain is the certificate path to embed, the signer's first.
	Chain []*x509.Certificate
	// Hash is the digest algorithm over content and attributes.
	Hash crypto.Hash
	// PSS asks for RSASSA-PSS with an RSA key.
	PSS bool
	// SigningTime, when set, is claimed in the signing-time attribute, which
	// CAdES asks for (EN 319 122-1 §6.3) and PAdES forbids.
	SigningTime time.Time
	// Attached puts Content, which the digest must be over, into the
	// container.
	Attached bool
	Content  []byte
	// Timestamp, when set, returns a time-stamp token over the given digest
	// (of the signature value); it becomes the signature-time-stamp
	// attribute.
	Timestamp func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error)
}

// Sign makes a SignedData, detached unless p says otherwise, over a content with the given digest
// (computed with p.Hash). The signed attributes are content-type,
// message-digest and signing-certificate-v2, and signing-time where asked for:
// EN 319 142-1 table 1 forbids it in PAdES baseline signatures.
func Sign(ctx context.Context, digest []byte, p Params) ([]byte, error) {
	algorithm, err := p.check()
	if err != nil {
		return nil, err
	}
	if len(digest) != p.Hash.Size() {
		return nil, fmt.Errorf("%w: digest of %d bytes, %v has %d", ErrRefused, len(digest), p.Hash, p.Hash.Size())
	}
	attrs, err := signedAttributes(digest, p.Chain[0], p.SigningTime)
	if err != nil {
		return nil, err
	}
	encoded, err := encodeForSignature(attrs)
	if err != nil {
		return nil, fmt.Errorf("encode attributes: %w", err)
	}
	signature, err := signAttributes(p.Signer, algorithm, encoded)
	if err != nil {
		return nil, fmt.Errorf("sign attributes: %w", err)
	}
	var token []byte
	if p.Timestamp != nil {
		token, err = p.stamp(ctx, signature)
		if err != nil {
			return nil, err
		}
	}
	der, err := assemble(p, algorithm, attrs, signature, token)
	if err != nil {
		return nil, err
	}
	err = selfCheck(der, digest, p)
	if err != nil {
		return nil, fmt.Errorf("signature made does not verify: %w", err)
	}
	return der, nil
}

// MaxSize bounds the length of what Sign returns for these parameters with a
// time-stamp token of tokenSize bytes. It never signs.
func MaxSize(p Params, tokenSize int) int {
	// Names, attributes, identifiers and lengths around the certificates;
	// the issuer's name stands a second time in the signer identifier.
	const overhead = 1024
	size := overhead + tokenSize + len(p.Content)
	for _, cert := range p.Chain {
		size += len(cert.Raw)
	}
	if len(p.Chain) == 0 {
		return size
	}
	size += len(p.Chain[0].RawIssuer)
	switch key := p.Chain[0].PublicKey.(type) {
	case *rsa.PublicKey:
		size += key.Size()
	case *ecdsa.PublicKey:
		size += 2*((key.Curve.Params().BitSize+7)/8) + 16
	default:
		size += ed25519.SignatureSize
	}
	return size
}

// check refuses what must not be signed and tells the algorithm otherwise.
func (p Params) check() (Algorithm, error) {
	refuse := func(format string, args ...any) (Algorithm, error) {
		return Algorithm{}, fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
	}
	if len(p.Content) > MaxAttached {
		return refuse("attached content of %d bytes, at most %d are taken: sign it detached", len(p.Content), MaxAttached)
	}
	if p.Signer == nil || len(p.Chain) == 0 {
		return refuse("signer and certificate are needed")
	}
	for _, cert := range p.Chain {
		if cert == nil {
			return refuse("nil certificate in the chain")
		}
	}
	_, err := HashOID(p.Hash)
	if err != nil {
		return refuse("hash %d is not known", uint(p.Hash))
	}
	if WeakHash(p.Hash) {
		return refuse("hash %v is too weak", p.Hash)
	}
	type equaler interface{ Equal(crypto.PublicKey) bool }
	key, ok := p.Signer.Public().(equaler)
	if !ok || !key.Equal(p.Chain[0].PublicKey) {
		return refuse("the certificate is not for this key")
	}
	switch pub := p.Chain[0].PublicKey.(type) {
	case *rsa.PublicKey:
		if pub.N.BitLen() < minRSABits {
			return refuse("RSA key of %d bits, at least %d are asked for", pub.N.BitLen(), minRSABits)
		}
		if p.PSS {
			return Algorithm{Scheme: SchemePSS, Hash: p.Hash, SaltLength: p.Hash.Size()}, nil
		}
		return Algorithm{Scheme: SchemeRSA, Hash: p.Hash}, nil
	case *ecdsa.PublicKey:
		if p.PSS {
			return refuse("RSASSA-PSS asked of an ECDSA key")
		}
		if pub.Curve.Params().BitSize < minECBits {
			return refuse("curve of %d bits, at least %d are asked for", pub.Curve.Params().BitSize, minECBits)
		}
		return Algorithm{Scheme: SchemeECDSA, Hash: p.Hash}, nil
	case ed25519.PublicKey:
		if p.PSS {
			return refuse("RSASSA-PSS asked of an Ed25519 key")
		}
		// RFC 8419 §3: with signed attributes the digest is SHA-512.
		if p.Hash != crypto.SHA512 {
			return refuse("Ed25519 goes with SHA-512")
		}
		return Algorithm{Scheme: SchemeEd25519, Hash: p.Hash}, nil
	default:
		return refuse("key type %T", pub)
	}
}

// ImprintHash is the algorithm with which a time-stamp is asked for: that of the
// signature, but of SHA-2 where the signature has one of SHA-3, which few
// time-stamping authorities know.
func ImprintHash(h crypto.Hash) crypto.Hash {
	switch h {
	case crypto.SHA3_256:
		return crypto.SHA256
	case crypto.SHA3_384:
		return crypto.SHA384
	case crypto.SHA3_512:
		return crypto.SHA512
	}
	return h
}

func (p Params) stamp(ctx context.Context, signature []byte) ([]byte, error) {
	// The imprint is over the signature value, not over the document
	// (RFC 3161 appendix A).
	imprint := ImprintHash(p.Hash)
	h := imprint.New()
	h.Write(signature)
	token, err := p.Timestamp(ctx, imprint, h.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("signature time-stamp: %w", err)
	}
	_, err = ParseToken(token)
	if err != nil {
		return nil, fmt.Errorf("signature time-stamp: %w", err)
	}
	return token, nil
}

func signAttributes(signer crypto.Signer, algorithm Algorithm, encoded []byte) ([]byte, error) {
	if algorithm.Scheme == SchemeEd25519 {
		return signer.Sign(rand.Reader, encoded, crypto.Hash(0))
	}
	h := algorithm.Hash.New()
	h.Write(encoded)
	var opts crypto.SignerOpts = algorithm.Hash
	if algorithm.Scheme == SchemePSS {
		opts = &rsa.PSSOptions{SaltLength: algorithm.SaltLength, Hash: algorithm.Hash}
	}
	return signer.Sign(rand.Reader, h.Sum(nil), opts)
}

// selfCheck reads the result as a stranger would and verifies it with the
// certificate's public key: a faulty token must not put a broken signature
// into a document.
func selfCheck(der, digest []byte, p Params) error {
	form := formDetached
	if p.Attached {
		form = formAny
	}
	signed, err := parse(der, form)
	if err != nil {
		return err
	}
	if p.Attached {
		err = signed.VerifyContent(p.Chain[0])
		if err != nil {
			return err
		}
	}
	return signed.Verify(p.Chain[0], digest)
}

// Check refuses what must not be signed, as Sign does, and tells the algorithm
// otherwise.
func (p Params) Check() (Algorithm, error) { return p.check() }

// SignDigest signs a digest that was computed with the algorithm's hash. Not
// for Ed25519, which signs no digests.
func SignDigest(signer crypto.Signer, algorithm Algorithm, digest []byte) ([]byte, error) {
	switch algorithm.Scheme {
	case SchemeRSA, SchemeECDSA:
		return signer.Sign(rand.Reader, digest, algorithm.Hash)
	case SchemePSS:
		return signer.Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: algorithm.SaltLength, Hash: algorithm.Hash})
	}
	return nil, fmt.Errorf("%w: %s over a digest", ErrRefused, algorithm.Scheme)
}
