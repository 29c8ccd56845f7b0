package rules

// transform changes a buffer before its tests.
type transform uint8

const (
	transDotPrefix transform = iota + 1
	transLower
	transUpper
	transStripSpace
	transCompressSpace
)

func transformByName(name string) (transform, bool) {
	switch name {
	case "dotprefix":
		return transDotPrefix, true
	case "to_lowercase":
		return transLower, true
	case "to_uppercase":
		return transUpper, true
	case "strip_whitespace":
		return transStripSpace, true
	case "compress_whitespace":
		return transCompressSpace, true
	}
	return 0, false
}

// apply appends the transformed bytes to out.
func (t transform) apply(out, in []byte) []byte {
	switch t {
	case transDotPrefix:
		return append(append(out, '.'), in...)
	case transLower:
		for _, c := range in {
			out = append(out, fold[c])
		}
	case transUpper:
		for _, c := range in {
			if c >= 'a' && c <= 'z' {
				c -= 'a' - 'A'
			}
			out = append(out, c)
		}
	case transStripSpace:
		for _, c := range in {
			if !isSpace(c) {
				out = append(out, c)
			}
		}
	case transCompressSpace:
		was := false
		for _, c := range in {
			is := isSpace(c)
			if !is || !was {
				out = append(out, c)
			}
			was = is
		}
	}
	return out
}

// isSpace is C's isspace.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
