package app_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/validate"
)

// envFull has every document of the corpus signed, and more bytes changed;
// envEveryByte has every byte of the signed ranges changed, which takes hours.
const (
	envFull      = "ANTIN_FULL"
	envEveryByte = "ANTIN_EVERY_BYTE"
)

// Bytes that a normal run and a full one change in each document.
const (
	sampled     = 24
	sampledFull = 400
)

// algorithm is one way of the two demonstration keys to sign.
type algorithm struct {
	name string
	args []string
	// judged tells that NSS, and so pdfsig, knows the algorithm.
	judged bool
}

func algorithms() []algorithm {
	return []algorithm{
		{"ECDSA", []string{"--key", "demo-official"}, true},
		{"RSA PKCS#1 v1.5", []string{"--key", "demo-official-rsa", "--scheme", "rsa-pkcs1"}, true},
		{"RSA-PSS", []string{"--key", "demo-official-rsa", "--scheme", "rsa-pss"}, false},
	}
}

func (p *platform) testReal(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testkit.Data(t, "pdf/real"), "*.pdf"))
	if err != nil || len(files) != 6 {
		t.Fatalf("real documents: %v %v", files, err)
	}
	authorities, root := p.authorities(t)
	total := map[int]int{}
	for _, in := range files {
		for i, a := range algorithms() {
			t.Run(filepath.Base(in)+" by "+a.name, func(t *testing.T) {
				out := filepath.Join(t.TempDir(), "out.pdf")
				p.antin(t, append([]string{"sign", in, "-o", out, "--level", "B-LT"}, a.args...)...).want(t, 0)
				p.accepted(t, in, out, a, root, authorities)
				if i > 0 && os.Getenv(envFull) == "" {
					return
				}
				for status, n := range p.changeBytes(t, out, len(readFile(t, in))) {
					total[status] += n
				}
				p.changePage(t, out)
			})
		}
	}
	t.Logf("changed bytes by exit status: %v", total)
}

// accepted has outside programs and our own judge a signed document.
func (p *platform) accepted(t *testing.T, in, out string, a algorithm, root, authorities string) {
	t.Helper()
	signed := readFile(t, out)
	if !bytes.HasPrefix(signed, readFile(t, in)) {
		t.Error("the input is no prefix of the output")
	}
	if a.judged {
		got := tool(t, "pdfsig", "-nocert", out).want(t, 0)
		wantText(t, got.out, "Signature is Valid")
	}
	tool(t, "qpdf", "--check", out).want(t, 0)
	content, container := signedParts(t, signed)
	dir := t.TempDir()
	cms, data := writeFile(t, filepath.Join(dir, "cms"), container), writeFile(t, filepath.Join(dir, "data"), content)
	got := tool(t, "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", cms, "-content", data, "-CAfile", root, "-purpose", "any", "-out", os.DevNull).want(t, 0)
	wantText(t, got.err, "CMS Verification successful")

	// By the running system's own trust, and by exported certificates alone.
	for _, more := range [][]string{nil, {"--trust", authorities}} {
		var reports []verdict
		p.antin(t, append([]string{"verify", out, "--json"}, more...)...).want(t, 0).decode(t, &reports)
		if len(reports) != 1 || reports[0].Verdict != "TOTAL-PASSED" || len(reports[0].Signatures) != 1 {
			t.Fatalf("verified as %+v", reports)
		}
		s := reports[0].Signatures[0]
		if s.Level != "B-LT" || s.Integrity != "intact" || s.Coverage != "revision" && s.Coverage != "file" || s.Changes == "forbidden" {
			t.Errorf("signature %+v", s)
		}
	}
}

// signedRange is the byte range of the last signature (ISO 32000-2, 12.8.1).
func signedRange(t *testing.T, pdf []byte) [4]int {
	t.Helper()
	all := regexp.MustCompile(`/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]`).FindAllSubmatch(pdf, -1)
	if len(all) == 0 {
		t.Fatal("no byte range")
	}
	var r [4]int
	for i, text := range all[len(all)-1][1:] {
		n, err := strconv.Atoi(string(text))
		if err != nil {
			t.Fatal(err)
		}
		r[i] = n
	}
	return r
}

// signedParts are the signed bytes and the CMS container between them.
func signedParts(t *testing.T, pdf []byte) (content, container []byte) {
	t.Helper()
	r := signedRange(t, pdf)
	content = append(append([]byte{}, pdf[:r[1]]...), pdf[r[2]:r[2]+r[3]]...)
	digits := bytes.Trim(pdf[r[1]:r[2]], "<>\r\n ")
	container = make([]byte, hex.DecodedLen(len(digits)))
	_, err := hex.Decode(container, digits)
	if err != nil {
		t.Fatal(err)
	}
	return content, container
}

// positions are bytes within the signed range: one half spread over all of it,
// the other over what the signature added, where the structure is.
func positions(r [4]int, added int) []int {
	length := r[1] + r[3]
	n := sampled
	switch {
	case os.Getenv(envEveryByte) != "":
		n = length
	case os.Getenv(envFull) != "":
		n = sampledFull
	}
	half := min(n/2, length)
	if n == length {
		half = length
	}
	var list []int
	for i := range half {
		// The first and the last are among them.
		list = append(list, i*(length-1)/max(half-1, 1))
	}
	for i := range min(n-half, length-added) {
		list = append(list, added+i*(length-1-added)/max(n-half-1, 1))
	}
	for i, at := range list {
		if at >= r[1] {
			list[i] += r[2] - r[1]
		}
	}
	return list
}

// changeBytes changes one byte at a time and counts the exit statuses that the
// judgements map to.
func (p *platform) changeBytes(t *testing.T, path string, added int) map[int]int {
	t.Helper()
	pdf := readFile(t, path)
	anchors, err := p.sys.Anchors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	statuses := map[int]int{}
	for i, at := range positions(signedRange(t, pdf), added) {
		was := pdf[at]
		pdf[at] ^= byte(1 + i%255)
		status := judge(t, pdf, anchors)
		statuses[status]++
		if status != validate.ExitFailed {
			t.Errorf("byte %d of %d, %#02x to %#02x: exit status %d", at, len(pdf), was, pdf[at], status)
		}
		if i == 1 {
			changed := writeFile(t, filepath.Join(t.TempDir(), "changed.pdf"), pdf)
			p.antin(t, "verify", changed).want(t, 1)
		}
		pdf[at] = was
	}
	return statuses
}

// judge gives the exit status that antin verify has for the document; it looks
// for nothing outside, because everything is in the document.
func judge(t *testing.T, pdf []byte, anchors *trust.Store) int {
	t.Helper()
	report, err := validate.Validate(t.Context(), bytes.NewReader(pdf), int64(len(pdf)), validate.Options{Store: anchors})
	if errors.Is(err, validate.ErrUnreadable) {
		return validate.ExitUnreadable
	}
	if err != nil {
		t.Fatal(err)
	}
	return report.ExitCode()
}

// changePage appends an update in which the first page shows something else.
func (p *platform) changePage(t *testing.T, path string) {
	t.Helper()
	pdf := readFile(t, path)
	file, err := cos.Open(bytes.NewReader(pdf), int64(len(pdf)), cos.Options{})
	if err != nil {
		t.Fatal(err)
	}
	update, err := file.NewUpdate()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := file.Latest().Pages()
	if err != nil {
		t.Fatal(err)
	}
	page := file.Latest().Dict(pages[0]).Clone()
	page["Contents"] = update.Add(&cos.Stream{Dict: cos.Dict{}, Data: []byte("0 0 m 200 200 l S")})
	update.Put(pages[0], page)
	var section bytes.Buffer
	_, err = update.Write(&section)
	if err != nil {
		t.Fatal(err)
	}
	altered := section.Bytes()
	if !bytes.HasPrefix(altered, pdf) {
		altered = append(bytes.Clone(pdf), altered...)
	}
	name := writeFile(t, filepath.Join(t.TempDir(), "altered.pdf"), altered)
	tool(t, "qpdf", "--check", name).want(t, 0)
	var reports []verdict
	p.antin(t, "verify", name, "--json").want(t, 1).decode(t, &reports)
	if reports[0].Verdict != "TOTAL-FAILED" || reports[0].Signatures[0].Changes != "forbidden" {
		t.Errorf("a page was altered: %+v", reports)
	}
}

// local is the person at the machine, as the command line has it.
func local(ctx context.Context) context.Context { return auth.WithSubject(ctx, app.LocalSubject()) }
