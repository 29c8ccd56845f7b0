package nd30_test

import (
	"errors"
	"testing"

	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/signer/nd30"
)

// marked makes a document whose abstract is replaced by a mark of its own line.
func marked(t *testing.T, mark string, paragraphs string) []byte {
	t.Helper()
	d := &paper.Document{
		Agency: mark, Number: "05/CT-UBND", Place: "Tân Lập", Date: day(), Type: "Chỉ thị", Abstract: "Về việc tăng cường bảo mật",
		Body: []paper.Block{paper.Paragraph{Text: paragraphs}}, Signer: paper.Signer{Title: "CHỦ TỊCH", Name: "Nguyễn Văn Bình"},
	}
	p, err := d.Render()
	if err != nil {
		t.Fatal(err)
	}
	return p.PDF
}

func TestAMarkOfSecrecyIsFoundAndTheWordInTextIsNot(t *testing.T) {
	cases := []struct{ name, mark, text, level string }{
		{"mật", "MẬT", "Nội dung.", "MẬT"},
		{"tối mật", "TỐI MẬT", "Nội dung.", "TỐI MẬT"},
		{"tuyệt mật", "TUYỆT MẬT", "Nội dung.", "TUYỆT MẬT"},
		{"in brackets", "(MẬT)", "Nội dung.", "MẬT"},
		{"with its name before", "ĐỘ MẬT: TỐI MẬT", "Nội dung.", "TỐI MẬT"},
		{"released from secrecy", "GIẢI MẬT", "Nội dung.", ""},
		{"an office with the word in its name", "CỤC BẢO MẬT", "Nội dung.", ""},
		{"words in running text", "SỞ NỘI VỤ", "Việc bảo mật, bí mật nhà nước, tài liệu MẬT, TỐI MẬT và TUYỆT MẬT thực hiện theo quy định của pháp luật về bảo vệ bí mật nhà nước.", ""},
		{"a line of a list of levels", "SỞ NỘI VỤ", "Mật", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := document(t, marked(t, c.mark, c.text)).Secret()
			var secret *nd30.SecretError
			switch {
			case c.level == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.level != "" && (!errors.As(err, &secret) || !errors.Is(err, nd30.ErrSecret) || secret.Level != c.level || secret.Page != 1):
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAPageThatShowsSeveralLevelsIsRefusedAsOneThatMayBeAList(t *testing.T) {
	// \001 to \003 are the letters with marks of the three levels.
	cases := []struct {
		name, content string
		level         string
		list          bool
	}{
		{"a list of all levels", "BT /F1 12 Tf 72 700 Td (TUY\\003T M\\001T) Tj 0 -30 Td (T\\002I M\\001T) Tj 0 -30 Td (M\\001T) Tj ET", "TUYỆT MẬT", true},
		{"a mark, and another level below where marks stand", "BT /F1 12 Tf 72 700 Td (M\\001T) Tj 0 -600 Td (T\\002I M\\001T) Tj ET", "MẬT", true},
		{"the highest level counts, wherever it stands", "BT /F1 12 Tf 72 700 Td (M\\001T) Tj 0 -30 Td (T\\002I M\\001T) Tj ET", "TỐI MẬT", true},
		{"a level that nobody sees makes no list", "BT /F1 12 Tf 72 700 Td (M\\001T) Tj 3 Tr 0 -600 Td (T\\002I M\\001T) Tj ET", "MẬT", false},
		{"one level twice is no list", "BT /F1 12 Tf 72 700 Td (M\\001T) Tj 0 -30 Td (M\\001T) Tj ET", "MẬT", false},
		{"letters set apart", "BT /F1 12 Tf 72 700 Td (M \\001 T) Tj ET", "MẬT", false},
		{"at the foot of the page", "BT /F1 12 Tf 72 100 Td (M\\001T) Tj ET", "", false},
		{"several at the foot of the page", "BT /F1 12 Tf 72 100 Td (M\\001T) Tj 0 -30 Td (T\\002I M\\001T) Tj ET", "", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := document(t, sheet(c.content, "")).Secret()
			var secret *nd30.SecretError
			switch {
			case c.level == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.level != "" && (!errors.As(err, &secret) || secret.Level != c.level || secret.List != c.list):
				t.Errorf("got %v, want %s, list %t", err, c.level, c.list)
			}
		})
	}
}

func TestTheDigestOfTheTextChangesWithAWordAndWithItsPlace(t *testing.T) {
	digest := func(content string) string { return document(t, sheet(content, "")).TextDigest() }
	one := digest("BT /F1 12 Tf 72 700 Td (M\\001T) Tj ET")
	if one != digest("BT /F1 12 Tf 72 700 Td (M\\001T) Tj ET") {
		t.Error("the same text has two digests")
	}
	if one == digest("BT /F1 12 Tf 72 690 Td (M\\001T) Tj ET") || one == digest("BT /F1 12 Tf 72 700 Td (T\\002I M\\001T) Tj ET") {
		t.Error("another text has the same digest")
	}
}
