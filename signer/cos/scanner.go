package cos

import (
	"io"
)

// window is how much of the file a scanner holds at a time.
const window = 8 << 10

// eof is what a scanner gives behind the last byte.
const eof = -1

// scanner reads single bytes at any place of a file through a small window.
type scanner struct {
	r     io.ReaderAt
	end   int64
	pos   int64
	buf   []byte
	start int64
	err   error
}

func newScanner(r io.ReaderAt, pos, end int64) *scanner {
	return &scanner{r: r, pos: pos, end: end}
}

func (s *scanner) peek() int {
	i := s.pos - s.start
	if i >= 0 && i < int64(len(s.buf)) {
		return int(s.buf[i])
	}
	if s.pos < 0 || s.pos >= s.end {
		return eof
	}
	if s.buf == nil {
		s.buf = make([]byte, 0, window)
	}
	n := min(int64(window), s.end-s.pos)
	s.buf = s.buf[:n]
	got, err := s.r.ReadAt(s.buf, s.pos)
	s.buf = s.buf[:got]
	s.start = s.pos
	if got == 0 {
		if err != nil && err != io.EOF {
			s.err = err
		}
		return eof
	}
	return int(s.buf[0])
}

func (s *scanner) next() int {
	c := s.peek()
	if c != eof {
		s.pos++
	}
	return c
}

// skip passes white space and comments.
func (s *scanner) skip() {
	for {
		c := s.peek()
		switch {
		case c == '%':
			for c != '\n' && c != '\r' && c != eof {
				c = s.next()
			}
		case isSpace(c):
			s.pos++
		default:
			return
		}
	}
}

// space passes white space only.
func (s *scanner) space() {
	for isSpace(s.peek()) {
		s.pos++
	}
}

// literal passes the given bytes if they stand here.
func (s *scanner) literal(want string) bool {
	at := s.pos
	for i := 0; i < len(want); i++ {
		if s.next() != int(want[i]) {
			s.pos = at
			return false
		}
	}
	return true
}

// keyword passes a word that must be followed by a delimiter.
func (s *scanner) keyword(want string) bool {
	at := s.pos
	if !s.literal(want) {
		return false
	}
	if isRegular(s.peek()) {
		s.pos = at
		return false
	}
	return true
}

// unsigned reads a run of digits of at most max characters.
func (s *scanner) unsigned(max int) (int64, bool) {
	at := s.pos
	var v int64
	n := 0
	for {
		c := s.peek()
		if c < '0' || c > '9' {
			break
		}
		if n == max {
			s.pos = at
			return 0, false
		}
		v = v*10 + int64(c-'0')
		n++
		s.pos++
	}
	return v, n > 0
}

func isSpace(c int) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func isDelimiter(c int) bool {
	switch c {
	case '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
		return true
	}
	return false
}

func isRegular(c int) bool { return c != eof && !isSpace(c) && !isDelimiter(c) }
