package nd30

import (
	"errors"
	"fmt"
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
}

// Error tells the mark and its place.
func (e *SecretError) Error() string {
	return fmt.Sprintf("%s: %s on page %d, %.0f mm from the left and %.0f mm from the top", ErrSecret, e.Level, e.Page, e.Box.X, e.Box.Y)
}

// Is makes it an ErrSecret.
func (e *SecretError) Is(target error) bool { return target == ErrSecret }

// secretPages is how many pages are looked at for marks: that of the document
// and those of annexes that begin soon after.
const secretPages = 10

// Secret gives a *SecretError when the document is marked MẬT, TỐI MẬT or TUYỆT
// MẬT: a line of its own in capitals, as the stamp is (NĐ 30/2020, Appendix I,
// box 10a), in the upper half of the first page or at the head of a later one;
// or the words "Độ mật:" with a level behind. Words in running text do not
// count, nor does a page that shows several levels, which is a list of them.
func (d *Document) Secret() error {
	for n := 1; n <= min(secretPages, len(d.pages)); n++ {
		err := d.Page(n).secret()
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Page) secret() error {
	_, height := p.Geometry.Size()
	reach := height / 2
	if p.Number > 1 {
		reach = height / 5
	}
	var found *SecretError
	for _, l := range p.Lines {
		level, stamp := secrecy(l.Text)
		if level == "" {
			continue
		}
		if found != nil && found.Level != level {
			return nil // a list of levels
		}
		if found == nil && (!stamp || l.Box.Y < reach) {
			found = &SecretError{Level: level, Page: p.Number, Box: l.Box}
		}
	}
	if found != nil {
		return found
	}
	return nil
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
