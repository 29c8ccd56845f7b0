package validate

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/antin-gov/antin/signer/cos"
)

const (
	// maxGap bounds the hexadecimal /Contents with its brackets.
	maxGap = 64 << 20
	// maxDictionary bounds what may stand in a signature dictionary before
	// its /Contents.
	maxDictionary = 1 << 20
	// digestBuffer is the step in which signed bytes are read.
	digestBuffer = 256 << 10
)

// byteRange reads the array: exactly [0 a b c] with a < b and everything
// inside the file.
func byteRange(view *cos.View, dict cos.Dict, size int64) ([4]int64, bool) {
	var br [4]int64
	array := view.Array(dict["ByteRange"])
	if len(array) != 4 {
		return br, false
	}
	for n, o := range array {
		v, ok := o.(int64)
		if !ok {
			return br, false
		}
		br[n] = v
	}
	return br, plausible(br, size)
}

func plausible(br [4]int64, size int64) bool {
	return br[0] == 0 && br[1] > 0 && br[2] > br[1] && br[3] >= 0 && br[2] <= size && br[3] <= size-br[2]
}

// readGap returns the value in the gap: one hexadecimal string with its
// brackets and nothing else (EN 319 142-1 §5.2; the SWA attack hides objects
// there).
func readGap(r io.ReaderAt, br [4]int64) ([]byte, bool) {
	length := br[2] - br[1]
	if length < 4 || length > maxGap || length%2 != 0 {
		return nil, false
	}
	gap := make([]byte, length)
	_, err := r.ReadAt(gap, br[1])
	if err != nil && err != io.EOF {
		return nil, false
	}
	if gap[0] != '<' || gap[length-1] != '>' {
		return nil, false
	}
	value := make([]byte, hex.DecodedLen(int(length-2)))
	_, err = hex.Decode(value, gap[1:length-1])
	if err != nil {
		return nil, false
	}
	return value, true
}

// standsAt tells whether the gap is the /Contents value of the dictionary in
// the object at offset: read token by token from there, the value begins
// exactly at the gap and the name before it is /Contents. Without this a copy
// of a signature elsewhere in the file could borrow somebody's gap.
func standsAt(r io.ReaderAt, f *found, gap int64) bool {
	if f.offset < 0 || f.offset >= gap || gap-f.offset > maxDictionary {
		return false
	}
	head := make([]byte, gap-f.offset)
	_, err := r.ReadAt(head, f.offset)
	if err != nil && err != io.EOF {
		return false
	}
	depth, last, ok := lexDictionary(head)
	wanted := 1
	if f.inline {
		wanted = 2
	}
	return ok && depth == wanted && last == "Contents"
}

// lexDictionary reads the tokens of the beginning of an object and returns
// the depth of dictionaries and the last token when that is a name. It fails
// when the text ends inside a token or an array, or when the object ends.
func lexDictionary(text []byte) (depth int, last string, ok bool) {
	arrays := 0
	for n := 0; n < len(text); {
		c := text[n]
		switch {
		case isSpace(c):
			n++
			continue
		case c == '%':
			for n < len(text) && text[n] != '\r' && text[n] != '\n' {
				n++
			}
			continue
		case bytes.HasPrefix(text[n:], []byte("<<")):
			depth++
			last, n = "", n+2
		case bytes.HasPrefix(text[n:], []byte(">>")):
			depth--
			last, n = "", n+2
		case c == '[':
			arrays++
			last, n = "", n+1
		case c == ']':
			arrays--
			last, n = "", n+1
		case c == '<':
			end := bytes.IndexByte(text[n:], '>')
			if end < 0 {
				return 0, "", false
			}
			last, n = "", n+end+1
		case c == '(':
			end := literalEnd(text[n:])
			if end < 0 {
				return 0, "", false
			}
			last, n = "", n+end
		default:
			start := n
			n++
			for n < len(text) && !isSpace(text[n]) && !isDelimiter(text[n]) {
				n++
			}
			word := string(text[start:n])
			if word == "endobj" || word == "stream" {
				return 0, "", false
			}
			last = ""
			if c == '/' {
				last = word[1:]
			}
		}
	}
	return depth, last, arrays == 0
}

// literalEnd returns the length of the literal string at the beginning.
func literalEnd(text []byte) int {
	depth := 0
	for n := 0; n < len(text); n++ {
		switch text[n] {
		case '\\':
			n++
		case '(':
			depth++
		case ')':
			depth--
			if depth == 0 {
				return n + 1
			}
		}
	}
	return -1
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func isDelimiter(c byte) bool { return bytes.IndexByte([]byte("()<>[]{}/%"), c) >= 0 }

// digestRange computes the digest of the signed bytes without holding them.
func digestRange(r io.ReaderAt, br [4]int64, h crypto.Hash) ([]byte, error) {
	sum := h.New()
	buffer := make([]byte, digestBuffer)
	for n := 0; n < 4; n += 2 {
		_, err := io.CopyBuffer(struct{ io.Writer }{sum}, io.NewSectionReader(r, br[n], br[n+1]), buffer)
		if err != nil {
			return nil, fmt.Errorf("read signed bytes: %w", err)
		}
	}
	return sum.Sum(nil), nil
}
