package appearance

import (
	"fmt"
	"strconv"
	"strings"
)

// Pages are the pages that show a mark: ranges in their order. The zero value
// names none.
type Pages []Range

// Range is a run of pages, counted from 1; -1 is the last, -2 the one before it.
type Range struct{ From, To int }

const (
	maxRanges = 64
	// maxShown bounds the pages that show one mark.
	maxShown = 5000
)

// ParsePages reads pages as people write them: "all", or numbers and ranges such
// as "1,3-5" and "2-last", in English or Vietnamese. Empty text names none.
func ParsePages(text string) (Pages, error) {
	var out Pages
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		if text == "" {
			return nil, nil
		}
		part = strings.TrimSpace(part)
		if part == "all" || part == "tất cả" {
			part = "1-last"
		}
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := pageNumber(first)
		if err != nil {
			return nil, err
		}
		to, err := pageNumber(last)
		if err != nil {
			return nil, err
		}
		out = append(out, Range{from, to})
	}
	if len(out) > maxRanges {
		return nil, fmt.Errorf("%w: more than %d ranges of pages", ErrSpec, maxRanges)
	}
	return out, nil
}

func pageNumber(text string) (int, error) {
	text = strings.TrimSpace(text)
	if text == "last" || text == "cuối" {
		return -1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%w: page %q; write all, or numbers and ranges such as 1,3-5 or 2-last", ErrSpec, text)
	}
	return n, nil
}

// Numbers lists the pages of a document with so many pages, each once, in
// ascending order. A page that is not there gives an error.
func (p Pages) Numbers(count int) ([]int, error) {
	shown := make([]bool, count+1)
	for _, r := range p {
		from, to := absolute(r.From, count), absolute(r.To, count)
		if from < 1 || to > count || from > to {
			return nil, fmt.Errorf("%w: pages %d to %d of a document that has %d", ErrOutside, from, to, count)
		}
		for n := from; n <= to; n++ {
			shown[n] = true
		}
	}
	var out []int
	for n, is := range shown {
		if is {
			out = append(out, n)
		}
	}
	if len(out) > maxShown {
		return nil, fmt.Errorf("%w: a mark on more than %d pages", ErrSpec, maxShown)
	}
	return out, nil
}

// absolute is the number of a page that may be counted from the end.
func absolute(n, count int) int {
	if n < 0 {
		return n + count + 1
	}
	return n
}
