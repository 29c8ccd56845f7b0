package app_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/validate"
)

// everyNth document of the corpus is signed in a normal run.
const everyNth = 40

// endless is a document on which the independent reader reads for ever.
const endless = "eof-reading-token.pdf"

// corpusKey signs the corpus: a person's key of its own, because an act is one
// document and one key, and others sign some of these documents too.
const corpusKey, corpusSigner = "test-corpus", "serialNumber=p-lan"

// corpusPassword opens the protected documents of the corpus.
const corpusPassword = "usersecret"

// tally counts what came of the corpus.
type tally struct {
	signed, repeated, worse, accepted, unread, passed int
	refused                                           map[string]int
}

func (p *platform) testCorpus(t *testing.T) {
	files := corpus(t)
	p.issue(t, corpusKey)
	n := tally{refused: map[string]int{}}
	for i, path := range files {
		if os.Getenv(envFull) == "" && i%everyNth != 0 && !strings.HasSuffix(path, endless) {
			continue
		}
		p.signOne(t, path, corpusKey, &n)
	}
	reasons := 0
	for _, code := range slices.Sorted(maps.Keys(n.refused)) {
		reasons += n.refused[code]
		t.Logf("refused %-24s %d", code, n.refused[code])
	}
	t.Logf("%d documents: signed %d, refused with a reason %d, the same as one before %d, crashed 0", n.signed+reasons+n.repeated, n.signed, reasons, n.repeated)
	t.Logf("of the signed: antin TOTAL-PASSED %d, pdfsig valid %d, not seen by pdfsig %d, worse for qpdf %d", n.passed, n.accepted, n.unread, n.worse)
	if n.signed == 0 || n.signed < 3*reasons || n.worse > 0 {
		t.Error("too few documents were signed, or some were damaged")
	}
}

func corpus(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(testkit.Data(t, "pdf"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.EqualFold(filepath.Ext(path), ".pdf") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (p *platform) signOne(t *testing.T, path, key string, n *tally) {
	t.Helper()
	in := readFile(t, path)
	out := filepath.Join(t.TempDir(), "out.pdf")
	_, err := p.sys.Signer.Sign(local(t.Context()), signer.Request{
		In: bytes.NewReader(in), Size: int64(len(in)), Key: key, Level: "B-LT", Factor: signer.FactorLocal, Name: filepath.Base(path), Password: corpusPassword,
	}, out)
	var refused *cos.RefusedError
	switch {
	case err == nil:
		n.signed++
	case errors.As(err, &refused):
		n.refused[refused.Code]++
		return
	case errors.Is(err, signer.ErrSigned):
		n.repeated++
		return
	default:
		t.Errorf("%s: no reason: %v", path, err)
		return
	}
	result := readFile(t, out)
	if !bytes.HasPrefix(result, in) {
		t.Errorf("%s: the input is no prefix of the output", path)
	}
	p.judgeOne(t, path, out, result, n)
}

func (p *platform) judgeOne(t *testing.T, path, out string, result []byte, n *tally) {
	t.Helper()
	check := func(name string) int {
		return runProgram(t, exec.Command("qpdf", "--check", "--password="+corpusPassword, name)).status
	}
	after := check(out)
	if after != 0 && after > check(path) {
		n.worse++
		t.Errorf("%s: qpdf --check finds more after signing", path)
	}
	said := runProgram(t, exec.Command("pdfsig", "-nocert", "-upw", corpusPassword, out)).out
	if !strings.Contains(said, "Signature #") {
		said = runProgram(t, exec.Command("pdfsig", "-nocert", out)).out
	}
	ours := strings.Contains(said, corpusSigner)
	valid := slices.ContainsFunc(strings.Split(said, "Signature #"), func(part string) bool {
		return strings.Contains(part, corpusSigner) && strings.Contains(part, "Signature is Valid")
	})
	switch {
	case valid:
		n.accepted++
	case ours:
		t.Errorf("%s: pdfsig does not accept:\n%s", path, said)
	default:
		n.unread++
	}
	anchors, err := p.sys.Anchors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	report, err := validate.Validate(t.Context(), bytes.NewReader(result), int64(len(result)), validate.Options{Store: anchors, Password: corpusPassword})
	if err != nil {
		t.Errorf("%s: verify: %v", path, err)
		return
	}
	for _, s := range report.Signatures {
		if s.Verdict == "TOTAL-PASSED" && s.Level == "B-LT" {
			n.passed++
			return
		}
	}
	t.Errorf("%s: our signature is among %d and none passes: %s", path, len(report.Signatures), report.Verdict)
}
