package validate

import (
	"bytes"
	"encoding/hex"
	"io"

	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/cos"
)

const (
	scanWindow  = 1 << 20
	scanOverlap = 4096 // a /ByteRange array and what stands around it
	// maxOrphans bounds what is looked at when nothing leads to it.
	maxOrphans = 64
)

// orphanScan looks through the bytes of the file for signatures that no form
// leads to. It is what tells a damaged signed file from an unsigned one: one
// changed byte in a trailer, a catalog or a field makes the signature
// unreachable, not absent.
type orphanScan struct {
	in     io.ReaderAt
	size   int64
	ranges map[[4]int64]bool // byte ranges known
	gaps   map[int64]bool    // where known values begin
	values map[string]bool   // known values
	list   []*found
}

func scanOrphans(in io.ReaderAt, size int64, known []*found, view *cos.View) []*found {
	s := &orphanScan{in: in, size: size, ranges: make(map[[4]int64]bool), gaps: make(map[int64]bool), values: make(map[string]bool)}
	for _, f := range known {
		br, ok := byteRange(view, f.dict, size)
		if ok {
			s.ranges[br] = true
			s.gaps[br[1]] = true
		}
		value, ok := f.dict["Contents"].(cos.String)
		if ok {
			s.values[string(value)] = true
		}
	}
	// Byte ranges first: what they explain needs no second explanation.
	s.each("/ByteRange", s.takeRange)
	s.each("/Contents", s.takeValue)
	return s.list
}

// each calls take for every occurrence of a marker, with its place and the
// text behind it.
func (s *orphanScan) each(marker string, take func(at int64, behind []byte)) {
	buffer := make([]byte, min(scanWindow+scanOverlap, s.size))
	for start := int64(0); start < s.size; start += scanWindow {
		n, err := s.in.ReadAt(buffer[:min(int64(len(buffer)), s.size-start)], start)
		if err != nil && err != io.EOF {
			return
		}
		window := buffer[:n]
		for from := 0; ; {
			at := bytes.Index(window[from:], []byte(marker))
			if at < 0 || from+at >= scanWindow || len(s.list) >= maxOrphans {
				break
			}
			at += from
			from = at + len(marker)
			take(start+int64(at), window[from:])
		}
	}
}

// takeRange takes a byte range whose gap holds a signature.
func (s *orphanScan) takeRange(at int64, behind []byte) {
	br, ok := parseByteRange(behind)
	// Signatures of files embedded in this one count from elsewhere, so that
	// their gap is not beside the array.
	if !ok || s.ranges[br] || !plausible(br, s.size) || at < br[1]-maxDictionary || at > br[2]+maxDictionary {
		return
	}
	value, ok := readGap(s.in, br)
	if !ok || len(value) == 0 || value[0] != 0x30 {
		return
	}
	s.ranges[br], s.gaps[br[1]], s.values[string(value)] = true, true, true
	s.add(cos.Dict{"ByteRange": cos.Array{br[0], br[1], br[2], br[3]}, "Contents": cos.String(value)})
}

func (s *orphanScan) add(dict cos.Dict) {
	s.list = append(s.list, &found{dict: dict, offset: -1, orphan: true})
}

// takeValue takes a signature value whose byte range cannot be read any more.
func (s *orphanScan) takeValue(at int64, behind []byte) {
	const least = 512 // hexadecimal digits; no signature is shorter
	text := bytes.TrimLeft(behind, " \r\n\t\f\x00")
	if len(text) < least || text[0] != '<' || text[1] != '3' || text[2] != '0' {
		return
	}
	gap := at + int64(len("/Contents")) + int64(len(behind)-len(text))
	if s.gaps[gap] {
		return
	}
	value, ok := s.hexString(gap)
	if !ok || s.values[string(value)] || !isContainer(value) || s.embedded(at, int64(2*len(value)+2)) {
		return
	}
	s.gaps[gap], s.values[string(value)] = true, true
	s.add(cos.Dict{"Contents": cos.String(value)})
}

// hexString reads the hexadecimal string that begins at an offset.
func (s *orphanScan) hexString(at int64) ([]byte, bool) {
	var text []byte
	buffer := make([]byte, 64<<10)
	for at++; len(text) < maxGap; {
		n, err := s.in.ReadAt(buffer, at)
		end := bytes.IndexByte(buffer[:n], '>')
		if end >= 0 {
			text = append(text, buffer[:end]...)
			break
		}
		if err != nil {
			return nil, false
		}
		text = append(text, buffer[:n]...)
		at += int64(n)
	}
	if len(text)%2 != 0 {
		text = append(text, '0') // ISO 32000-2 §7.3.4.3
	}
	value := make([]byte, hex.DecodedLen(len(text)))
	_, err := hex.Decode(value, text)
	return value, err == nil
}

func isContainer(value []byte) bool {
	der, _, err := cms.Normalize(value)
	if err != nil {
		return false
	}
	_, err = cms.ParseLegacy(der)
	if err != nil {
		_, err = cms.ParseToken(der)
	}
	return err == nil
}

// embedded tells whether a readable byte range with a gap of this length
// stands beside the value: then it is the whole signature of a file embedded
// in this one, and none of ours.
func (s *orphanScan) embedded(at, gap int64) bool {
	for _, side := range [][2]int64{{max(0, at-scanOverlap), at}, {at + gap, min(s.size, at+gap+scanOverlap)}} {
		if side[1] <= side[0] {
			continue
		}
		text := make([]byte, side[1]-side[0])
		_, err := s.in.ReadAt(text, side[0])
		if err != nil && err != io.EOF {
			return false
		}
		for from := 0; ; {
			n := bytes.Index(text[from:], []byte("/ByteRange"))
			if n < 0 {
				break
			}
			from += n + len("/ByteRange")
			br, ok := parseByteRange(text[from:])
			if ok && br[2]-br[1] == gap {
				return true
			}
		}
	}
	return false
}

// parseByteRange reads "[ 0 a b c ]" at the beginning of the text.
func parseByteRange(text []byte) ([4]int64, bool) {
	const maxArray, maxDigits = 256, 15
	var br [4]int64
	text = bytes.TrimLeft(text, " \r\n\t\f\x00")
	if len(text) == 0 || text[0] != '[' {
		return br, false
	}
	end := bytes.IndexByte(text, ']')
	if end < 0 || end > maxArray {
		return br, false
	}
	words := bytes.Fields(text[1:end])
	if len(words) != len(br) {
		return br, false
	}
	for n, word := range words {
		if len(word) > maxDigits {
			return br, false
		}
		for _, c := range word {
			if c < '0' || c > '9' {
				return br, false
			}
			br[n] = br[n]*10 + int64(c-'0')
		}
	}
	return br, true
}
