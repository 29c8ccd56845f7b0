package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/validate"
)

// Verified is what verifying one document took, with the analysis of what each
// revision changed. Revocation data comes from the document alone.
type Verified struct {
	Document   int64 `json:"document_bytes"`
	Signatures int   `json:"signatures"`
	Revisions  int   `json:"revisions"`
	// Seconds is the fastest of the rounds.
	Seconds float64 `json:"seconds"`
	// CPU is the least processor time of the rounds, in seconds.
	CPU    float64 `json:"cpu_seconds"`
	Passed int     `json:"passed"` // signatures that are TOTAL-PASSED
}

// Verify signs a document of a size n times, with the keys in turn, and
// verifies it.
func (s System) Verify(ctx context.Context, o Options, level pades.Level, size int64, n int, progress func()) (Verified, error) {
	data, err := s.manySignatures(ctx, o.Keys, level, size, n, progress)
	if err != nil {
		return Verified{}, err
	}
	return s.verify(ctx, o, data, n)
}

func (s System) manySignatures(ctx context.Context, keys []string, level pades.Level, size int64, n int, progress func()) ([]byte, error) {
	var document bytes.Buffer
	err := Document(&document, size)
	if err != nil {
		return nil, err
	}
	data := document.Bytes()
	for i := range n {
		key := keys[i%len(keys)]
		private, err := s.Signer(ctx, key)
		if err != nil {
			return nil, err
		}
		chain, err := s.Chain(ctx, key)
		if err != nil {
			return nil, err
		}
		out := &memory{data: make([]byte, 0, len(data)+256<<10)}
		_, err = pades.Sign(ctx, bytes.NewReader(data), int64(len(data)), out, s.options(private, chain, level))
		if err != nil {
			return nil, fmt.Errorf("signature %d: %w", i+1, err)
		}
		data = out.data
		progress()
	}
	return data, nil
}

func (s System) verify(ctx context.Context, o Options, data []byte, n int) (Verified, error) {
	anchors, err := s.Anchors(ctx)
	if err != nil {
		return Verified{}, err
	}
	v := Verified{Document: int64(len(data)), Signatures: n, Seconds: -1, CPU: -1}
	for range o.Rounds {
		before, err := hsm.ProcessTime(os.Getpid())
		if err != nil {
			return v, err
		}
		began := time.Now()
		report, err := validate.Validate(ctx, bytes.NewReader(data), int64(len(data)), validate.Options{Store: anchors})
		if err != nil {
			return v, err
		}
		took := time.Since(began).Seconds()
		after, err := hsm.ProcessTime(os.Getpid())
		if err != nil {
			return v, err
		}
		v.Seconds, v.CPU = least(v.Seconds, took), least(v.CPU, (after-before).Seconds())
		v.Passed = 0
		for _, one := range report.Signatures {
			if one.Verdict == validate.Passed {
				v.Passed++
			}
		}
		v.Revisions = bytes.Count(data, []byte("\nstartxref\n"))
	}
	return v, nil
}

// Point is one place of a curve.
type Point struct {
	Document   int64   `json:"document_bytes"`
	Signatures int     `json:"signatures"`
	Sign       float64 `json:"sign_seconds,omitempty"`
	Verify     float64 `json:"verify_seconds"`
}

// Growth measures signing and verifying at B-B with the document's size, from
// file to file.
func (s System) Growth(ctx context.Context, o Options, sizes []int64) ([]Point, error) {
	private, err := s.Signer(ctx, o.Keys[0])
	if err != nil {
		return nil, err
	}
	chain, err := s.Chain(ctx, o.Keys[0])
	if err != nil {
		return nil, err
	}
	how := s.options(private, chain, pades.LevelB)
	var points []Point
	for _, size := range sizes {
		path, err := documentFile(s.Dir, size)
		if err != nil {
			return nil, err
		}
		p := Point{Document: size, Signatures: 1, Sign: -1, Verify: -1}
		for range o.Rounds {
			sign, verify, err := s.signAndVerify(ctx, path, how, o.Time/4)
			if err != nil {
				return nil, err
			}
			p.Sign, p.Verify = least(p.Sign, sign), least(p.Verify, verify)
		}
		points = append(points, p)
	}
	return points, nil
}

// least is the smaller time; a negative one is none.
func least(known, now float64) float64 {
	if known < 0 {
		return now
	}
	return min(known, now)
}

func (s System) signAndVerify(ctx context.Context, path string, how pades.Options, during time.Duration) (sign, verify float64, err error) {
	sign, err = s.each(during, path, func(in *os.File, size int64, out *os.File) error {
		_, err := pades.Sign(ctx, in, size, out, how)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	verify, err = s.each(during, filepath.Join(s.Dir, outFile), func(in *os.File, size int64, _ *os.File) error {
		_, err := validate.Validate(ctx, in, size, validate.Options{})
		return err
	})
	return sign, verify, err
}

// Revisions measures verifying with the number of signatures, each of which is
// one more revision or two.
func (s System) Revisions(ctx context.Context, o Options, level pades.Level, size int64, counts []int, progress func()) ([]Point, error) {
	var points []Point
	for _, n := range counts {
		v, err := s.Verify(ctx, o, level, size, n, progress)
		if err != nil {
			return nil, err
		}
		points = append(points, Point{Document: v.Document, Signatures: n, Verify: v.Seconds})
	}
	return points, nil
}
