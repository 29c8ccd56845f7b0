package xades

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/beevik/etree"
)

// Document is a parsed XML document.
type Document struct {
	doc      *etree.Document
	root     *etree.Element
	ids      map[string][]*etree.Element
	elements int
	left     int64 // bytes of canonical form that may still be made
}

// IsXML tells by its first bytes whether a file looks like XML.
func IsXML(head []byte) bool {
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	return bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("<"))
}

// Parse reads a document in UTF-8 strictly.
func Parse(data []byte) (*Document, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%w: document of %d bytes, at most %d", ErrLimit, len(data), MaxBytes)
	}
	d := &Document{doc: etree.NewDocument(), ids: map[string][]*etree.Element{}, left: maxCanonical}
	d.doc.ReadSettings = etree.ReadSettings{
		PreserveDuplicateAttrs: true, MaxDepth: maxDepth,
		CharsetReader: func(string, io.Reader) (io.Reader, error) { return nil, malformed("not UTF-8") },
	}
	err := d.doc.ReadFromBytes(normalizeValues(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	if errors.Is(err, etree.ErrMaxDepth) {
		return nil, fmt.Errorf("%w: nested deeper than %d", ErrLimit, maxDepth)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for _, token := range d.doc.Child {
		switch t := token.(type) {
		case *etree.Element:
			if d.root != nil {
				return nil, malformed("several root elements")
			}
			d.root = t
		case *etree.Directive:
			return nil, malformed("a document type declaration, which is not read")
		case *etree.CharData:
			if strings.TrimSpace(t.Data) != "" {
				return nil, malformed("text outside the root element")
			}
		}
	}
	if d.root == nil {
		return nil, malformed("no root element")
	}
	return d, d.index(d.root)
}

// index checks names and attributes and notes every Id.
func (d *Document) index(el *etree.Element) error {
	d.elements++
	if d.elements > maxElements {
		return fmt.Errorf("%w: more than %d elements", ErrLimit, maxElements)
	}
	if el.Tag == "" || strings.Contains(el.Tag, ":") {
		return malformed("name of an element")
	}
	seen := map[string]bool{}
	for _, attr := range el.Attr {
		name := attr.FullKey()
		if attr.Key == "" || strings.Contains(attr.Key, ":") || seen[name] {
			return malformed("attribute " + name)
		}
		seen[name] = true
		// The names that are identifiers by custom (XML-DSig, WS-Security,
		// SAML) and by xml:id. Where two of them collide nothing resolves.
		if strings.EqualFold(attr.Key, "id") && attr.Space != "xmlns" {
			d.ids[attr.Value] = append(d.ids[attr.Value], el)
		}
	}
	for _, token := range el.Child {
		switch t := token.(type) {
		case *etree.Element:
			err := d.index(t)
			if err != nil {
				return err
			}
		case *etree.Directive:
			return malformed("a declaration inside the root element")
		}
	}
	return nil
}

// byID finds the only element with an identifier.
func (d *Document) byID(id string) (*etree.Element, error) {
	found := d.ids[id]
	if id == "" || len(found) != 1 {
		return nil, fmt.Errorf("%w: %d elements with Id %q", ErrReference, len(found), id)
	}
	return found[0], nil
}

// normalizeValues turns white space inside attribute values into blanks, as
// XML 1.0 §3.3.3 asks of every reader and encoding/xml does not do.
func normalizeValues(data []byte) []byte {
	out := bytes.Clone(data)
	for at := 0; at < len(out); {
		start := bytes.IndexByte(out[at:], '<')
		if start < 0 {
			break
		}
		at += start
		switch {
		case bytes.HasPrefix(out[at:], []byte("<!--")):
			at = after(out, at+4, "-->")
		case bytes.HasPrefix(out[at:], []byte("<![CDATA[")):
			at = after(out, at+9, "]]>")
		case bytes.HasPrefix(out[at:], []byte("<?")):
			at = after(out, at+2, "?>")
		default:
			out, at = normalizeTag(out, at+1)
		}
	}
	return out
}

func after(data []byte, at int, end string) int {
	n := bytes.Index(data[at:], []byte(end))
	if n < 0 {
		return len(data)
	}
	return at + n + len(end)
}

// normalizeTag blanks the values of one tag and returns where it ends. A CR LF
// pair is one line end (XML 1.0 §2.11).
func normalizeTag(data []byte, at int) ([]byte, int) {
	quote := byte(0)
	for ; at < len(data); at++ {
		c := data[at]
		switch {
		case quote == 0 && c == '>':
			return data, at + 1
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0 && c == '\r' && at+1 < len(data) && data[at+1] == '\n':
			// The LF that follows becomes the blank.
			data = append(data[:at], data[at+1:]...)
			data[at] = ' '
		case quote != 0 && (c == '\t' || c == '\n' || c == '\r'):
			data[at] = ' '
		}
	}
	return data, at
}
