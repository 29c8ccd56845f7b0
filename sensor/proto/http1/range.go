package http1

import (
	"bytes"
	"mime/multipart"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/antin-gov/antin/sensor/files"
)

// StatusPartial is the status of an answer that is a part (RFC 9110 §15.3.7).
const StatusPartial = 206

// ContentRange reads the field of that name (RFC 9110 §14.4): "bytes 5-9/100", or
// with the size 0 "bytes 5-9/*". A range that is not there, "bytes */100", is
// valid and no part.
func ContentRange(v []byte) (r files.Range, part, valid bool) {
	unit, rest, ok := strings.Cut(strings.TrimSpace(string(v)), " ")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return r, false, false
	}
	span, size, ok := strings.Cut(strings.TrimSpace(rest), "/")
	if !ok {
		return r, false, false
	}
	known := size != "*"
	whole, errSize := strconv.ParseUint(size, 10, 63)
	if known && errSize != nil {
		return r, false, false
	}
	if span == "*" {
		return r, false, known
	}
	from, to, _ := strings.Cut(span, "-")
	start, errStart := strconv.ParseUint(from, 10, 63)
	end, errEnd := strconv.ParseUint(to, 10, 63)
	if errStart != nil || errEnd != nil || end < start || known && end >= whole {
		return r, false, false
	}
	return files.Range{Start: start, End: end, Size: whole}, true, true
}

// Joining is an answer that is a part of a file, or several, while it comes. The
// nil one takes everything and gives nothing.
type Joining struct {
	part *files.Part
	// open begins a part; boundary is what separates several, which are read
	// when all have come.
	open     func(files.Range) *files.Part
	boundary string
}

// Join looks at the fields of an answer with StatusPartial, of which get returns the
// first of a name. A part with a content coding is none of the file's bytes: it is left by
// itself. The file is the one whose beginning is kept of what comes.
func Join(get func(name string) []byte, f *files.File, open func(files.Range) *files.Part) *Joining {
	if len(get("Content-Encoding")) > 0 {
		return nil
	}
	mark := boundaryOf(get("Content-Type"), "multipart/byteranges")
	if mark != "" {
		f.NeedData()
		return &Joining{open: open, boundary: mark}
	}
	r, ok, _ := ContentRange(get("Content-Range"))
	if !ok {
		return nil
	}
	p := open(r)
	if p == nil {
		return nil
	}
	p.Of(f)
	return &Joining{part: p}
}

// Write takes content.
func (j *Joining) Write(b []byte) {
	if j != nil {
		j.part.Write(b)
	}
}

// Gap tells that n bytes are missing.
func (j *Joining) Gap(n int) {
	if j != nil {
		j.part.Gap(n)
	}
}

// Close ends the answer, which was that file. It returns the files that it made
// whole.
func (j *Joining) Close(f *files.File) []*files.File {
	switch {
	case j == nil:
		return nil
	case j.boundary != "":
		return j.several(f)
	}
	whole := j.part.Close()
	if whole == nil {
		return nil
	}
	return []*files.File{whole}
}

// several reads an answer of several parts (RFC 9110 §14.6), when all of it was
// kept.
func (j *Joining) several(f *files.File) (whole []*files.File) {
	if f.Gaps || f.Size != uint64(len(f.Data)) {
		return nil
	}
	parts := multipart.NewReader(bytes.NewReader(f.Data), j.boundary)
	for range maxParts {
		p, err := parts.NextRawPart()
		if err != nil {
			// What could be read has been taken.
			return whole
		}
		r, ok, _ := ContentRange([]byte(textproto.MIMEHeader(p.Header).Get("Content-Range")))
		if !ok {
			continue
		}
		part := j.open(r)
		part.Of(f)
		var piece [4 << 10]byte
		for err == nil {
			var n int
			n, err = p.Read(piece[:])
			part.Write(piece[:n])
		}
		if done := part.Close(); done != nil {
			whole = append(whole, done)
		}
	}
	return whole
}
