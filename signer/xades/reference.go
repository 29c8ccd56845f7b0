package xades

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/beevik/etree"

	"github.com/antin-gov/antin/signer/cms"
)

// Reference is one thing that a signature is over.
type Reference struct {
	// URI as written: "" for the document, #ID for a part, else a file.
	URI string
	// Hash and Digest are what the signer stated.
	Hash   crypto.Hash
	Digest []byte
	// Target describes the element that is covered; empty for a file.
	Target string
	// Whole tells that everything in the file is covered: the whole document
	// or, for a detached signature, the whole content.
	Whole bool
	// Err is why the reference does not hold, nil when it does: ErrDigest of
	// package cms, ErrReference, ErrContent, ErrAlgorithm of package cms.
	Err error

	element    *etree.Element
	transforms transforms
	// properties tells that it is the signature's own SignedProperties.
	properties bool
}

// transforms is the closed list of what may be done before the digest.
type transforms struct {
	enveloped, base64 bool
	method            *method
}

// check resolves a reference, computes its digest and compares.
func (s *Signature) check(el *etree.Element, content []byte, have bool) Reference {
	r := Reference{URI: el.SelectAttrValue("URI", "")}
	r.Err = s.checkInto(&r, el, content, have)
	return r
}

func (s *Signature) checkInto(r *Reference, el *etree.Element, content []byte, have bool) error {
	method := child(el, dsigNS, "DigestMethod")
	value := child(el, dsigNS, "DigestValue")
	if method == nil || value == nil || el.SelectAttr("URI") == nil {
		return malformed("Reference")
	}
	var err error
	r.Digest, err = decode(text(value))
	if err != nil {
		return malformed("DigestValue")
	}
	r.Hash, err = HashByURI(method.SelectAttrValue("Algorithm", ""))
	if err != nil {
		return err
	}
	t, err := readTransforms(child(el, dsigNS, "Transforms"))
	if err != nil {
		return err
	}
	r.transforms = t
	if r.URI != "" && !strings.HasPrefix(r.URI, "#") {
		return r.checkFile(t, content, have)
	}
	if r.URI != "" {
		id, err := url.PathUnescape(r.URI[1:])
		if err != nil || strings.ContainsAny(id, "()") {
			return fmt.Errorf("%w: %q is no identifier", ErrReference, r.URI)
		}
		r.element, err = s.document.byID(id)
		if err != nil {
			return err
		}
	}
	return s.checkElement(r, t)
}

// checkFile is for content outside the document. Nothing is fetched: the
// caller gave the content.
func (r *Reference) checkFile(t transforms, content []byte, have bool) error {
	if t != (transforms{}) {
		return fmt.Errorf("%w: transforms of a file", errAlgorithm)
	}
	if !have {
		return ErrContent
	}
	r.Whole = true
	return r.compare(content)
}

func (r *Reference) compare(data []byte) error {
	h := r.Hash.New()
	h.Write(data)
	if !bytes.Equal(h.Sum(nil), r.Digest) {
		return cms.ErrDigest
	}
	return nil
}

func (s *Signature) checkElement(r *Reference, t transforms) error {
	target := s.target(r)
	r.Target = target.FullTag()
	if r.URI != "" {
		r.Target += " " + r.URI
	}
	if t.enveloped && !within(s.element, target) {
		return fmt.Errorf("%w: enveloped-signature outside what it signs", ErrReference)
	}
	h := r.Hash.New()
	err := s.octets(h, r, method{uri: c14n10})
	if err != nil {
		return err
	}
	if t.base64 {
		r.Whole = s.isOwnObject(target)
	}
	if !bytes.Equal(h.Sum(nil), r.Digest) {
		return cms.ErrDigest
	}
	if !t.base64 {
		r.Whole = target == s.document.root || s.isOwnObject(target)
		r.properties = s.properties != nil && target == s.properties
	}
	return nil
}

// target is the element that a reference into the document names.
func (s *Signature) target(r *Reference) *etree.Element {
	if r.element == nil {
		return s.document.root
	}
	return r.element
}

// octets writes what is digested for a reference into the document: the
// element after its transforms, in the form m when they name none.
func (s *Signature) octets(w io.Writer, r *Reference, m method) error {
	t := r.transforms
	if t.base64 {
		if t.enveloped || t.method != nil {
			return fmt.Errorf("%w: transforms beside base64", errAlgorithm)
		}
		data, err := decode(text(s.target(r)))
		if err != nil {
			return malformed("base64 of " + r.Target)
		}
		_, err = w.Write(data)
		return err
	}
	if t.method != nil {
		m = *t.method
	}
	var skip *etree.Element
	if t.enveloped {
		skip = s.element
	}
	return s.document.canonicalize(w, r.element, skip, m, false)
}

// isOwnObject tells whether an element is an Object of a signature that is the
// document's root and has no other content: then all of the file is in it.
func (s *Signature) isOwnObject(el *etree.Element) bool {
	if s.element != s.document.root || el.Parent() != s.element || !is(el, dsigNS, "Object") {
		return false
	}
	for _, object := range children(s.element, dsigNS, "Object") {
		holdsProperties := s.properties != nil && within(s.properties, object)
		if (object == el) == holdsProperties || holdsProperties && len(object.ChildElements()) != 1 {
			return false
		}
	}
	return true
}

func within(el, ancestor *etree.Element) bool {
	for up := el; up != nil; up = up.Parent() {
		if up == ancestor {
			return true
		}
	}
	return false
}

func readTransforms(el *etree.Element) (transforms, error) {
	var t transforms
	if el == nil {
		return t, nil
	}
	for n, one := range el.ChildElements() {
		if n == maxTransforms {
			return t, fmt.Errorf("%w: transforms", ErrLimit)
		}
		if !is(one, dsigNS, "Transform") {
			return t, malformed("Transforms")
		}
		uri := one.SelectAttrValue("Algorithm", "")
		switch {
		// Once octets were made only the digest may follow.
		case t.method != nil || t.base64:
			return t, fmt.Errorf("%w: a transform after %q", errAlgorithm, uri)
		case uri == enveloped && !t.enveloped:
			t.enveloped = true
		case uri == base64T:
			t.base64 = true
		default:
			m, err := readMethod(one)
			if err != nil {
				return t, err
			}
			t.method = &m
		}
	}
	return t, nil
}

// readMethod reads a canonical form with its prefix list.
func readMethod(el *etree.Element) (method, error) {
	m := method{uri: el.SelectAttrValue("Algorithm", "")}
	if !m.known() {
		return m, fmt.Errorf("%w: %q", errAlgorithm, m.uri)
	}
	list := child(el, c14nExc, "InclusiveNamespaces")
	if list != nil && m.exclusive() {
		for _, prefix := range strings.Fields(list.SelectAttrValue("PrefixList", "")) {
			if prefix == "#default" {
				prefix = ""
			}
			m.prefixes = append(m.prefixes, prefix)
		}
		if len(m.prefixes) > maxNamespaces {
			return m, fmt.Errorf("%w: prefixes", ErrLimit)
		}
	}
	return m, nil
}

// is compares by namespace and local name, never by prefix.
func is(el *etree.Element, ns, local string) bool {
	return el.Tag == local && el.NamespaceURI() == ns
}

// child is the only child with a name, nil when there is none or several.
func child(el *etree.Element, ns, local string) *etree.Element {
	found := children(el, ns, local)
	if len(found) != 1 {
		return nil
	}
	return found[0]
}

func children(el *etree.Element, ns, local string) []*etree.Element {
	var out []*etree.Element
	if el == nil {
		return nil
	}
	for _, one := range el.ChildElements() {
		if is(one, ns, local) {
			out = append(out, one)
		}
	}
	return out
}

// path walks down by single children.
func path(el *etree.Element, ns string, names ...string) *etree.Element {
	for _, name := range names {
		el = child(el, ns, name)
		if el == nil {
			return nil
		}
	}
	return el
}

// text is all character data in an element, with that of its children.
func text(el *etree.Element) string {
	var b strings.Builder
	var walk func(el *etree.Element)
	walk = func(el *etree.Element) {
		for _, token := range el.Child {
			switch t := token.(type) {
			case *etree.CharData:
				b.WriteString(t.Data)
			case *etree.Element:
				walk(t)
			}
		}
	}
	walk(el)
	return b.String()
}

// decode reads base64 with white space in it.
func decode(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, s))
}
