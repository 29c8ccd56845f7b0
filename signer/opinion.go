package signer

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"github.com/digitorus/pdfsign/verify"

	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/validate"
)

// Opinion is what the independent reader (digitorus/pdfsign) says of a signed
// file.
type Opinion string

// Opinions. OpinionDisagrees stops the release; the others are noted with the
// act: the reader does not know RSA-PSS, encrypted files and some structures.
// Whatever it does not confirm, our own verification must.
const (
	OpinionAgrees     Opinion = "agrees"
	OpinionDisagrees  Opinion = "disagrees"
	OpinionUnknowing  Opinion = "does-not-know-the-algorithm"
	OpinionUnreadable Opinion = "cannot-read-the-file"
	OpinionTooLarge   Opinion = "over-the-size-limit"
	// OpinionAlone: there is no independent reader of this format.
	OpinionAlone Opinion = "no-reader-of-this-format"
)

// count is how many signatures of a file the reader finds mathematically right
// and wrong. A file that it cannot read counts none.
type count struct{ right, wrong int }

// readHere lets the independent reader count in this process. Trust is not its
// question here: only the mathematics of digest and signature.
func readHere(file io.ReaderAt, size int64) (count, error) {
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

// readerKnows tells whether the independent readers know an algorithm: none
// of them knows RSA-PSS, Ed25519 and SHA-3.
func readerKnows(scheme Scheme, h crypto.Hash) bool {
	return scheme != SchemePSS && scheme != SchemeEd25519 && slices.Contains([]crypto.Hash{0, crypto.SHA256, crypto.SHA384, crypto.SHA512}, h)
}

// secondOpinion compares what the reader finds after signing with what it
// found before: one more right signature is agreement; one more wrong one is
// disagreement, unless the scheme is one that it does not know.
func secondOpinion(ctx context.Context, read reader, before count, file io.ReaderAt, size int64, knows bool) Opinion {
	after, err := read(ctx, file, size)
	switch {
	case err != nil:
		return OpinionUnreadable
	case after.wrong > before.wrong && !knows:
		return OpinionUnknowing
	case after.wrong > before.wrong:
		return OpinionDisagrees
	case after.right > before.right:
		return OpinionAgrees
	case !knows:
		return OpinionUnknowing
	default:
		return OpinionUnreadable
	}
}

// examine looks at a new signature before it may leave: the signed document is
// the recorded one with something after it, the independent reader does not
// object, and what it does not confirm our own verification does.
func (s *Service) examine(ctx context.Context, act *Act, q Request, before count, out *os.File, signed *pades.Result) error {
	digest := sha256.New()
	_, err := io.CopyN(digest, io.NewSectionReader(out, 0, signed.Size), q.Size)
	if err != nil {
		return fmt.Errorf("read the result: %w", err)
	}
	if hex.EncodeToString(digest.Sum(nil)) != act.DocumentSHA256 {
		return fmt.Errorf("%w: while it was being signed", ErrChanged)
	}
	_, err = io.Copy(digest, io.NewSectionReader(out, q.Size, signed.Size-q.Size))
	if err != nil {
		return fmt.Errorf("read the result: %w", err)
	}
	opinion := OpinionTooLarge
	if signed.Size <= s.d.SecondOpinionMax {
		read := signed.Size
		if act.Level == string(pades.LevelLTA) {
			// The reader does not know document time-stamps and is asked about
			// the signed revision; our own verification looks at the whole.
			read = signed.Signed
		}
		opinion = secondOpinion(ctx, s.reader(), before, out, read, readerKnows(Scheme(act.Scheme), q.Hash))
	}
	own := opinion != OpinionAgrees || act.Level == string(pades.LevelLTA)
	if opinion != OpinionDisagrees && own && !s.intact(ctx, out, signed, q.Password) {
		opinion = OpinionDisagrees
	}
	act.Opinion = string(opinion)
	if opinion == OpinionDisagrees {
		s.d.Logger.ErrorContext(ctx, "reader disagrees with a new signature", slog.String("act", act.ID))
		return ErrDisagreement
	}
	act.ResultSHA256, act.ResultSize = hex.EncodeToString(digest.Sum(nil)), signed.Size
	return nil
}

// intact asks our own verification, which shares no code with signing above
// the reading of objects, whether the new signature holds. Trust is not asked.
func (s *Service) intact(ctx context.Context, file io.ReaderAt, signed *pades.Result, password string) bool {
	report, err := validate.Validate(ctx, file, signed.Size, validate.Options{Clock: s.d.Clock, Password: password})
	if err != nil {
		return false
	}
	for _, signature := range report.Signatures {
		added := signature.ByteRange[2]+signature.ByteRange[3] > signed.Signed
		if added && (signature.Kind != validate.KindTimestamp || signature.Integrity != validate.Intact) {
			return false
		}
	}
	for _, signature := range report.Signatures {
		if signature.Field == signed.Field && signature.ByteRange == signed.ByteRange {
			return signature.Integrity == validate.Intact && signature.Coverage != validate.CoversPart
		}
	}
	return false
}

// failureCode is what the record keeps of an error: a word, never content.
func failureCode(err error) string {
	var refused *cos.RefusedError
	switch {
	case errors.As(err, &refused):
		return "refused:" + refused.Code
	case errors.Is(err, ErrDisagreement):
		return "disagreement"
	case errors.Is(err, ErrNotExtendable):
		return "not-extendable"
	case errors.Is(err, ErrRecord):
		return "record"
	case errors.Is(err, ErrChanged):
		return "changed"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "cancelled"
	default:
		return "error"
	}
}
