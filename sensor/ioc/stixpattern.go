package ioc

import (
	"fmt"
	"strings"
)

// maxTerms bounds the comparisons of one pattern.
const maxTerms = 10_000

// term is one comparison of a pattern.
type term struct {
	kind  Kind
	value string
}

// patternParser reads the part of STIX patterns (STIX 2.1 §9) that lists of
// values use: observations joined by OR, comparisons joined by OR, equality,
// IN, LIKE with one leading %, ISSUBSET. Whatever narrows a match (AND, NOT,
// FOLLOWEDBY, qualifiers) is refused, because a list would widen it.
type patternParser struct {
	tokens []token
	at     int
	terms  []term
}

func parsePattern(s string) ([]term, error) {
	if len(s) > maxObject {
		return nil, fmt.Errorf("%w longer than %d bytes", errPattern, maxObject)
	}
	tokens, err := scanPattern(s)
	if err != nil {
		return nil, err
	}
	p := &patternParser{tokens: tokens}
	for {
		err = p.observation()
		if err != nil {
			return nil, err
		}
		if p.at == len(p.tokens) {
			return p.terms, nil
		}
		if !p.word("OR") {
			return nil, fmt.Errorf("%w with %s between observations", errPattern, p.tokens[p.at].text)
		}
	}
}

// token is a word, a mark or a string of a pattern.
type token struct {
	text   string
	quoted bool
}

func scanPattern(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '\'':
			text, n, ok := scanString(s[i+1:])
			if !ok {
				return nil, fmt.Errorf("%w with a string without end", errPattern)
			}
			out = append(out, token{text, true})
			i += n + 1
		case strings.IndexByte("[](),=<>!", c) >= 0:
			n := 1
			if i+1 < len(s) && s[i+1] == '=' && strings.IndexByte("<>!", c) >= 0 {
				n = 2
			}
			out = append(out, token{text: s[i : i+n]})
			i += n
		default:
			n := strings.IndexAny(s[i:], " \t\r\n[](),=<>!'")
			if n < 0 {
				n = len(s) - i
			}
			out = append(out, token{text: s[i : i+n]})
			i += n
		}
	}
	return out, nil
}

// scanString reads up to the closing quote and says how long that was.
func scanString(s string) (string, int, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			return b.String(), i + 1, true
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, false
}

func (p *patternParser) peek() token {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return token{text: "the end"}
}

// word takes the next token if it is that word or mark.
func (p *patternParser) word(s string) bool {
	t := p.peek()
	if p.at < len(p.tokens) && !t.quoted && strings.EqualFold(t.text, s) {
		p.at++
		return true
	}
	return false
}

func (p *patternParser) observation() error {
	depth := 0
	for p.word("(") {
		depth++
	}
	if depth > 0 {
		for {
			err := p.brackets()
			if err != nil {
				return err
			}
			if !p.word("OR") {
				break
			}
		}
		for ; depth > 0; depth-- {
			if !p.word(")") {
				return fmt.Errorf("%w with %s where a bracket closes", errPattern, p.peek().text)
			}
		}
		return nil
	}
	return p.brackets()
}

func (p *patternParser) brackets() error {
	if !p.word("[") {
		return fmt.Errorf("%w with %s where an observation starts", errPattern, p.peek().text)
	}
	open := 0
	for {
		for p.word("(") {
			open++
		}
		err := p.comparison()
		if err != nil {
			return err
		}
		for open > 0 && p.word(")") {
			open--
		}
		if open == 0 && p.word("]") {
			return nil
		}
		if !p.word("OR") {
			return fmt.Errorf("%w with %s: a list holds alternatives only", errPattern, p.peek().text)
		}
	}
}

func (p *patternParser) comparison() error {
	path := p.peek().text
	p.at++
	for !p.operator() && p.at < len(p.tokens) {
		// A quoted part of a path: file:hashes.'SHA-256'.
		path += p.peek().text
		p.at++
	}
	kind, ok := kindOfPath(path)
	if !ok {
		return fmt.Errorf("%w about %.80s, which is no list's matter", errPattern, path)
	}
	switch {
	case p.word("="), p.word("ISSUBSET"):
		return p.value(kind, false)
	case p.word("LIKE"):
		return p.value(kind, true)
	case p.word("IN"):
		if !p.word("(") {
			return fmt.Errorf("%w with IN and no set", errPattern)
		}
		for {
			err := p.value(kind, false)
			if err != nil {
				return err
			}
			if p.word(")") {
				return nil
			}
			if !p.word(",") {
				return fmt.Errorf("%w with a set without end", errPattern)
			}
		}
	}
	return fmt.Errorf("%w with the operator %s", errPattern, p.peek().text)
}

func (p *patternParser) operator() bool {
	t := p.peek()
	if t.quoted {
		return false
	}
	switch strings.ToUpper(t.text) {
	case "=", "!=", "<", ">", "<=", ">=", "IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET", "NOT", "EXISTS", "]", "OR", "AND":
		return true
	}
	return false
}

func (p *patternParser) value(kind Kind, like bool) error {
	t := p.peek()
	if !t.quoted {
		return fmt.Errorf("%w with %.40s where a string stands", errPattern, t.text)
	}
	p.at++
	if like {
		rest, ok := strings.CutPrefix(t.text, "%")
		if !ok || kind != KindDomain || strings.ContainsAny(rest, "%_") {
			return fmt.Errorf("%w with LIKE: only '%%.name' of a domain", errPattern)
		}
		t.text = "." + strings.TrimPrefix(rest, ".")
	}
	if len(p.terms) >= maxTerms {
		return fmt.Errorf("%w of more than %d comparisons", errPattern, maxTerms)
	}
	p.terms = append(p.terms, term{kind, t.text})
	return nil
}

// kindOfPath knows the object paths of STIX 2.1 §6 that name our kinds, and
// those that vendors use for TLS fingerprints, which have none.
func kindOfPath(path string) (Kind, bool) {
	path = strings.ToLower(path)
	switch path {
	case "ipv4-addr:value", "ipv6-addr:value", "network-traffic:dst_ref.value", "network-traffic:src_ref.value":
		return KindAddress, true
	case "domain-name:value":
		return KindDomain, true
	case "url:value":
		return KindURL, true
	}
	if at := strings.LastIndexAny(path, ".:"); at >= 0 {
		switch strings.Trim(path[at+1:], "'\"") {
		case "md5":
			return KindMD5, strings.HasPrefix(path, "file:hashes")
		case "sha-1", "sha1":
			return KindSHA1, strings.HasPrefix(path, "file:hashes")
		case "sha-256", "sha256":
			return KindSHA256, strings.HasPrefix(path, "file:hashes")
		case "ja3", "ja3_hash", "x_ja3", "x_ja3_hash":
			return KindJA3, true
		case "ja3s", "ja3s_hash", "x_ja3s", "x_ja3s_hash":
			return KindJA3S, true
		case "ja4", "x_ja4":
			return KindJA4, true
		}
	}
	return 0, false
}
