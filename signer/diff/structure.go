package diff

import (
	"maps"
	"slices"
	"strconv"

	"github.com/antin-gov/antin/signer/cos"
)

// structure lets the structure tree of a tagged document gain elements for the
// annotations that were added, as PDF/UA wants it (ISO 32000-2, 14.7; ISO
// 14289-1, 7.18.4): elements and entries of the parent tree that were there stay.
// It comes after form and pages, which tell what was added.
func (c *comparer) structure(o, n cos.Object, at *way) {
	x, y := c.old.Dict(o), c.new.Dict(n)
	if x == nil || y == nil {
		c.compare(o, n, at, 0)
		return
	}
	for _, key := range keys(x, y) {
		here := at.to(string(key))
		switch key {
		case "K":
			c.elements(x[key], y[key], here)
		case "ParentTree":
			c.parentTree(x[key], y[key], here)
		case "ParentTreeNextKey":
			was, _ := c.old.Int(x[key])
			is, ok := c.new.Int(y[key])
			if !ok || is < was {
				c.reject(here, cos.Ref{}, Reason{Code: CodeStructure})
			}
		default:
			c.compare(x[key], y[key], here, 0)
		}
	}
}

// isElement tells whether a dictionary is an element of the structure tree.
func (c *comparer) isElement(d cos.Dict) bool {
	if c.old.Name(d["S"]) == "" || d["P"] == nil {
		return false
	}
	above := c.old.Dict(d["P"])
	return above != nil && (c.old.Name(above["Type"]) == "StructTreeRoot" || c.old.Name(above["S"]) != "" && above["P"] != nil)
}

// kidsOf lists the kids of an element, which may be one without an array.
func kidsOf(v *cos.View, o cos.Object) cos.Array {
	list := v.Array(o)
	if list == nil && o != nil {
		list = cos.Array{o}
	}
	return list
}

// elements compares the kids of an element and lets it gain such as stand for
// what was added.
func (c *comparer) elements(o, n cos.Object, at *way) {
	before, after := kidsOf(c.old, o), kidsOf(c.new, n)
	i := 0
	for _, x := range after {
		ref, isRef := x.(cos.Ref)
		switch {
		case isRef && !c.old.Defined(ref.Num) && c.newElement(ref):
			c.note(at, ref, Reason{Level: LTAUpdates, Code: CodeStructureAdded})
		case i < len(before):
			c.compare(before[i], x, at.to(strconv.Itoa(i)), 0)
			i++
		default:
			c.reject(at, ref, Reason{Code: CodeStructureForeign})
		}
	}
	if i < len(before) {
		c.reject(at, cos.Ref{}, Reason{Code: CodeStructureRemoved})
	}
}

// newElement tells whether an element contains what was added and nothing else.
func (c *comparer) newElement(ref cos.Ref) bool {
	d := c.new.Dict(ref)
	allowed := []cos.Name{"Type", "S", "P", "K", "Pg", "Alt", "T", "Lang", "ID", "NS"}
	for _, key := range d.Keys() {
		if !slices.Contains(allowed, key) {
			return false
		}
	}
	kids := kidsOf(c.new, d["K"])
	if len(kids) == 0 || !slices.Contains([]cos.Name{"Form", "Annot"}, c.new.Name(d["S"])) {
		return false
	}
	for _, kid := range kids {
		reference := c.new.Dict(kid)
		object, isRef := reference["Obj"].(cos.Ref)
		if c.new.Name(reference["Type"]) != "OBJR" || !isRef || c.added[object] == nil && !c.noted[object] {
			return false
		}
	}
	return true
}

// parentTree lets the tree gain keys that lead to elements that were added.
func (c *comparer) parentTree(o, n cos.Object, at *way) {
	before, ok1 := map[int64]cos.Object{}, true
	if o != nil { // a tree may begin with what was added
		before, ok1 = c.numberTree(c.old, o)
	}
	after, ok2 := c.numberTree(c.new, n)
	if !ok1 || !ok2 {
		c.compare(o, n, at, 0)
		return
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		c.compare(before[key], after[key], at.to(strconv.FormatInt(key, 10)), 0)
	}
	for _, key := range slices.Sorted(maps.Keys(after)) {
		_, known := before[key]
		ref, isRef := after[key].(cos.Ref)
		if !known && !(isRef && !c.old.Defined(ref.Num) && c.newElement(ref)) {
			c.reject(at.to(strconv.FormatInt(key, 10)), ref, Reason{Code: CodeParentTree})
		}
	}
}

// numberTree reads a number tree (ISO 32000-2, 7.9.7); false when it is none or
// states a key twice.
func (c *comparer) numberTree(v *cos.View, root cos.Object) (map[int64]cos.Object, bool) {
	out := map[int64]cos.Object{}
	type node struct {
		o     cos.Object
		depth int
	}
	for queue := []node{{root, 0}}; len(queue) > 0; queue = queue[1:] {
		d := v.Dict(queue[0].o)
		if d == nil || queue[0].depth > maxTreeDepth || !c.spend() {
			return nil, false
		}
		nums := v.Array(d["Nums"])
		for i := 0; i+1 < len(nums); i += 2 {
			key, ok := v.Int(nums[i])
			_, twice := out[key]
			if !ok || twice || !c.spend() {
				return nil, false
			}
			out[key] = nums[i+1]
		}
		for _, kid := range v.Array(d["Kids"]) {
			queue = append(queue, node{kid, queue[0].depth + 1})
		}
	}
	return out, true
}
