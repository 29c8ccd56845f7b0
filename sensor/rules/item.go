package rules

import (
	"fmt"
	"slices"
	"strings"
)

type itemKind uint8

const (
	itemContent itemKind = iota
	itemPCRE
	itemDataAt
	itemSize
	itemByteTest
	itemByteJump
	itemExtract
	itemBase64
	itemASN1
	itemFTPBounce
	itemNumber
	itemSet
	itemEntropy
	itemRaw
)

// item is one test on a buffer.
type item struct {
	kind    itemKind
	content *content
	pcre    *pcreTest
	bytes   *byteTest
	base64  *base64Test
	asn1    *asn1Test
	set     *setTest
	entropy *entropyTest
	raw     rawTest
	// size is bsize's, urilen's and, over the number in the buffer,
	// itemNumber's.
	size numberTest
	// at, relative and negated are isdataat's.
	at                int
	atRef             varRef
	quantifier        quantifier
	relative, negated bool
}

// isRelative says that the item starts from the end of the match before it.
func (it *item) isRelative() bool {
	switch it.kind {
	case itemContent:
		return it.content.relative
	case itemPCRE:
		return it.pcre.relative
	case itemDataAt:
		return it.relative
	case itemByteTest, itemByteJump, itemExtract:
		return it.bytes.relative
	case itemBase64:
		return it.base64.relative
	case itemASN1:
		return it.asn1.relative
	}
	return false
}

// moves says that a match of the item sets the position for the next one.
func (it *item) moves() bool {
	switch it.kind {
	case itemContent:
		return !it.content.negated
	case itemPCRE:
		return !it.pcre.negated
	case itemByteJump, itemExtract:
		return true
	}
	return false
}

// ordered says that the items of a list must be run as they stand: numbers
// are read that later ones use.
func (l *bufferList) ordered() bool {
	return slices.ContainsFunc(l.items, func(it item) bool { return it.kind == itemExtract })
}

// bufferList is all that a rule asks of one buffer.
type bufferList struct {
	buf   Buffer
	trans []transform
	items []item
	// checks do not depend on a position; each chain is a run of items that
	// depend on one another, tried with backtracking. A rule's chains do not
	// depend on each other, which keeps backtracking short.
	checks []item
	chains [][]item
	// needs are contents that stand behind a regular expression in their chain.
	// Without them the expression need not be tried.
	needs []*content
	// changes are done on an instance for which all else holds; each must
	// change something for the list to hold.
	changes []*setTest
	// key is the engine's number for buf and trans.
	key int
	// absent asks that the buffer is not there; orElse accepts that.
	absent, orElse bool
}

// optional says that the list can hold without the buffer.
func (l *bufferList) optional() bool {
	if l.absent || l.orElse {
		return true
	}
	return slices.ContainsFunc(l.items, func(it item) bool {
		return it.kind == itemNumber && (it.quantifier == allOrNone || it.quantifier == anyOrNone || it.quantifier == countOf)
	})
}

// compile puts the items into the order in which they are run.
func (l *bufferList) compile() error {
	var chains [][]item
	var chain, checks []item
	ordered := l.ordered()
	for i := range l.items {
		it := l.items[i]
		if it.kind == itemContent {
			err := it.content.settle()
			if err != nil {
				return fmt.Errorf("content: %w", err)
			}
		}
		switch {
		case it.kind == itemSet && it.set.changes():
			l.changes = append(l.changes, it.set)
		case ordered, it.isRelative():
			chain = append(chain, it)
		case it.moves():
			if len(chain) > 0 {
				chains = append(chains, chain)
			}
			chain = []item{it}
		default:
			checks = append(checks, it)
		}
	}
	if len(chain) > 0 {
		chains = append(chains, chain)
	}
	l.order(checks, chains)
	return nil
}

// order puts first what is decided soonest: chains do not depend on each
// other, and most fail. It notes what else must stand in the buffer for a
// chain with a costly test to hold. All items lie in one piece of memory.
func (l *bufferList) order(checks []item, chains [][]item) {
	slices.SortStableFunc(chains, func(a, b []item) int { return costs(a) - costs(b) })
	n := len(checks)
	for _, c := range chains {
		n += len(c)
	}
	l.items = append(make([]item, 0, n), checks...)
	l.checks = l.items[:len(checks):len(checks)]
	l.chains = slices.Clip(chains)
	for i, chain := range chains {
		from := len(l.items)
		l.items = append(l.items, chain...)
		l.chains[i] = l.items[from:len(l.items):len(l.items)]
		at := slices.IndexFunc(chain, func(it item) bool { return it.kind == itemPCRE })
		for j := max(at, 0); at >= 0 && j < len(chain); j++ {
			c := chain[j].content
			if c != nil && !c.negated {
				l.needs = append(l.needs, c)
			}
		}
	}
}

// costs is what a chain's dearest test costs.
func costs(chain []item) int {
	n := 0
	for i := range chain {
		if p := chain[i].pcre; p != nil && p.back != nil {
			n = 2
		} else if p != nil {
			n = max(n, 1)
		}
	}
	return n
}

// add appends an item to the list of a buffer, making the list if needed.
func (b *builder) add(buf Buffer, trans []transform, it item) error {
	b.items++
	if b.items > maxItems {
		return fmt.Errorf("more than %d tests in one rule", maxItems)
	}
	l := b.listOf(buf, trans)
	l.items = append(l.items, it)
	return nil
}

// listOf finds the list of a buffer, or makes it.
func (b *builder) listOf(buf Buffer, trans []transform) *bufferList {
	lists := b.rule.lists
	at := slices.IndexFunc(lists, func(l bufferList) bool {
		return l.buf == buf && sameTransforms(l.trans, trans)
	})
	if at < 0 {
		at = len(lists)
		b.rule.lists = append(lists, bufferList{buf: buf, trans: slices.Clone(trans)})
	}
	b.lastList = at
	if buf == b.buf {
		b.list = at
	}
	return &b.rule.lists[at]
}

// moveLast moves the last content into a buffer, for the older form
// content:"x"; http_uri.
func (b *builder) moveLast(buf Buffer) error {
	if b.last == nil {
		return fmt.Errorf("no content before it")
	}
	l := &b.rule.lists[b.lastList]
	n := len(l.items) - 1
	if n < 0 || l.items[n].content != b.last {
		return fmt.Errorf("does not follow its content")
	}
	it := l.items[n]
	l.items = l.items[:n]
	if n == 0 {
		b.rule.lists = slices.Delete(b.rule.lists, b.lastList, b.lastList+1)
	}
	b.items--
	return b.add(buf, nil, it)
}

func (b *builder) bufferOption(o option) (bool, error) {
	buf, ok := BufferByName(o.name)
	if ok && o.name == "payload" {
		return false, nil
	}
	number, isNumber := numberKeyword(o.name)
	if number == BufferSSLVersion && isNumber {
		return true, b.addVersions(o.value)
	}
	if isNumber {
		return true, b.addNumberKeyword(number, o.value)
	}
	if ok {
		if bufferTable[buf].packet {
			b.needPkt = true
		}
		if buf == BufferFileMD5 || buf == BufferFileSHA1 || buf == BufferFileSHA256 {
			return true, b.addHashes(buf, o.value)
		}
		if buf == BufferFileExt {
			return true, b.addText(buf, o.value, true)
		}
		if buf == BufferTLSVersion {
			return true, b.addExact(buf, unquote(o.value))
		}
		if o.has && o.value != "" {
			return true, fmt.Errorf("takes no value")
		}
		b.buf, b.trans, b.list, b.last = buf, nil, -1, nil
		return true, nil
	}
	if o.name == "absent" {
		return true, b.addAbsent(o.value)
	}
	t, ok, err := parseTransform(o)
	if !ok || err != nil {
		return ok, err
	}
	if b.buf == BufferPayload {
		return true, fmt.Errorf("a transform stands after a sticky buffer")
	}
	b.trans, b.list, b.last = append(slices.Clip(b.trans), t), -1, nil
	return true, nil
}

// addAbsent asks that the current buffer is absent, or else that it holds.
func (b *builder) addAbsent(value string) error {
	if b.buf == BufferPayload {
		return fmt.Errorf("no sticky buffer before it")
	}
	l := b.listOf(b.buf, b.trans)
	switch strings.TrimSpace(value) {
	case "":
		l.absent = true
	case "or_else":
		l.orElse = true
	default:
		return fmt.Errorf("%q is not or_else", clip(value))
	}
	return nil
}

// addText asks that a buffer holds a text without regard to case, or, when
// whole, equals it: the file keywords that stand for content.
func (b *builder) addText(buf Buffer, value string, whole bool) error {
	value, negated := strings.CutPrefix(strings.TrimSpace(value), "!")
	pattern, err := parsePattern(`"` + unquote(strings.TrimSpace(value)) + `"`)
	if err != nil {
		return err
	}
	c := &content{pattern: pattern, depth: -1, within: -1, negated: negated, starts: whole, endswith: whole, nocase: true}
	for i, x := range c.pattern {
		c.pattern[i] = fold[x]
	}
	return b.add(buf, nil, item{kind: itemContent, content: c})
}

// addExact asks that a buffer equals a value.
func (b *builder) addExact(buf Buffer, value string) error {
	if value == "" {
		return errNoValue
	}
	c := &content{pattern: []byte(value), depth: -1, within: -1, starts: true, endswith: true}
	return b.add(buf, nil, item{kind: itemContent, content: c})
}

// bufferNumber is the number that a buffer holds in big-endian bytes.
func bufferNumber(raw []byte) int {
	n := 0
	for _, c := range raw[:min(len(raw), 8)] {
		n = n<<8 | int(c)
	}
	return n
}
