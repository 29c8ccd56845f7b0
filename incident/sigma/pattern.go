package sigma

import (
	"strings"
	"unicode"
)

// token is one element of a Sigma string.
type token struct {
	kind tokenKind
	text string
}

type tokenKind uint8

const (
	tokenText tokenKind = iota
	tokenAny
	tokenOne
	// tokenDash is any of the characters that windash makes equal.
	tokenDash
)

// dashes are those of the windash modifier (appendix "Modifiers").
const dashes = "-/–—―"

// parseTokens reads a Sigma string: * and ? are wildcards, a backslash escapes
// them and itself and is otherwise a plain character.
func parseTokens(s string) []token {
	var out []token
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, token{tokenText, b.String()})
			b.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`*?\`, s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		case c == '*':
			flush()
			if n := len(out); n == 0 || out[n-1].kind != tokenAny {
				out = append(out, token{kind: tokenAny})
			}
		case c == '?':
			flush()
			out = append(out, token{kind: tokenOne})
		default:
			b.WriteByte(c)
		}
	}
	flush()
	return out
}

// withDashes replaces the dashes that start an option: after something that
// is not part of a word and before something that is.
func withDashes(in []token) []token {
	var out []token
	for _, t := range in {
		if t.kind != tokenText {
			out = append(out, t)
			continue
		}
		start := 0
		for i := range len(t.text) {
			c := t.text[i]
			if c != '-' && c != '/' || i > 0 && isWord(t.text[i-1]) || i+1 >= len(t.text) || !isWord(t.text[i+1]) {
				continue
			}
			if i > start {
				out = append(out, token{tokenText, t.text[start:i]})
			}
			out = append(out, token{kind: tokenDash})
			start = i + 1
		}
		if start < len(t.text) {
			out = append(out, token{tokenText, t.text[start:]})
		}
	}
	return out
}

func isWord(c byte) bool {
	return c == '_' || c < 0x80 && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)))
}

// pattern matches one text. Without wildcards inside, which is nearly always,
// it is a single string operation.
type pattern struct {
	tokens []token
	place  placement
	cased  bool
	// plain is the whole text when there is one text token and nothing else.
	plain   string
	isPlain bool
}

func newPattern(tokens []token, place placement, cased bool) *pattern {
	if !cased {
		lower := make([]token, len(tokens))
		for i, t := range tokens {
			lower[i] = token{t.kind, strings.ToLower(t.text)}
		}
		tokens = lower
	}
	p := &pattern{tokens: tokens, place: place, cased: cased}
	// Wildcards at the ends are placements.
	if n := len(p.tokens); n > 0 && p.tokens[0].kind == tokenAny && (place == placeWhole || place == placeStarts) {
		p.tokens = p.tokens[1:]
		p.place = map[placement]placement{placeWhole: placeEnds, placeStarts: placeContains}[place]
	}
	if n := len(p.tokens); n > 0 && p.tokens[n-1].kind == tokenAny && (p.place == placeWhole || p.place == placeEnds) {
		p.tokens = p.tokens[:n-1]
		p.place = map[placement]placement{placeWhole: placeStarts, placeEnds: placeContains}[p.place]
	}
	switch {
	case len(p.tokens) == 0:
		p.isPlain = true
	case len(p.tokens) == 1 && p.tokens[0].kind == tokenText:
		p.isPlain, p.plain = true, p.tokens[0].text
	}
	return p
}

// matchesText compares with a value in both forms: as it is and lower-cased.
func (p *pattern) matchesText(v *value) bool {
	text := v.text
	if !p.cased {
		text = v.lower()
	}
	if !p.isPlain {
		return p.glob(text)
	}
	switch p.place {
	case placeContains:
		return strings.Contains(text, p.plain)
	case placeStarts:
		return strings.HasPrefix(text, p.plain)
	case placeEnds:
		return strings.HasSuffix(text, p.plain)
	}
	return text == p.plain
}

// glob matches with wildcards in time proportional to text times tokens: only
// the last * is ever tried again.
func (p *pattern) glob(text string) bool {
	open := p.place == placeContains || p.place == placeEnds
	tail := p.place == placeContains || p.place == placeStarts
	i, at := 0, 0
	star, mark := -1, 0
	if open {
		star = 0
	}
	for {
		if i == len(p.tokens) && (tail || at == len(text)) {
			return true
		}
		if i < len(p.tokens) {
			if p.tokens[i].kind == tokenAny {
				i++
				star, mark = i, at
				continue
			}
			n, ok := p.tokens[i].at(text[at:])
			if ok {
				i, at = i+1, at+n
				continue
			}
		}
		if star < 0 || mark >= len(text) {
			return false
		}
		mark++
		i, at = star, mark
	}
}

// at reports whether the token stands at the start of text, and its length.
func (t token) at(text string) (int, bool) {
	switch t.kind {
	case tokenText:
		return len(t.text), strings.HasPrefix(text, t.text)
	case tokenOne:
		for i := range text {
			if i > 0 {
				return i, true
			}
		}
		return len(text), text != ""
	case tokenDash:
		for _, d := range dashes {
			if strings.HasPrefix(text, string(d)) {
				return len(string(d)), true
			}
		}
	}
	return 0, false
}

// literal returns the longest text that any match must contain, lower-cased.
func (p *pattern) literal() string {
	best := ""
	for _, t := range p.tokens {
		if t.kind == tokenText && len(t.text) > len(best) {
			best = t.text
		}
	}
	return strings.ToLower(best)
}
