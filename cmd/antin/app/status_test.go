package app_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
)

const sigmaRule = `title: A test
id: 5013332f-8a70-4e04-bcc1-06a98a2cca2e
status: test
logsource: {category: proxy, product: antin}
detection:
  selection:
    c-useragent|startswith: Antin
  condition: selection
level: high
`

func (p *platform) testStatuses(t *testing.T) {
	in := testkit.Data(t, "pdf/real/chi-thi-chromium.pdf")
	dir := t.TempDir()
	good, tampered := filepath.Join(dir, "good.pdf"), filepath.Join(dir, "tampered.pdf")
	p.antin(t, "sign", in, "-o", good, "--key", "demo-official-rsa", "--level", "B-T").want(t, 0)
	pdf := readFile(t, good)
	pdf[300] ^= 0x20
	writeFile(t, tampered, pdf)
	rule := writeFile(t, filepath.Join(dir, "rule.yml"), []byte(sigmaRule))
	broken := writeFile(t, filepath.Join(dir, "broken.yml"), []byte("title: [\n"))
	hit := writeFile(t, filepath.Join(dir, "hit.json"), []byte(`{"c-useragent": "AntinBeacon/1.0"}`))
	miss := writeFile(t, filepath.Join(dir, "miss.json"), []byte(`{"c-useragent": "Mozilla/5.0"}`))
	nothing := writeFile(t, filepath.Join(dir, "text.pdf"), []byte("no document"))
	empty := filepath.Join(dir, "nobody")
	err := os.Mkdir(empty, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		status int
		args   []string
	}{
		{"a good signature passes", 0, []string{"verify", good}},
		{"a changed byte fails", 1, []string{"verify", tampered}},
		{"one bad file among good ones fails", 1, []string{"verify", good, tampered, in}},
		{"an unsigned file gives no grounds", 4, []string{"verify", in}},
		{"a file that is not there cannot be read", 3, []string{"verify", filepath.Join(dir, "missing.pdf")}},
		{"what is no PDF cannot be read", 3, []string{"verify", nothing}},
		{"a signer whom nobody trusts gives no grounds", 4, []string{"verify", good, "--data", empty}},
		{"a changed byte fails although nobody is trusted", 1, []string{"verify", tampered, "--data", empty}},
		{"verify without a file is wrong use", 2, []string{"verify"}},
		{"an unknown flag is wrong use", 2, []string{"verify", "--wrong", good}},
		{"an unknown command is wrong use", 2, []string{"nothing-like-this"}},
		{"too many arguments are wrong use", 2, []string{"ca", "approve", "a", "b"}},
		{"a time that is none is wrong use", 2, []string{"verify", "--at", "yesterday", good}},
		{"sign without a key is wrong use", 2, []string{"sign", in, "-o", filepath.Join(dir, "x.pdf")}},
		{"sign onto the input is wrong use", 2, []string{"sign", good, "-o", good, "--key", "demo-official"}},
		{"an unknown level is wrong use", 2, []string{"sign", in, "-o", filepath.Join(dir, "x.pdf"), "--key", "demo-official", "--level", "B-X"}},
		{"a batch of a folder that is not there cannot be signed", 3, []string{"sign", "--batch", filepath.Join(dir, "missing"), "-o", filepath.Join(dir, "out"), "--key", "demo-official"}},
		{"an audit without findings is a yes", 0, []string{"ca", "audit"}},
		{"an unknown key cannot sign", 3, []string{"sign", in, "-o", filepath.Join(dir, "x.pdf"), "--key", "nobody"}},
		{"what is no PDF cannot be signed", 3, []string{"sign", nothing, "-o", filepath.Join(dir, "x.pdf"), "--key", "demo-official"}},
		{"a rule matches", 0, []string{"incident", "rules", "eval", rule, hit}},
		{"a rule does not match", 1, []string{"incident", "rules", "eval", rule, miss}},
		{"a broken rule cannot be evaluated", 3, []string{"incident", "rules", "eval", broken, hit}},
		{"an event that is none cannot be evaluated", 3, []string{"incident", "rules", "eval", rule, broken}},
		{"a cause that is none is wrong use", 2, []string{"ca", "revoke", "01", "--cause", "nothing"}},
		{"a refused request for data is a no", 1, []string{"policy", "decide", "--agency", "xa-tan-lap", "--dataset", "enterprises", "--purpose", "tax-administration"}},
		{"a permitted request for data is a yes", 0, []string{"policy", "decide", "--agency", "thue", "--dataset", "enterprises", "--purpose", "tax-administration"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := p.antin(t, c.args...).want(t, c.status)
			if c.status > 1 && c.status < 4 && got.err == "" {
				t.Error("no cause on standard error")
			}
		})
	}
	_, err = os.Stat(filepath.Join(dir, "x.pdf"))
	if err == nil {
		t.Error("a refused signature left a file")
	}
}
