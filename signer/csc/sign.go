package csc

import (
	"context"
	"encoding/base64"
	"math/big"

	"github.com/antin-gov/antin/signer"
)

// maxNonce bounds a time-stamp's nonce in hexadecimal digits.
const maxNonce = 64

func (s *Server) signHashV1(ctx context.Context, c caller, p params) (int, any, error) {
	return s.signHash(ctx, c, p, mode{}, "hash", "hashAlgo")
}

func (s *Server) signHashV2(ctx context.Context, c caller, p params) (int, any, error) {
	m, err := s.readMode(ctx, p)
	if err != nil {
		return 0, nil, err
	}
	return s.signHash(ctx, c, p, m, "hashes", "hashAlgorithmOID")
}

// signHash signs digests that an authorization allows: all or none.
func (s *Server) signHash(ctx context.Context, c caller, p params, m mode, hashes, hashName string) (int, any, error) {
	k, g, err := s.authorized(ctx, c, p)
	if err != nil {
		return 0, nil, err
	}
	digests, err := p.digests(hashes, true, s.d.Config.MaxSignatures)
	if err != nil {
		return 0, nil, err
	}
	scheme, h, err := p.algorithm(hashName, k.Chain[0].PublicKey)
	if err != nil {
		return 0, nil, err
	}
	if !sized(digests, h) {
		return 0, nil, invalid("Invalid digest value length")
	}
	err = s.use(ctx, g, digests)
	if err != nil {
		return 0, nil, err
	}
	return s.answered(ctx, "signatures/signHash", m, func(ctx context.Context) (map[string]any, error) {
		signatures, err := s.d.Signer.SignHashes(ctx, signer.HashRequest{Key: k.Name, Scheme: scheme, Hash: h, Digests: digests, Factor: g.Factor, Authorization: g.ID})
		if err != nil {
			return nil, err
		}
		return map[string]any{"signatures": base64List(signatures)}, nil
	})
}

// authorized finds the credential and the authorization of a request: its SAD,
// or the access token of the scope "credential" that it came with.
func (s *Server) authorized(ctx context.Context, c caller, p params) (signer.Key, *Grant, error) {
	k, err := s.keyOf(ctx, p)
	if err != nil {
		return signer.Key{}, nil, err
	}
	if c.grant == nil {
		g, err := s.sad(ctx, p, k)
		return k, g, err
	}
	if p.has("SAD") {
		return signer.Key{}, nil, invalid("The SAD stands in the access token and in the request")
	}
	if c.grant.KeyName != k.Name {
		return signer.Key{}, nil, badParameter("credentialID")
	}
	return k, c.grant, nil
}

// timestamp gets a token of the time-stamp authority.
func (s *Server) timestamp(ctx context.Context, _ caller, p params) (int, any, error) {
	text, err := p.text("hash", true)
	if err != nil {
		return 0, nil, err
	}
	oid, err := p.text("hashAlgo", true)
	if err != nil {
		return 0, nil, err
	}
	h, known := hashOf(oid)
	if !known {
		return 0, nil, badParameter("hashAlgo")
	}
	digest, err := decodeBase64(text)
	if err != nil {
		return 0, nil, invalid("Invalid Base64 hash string parameter")
	}
	if len(digest) != h.Size() {
		return 0, nil, invalid("Invalid digest value length")
	}
	text, err = p.text("nonce", false)
	if err != nil {
		return 0, nil, err
	}
	var nonce *big.Int
	if text != "" {
		n, right := new(big.Int).SetString(text, 16)
		if !right || len(text) > maxNonce || n.Sign() < 0 {
			return 0, nil, badParameter("nonce")
		}
		nonce = n
	}
	token, err := s.d.Timestamp(ctx, h, digest, nonce)
	if err != nil {
		return 0, nil, err
	}
	return ok(map[string]any{"timestamp": base64.StdEncoding.EncodeToString(token)}, nil)
}
