package cos_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/antin-gov/antin/signer/cos"
)

// appendUpdate writes an update behind the bytes of its file.
func appendUpdate(tb testing.TB, f *cos.File, input []byte, u *cos.Update) ([]byte, *cos.Written) {
	tb.Helper()
	out := bytes.NewBuffer(bytes.Clone(input))
	w, err := u.Write(out)
	if err != nil {
		tb.Fatal(err)
	}
	if int64(out.Len()) != w.End || w.Start != f.Size() {
		tb.Fatalf("written %d bytes, told %+v", out.Len(), w)
	}
	return out.Bytes(), w
}

func openBytes(tb testing.TB, data []byte, o cos.Options) *cos.File {
	tb.Helper()
	f, err := cos.Open(bytes.NewReader(data), int64(len(data)), o)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func TestAnUpdateOfEverySoundFileKeepsThePrefixTheStyleAndAllOtherObjects(t *testing.T) {
	refused, updated := map[string]int{}, 0
	for _, path := range corpus(t) {
		o := cos.Options{Password: "usersecret"}
		f, err := open(t, path, o)
		if err != nil {
			continue
		}
		u, err := f.NewUpdate()
		var why *cos.RefusedError
		if errors.As(err, &why) {
			refused[why.Code]++
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		input, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		root, ref, err := f.Latest().Root()
		if err != nil {
			t.Fatal(err)
		}
		root = root.Clone()
		secret := u.Add(cos.Dict{"Note": cos.String("bí mật (a\\b)"), "Place": cos.Reserved{ID: "x", Width: 40}})
		stm := u.Add(&cos.Stream{Dict: cos.Dict{"Kind": cos.Name("a b#c")}, Data: []byte("plain bytes")})
		root["AnTinTest"] = cos.Array{secret, stm}
		u.Put(ref, root)
		output, w := appendUpdate(t, f, input, u)
		if !bytes.HasPrefix(output, input) {
			t.Fatalf("%s: input is not a prefix", path)
		}
		span := w.Reserved["x"]
		if got := output[span.Offset : span.Offset+int64(span.Width)]; len(bytes.TrimSpace(got)) != 0 {
			t.Errorf("%s: reserved place holds %q", path, got)
		}
		copy(output[span.Offset:], "null")
		g := openBytes(t, output, o)
		if g.Irregular() != "" {
			t.Errorf("%s: after the update: %s", path, g.Irregular())
		}
		revs, before := g.Revisions(), f.Revisions()
		if len(revs) != len(before)+1 {
			t.Errorf("%s: %d revisions after %d", path, len(revs), len(before))
			continue
		}
		want := before[len(before)-1].Style
		if want == cos.StyleHybrid {
			want = cos.StyleTable
		}
		if got := revs[len(revs)-1].Style; got != want {
			t.Errorf("%s: style %s after %s", path, got, want)
		}
		checkUpdated(t, path, g)
		updated++
	}
	t.Logf("updated %d, refused %v", updated, refused)
	if updated < 400 {
		t.Errorf("only %d files updated", updated)
	}
}

func checkUpdated(t *testing.T, path string, g *cos.File) {
	t.Helper()
	v := g.Latest()
	root, _, err := v.Root()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	pair := v.Array(root["AnTinTest"])
	if len(pair) != 2 {
		t.Fatalf("%s: %v", path, root)
	}
	note, _ := v.Bytes(v.Dict(pair[0])["Note"])
	if string(note) != "bí mật (a\\b)" {
		t.Errorf("%s: string came back as %q", path, note)
	}
	stm := v.Stream(pair[1])
	if stm == nil {
		t.Fatalf("%s: no stream", path)
	}
	data, err := v.Decode(stm)
	if err != nil || string(data) != "plain bytes" || stm.Dict["Kind"] != cos.Name("a b#c") {
		t.Errorf("%s: stream came back as %q %v (%v)", path, data, stm.Dict, err)
	}
	old, err := g.View(len(g.Revisions()) - 2)
	if err != nil {
		t.Fatal(err)
	}
	was, _, err := old.Root()
	if err != nil || was["AnTinTest"] != nil {
		t.Errorf("%s: the revision before shows the change (%v)", path, err)
	}
}

func TestQpdfFindsNothingWrongInAnUpdateOfEachProducer(t *testing.T) {
	_, err := exec.LookPath("qpdf")
	if err != nil {
		t.Skip("qpdf is not installed")
	}
	paths, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(corpus(t)[0])), "real", "*.pdf"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no real files", err)
	}
	for _, path := range paths {
		f, err := open(t, path, cos.Options{})
		if err != nil {
			t.Fatal(err)
		}
		u, err := f.NewUpdate()
		if err != nil {
			t.Fatal(err)
		}
		root, ref, err := f.Latest().Root()
		if err != nil {
			t.Fatal(err)
		}
		root = root.Clone()
		root["AnTinTest"] = u.Add(cos.Dict{"S": cos.String("văn bản")})
		u.Put(ref, root)
		input, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		output, _ := appendUpdate(t, f, input, u)
		name := filepath.Join(t.TempDir(), "out.pdf")
		err = os.WriteFile(name, output, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		said, err := exec.Command("qpdf", "--check", name).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", path, err, said)
		}
	}
}

func TestAnUpdateOfAnEncryptedFileIsReadByQpdfWithTheSameText(t *testing.T) {
	_, err := exec.LookPath("qpdf")
	if err != nil {
		t.Skip("qpdf is not installed")
	}
	plain := filepath.Join(t.TempDir(), "plain.pdf")
	var source string
	for _, p := range corpus(t) {
		if filepath.Base(p) == "chi-thi-chromium.pdf" {
			source = p
		}
	}
	kinds := map[string][]string{
		"RC4 40 bit":       {"--allow-weak-crypto", "--encrypt", "", "boss", "40", "--"},
		"RC4 128 bit":      {"--allow-weak-crypto", "--encrypt", "", "boss", "128", "--use-aes=n", "--"},
		"AES 128 bit":      {"--allow-weak-crypto", "--encrypt", "", "boss", "128", "--use-aes=y", "--"},
		"AES 256 bit":      {"--encrypt", "", "boss", "256", "--"},
		"AES 256 bit R5":   {"--allow-weak-crypto", "--encrypt", "", "boss", "256", "--force-R5", "--"},
		"clear metadata":   {"--encrypt", "", "boss", "256", "--cleartext-metadata", "--"},
		"user password":    {"--encrypt", "guest", "boss", "256", "--"},
		"RC4 user as well": {"--allow-weak-crypto", "--encrypt", "guest", "boss", "128", "--use-aes=n", "--"},
	}
	for name, args := range kinds {
		for _, password := range []string{"", "guest", "boss"} {
			err = exec.Command("qpdf", append([]string{source, plain}, args...)...).Run()
			if err != nil {
				t.Fatal(name, err)
			}
			input, err := os.ReadFile(plain)
			if err != nil {
				t.Fatal(err)
			}
			f, err := cos.Open(bytes.NewReader(input), int64(len(input)), cos.Options{Password: password})
			needs := args[1] == "guest" || args[2] == "guest"
			if needs && password == "" {
				if !errors.Is(err, cos.ErrPassword) {
					t.Errorf("%s without a password: %v", name, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s with %q: %v", name, password, err)
				continue
			}
			u, err := f.NewUpdate()
			if err != nil {
				t.Fatal(err)
			}
			root, ref, err := f.Latest().Root()
			if err != nil {
				t.Fatal(err)
			}
			root = root.Clone()
			root["AnTinTest"] = cos.String("open sesame")
			u.Put(ref, root)
			output, _ := appendUpdate(t, f, input, u)
			out := filepath.Join(t.TempDir(), "out.pdf")
			err = os.WriteFile(out, output, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			said, err := exec.Command("qpdf", "--password=boss", "--qdf", "--decrypt", out, "-").Output()
			if err != nil || !bytes.Contains(said, []byte("(open sesame)")) {
				t.Errorf("%s with %q: qpdf does not see the string (%v)", name, password, err)
			}
		}
	}
}

func TestPermissionsThatForbidEveryChangeAreRespected(t *testing.T) {
	_, err := exec.LookPath("qpdf")
	if err != nil {
		t.Skip("qpdf is not installed")
	}
	dir := t.TempDir()
	var source string
	for _, p := range corpus(t) {
		if filepath.Base(p) == "chi-thi-chromium.pdf" {
			source = p
		}
	}
	locked := filepath.Join(dir, "locked.pdf")
	err = exec.Command("qpdf", source, locked, "--encrypt", "", "boss", "256", "--modify=none", "--").Run()
	if err != nil {
		t.Fatal(err)
	}
	f, err := open(t, locked, cos.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.NewUpdate()
	var why *cos.RefusedError
	if !errors.As(err, &why) || why.Code != cos.CodePermission {
		t.Errorf("as user: %v", err)
	}
	f, err = open(t, locked, cos.Options{Password: "boss"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.NewUpdate()
	if err != nil {
		t.Errorf("as owner: %v", err)
	}
}

func TestARepairedFileIsReadButNeverExtended(t *testing.T) {
	for _, path := range corpus(t) {
		if filepath.Base(path) != "nternal__common-test-utils__src__pyhanko_testing_commons__test_data__data__pdf__minimal-startxref-hopeless.pdf" {
			continue
		}
		f, err := open(t, path, cos.Options{Repair: true})
		if err != nil {
			t.Fatal(err)
		}
		pages, err := f.Latest().Pages()
		if err != nil || len(pages) == 0 {
			t.Errorf("pages %v (%v)", pages, err)
		}
		_, err = f.NewUpdate()
		var why *cos.RefusedError
		if !errors.As(err, &why) || why.Code != cos.CodeRepaired {
			t.Errorf("update of a repaired file: %v", err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, path := range corpus(f) {
		data, err := os.ReadFile(path)
		if err == nil && len(data) < 8<<10 {
			f.Add(data)
		}
	}
	limits := cos.Limits{Decoded: 1 << 20, Raw: 1 << 20, Scan: 4 << 20, Entries: 1 << 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, repair := range []bool{false, true} {
			file, err := cos.Open(bytes.NewReader(data), int64(len(data)), cos.Options{Repair: repair, Limits: limits})
			if err != nil {
				continue
			}
			for i, rev := range file.Revisions() {
				if rev.End > file.Size() {
					t.Fatalf("revision %d ends behind the file", i)
				}
				entries, err := file.Entries(i)
				if err != nil {
					t.Fatal(err)
				}
				v, err := file.View(i)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries[:min(len(entries), 50)] {
					s := v.Stream(e.Ref)
					if s != nil {
						data, err := v.Decode(s)
						if err == nil && len(data) > 2<<20 {
							t.Fatal("limit on decoded bytes not held")
						}
					}
				}
				_, err = v.Pages()
				if err != nil {
					continue
				}
			}
			u, err := file.NewUpdate()
			if err != nil {
				continue
			}
			u.Add(cos.Dict{"A": cos.Name("B")})
			_, err = u.Write(io.Discard)
			if err != nil {
				continue
			}
		}
	})
}
