package pades

import (
	"fmt"
	"io"
	"sort"
	"time"

	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/tsp"
)

// ProtectedUntil tells how long what a file holds proves its signatures: until
// the certificate of the last archive time-stamp ends that covers them; for a
// signature that none covers until that of its own time-stamp ends where
// validation data is there, and until the signer's otherwise (EN 319 142-1
// §5.5). Before that day the file is to be extended. The time is zero when the
// file has no signature. Nothing is verified.
func ProtectedUntil(in io.ReaderAt, size int64, limits cos.Limits) (time.Time, error) {
	var until time.Time
	d, err := openDocument(in, size, "", limits)
	if err != nil {
		return until, err
	}
	f, err := d.readForm()
	if err != nil {
		return until, err
	}
	var list []present
	for _, field := range f.signatures() {
		if len(list) == maxExtended {
			return until, refuse(CodeTooLarge, fmt.Sprintf("more than %d signatures", maxExtended))
		}
		p, err := d.readSignature(field)
		if err != nil {
			return until, err
		}
		list = append(list, p)
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].end < list[j].end })
	stored := len(d.view.Array(d.view.Dict(d.root["DSS"])["Certs"])) > 0
	for _, p := range list {
		if p.token != nil {
			if p.token.Signer != nil {
				until = p.token.Signer.NotAfter // it covers all before it
			}
			continue
		}
		end, ok := signatureEnd(p.signed, stored)
		if ok && (until.IsZero() || end.Before(until)) {
			until = end
		}
	}
	return until, nil
}

// signatureEnd is when what a signature carries itself ends.
func signatureEnd(signed *cms.SignedData, stored bool) (time.Time, bool) {
	if stored {
		for _, der := range signed.Signer.Timestamps {
			token, err := tsp.ParseToken(der)
			if err == nil && token.Signer != nil {
				return token.Signer.NotAfter, true
			}
		}
	}
	cert, err := signed.SignerCertificate()
	if err != nil {
		return time.Time{}, false
	}
	return cert.NotAfter, true
}
