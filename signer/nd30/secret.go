package nd30

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/antin-gov/antin/signer/appearance"
)

// ErrSecret means that the document carries a mark of secrecy: state secrets
// are not signed here (R21; Luật Bảo vệ bí mật nhà nước 29/2018/QH14 art. 10,
// NĐ 68/2024/NĐ-CP).
var ErrSecret = errors.New("document is marked as a state secret")

// SecretError says which mark was found and where.
type SecretError struct {
	Level string // "MẬT", "TỐI MẬT" or "TUYỆT MẬT"
	Page  int
	Box   appearance.Box
	// List says that the page shows other levels as well: it may be one that
	// lists the levels, which only a person can tell from a mark among others.
	List bool
}

// Error tells the mark and its place.
func (e *SecretError) Error() string {
	text := fmt.Sprintf("%s: %s on page %d, %.0f mm from the left and %.0f mm from the top", ErrSecret, e.Level, e.Page, e.Box.X, e.Box.Y)
	if e.List {
		text += "; the page shows other levels too: where they only list the levels, a leader of the agency may say so (`antin nd30 declare`)"
	}
	return text
}

// Is makes it an ErrSecret.
func (e *SecretError) Is(target error) bool { return target == ErrSecret }

// secretPages is how many pages are looked at for marks: that of the document
// and those of annexes that begin soon after.
const secretPages = 10

// levels are the marks of secrecy, the lowest first.
func levels() []string { return []string{"MẬT", "TỐI MẬT", "TUYỆT MẬT"} }

// Secret gives a *SecretError when the document is marked MẬT, TỐI MẬT or TUYỆT
// MẬT: a line of its own in capitals, as the stamp is (NĐ 30/2020, Appendix I,
// box 10a), in the upper half of the first page or at the head of a later one;
// or the words "Độ mật:" with a level behind. Words in running text do not
// count. Of the marks of a page the highest level is told, and of the pages the
// first that has a mark without other levels beside it: no list explains that.
func (d *Document) Secret() error {
	var list *SecretError
	for n := 1; n <= min(secretPages, len(d.pages)); n++ {
		found := d.Page(n).secret()
		switch {
		case found == nil:
		case !found.List:
			return found
		case list == nil:
			list = found
		}
	}
	if list != nil {
		return list
	}
	return nil
}

func (p *Page) secret() *SecretError {
	_, height := p.Geometry.Size()
	reach := height / 2
	if p.Number > 1 {
		reach = height / 5
	}
	var found *SecretError
	first, several := "", false
	for _, l := range p.Lines {
		level, stamp := secrecy(l.Text)
		if level == "" {
			continue
		}
		if !l.Hidden { // a level that nobody sees makes no list
			several = several || first != "" && first != level
			first = level
		}
		if stamp && l.Box.Y >= reach {
			continue
		}
		if found == nil || slices.Index(levels(), level) > slices.Index(levels(), found.Level) {
			found = &SecretError{Level: level, Page: p.Number, Box: l.Box}
		}
	}
	if found != nil {
		found.List = several
	}
	return found
}

// TextDigest is the hex SHA-256 of the text of all pages with its places. The
// marks of signatures are no part of it, so it stays the same while a document
// is signed, numbered and sealed. Pictures are not part of it either.
func (d *Document) TextDigest() string {
	h := sha256.New()
	for n := 1; n <= len(d.pages); n++ {
		p := d.Page(n)
		if n > secretPages {
			delete(d.read, n) // long documents are not kept in memory
		}
		_, _ = fmt.Fprintf(h, "%d %v %t\n", n, p.Geometry, p.Err == nil) // a hash takes everything
		for _, l := range p.Lines {
			_, _ = fmt.Fprintf(h, "%.1f %.1f %.1f %t %q\n", l.Box.X, l.Box.Y, l.Size, l.Hidden, l.Text)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// secrecy reads a line as a mark of secrecy: its level, and whether it is the
// stamp itself, not a line that names it.
func secrecy(s string) (level string, stamp bool) {
	s = strings.Trim(norm.NFC.String(s), " .*[]()|-–\"“”")
	stamp = true
	rest, named := cutFold(s, "ĐỘ MẬT")
	if named {
		stamp = false
		s = strings.TrimLeft(rest, " :")
	}
	for _, r := range s {
		if stamp && unicode.IsLower(r) {
			return "", false
		}
	}
	switch strings.ToUpper(strings.ReplaceAll(s, " ", "")) {
	case "MẬT":
		return "MẬT", stamp
	case "TỐIMẬT":
		return "TỐI MẬT", stamp
	case "TUYỆTMẬT":
		return "TUYỆT MẬT", stamp
	}
	return "", false
}

// cutFold is strings.CutPrefix that looks at no case.
func cutFold(s, prefix string) (string, bool) {
	have, want := []rune(s), []rune(prefix)
	if len(have) < len(want) || !strings.EqualFold(string(have[:len(want)]), prefix) {
		return s, false
	}
	return string(have[len(want):]), true
}
