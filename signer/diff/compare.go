package diff

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/antin-gov/antin/signer/cos"
)

// pair is an object in the old picture and what stands for it in the new one.
type pair struct{ old, new cos.Ref }

// way is how an object was reached.
type way struct {
	up  *way
	key string
}

func (w *way) to(key string) *way { return &way{up: w, key: key} }

func (w *way) String() string {
	var parts []string
	for at := w; at != nil && len(parts) < 40; at = at.up {
		parts = append(parts, at.key)
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteString("/" + parts[i])
	}
	return b.String()
}

type task struct {
	pair pair
	at   *way
	page int
}

type comparer struct {
	old, new      *cos.View
	revision      int
	permissions   Permissions
	result        *Result
	budget        *budget
	seen          map[pair]bool
	queue         []task
	catalog       cos.Ref
	structureRoot cos.Ref          // zero unless it is the same object in both
	pages         map[cos.Ref]int  // pages of the old tree
	nodes         map[cos.Ref]bool // its other nodes
	fields        map[cos.Ref]*field
	names         map[string]bool  // full names of the old fields
	computed      map[cos.Ref]bool // fields that scripts compute
	added         map[cos.Ref]*newWidget
	comments      map[cos.Ref]bool // annotations that came after the signature
	noted         map[cos.Ref]bool // comments that were added

	signed    *cos.View        // the revision that was signed
	ink       map[cos.Ref]*ink // what stands on pages, over all revisions
	exhausted bool
}

// run compares from the trailer on. Places with rules of their own (catalog,
// pages, fields) are compared once each; the general comparison stops at them.
func (c *comparer) run() {
	oldRoot, oldRef, err1 := c.old.Root()
	newRoot, newRef, err2 := c.new.Root()
	top := &way{key: "Root"}
	if err1 != nil || err2 != nil || oldRef != newRef {
		c.reject(top, newRef, Reason{Code: CodeCatalog})
		return
	}
	c.catalog = oldRef
	if same(oldRoot["StructTreeRoot"], newRoot["StructTreeRoot"]) {
		c.structureRoot, _ = oldRoot["StructTreeRoot"].(cos.Ref)
	}
	c.collectTree(oldRoot["Pages"], 0)
	c.collectForm(oldRoot)
	c.form(oldRoot["AcroForm"], newRoot["AcroForm"], top.to("AcroForm"))
	c.tree(oldRoot["Pages"], newRoot["Pages"], top.to("Pages"), 0)
	c.drain()
	for _, key := range keys(oldRoot, newRoot) {
		o, n, at := oldRoot[key], newRoot[key], top.to(string(key))
		switch key {
		case "AcroForm", "Pages":
		case "DSS":
			c.store(o, n, at)
		case "Metadata":
			c.metadata(o, n, at)
		case "Extensions":
			c.additions(c.old.Dict(o), c.new.Dict(n), at)
		case "Version":
			c.version(o, n, at)
		case "StructTreeRoot":
			c.structure(o, n, at)
		default:
			c.compare(o, n, at, 0)
		}
	}
	c.trailer()
	c.drain()
	r := c.new.File().Revisions()[c.revision]
	_, twice := c.new.File().KeyTwice(r.Start, r.End)
	if twice {
		c.reject(nil, cos.Ref{}, Reason{Code: CodeKeyTwice})
	}
}

// trailer compares what a trailer says about the document.
func (c *comparer) trailer() {
	o, n := c.old.Trailer(), c.new.Trailer()
	own := []cos.Name{ // of the cross-reference itself, or judged apart
		"Root", "Info", "ID", "Size", "Prev", "XRefStm", "Type", "W", "Index", "Filter", "DecodeParms", "Length", "DocChecksum",
	}
	for _, key := range keys(o, n) {
		if !slices.Contains(own, key) {
			c.compare(o[key], n[key], &way{key: string(key)}, 0)
		}
	}
	oldID, newID := c.old.Array(o["ID"]), c.new.Array(n["ID"])
	if len(oldID) > 0 && (len(newID) == 0 || !cos.Equal(oldID[0], newID[0])) {
		level := LTAUpdates // careless software; nothing is shown differently
		if o["Encrypt"] != nil {
			level = Other // the file key depends on it
		}
		c.note(&way{key: "ID"}, cos.Ref{}, Reason{Level: level, Code: CodeIdentifier})
	}
	c.info(o["Info"], n["Info"])
}

func (c *comparer) drain() {
	for len(c.queue) > 0 {
		t := c.queue[len(c.queue)-1]
		c.queue = c.queue[:len(c.queue)-1]
		c.objects(t)
	}
}

// compare is the general comparison: content must be the same, through all
// references. Objects are put off, so that depth does not grow.
func (c *comparer) compare(o, n cos.Object, at *way, page int) {
	oldRef, oldIs := o.(cos.Ref)
	newRef, newIs := n.(cos.Ref)
	if !oldIs && !newIs {
		c.values(o, n, at, page, cos.Ref{})
		return
	}
	if oldIs && newIs && oldRef == newRef && c.elsewhere(oldRef, at) {
		return
	}
	if !oldIs || !newIs {
		// A direct object became indirect or the reverse: same content counts.
		oldValue, err1 := c.old.Resolve(o)
		newValue, err2 := c.new.Resolve(n)
		if err1 != nil || err2 != nil {
			c.reject(at, newRef, Reason{Page: page, Code: CodeUnreadable})
			return
		}
		c.values(oldValue, newValue, at, page, newRef)
		return
	}
	p := pair{oldRef, newRef}
	if c.seen[p] {
		return
	}
	c.seen[p] = true
	if c.spend() {
		c.queue = append(c.queue, task{p, at, page})
	}
}

// elsewhere tells whether a place with its own rule compares the object. For
// fields that holds only where fields belong; reached on any other way they
// are compared in full, or a field could serve as another object as well.
func (c *comparer) elsewhere(ref cos.Ref, at *way) bool {
	if ref == c.structureRoot && at.key == "P" {
		return true
	}
	if ref == c.catalog || c.pages[ref] > 0 || c.nodes[ref] {
		return true
	}
	if c.comments[ref] {
		return at.key == "Parent" || at.key == "Popup" || at.key == "IRT" || at.key == "Obj"
	}
	_, isField := c.fields[ref]
	return isField && (at.key == "Obj" || at.key == "Parent")
}

func (c *comparer) spend() bool {
	c.budget.objects--
	if c.budget.objects >= 0 {
		return true
	}
	if !c.exhausted {
		c.exhausted = true
		c.reject(nil, cos.Ref{}, Reason{Code: CodeTooLarge})
	}
	return false
}

func (c *comparer) objects(t task) {
	o, err1 := c.old.Get(t.pair.old)
	n, err2 := c.new.Get(t.pair.new)
	if err1 != nil || err2 != nil {
		if !c.unmoved(t.pair) {
			c.reject(t.at, t.pair.new, Reason{Page: t.page, Code: CodeUnreadable})
		}
		return
	}
	c.values(o, n, t.at, t.page, t.pair.new)
}

// unmoved tells whether both pictures show the same bytes.
func (c *comparer) unmoved(p pair) bool {
	o1, i1, ok1 := c.old.Location(p.old)
	o2, i2, ok2 := c.new.Location(p.new)
	return ok1 && ok2 && o1 == o2 && i1 == i2 && p.old == p.new
}

func (c *comparer) values(o, n cos.Object, at *way, page int, ref cos.Ref) {
	switch x := o.(type) {
	case cos.Dict:
		y, ok := n.(cos.Dict)
		if !ok {
			break
		}
		c.dicts(x, y, at, page)
		return
	case cos.Array:
		y, ok := n.(cos.Array)
		if !ok || len(x) != len(y) {
			break
		}
		for i := range x {
			c.compare(x[i], y[i], at.to(strconv.Itoa(i)), page)
		}
		return
	case *cos.Stream:
		y, ok := n.(*cos.Stream)
		if !ok || !c.sameBytes(x, y, at, page, ref) {
			break
		}
		c.dicts(x.Dict, y.Dict, at, page)
		return
	default:
		if !cos.Equal(o, n) {
			break
		}
		return
	}
	c.reject(at, ref, Reason{Page: page, Code: changedAt(at, page)})
}

func (c *comparer) dicts(o, n cos.Dict, at *way, page int) {
	for _, key := range keys(o, n) {
		if key == "K" && c.isElement(o) {
			c.elements(o[key], n[key], at.to("K"))
			continue
		}
		c.compare(o[key], n[key], at.to(string(key)), page)
	}
}

func (c *comparer) sameBytes(x, y *cos.Stream, at *way, page int, ref cos.Ref) bool {
	if x.SameBytes(y) {
		return true
	}
	a, err1 := c.old.Raw(x)
	b, err2 := c.new.Raw(y)
	if err1 != nil || err2 != nil {
		return false
	}
	c.budget.bytes -= int64(len(a) + len(b))
	if c.budget.bytes < 0 {
		c.reject(at, ref, Reason{Page: page, Code: CodeTooMuchRewritten})
		return true
	}
	return bytes.Equal(a, b)
}

// reject notes a finding that no rule explains.
func (c *comparer) reject(at *way, ref cos.Ref, r Reason) {
	r.Level = Other
	c.note(at, ref, r)
}

// note adds the place and the revision to a finding and keeps it.
func (c *comparer) note(at *way, ref cos.Ref, r Reason) {
	r.Object = at.String()
	if !ref.IsZero() {
		r.Object += " (" + ref.String() + ")"
	}
	r.Revision = c.revision
	c.result.add(r)
}

// keys lists the keys of both dictionaries in order.
func keys(a, b cos.Dict) []cos.Name {
	all := cos.Dict{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return all.Keys()
}

// same tells whether both are the same reference.
func same(a, b cos.Object) bool {
	x, ok1 := a.(cos.Ref)
	y, ok2 := b.(cos.Ref)
	return ok1 && ok2 && x == y
}

// lists tells whether an array has the reference.
func lists(a cos.Array, o cos.Object) bool {
	return slices.ContainsFunc(a, func(x cos.Object) bool { return same(x, o) })
}
