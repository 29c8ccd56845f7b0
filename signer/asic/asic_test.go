package asic_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/asic"
	"github.com/antin-gov/antin/signer/cades"
	"github.com/antin-gov/antin/signer/tsp"
	"github.com/antin-gov/antin/signer/validate"
)

func options(t testing.TB, p *trusttest.PKI, key crypto.Signer, level cades.Level) cades.Options {
	client := &tsp.Client{URL: p.TSAURL()}
	return cades.Options{
		Signer: key, Chain: p.Issue(t, "Nguyễn Văn A", key.Public()), Level: level, Timestamp: client.Timestamp,
		Collect: p.Collector().Collect, Now: p.Clock.Now(),
	}
}

func files() []asic.File {
	var out []asic.File
	for name, text := range map[string]string{"công văn số 1&2.txt": "Kính gửi", "phụ lục/bảng.csv": "1,2\r\n"} {
		out = append(out, asic.File{Name: name, Content: strings.NewReader(text), Size: int64(len(text))})
	}
	return out
}

func container(t testing.TB, o cades.Options) []byte {
	t.Helper()
	var out bytes.Buffer
	_, err := asic.Sign(context.Background(), &out, files(), o)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func judge(t testing.TB, data []byte, o validate.Options) (*validate.Report, error) {
	t.Helper()
	return validate.File(context.Background(), bytes.NewReader(data), int64(len(data)), o)
}

// entry is one file of a ZIP, as tests put them together.
type entry struct {
	name, text string
	method     uint16
}

func unzip(t testing.TB, data []byte) []entry {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var out []entry
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, entry{f.Name, string(text), f.Method})
	}
	return out
}

func pack(t testing.TB, entries []entry) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, e := range entries {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: e.method})
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(w, e.text)
		if err != nil {
			t.Fatal(err)
		}
	}
	err := z.Close()
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAContainerIsAcceptedByOthersAndByOurVerifierOffline(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	data := container(t, options(t, p, trusttest.ECKey(t), cades.LevelLTA))
	report, err := judge(t, data, validate.Options{Store: p.Store(t), Clock: p.Clock})
	if err != nil || report.Verdict != validate.Passed || report.Signatures[0].Level != "CAdES-B-LTA" || report.Signatures[0].Coverage != validate.CoversFile {
		t.Errorf("%+v, %v", report, err)
	}
	if string(data[30:38+len("application/vnd.etsi.asic-e+zip")]) != "mimetypeapplication/vnd.etsi.asic-e+zip" {
		t.Errorf("begins with %q", data[:80])
	}
	dir := t.TempDir()
	for _, e := range unzip(t, data) {
		err := os.WriteFile(filepath.Join(dir, filepath.Base(e.name)), []byte(e.text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(dir, "root.pem")
	err = os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Root.Raw}), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", filepath.Join(dir, "signature001.p7s"),
		"-content", filepath.Join(dir, "ASiCManifest001.xml"), "-CAfile", root, "-purpose", "any", "-out", filepath.Join(dir, "out")).CombinedOutput()
	if err != nil {
		t.Errorf("openssl: %v: %s", err, out)
	}
}

func TestWhatIsChangedInAContainerIsFound(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	data := container(t, options(t, p, trusttest.ECKey(t), cades.LevelB))
	how := validate.Options{Store: p.Store(t), Clock: p.Clock, Collector: p.Collector()}
	change := func(edit func(e entry) []entry) []byte {
		var out []entry
		for _, e := range unzip(t, data) {
			out = append(out, edit(e)...)
		}
		// The mimetype keeps its place and form.
		packed := pack(t, out[1:])
		return withMimetype(t, packed, out[0].text)
	}
	for _, c := range []struct {
		name    string
		data    []byte
		verdict validate.Verdict // empty: not readable
		sub     validate.SubIndication
	}{
		{"nothing", change(func(e entry) []entry { return []entry{e} }), validate.Passed, ""},
		{"a file", change(func(e entry) []entry { e.text = strings.Replace(e.text, "1,2", "1,3", 1); return []entry{e} }), validate.Failed, validate.SubHash},
		{"the manifest", change(func(e entry) []entry {
			if strings.HasSuffix(e.name, ".xml") {
				e.text = strings.Replace(e.text, "octet-stream", "octet-strean", 1)
			}
			return []entry{e}
		}), validate.Failed, validate.SubHash},
		{"a file is added", change(func(e entry) []entry {
			if strings.HasSuffix(e.name, ".csv") {
				return []entry{e, {"thêm.txt", "x", zip.Store}}
			}
			return []entry{e}
		}), validate.Indeterminate, validate.SubSignatureConstraint},
		{"a file is removed", change(func(e entry) []entry {
			if strings.HasSuffix(e.name, ".csv") {
				return nil
			}
			return []entry{e}
		}), validate.Indeterminate, validate.SubNoData},
		{"the manifest is removed", change(func(e entry) []entry {
			if strings.HasSuffix(e.name, ".xml") {
				return nil
			}
			return []entry{e}
		}), validate.Indeterminate, validate.SubNoData},
		{"a name stands twice", change(func(e entry) []entry { return []entry{e, {strings.ToUpper(e.name), "x", zip.Store}} }), "", ""},
		{"a name leads outside", change(func(e entry) []entry { return []entry{e, {"../" + e.name, "x", zip.Store}} }), "", ""},
		{"something stands before", append([]byte("PK\x03\x04x"), data...), "", ""},
		{"no mimetype", pack(t, unzip(t, data)[1:]), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			report, err := judge(t, c.data, how)
			if c.verdict == "" {
				if !errors.Is(err, validate.ErrUnreadable) {
					t.Errorf("%+v, %v", report, err)
				}
				return
			}
			if err != nil || report.Verdict != c.verdict || report.Signatures[0].SubIndication != c.sub {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
}

// withMimetype puts a stored mimetype before the entries of a ZIP.
func withMimetype(t testing.TB, packed []byte, mime string) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	first, err := w.CreateHeader(&zip.FileHeader{Name: "mimetype", Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(first, mime)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		err := w.Copy(f)
		if err != nil {
			t.Fatal(err)
		}
	}
	err = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestASimpleContainerOfOneFileIsRead(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	result, err := cades.Sign(t.Context(), strings.NewReader("một"), options(t, p, trusttest.ECKey(t), cades.LevelB))
	if err != nil {
		t.Fatal(err)
	}
	how := validate.Options{Store: p.Store(t), Clock: p.Clock, Collector: p.Collector()}
	for text, want := range map[string]validate.Verdict{"một": validate.Passed, "hai": validate.Failed} {
		data := withMimetype(t, pack(t, []entry{{"a.txt", text, zip.Deflate}, {"META-INF/signature.p7s", string(result.CMS), zip.Deflate}}), "application/vnd.etsi.asic-s+zip")
		report, err := judge(t, data, how)
		if err != nil || report.Verdict != want {
			t.Errorf("%s: %+v, %v", text, report, err)
		}
	}
}

func TestABombIsRefusedBeforeItIsUnpacked(t *testing.T) {
	packed := pack(t, []entry{{"a", strings.Repeat("\x00", 4<<20), zip.Deflate}})
	honest := withMimetype(t, packed, "application/vnd.etsi.asic-e+zip")
	size := []byte{0, 0, 64, 0} // 4 MiB, little-endian, in the central directory
	at := bytes.LastIndex(honest, size)
	for _, c := range []struct {
		name   string
		states []byte
		want   error
	}{
		{"it states a gigabyte", []byte{0, 0, 0, 64}, asic.ErrLimit},
		{"it states a kilobyte", []byte{0, 4, 0, 0}, nil},
	} {
		bomb := bytes.Clone(honest)
		copy(bomb[at:], c.states)
		opened, err := asic.Open(bytes.NewReader(bomb), int64(len(bomb)))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil {
			continue
		}
		_, err = opened.Digest("a", crypto.SHA256)
		if !errors.Is(err, asic.ErrMalformed) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestNamesThatDoNotGoIntoAContainerAreRefused(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	for _, name := range []string{"", "../x", "/x", `a\b`, "a//b", "META-INF/x", "mimetype", "x/", "a/../b"} {
		_, err := asic.Sign(t.Context(), io.Discard, []asic.File{{Name: name, Content: strings.NewReader("x"), Size: 1}}, options(t, p, trusttest.ECKey(t), cades.LevelB))
		if !errors.Is(err, asic.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzContainer(f *testing.F) {
	p := trusttest.New(f, time.Time{})
	f.Add(container(f, options(f, p, trusttest.ECKey(f), cades.LevelB)))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = validate.ASiC(context.Background(), bytes.NewReader(data), int64(len(data)), validate.Options{Clock: p.Clock})
	})
}
