package xades

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/beevik/etree"
)

// The canonical forms (Canonical XML 1.0 and 1.1, Exclusive XML
// Canonicalization 1.0).
const (
	c14n10         = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	c14n10Comments = c14n10 + "#WithComments"
	c14n11         = "http://www.w3.org/2006/12/xml-c14n11"
	c14n11Comments = c14n11 + "#WithComments"
	c14nExc        = "http://www.w3.org/2001/10/xml-exc-c14n#"
	c14nExcComment = c14nExc + "WithComments"

	nsXML = "http://www.w3.org/XML/1998/namespace"
)

// method is a canonical form as a signature asks for it.
type method struct {
	uri      string
	prefixes []string // InclusiveNamespaces of the exclusive form
}

func (m method) known() bool {
	return slices.Contains([]string{c14n10, c14n10Comments, c14n11, c14n11Comments, c14nExc, c14nExcComment}, m.uri)
}

func (m method) exclusive() bool { return m.uri == c14nExc || m.uri == c14nExcComment }

func (m method) comments() bool {
	return m.uri == c14n10Comments || m.uri == c14n11Comments || m.uri == c14nExcComment
}

// canon writes one canonical form.
type canon struct {
	method
	withComments bool
	skip         *etree.Element // left out, with all in it
	doc          *Document
	out          *bufio.Writer
	err          error
}

type namespaces map[string]string

// canonicalize writes an element, or the whole document when el is nil, with
// everything but skip. Comments are written only where both method and
// withComments say so: references to parts of the same document leave them out
// (XML-DSig §4.4.3.3).
func (d *Document) canonicalize(w io.Writer, el, skip *etree.Element, m method, withComments bool) error {
	if !m.known() {
		return fmt.Errorf("%w: canonical form %q", errAlgorithm, m.uri)
	}
	c := &canon{method: m, withComments: withComments && m.comments(), skip: skip, doc: d, out: bufio.NewWriter(w)}
	if el == nil {
		c.document()
	} else {
		scope := c.inherited(el)
		if c.err == nil {
			c.element(el, scope, namespaces{}, c.inheritedAttrs(el))
		}
	}
	if c.err != nil {
		return c.err
	}
	return c.out.Flush()
}

func (c *canon) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *canon) write(parts ...string) {
	for _, part := range parts {
		c.doc.left -= int64(len(part))
		if c.doc.left < 0 {
			c.fail(fmt.Errorf("%w: canonical form", ErrLimit))
			return
		}
		_, err := c.out.WriteString(part)
		if err != nil {
			c.fail(err)
		}
	}
}

// document writes the root with the instructions and comments around it.
func (c *canon) document() {
	before := true
	for _, token := range c.doc.doc.Child {
		switch t := token.(type) {
		case *etree.Element:
			c.element(t, namespaces{"xml": nsXML}, namespaces{}, nil)
			before = false
		case *etree.ProcInst:
			if !strings.EqualFold(t.Target, "xml") {
				c.around(before, func() { c.instruction(t) })
			}
		case *etree.Comment:
			if c.withComments {
				c.around(before, func() { c.write("<!--", t.Data, "-->") })
			}
		}
	}
}

func (c *canon) around(before bool, write func()) {
	if !before {
		c.write("\n")
	}
	write()
	if before {
		c.write("\n")
	}
}

func (c *canon) instruction(p *etree.ProcInst) {
	c.write("<?", p.Target)
	if p.Inst != "" {
		c.write(" ", escape(p.Inst, "\r", "&#xD;"))
	}
	c.write("?>")
}

// inherited collects the namespaces that an element's ancestors declare.
func (c *canon) inherited(el *etree.Element) namespaces {
	var chain []*etree.Element
	for up := el.Parent(); up != nil && up.Tag != ""; up = up.Parent() {
		chain = append(chain, up)
	}
	scope := namespaces{"xml": nsXML}
	for _, up := range slices.Backward(chain) {
		scope = c.declare(up, scope)
	}
	return scope
}

// inheritedAttrs are the attributes of the xml namespace that an apex takes
// over from its ancestors (Canonical XML 1.0 §2.4; 1.1 without xml:id).
func (c *canon) inheritedAttrs(el *etree.Element) []etree.Attr {
	if c.exclusive() {
		return nil
	}
	own := map[string]bool{}
	for _, attr := range el.Attr {
		own[attr.FullKey()] = true
	}
	var out []etree.Attr
	for up := el.Parent(); up != nil; up = up.Parent() {
		for _, attr := range up.Attr {
			if attr.Space != "xml" || own[attr.FullKey()] {
				continue
			}
			eleven := c.uri == c14n11 || c.uri == c14n11Comments
			if eleven && attr.Key == "base" {
				// 1.1 joins bases; nobody signs parts of such documents.
				c.fail(fmt.Errorf("%w: xml:base above a signed part", errAlgorithm))
			}
			own[attr.FullKey()] = true
			if !eleven || attr.Key != "id" {
				out = append(out, attr)
			}
		}
	}
	return out
}

// declaration tells the prefix that an attribute declares.
func declaration(attr etree.Attr) (prefix string, ok bool) {
	if attr.Space == "xmlns" {
		return attr.Key, true
	}
	return "", attr.Space == "" && attr.Key == "xmlns"
}

// declare adds an element's own declarations to those in scope.
func (c *canon) declare(el *etree.Element, scope namespaces) namespaces {
	copied := false
	for _, attr := range el.Attr {
		prefix, ok := declaration(attr)
		if !ok || scope[prefix] == attr.Value && attr.Value != "" {
			continue
		}
		switch {
		case prefix == "xmlns", prefix == "xml", attr.Value == nsXML, prefix != "" && attr.Value == "":
			c.fail(malformed("declaration of namespace " + prefix))
			return scope
		}
		if !copied {
			scope, copied = maps.Clone(scope), true
		}
		scope[prefix] = attr.Value
	}
	if len(scope) > maxNamespaces {
		c.fail(fmt.Errorf("%w: more than %d namespaces", ErrLimit, maxNamespaces))
	}
	return scope
}

type attribute struct{ uri, local, name, value string }

func (c *canon) element(el *etree.Element, scope, rendered namespaces, inherited []etree.Attr) {
	if el == c.skip || c.err != nil {
		return
	}
	scope = c.declare(el, scope)
	attrs := c.attributes(el, scope, inherited)
	_, bound := scope[el.Space]
	if el.Space != "" && !bound {
		c.fail(malformed("namespace of " + el.FullTag()))
		return
	}
	c.write("<", el.FullTag())
	rendered = c.namespaces(el, attrs, scope, rendered)
	for _, attr := range attrs {
		c.write(" ", attr.name, `="`, escape(attr.value, "&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;"), `"`)
	}
	c.write(">")
	for _, token := range el.Child {
		switch t := token.(type) {
		case *etree.Element:
			c.element(t, scope, rendered, nil)
		case *etree.CharData:
			c.write(escape(t.Data, "&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;"))
		case *etree.ProcInst:
			c.instruction(t)
		case *etree.Comment:
			if c.withComments {
				c.write("<!--", escape(t.Data, "\r", "&#xD;"), "-->")
			}
		}
	}
	c.write("</", el.FullTag(), ">")
}

// attributes are those that are no declarations, in canonical order.
func (c *canon) attributes(el *etree.Element, scope namespaces, inherited []etree.Attr) []attribute {
	var out []attribute
	seen := map[[2]string]bool{}
	for _, list := range [][]etree.Attr{el.Attr, inherited} {
		for _, attr := range list {
			_, isDeclaration := declaration(attr)
			if isDeclaration {
				continue
			}
			uri := ""
			if attr.Space != "" {
				uri = scope[attr.Space]
				if uri == "" {
					c.fail(malformed("namespace of attribute " + attr.FullKey()))
				}
			}
			key := [2]string{uri, attr.Key}
			if seen[key] {
				c.fail(malformed("attribute twice: " + attr.FullKey()))
			}
			seen[key] = true
			out = append(out, attribute{uri, attr.Key, attr.FullKey(), attr.Value})
		}
	}
	slices.SortFunc(out, func(a, b attribute) int {
		return strings.Compare(a.uri+"\x00"+a.local, b.uri+"\x00"+b.local)
	})
	return out
}

// namespaces writes the declarations that belong here and returns what is
// declared in the output from here on.
func (c *canon) namespaces(el *etree.Element, attrs []attribute, scope, rendered namespaces) namespaces {
	var want []string
	if c.exclusive() {
		used := map[string]bool{el.Space: true}
		for _, attr := range attrs {
			prefix, _, ok := strings.Cut(attr.name, ":")
			if ok {
				used[prefix] = true
			}
		}
		for _, prefix := range c.prefixes {
			_, bound := scope[prefix]
			if bound {
				used[prefix] = true
			}
		}
		want = slices.Collect(maps.Keys(used))
	} else {
		want = slices.Collect(maps.Keys(scope))
		_, bound := scope[""]
		if !bound {
			want = append(want, "")
		}
	}
	slices.Sort(want)
	copied := false
	for _, prefix := range want {
		// An empty default namespace is declared only to undo another.
		if prefix == "xml" || rendered[prefix] == scope[prefix] {
			continue
		}
		if !copied {
			rendered, copied = maps.Clone(rendered), true
		}
		rendered[prefix] = scope[prefix]
		name := "xmlns"
		if prefix != "" {
			name += ":" + prefix
		}
		c.write(" ", name, `="`, escape(scope[prefix], "&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;"), `"`)
	}
	return rendered
}

func escape(s string, pairs ...string) string {
	for n := 0; n < len(pairs); n += 2 {
		if strings.Contains(s, pairs[n]) {
			return strings.NewReplacer(pairs...).Replace(s)
		}
	}
	return s
}
