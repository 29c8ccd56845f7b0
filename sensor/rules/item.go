package rules

import (
	"fmt"
	"slices"
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
)

// item is one test on a buffer.
type item struct {
	kind    itemKind
	content *content
	pcre    *pcreTest
	bytes   *byteTest
	base64  *base64Test
	asn1    *asn1Test
	// size is bsize's, urilen's and, over the number in the buffer,
	// itemNumber's.
	size numberTest
	// at, relative and negated are isdataat's.
	at                int
	atRef             varRef
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
	// key is the engine's number for buf and trans.
	key int
}

func (l *bufferList) compile() error {
	var chain []item
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
		case ordered, it.isRelative():
			chain = append(chain, it)
		case it.moves():
			if len(chain) > 0 {
				l.chains = append(l.chains, chain)
			}
			chain = []item{it}
		default:
			l.checks = append(l.checks, it)
		}
	}
	if len(chain) > 0 {
		l.chains = append(l.chains, chain)
	}
	return nil
}

// add appends an item to the list of a buffer, making the list if needed.
func (b *builder) add(buf Buffer, trans []transform, it item) error {
	b.items++
	if b.items > maxItems {
		return fmt.Errorf("more than %d tests in one rule", maxItems)
	}
	lists := b.rule.lists
	at := slices.IndexFunc(lists, func(l bufferList) bool {
		return l.buf == buf && slices.Equal(l.trans, trans)
	})
	if at < 0 {
		at = len(lists)
		b.rule.lists = append(lists, bufferList{buf: buf, trans: slices.Clone(trans)})
	}
	l := &b.rule.lists[at]
	l.items = append(l.items, it)
	b.lastList = at
	if buf == b.buf {
		b.list = at
	}
	return nil
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
	if ok {
		if buf == BufferTLSVersion {
			return true, b.addExact(buf, unquote(o.value))
		}
		if o.has && o.value != "" {
			return true, fmt.Errorf("takes no value")
		}
		b.buf, b.trans, b.list, b.last = buf, nil, -1, nil
		return true, nil
	}
	t, ok := transformByName(o.name)
	if !ok {
		return false, nil
	}
	if b.buf == BufferPayload {
		return true, fmt.Errorf("a transform stands after a sticky buffer")
	}
	b.trans, b.list, b.last = append(slices.Clip(b.trans), t), -1, nil
	return true, nil
}

// addExact asks that a buffer equals a value.
func (b *builder) addExact(buf Buffer, value string) error {
	if value == "" {
		return errNoValue
	}
	c := &content{pattern: []byte(value), depth: -1, within: -1, starts: true, endswith: true}
	return b.add(buf, nil, item{kind: itemContent, content: c})
}

// numberHolds tests the number that a buffer holds in big-endian bytes.
func (it *item) numberHolds(raw []byte) bool {
	n := 0
	for _, c := range raw[:min(len(raw), 7)] {
		n = n<<8 | int(c)
	}
	return it.size.holds(n)
}
