package csc

import (
	"context"
	"encoding/base64"
	"errors"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer"
)

// signDoc signs documents, or digests of documents, all or none, through the
// signer's own way: judged, recorded, signed, read again, recorded, released.
// The SAD is bound to the digests by the hash algorithm of each signature.
func (s *Server) signDoc(ctx context.Context, c caller, p params) (int, any, error) {
	k, g, err := s.authorized(ctx, c, p)
	if err != nil {
		return 0, nil, err
	}
	m, err := s.readMode(ctx, p)
	if err != nil {
		return 0, nil, err
	}
	papers, err := s.readPapers(p, k)
	if err != nil {
		return 0, nil, err
	}
	var digests [][]byte
	for i := range papers {
		digests = append(digests, papers[i].digest)
		papers[i].request.Key, papers[i].request.Factor, papers[i].request.Authorization = k.Name, g.Factor, g.ID
	}
	err = s.use(ctx, g, digests)
	var fault *Fault
	if errors.As(err, &fault) {
		return 0, nil, invalid("documentDigests or documents are not authorized by the SAD")
	}
	if err != nil {
		return 0, nil, err
	}
	return s.answered(ctx, "signatures/signDoc", m, func(ctx context.Context) (map[string]any, error) { return s.signPapers(ctx, papers) })
}

// signPapers signs one after the other. When one fails, those before it do not
// leave, and their records say so. What is in one file with its document and
// what stands beside it are told apart (v2 §11.10).
func (s *Server) signPapers(ctx context.Context, papers []paper) (map[string]any, error) {
	var acts []*signer.Act
	answer := map[string]any{}
	var within, beside []string
	var evidence trust.Evidence
	for _, d := range papers {
		signed, act, err := s.signPaper(ctx, d)
		if err != nil {
			return nil, s.withdraw(ctx, acts, err)
		}
		acts = append(acts, act)
		evidence.Add(act.Evidence)
		text := base64.StdEncoding.EncodeToString(signed)
		if d.detached {
			beside = append(beside, text)
		} else {
			within = append(within, text)
		}
	}
	if within != nil {
		answer["DocumentWithSignature"] = within
	}
	if beside != nil {
		answer["SignatureObject"] = beside
	}
	if papers[0].request.Evidence {
		answer["validationInfo"] = validationInfo(evidence)
	}
	return answer, nil
}

func (s *Server) signPaper(ctx context.Context, d paper) ([]byte, *signer.Act, error) {
	q := d.request
	if d.document != nil {
		return s.d.Signer.SignBytes(ctx, d.document, q)
	}
	return s.d.Signer.SignDigest(ctx, signer.DigestRequest{
		Key: q.Key, Scheme: q.Scheme, Format: q.Format, Level: q.Level, Hash: q.Hash, Digest: d.digest, Evidence: q.Evidence,
		Factor: q.Factor, Authorization: q.Authorization,
	})
}

// withdraw takes back what was made before one failed.
func (s *Server) withdraw(ctx context.Context, acts []*signer.Act, why error) error {
	for _, a := range acts {
		failed := s.d.Signer.Withdraw(ctx, a, why)
		if errors.Is(failed, signer.ErrRecord) {
			why = failed
		}
	}
	return why
}

// validationInfo is what proves the certificates of signers, time-stamps and
// responders (v2 §11.10).
func validationInfo(e trust.Evidence) map[string]any {
	certificates := make([][]byte, 0, len(e.Certificates))
	for _, c := range e.Certificates {
		certificates = append(certificates, c.Raw)
	}
	return map[string]any{"ocsp": base64List(e.OCSPs), "crl": base64List(e.CRLs), "certificates": base64List(certificates)}
}

func base64List(list [][]byte) []string {
	out := make([]string, 0, len(list))
	for _, b := range list {
		out = append(out, base64.StdEncoding.EncodeToString(b))
	}
	return out
}
