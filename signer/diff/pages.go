package diff

import (
	"slices"
	"strconv"

	"github.com/antin-gov/antin/signer/cos"
)

// maxTreeDepth bounds the page tree and the field tree.
const maxTreeDepth = 64

// collectTree notes the pages and nodes of the old page tree.
func (c *comparer) collectTree(o cos.Object, depth int) {
	ref, isRef := o.(cos.Ref)
	node := c.old.Dict(o)
	if !isRef || node == nil || depth > maxTreeDepth || c.nodes[ref] || c.pages[ref] > 0 || !c.spend() {
		return
	}
	kids := c.old.Array(node["Kids"])
	if kids == nil {
		c.pages[ref] = len(c.pages) + 1
		c.collectComments(node)
		return
	}
	c.nodes[ref] = true
	for _, kid := range kids {
		c.collectTree(kid, depth+1)
	}
}

// tree compares the page tree: the same pages in the same order.
func (c *comparer) tree(o, n cos.Object, at *way, depth int) {
	oldRef, _ := o.(cos.Ref)
	newRef, _ := n.(cos.Ref)
	if oldRef != newRef || depth > maxTreeDepth {
		c.reject(at, newRef, Reason{Page: c.pages[oldRef], Code: CodePageReplaced})
		return
	}
	key := pair{oldRef, newRef}
	if c.seen[key] || !c.spend() {
		return
	}
	c.seen[key] = !oldRef.IsZero()
	if c.pages[oldRef] > 0 {
		c.page(oldRef, at)
		return
	}
	x, y := c.old.Dict(o), c.new.Dict(n)
	if x == nil || y == nil {
		if (x == nil) != (y == nil) {
			c.reject(at, newRef, Reason{Code: CodePageTree})
		}
		return
	}
	a, b := c.old.Array(x["Kids"]), c.new.Array(y["Kids"])
	for _, k := range keys(x, y) {
		if k != "Kids" && (k != "Count" || len(a) == len(b)) {
			c.compare(x[k], y[k], at.to(string(k)), 0)
		}
	}
	if len(a) != len(b) {
		c.reject(at, newRef, c.paged())
		// What else was done to the pages that stayed is told as well.
		for i, kid := range a {
			if lists(b, kid) {
				c.tree(kid, kid, at.to("Kids").to(strconv.Itoa(i)), depth+1)
			}
		}
		return
	}
	for i := range a {
		c.tree(a[i], b[i], at.to("Kids").to(strconv.Itoa(i)), depth+1)
	}
}

// paged says how many pages there are more or less.
func (c *comparer) paged() Reason {
	pages, err := c.new.Pages()
	more := len(pages) - len(c.pages)
	switch {
	case err != nil || more == 0:
		return Reason{Code: CodePages}
	case more > 0:
		return Reason{Code: CodePagesAdded, Count: more}
	}
	return Reason{Code: CodePagesRemoved, Count: -more}
}

// pageOf is the number of the page that a widget or annotation names, 0 when it
// names none of the document as it was.
func (c *comparer) pageOf(d cos.Dict) int {
	ref, _ := d["P"].(cos.Ref)
	if ref.IsZero() {
		return 0
	}
	return c.pages[ref]
}

// page compares one page; only its annotations have rules of their own.
func (c *comparer) page(ref cos.Ref, at *way) {
	number := c.pages[ref]
	x, y := c.old.Dict(ref), c.new.Dict(ref)
	if x == nil || y == nil {
		if (x == nil) != (y == nil) {
			c.reject(at, ref, Reason{Page: number, Code: CodePageVanished})
		}
		return
	}
	for _, k := range keys(x, y) {
		if k == "Annots" {
			c.annotations(x[k], y[k], at.to("Annots"), number, ref)
			continue
		}
		if k == "Tabs" && slices.Contains([]cos.Name{"S", "R", "C"}, c.new.Name(y[k])) {
			continue // the order of the tabulator key
		}
		c.compare(x[k], y[k], at.to(string(k)), number)
	}
}

// annotations lets a page gain widgets of new signature fields, and comments;
// what was there when it was signed stays, in its order.
func (c *comparer) annotations(o, n cos.Object, at *way, page int, pageRef cos.Ref) {
	oldValue, err1 := c.old.Resolve(o)
	newValue, err2 := c.new.Resolve(n)
	before, ok1 := oldValue.(cos.Array)
	after, ok2 := newValue.(cos.Array)
	if err1 != nil || err2 != nil || !ok1 && oldValue != nil || !ok2 && newValue != nil {
		c.compare(o, n, at, page)
		return
	}
	i := 0
	for _, x := range after {
		for i < len(before) && !same(before[i], x) && c.gone(before[i], after) {
			c.note(at, cos.Ref{}, Reason{Page: page, Level: Annotations, Code: CodeCommentRemoved})
			i++
		}
		ref, isRef := x.(cos.Ref)
		stayed := i < len(before) && same(before[i], x)
		switch {
		case !stayed && isRef && c.added[ref] != nil:
			if lists(before, x) {
				c.reject(at, ref, Reason{Page: page, Code: CodeAnnotationReused})
			}
			c.ownPage(ref, pageRef, at, page)
			c.covering(ref, c.added[ref], pageRef, page)
		case !stayed && isRef && !c.old.Defined(ref.Num):
			c.newAnnotation(ref, pageRef, at, page)
		case i >= len(before):
			c.reject(at, ref, Reason{Page: page, Code: CodeAnnotationAdded})
		case stayed && c.fields[ref] != nil:
			i++
		case stayed && c.comments[ref]:
			c.editedComment(ref, pageRef, at, page)
			i++
		default:
			c.compare(before[i], x, at.to(strconv.Itoa(i)), page)
			i++
		}
	}
	for ; i < len(before); i++ {
		if !c.gone(before[i], after) {
			c.reject(at, cos.Ref{}, Reason{Page: page, Code: CodeAnnotationRemoved})
			continue
		}
		c.note(at, cos.Ref{}, Reason{Page: page, Level: Annotations, Code: CodeCommentRemoved})
	}
}

// ownPage wants a new widget to stand on the page it names.
func (c *comparer) ownPage(widget, page cos.Ref, at *way, number int) {
	d := c.new.Dict(widget)
	named, ok := d["P"].(cos.Ref)
	if ok && named != page {
		c.reject(at, widget, Reason{Page: number, Code: CodeFieldPage})
	}
}
