package signer

import (
	"fmt"
	"io"

	"github.com/digitorus/pdfsign/verify"
)

// Opinion is what the independent reader (digitorus/pdfsign) says of a signed
// file.
type Opinion string

// Opinions. OpinionDisagrees stops the release; the others are noted with the
// act: the reader does not know RSA-PSS, encrypted files and some structures.
const (
	OpinionAgrees     Opinion = "agrees"
	OpinionDisagrees  Opinion = "disagrees"
	OpinionUnknowing  Opinion = "does-not-know-the-algorithm"
	OpinionUnreadable Opinion = "cannot-read-the-file"
	OpinionTooLarge   Opinion = "over-the-size-limit"
)

// count is how many signatures of a file the reader finds mathematically right
// and wrong. A file that it cannot read counts none.
type count struct{ right, wrong int }

// readByOther lets the independent reader count. Trust is not its question
// here: only the mathematics of digest and signature.
func readByOther(file io.ReaderAt, size int64) (count, error) {
	response, err := verify.VerifyWithOptions(file, size, &verify.VerifyOptions{AllowUntrustedRoots: true})
	if err != nil {
		return count{}, fmt.Errorf("independent reader: %w", err)
	}
	var c count
	for _, s := range response.Signers {
		if s.ValidSignature {
			c.right++
		} else {
			c.wrong++
		}
	}
	return c, nil
}

// secondOpinion compares what the reader finds after signing with what it
// found before: one more right signature is agreement; one more wrong one is
// disagreement, unless the scheme is one that it does not know.
func secondOpinion(before count, file io.ReaderAt, size int64, scheme Scheme) Opinion {
	after, err := readByOther(file, size)
	switch {
	case err != nil:
		return OpinionUnreadable
	case after.wrong > before.wrong && scheme == SchemePSS:
		return OpinionUnknowing
	case after.wrong > before.wrong:
		return OpinionDisagrees
	case after.right > before.right:
		return OpinionAgrees
	case scheme == SchemePSS:
		return OpinionUnknowing
	default:
		return OpinionUnreadable
	}
}
