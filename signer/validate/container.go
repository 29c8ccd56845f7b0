package validate

import (
	"bytes"
	"context"
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"

	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/tsp"
)

// maxContainer bounds a CMS file in bytes; those with content inside are the
// large ones.
const maxContainer = 128 << 20

// IsContainer tells by its first bytes whether a file is a CMS signature, in
// DER, BER or PEM.
func IsContainer(head []byte) bool {
	return cms.IsSignedData(head) || pemKind(head)
}

func pemKind(head []byte) bool {
	return bytes.HasPrefix(head, []byte("-----BEGIN CMS-----")) || bytes.HasPrefix(head, []byte("-----BEGIN PKCS7-----"))
}

// Container judges a CMS signature by itself (CAdES, or any SignedData of RFC
// 5652), each signer for itself. content is what a detached one is over; nil
// when it is not at hand, and not used when the container holds its content.
// The error is ErrUnreadable when the file is no CMS signature, or what kept
// the input from being read.
func Container(ctx context.Context, in, content io.Reader, o Options) (*Report, error) {
	o.Policy = o.policy()
	data, err := io.ReadAll(io.LimitReader(in, maxContainer+1))
	if err != nil {
		return nil, fmt.Errorf("read signature: %w", err)
	}
	list, err := observeContainer(data, content, o.Policy)
	if err != nil {
		return nil, err
	}
	return judgeObjects(ctx, list, o), nil
}

// observeContainer reads the container and digests the content once.
func observeContainer(data []byte, content io.Reader, p *Policy) ([]*object, error) {
	if len(data) > maxContainer {
		return nil, fmt.Errorf("%w: CMS file over %d bytes", ErrUnreadable, maxContainer)
	}
	if pemKind(data) {
		block, _ := pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("%w: PEM without end", ErrUnreadable)
		}
		data = block.Bytes
	}
	if !cms.IsSignedData(data) {
		return nil, fmt.Errorf("%w: not a CMS signature", ErrUnreadable)
	}
	der, reencoded, err := cms.Normalize(data)
	if err != nil {
		return []*object{brokenContainer(err, p)}, nil
	}
	signers, err := cms.ParseAll(der)
	if err != nil {
		return []*object{brokenContainer(err, p)}, nil
	}
	sums, err := contentDigests(signers, content)
	if err != nil {
		return nil, err
	}
	var list []*object
	for n, signed := range signers {
		field := ""
		if len(signers) > 1 {
			field = strconv.Itoa(n + 1)
		}
		one := newObject(field, "CAdES", p)
		if reencoded {
			one.note(CodeEncoding)
		}
		one.observeSigner(signed, sums)
		list = append(list, one)
	}
	return list, nil
}

func brokenContainer(err error, p *Policy) *object {
	one := newObject("", "CAdES", p)
	one.fail(SubFormat, containerCode(err))
	return one
}

// contentDigests reads the content once for the hashes that are asked of it.
// Without content there are none.
func contentDigests(signers []*cms.SignedData, content io.Reader) (digests, error) {
	if signers[0].Content != nil {
		content = bytes.NewReader(signers[0].Content)
	}
	if content == nil {
		return nil, nil
	}
	states := map[crypto.Hash]hash.Hash{}
	want := func(h crypto.Hash) {
		if h != 0 && states[h] == nil {
			states[h] = h.New()
		}
	}
	for _, signed := range signers {
		want(signed.Signer.Digest)
		for _, der := range signed.Signer.Archive {
			token, err := tsp.ParseToken(der)
			if err == nil {
				want(token.Hash)
			}
		}
	}
	var writers []io.Writer
	for _, state := range states {
		writers = append(writers, state)
	}
	_, err := io.Copy(io.MultiWriter(writers...), content)
	if err != nil {
		return nil, fmt.Errorf("read content: %w", err)
	}
	sums := digests{}
	for h, state := range states {
		sums[h] = state.Sum(nil)
	}
	return sums, nil
}

// observeSigner checks one signer's signature over the content.
func (o *object) observeSigner(signed *cms.SignedData, sums digests) {
	info := signed.Signer
	o.signed, o.hash = signed, info.Digest
	o.claim(info.ClaimedTime)
	if info.CertificateID == nil {
		o.plain, o.format = true, "CMS"
	}
	if !info.HasAttributes {
		o.doubt(SubSignatureConstraint, CodeNoAttributes)
	}
	cert, err := signed.SignerCertificate()
	o.setSigner(cert)
	if errors.Is(err, cms.ErrSigningCertificate) {
		o.fail(SubSignatureConstraint, CodeSignerMismatch)
	}
	if sums == nil {
		o.doubt(SubNoData, CodeNoData)
		return
	}
	if info.AlgorithmErr != nil {
		o.doubt(SubCryptoConstraints, CodeAlgorithm)
		return
	}
	digest := sums[info.Digest]
	if cert == nil {
		if info.HasAttributes && !sums.equal(info.Digest, info.MessageDigest) {
			o.fail(SubHash, CodeDigest)
		}
		o.doubt(SubNoSigner, CodeNoSigner)
		return
	}
	o.verified(signed.Verify(cert, digest))
	for _, der := range info.Archive {
		o.archive = append(o.archive, archiveStamp{der: der, octets: func(token *tsp.Token) ([]byte, error) {
			index, err := signed.ArchiveIndex(token.Signed)
			if err != nil {
				return nil, err
			}
			return signed.ArchiveImprint(token.Hash, sums[token.Hash], index)
		}})
	}
}

// verified notes what verifying the signature value came to.
func (o *object) verified(err error) {
	switch {
	case err == nil:
		o.Integrity, o.Coverage = Intact, CoversFile
	case errors.Is(err, cms.ErrDigest):
		o.fail(SubHash, CodeDigest)
	case errors.Is(err, cms.ErrAlgorithm):
		o.doubt(SubCryptoConstraints, CodeAlgorithm)
	default:
		o.fail(SubSignature, CodeSignatureValue)
	}
}
