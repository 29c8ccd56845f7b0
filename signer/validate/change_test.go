package validate

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/diff"
)

// codesOf reads the constants of a type from the source, so that none is
// forgotten: values by name.
func codesOf(t *testing.T, path, kind string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		named, ok := spec.Type.(*ast.Ident)
		if !ok || named.Name != kind {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		out[spec.Names[0].Name] = value
		return true
	})
	if len(out) == 0 {
		t.Fatalf("%s: no constants of type %s", path, kind)
	}
	return out
}

func placeholders(s string) []string {
	list := regexp.MustCompile(`\{\w+\}`).FindAllString(s, -1)
	slices.Sort(list)
	return list
}

// both complains about a text that is missing in a language, says the same in
// both, or leaves a parameter out in one.
func both(t *testing.T, code string, m message) {
	t.Helper()
	if strings.TrimSpace(m.vi) == "" || strings.TrimSpace(m.en) == "" || m.vi == m.en {
		t.Errorf("%s: %q, %q", code, m.vi, m.en)
	}
	if !slices.Equal(placeholders(m.vi), placeholders(m.en)) {
		t.Errorf("%s: the languages have other parameters: %q, %q", code, m.vi, m.en)
	}
}

func TestEveryReasonIsSaidInBothLanguages(t *testing.T) {
	words := catalogue()
	codes := codesOf(t, "reason.go", "Code")
	for name, code := range codes {
		both(t, name, words[Code(code)])
	}
	if len(words) != len(codes) {
		t.Errorf("%d texts for %d codes", len(words), len(codes))
	}
	why := codesOf(t, "../../internal/trust/revocation.go", "RevocationWhy")
	for name, code := range why {
		both(t, name, whyWords()[trust.RevocationWhy(code)])
	}
}

func TestEveryChangeIsSaidInBothLanguages(t *testing.T) {
	words := changeWords()
	codes := codesOf(t, "../diff/reason.go", "Code")
	known := slices.Sorted(maps.Values(codes))
	if len(slices.Compact(slices.Clone(known))) != len(known) {
		t.Errorf("two codes have one value: %v", known)
	}
	for name, code := range codes {
		both(t, name, words[diff.Code(code)])
	}
	if len(words) != len(codes) {
		t.Errorf("%d texts for %d codes", len(words), len(codes))
	}
	for kind, m := range annotationWords() {
		if m.vi == "" || m.en == "" {
			t.Errorf("annotation %s: %+v", kind, m)
		}
	}
}

// A code that nothing gives would be a text that nobody reads.
func TestEveryCodeOfAChangeIsGivenByARule(t *testing.T) {
	paths, err := filepath.Glob("../diff/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(source)
	}
	for name := range codesOf(t, "../diff/reason.go", "Code") {
		if len(regexp.MustCompile(`\b`+name+`\b`).FindAllString(all.String(), -1)) < 2 {
			t.Errorf("%s is given nowhere", name)
		}
	}
}

func TestAChangeSaysWhatWhereAndHowMany(t *testing.T) {
	for _, c := range []struct {
		name   string
		reason diff.Reason
		vi, en string
	}{
		{"a field by name and page", diff.Reason{Code: diff.CodeFilled, Field: "Họ tên", Page: 2}, "điền trường “Họ tên” (trang 2)", "field “Họ tên” was filled in (page 2)"},
		{"a field without a name", diff.Reason{Code: diff.CodeFilled}, "điền trường “không tên”", "field “unnamed” was filled in"},
		{"a kind of comment", diff.Reason{Code: diff.CodeComment, Kind: "Highlight", Page: 1}, "thêm nhận xét: tô sáng (trang 1)", "a comment was added: highlight (page 1)"},
		{"a kind nobody knows", diff.Reason{Code: diff.CodeNotComment, Kind: "X\u202eY", Page: 1}, "thêm chú giải không phải nhận xét: X?Y (trang 1)", "an annotation was added that is no comment: X?Y (page 1)"},
		{"a count", diff.Reason{Code: diff.CodePagesAdded, Count: 3, Object: "/Root/Pages"}, "số trang được thêm: 3", "pages added: 3"},
		{"a vague one by its object", diff.Reason{Code: diff.CodeChanged, Object: "/Root/X (2 0 R)"}, "một đối tượng của tài liệu thay đổi (/Root/X (2 0 R))", "an object of the document changed (/Root/X (2 0 R))"},
		{"an entry", diff.Reason{Code: diff.CodeCommentForeign, Kind: "Text", Page: 1}, "nhận xét mang mục không thuộc về nó: Text (trang 1)", "a comment carries an entry that does not belong to one: Text (page 1)"},
		{"a parameter that looks like another", diff.Reason{Code: diff.CodeFilled, Field: "{count}"}, "điền trường “{count}”", "field “{count}” was filled in"},
	} {
		change := Change{Reason: c.reason}
		if change.Text(Vietnamese) != c.vi || change.Text(English) != c.en {
			t.Errorf("%s: %q, %q", c.name, change.Text(Vietnamese), change.Text(English))
		}
	}
}

func TestJSONCarriesCodeParametersAndTextsOfAChange(t *testing.T) {
	change := Change{Reason: diff.Reason{Code: diff.CodePagesAdded, Level: diff.Other, Revision: 1, Count: 2, Object: "/Root/Pages (2 0 R)"}}
	data, err := json.Marshal(Reason{Code: CodeChangesForbidden, Level: LevelFail, Change: &change})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"code":"changes_forbidden","level":"FAIL","vi":"Sau khi ký, tệp có thay đổi không được phép: số trang được thêm: 2.",` +
		`"en":"The file was changed after signing in a way that is not allowed: pages added: 2.",` +
		`"change":{"code":"pages_added","does":"other","allowed":false,"revision":2,"count":2,"object":"/Root/Pages (2 0 R)",` +
		`"vi":"số trang được thêm: 2","en":"pages added: 2"}}`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
}

func TestTimesAndDurationsInReasonsAreForPeople(t *testing.T) {
	old := newReason(CodeRevocationOld, "2026-01-01T00:00:00Z", "2026-11-28T05:00:00Z", "26h30m0s")
	vi, en := old.Text(Vietnamese), old.Text(English)
	if !strings.Contains(vi, "2026-01-01T00:00:00Z") || !strings.Contains(vi, "28/11/2026 12:00:00 +07:00") || !strings.Contains(vi, "1 ngày 2 giờ") || !strings.Contains(en, "1 d 2 h") {
		t.Errorf("%s\n%s", vi, en)
	}
	unknown := newReason(CodeRevocationUnknown, "A", "no_evidence")
	if !strings.Contains(unknown.Text(Vietnamese), "không có dữ liệu") || !strings.Contains(unknown.Text(English), "no data") {
		t.Errorf("%s\n%s", unknown.Text(Vietnamese), unknown.Text(English))
	}
}

func TestAllowedChangesAreSaidToBeWhereOthersAreNot(t *testing.T) {
	s := Signature{Changes: ChangesAllowed, Later: []Change{{Reason: diff.Reason{Code: diff.CodeFilled, Field: "A"}, Allowed: true}, {Reason: diff.Reason{Code: diff.CodePages}}}}
	if got := s.AllowedChanges(English); !slices.Equal(got, []string{"field “A” was filled in"}) {
		t.Errorf("got %q", got)
	}
	s.Changes = ChangesForbidden
	if got := s.AllowedChanges(Vietnamese); !slices.Equal(got, []string{"được phép: điền trường “A”"}) {
		t.Errorf("got %q", got)
	}
}
