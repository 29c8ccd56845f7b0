package client

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/pades"
)

const (
	oidSHA256          = "2.16.840.1.101.3.4.2.1"
	oidSHA384          = "2.16.840.1.101.3.4.2.2"
	oidSHA512          = "2.16.840.1.101.3.4.2.3"
	oidECDSAWithSHA256 = "1.2.840.10045.4.3.2"
	oidSHA256WithRSA   = "1.2.840.113549.1.1.11"
	oidPSS             = "1.2.840.113549.1.1.10"
)

// Algorithm is how a signature is asked for.
type Algorithm struct {
	OID    string
	Params []byte // DER, for RSASSA-PSS
	PSS    bool
}

// AlgorithmOf is the algorithm for a credential with SHA-256: ECDSA, or for RSA
// PSS where it is asked for.
func AlgorithmOf(c *Credential, pss bool) (Algorithm, error) {
	a := Algorithm{OID: oidSHA256WithRSA}
	_, ec := c.Chain[0].PublicKey.(*ecdsa.PublicKey)
	if ec {
		a.OID = oidECDSAWithSHA256
	} else if pss {
		params, err := pssParams()
		if err != nil {
			return a, err
		}
		a = Algorithm{OID: oidPSS, Params: params, PSS: true}
	}
	if !slices.Contains(c.Key.Algo, a.OID) {
		return a, fmt.Errorf("%w: %s does not sign by %s", ErrAnswer, c.ID, a.OID)
	}
	return a, nil
}

// pssParams are RSASSA-PSS-params of SHA-256 (RFC 4055 §3.1).
func pssParams() ([]byte, error) {
	sha := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, Parameters: asn1.NullRawValue}
	inner, err := asn1.Marshal(sha)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct {
		Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
		MGF  pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
		Salt int                      `asn1:"explicit,tag:2"`
	}{sha, pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}, Parameters: asn1.RawValue{FullBytes: inner}}, crypto.SHA256.Size()})
}

// Paper is a document to be signed: Prepared is written to Out by Prepare.
type Paper struct {
	In   io.ReaderAt
	Size int64
	Out  pades.Output

	prepared *pades.Prepared
	digest   []byte // of the signed attributes: what the key signs
}

// Prepare writes each document with an empty signature and returns the digests
// of the signed attributes, for which a SAD is asked.
func Prepare(ctx context.Context, papers []*Paper, chain []*x509.Certificate, a Algorithm, stamped bool, now time.Time) ([][]byte, error) {
	var digests [][]byte
	for _, p := range papers {
		o := pades.Options{Chain: chain, Level: pades.LevelB, Now: now, PSS: a.PSS}
		if stamped { // only so that the room for the token is kept
			o.Level = pades.LevelT
			o.Timestamp = func(context.Context, crypto.Hash, []byte) ([]byte, error) { return nil, errElsewhere }
		}
		var err error
		p.prepared, err = pades.Prepare(ctx, p.In, p.Size, p.Out, o)
		if err != nil {
			return nil, err
		}
		probe := &elsewhere{public: chain[0].PublicKey}
		_, err = cms.Sign(ctx, p.prepared.Digest, cms.Params{Signer: probe, Chain: chain, Hash: crypto.SHA256, PSS: a.PSS})
		if !errors.Is(err, errElsewhere) {
			return nil, fmt.Errorf("digest of the signed attributes: %w", err)
		}
		p.digest = probe.digest
		digests = append(digests, p.digest)
	}
	return digests, nil
}

// Complete puts a signature of the service into each document; stamp, when
// given, adds a time-stamp.
func Complete(ctx context.Context, papers []*Paper, chain []*x509.Certificate, a Algorithm, signatures [][]byte, stamp func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error)) error {
	if len(signatures) != len(papers) {
		return fmt.Errorf("%w: %d signatures for %d documents", ErrAnswer, len(signatures), len(papers))
	}
	for i, p := range papers {
		key := &elsewhere{public: chain[0].PublicKey, signature: signatures[i]}
		container, err := cms.Sign(ctx, p.prepared.Digest, cms.Params{Signer: key, Chain: chain, Hash: crypto.SHA256, PSS: a.PSS, Timestamp: stamp})
		if err != nil {
			return err
		}
		err = p.prepared.Complete(p.Out, container)
		if err != nil {
			return err
		}
	}
	return nil
}

// errElsewhere stops the making of a container where the key is needed.
var errElsewhere = errors.New("csc client: the key is elsewhere")

// elsewhere is a key that the service holds: it notes what is to be signed, and
// gives the signature that the service made.
type elsewhere struct {
	public            crypto.PublicKey
	digest, signature []byte
}

func (e *elsewhere) Public() crypto.PublicKey { return e.public }

func (e *elsewhere) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	e.digest = digest
	if e.signature == nil {
		return nil, errElsewhere
	}
	return e.signature, nil
}
