package ceremony

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/antin-gov/antin/hsm/custodian"
)

// members are five custodians as lines of a file.
func members(t testing.TB) []string {
	t.Helper()
	var lines []string
	for _, name := range []string{"an", "binh", "chi", "dung", "hoa"} {
		_, public, err := custodian.Create(name, []byte("a long passphrase"), 2)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, `key: "`+public.Key+`", recipient: "`+public.Recipient+`"}`)
	}
	return lines
}

// filled is a template with its custodians filled in.
func filled(t testing.TB, kind Kind) string {
	t.Helper()
	text, err := Template(kind)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range members(t) {
		text = strings.Replace(text, `key: "sha256:…", recipient: "age1…"}`, line, 1)
		text = strings.Replace(text, `person: "Họ và tên", title: "Chức vụ", account: ""`, `person: "Người `+string(rune('A'+i))+`", title: "Chuyên viên", account: ""`, 1)
	}
	return text
}

func TestEachTemplateIsGoodOnceItsCustodiansAreFilledIn(t *testing.T) {
	for _, kind := range Kinds() {
		text, err := Template(kind)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse([]byte(text), "/x")
		if !errors.Is(err, ErrScript) {
			t.Errorf("%s as printed: %v", kind, err)
		}
		s, err := Parse([]byte(filled(t, kind)), "/x")
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if s.Kind != kind || s.Custodians.Quorum != 3 || !filepath.IsAbs(s.Folder) || len(s.SHA256()) != 64 {
			t.Errorf("%+v", s)
		}
	}
	_, err := Template("party")
	if !errors.Is(err, ErrScript) {
		t.Errorf("a kind that is none: %v", err)
	}
}

func TestAFileThatDoesNotHoldTogetherIsRefused(t *testing.T) {
	good := filled(t, KindRoot)
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q in the template", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	firstKey := good[strings.Index(good, `key: "sha256:`):]
	firstKey = firstKey[:strings.Index(firstKey, ",")]
	for what, text := range map[string]string{
		"an unknown key":                   good + "colour: red\n",
		"a second document":                good + "---\nceremony: root\n",
		"a quorum of one":                  change("quorum: 3", "quorum: 1"),
		"a quorum above the members":       change("quorum: 3", "quorum: 6"),
		"an id that does not fit a path":   change("id: root-2026-01", "id: ../x"),
		"a kind that is none":              change("ceremony: root", "ceremony: party"),
		"a part of another kind":           good + "request: x.csr\n",
		"a missing part":                   strings.Replace(good, "certificate:", "x:", 1),
		"a person with two places":         strings.Replace(good, `person: "Người B"`, `person: "Người A"`, 1),
		"one account for two custodians":   strings.ReplaceAll(good, `account: ""`, `account: "minh.pq"`),
		"a fingerprint that is none":       strings.Replace(good, firstKey, `key: "sha256:00"`, 1),
		"a list that holds for ten years":  change("crl_days: 180", "crl_days: 3650"),
		"a text that cannot be printed":    change(`en: "Ceremony …"`, `en: "Ceremony \u202e"`),
		"nothing":                          "",
		"more than a file of its kind has": good + "#" + strings.Repeat("x", maxScript),
		"YAML that refers to itself":       "a: &a [*a]\n",
	} {
		_, err := Parse([]byte(text), "/x")
		if !errors.Is(err, ErrScript) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAJournalIsReadUpToWhereACrashLeftIt(t *testing.T) {
	dir := t.TempDir()
	j, err := openJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		err = j.add(line{Event: eventStep, Name: name, Ledger: 7})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = openJournal(dir)
	if !errors.Is(err, ErrUnfinished) {
		t.Errorf("opened twice at the same time: %v", err)
	}
	err = j.close()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, JournalFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := parseJournal(append(text, `{"event":"st`...))
	if err != nil || len(lines) != 2 {
		t.Errorf("%d lines, %v", len(lines), err)
	}
	err = os.WriteFile(path, append(text, `{"event":"st`...), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	j, err = openJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(j.add(line{Event: eventStep, Name: "three"}), j.close())
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, err = parseJournal(again)
	if err != nil || len(lines) != 3 || lines[2].Name != "three" {
		t.Errorf("after a crash: %+v, %v", lines, err)
	}
	_, err = parseJournal(append(text, "{\"event\":\"st\n"...))
	if !errors.Is(err, ErrScript) {
		t.Errorf("a broken line in the middle: %v", err)
	}
}

func FuzzScript(f *testing.F) {
	for _, kind := range Kinds() {
		f.Add([]byte(filled(f, kind)))
	}
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text, "/x")
		if err == nil && (s.Custodians.Quorum < 2 || s.Custodians.Quorum > len(s.Custodians.Members)) {
			t.Errorf("quorum %d of %d", s.Custodians.Quorum, len(s.Custodians.Members))
		}
	})
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte("{\"event\":\"begin\",\"name\":\"x\"}\n"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = parseJournal(text) })
}
