package cos

import "fmt"

// Pages lists the pages in order. A page that is a direct object of the tree
// has the zero Ref.
func (v *View) Pages() ([]Ref, error) {
	root, _, err := v.Root()
	if err != nil {
		return nil, err
	}
	w := &pageWalk{view: v, seen: map[Ref]bool{}}
	err = w.walk(root["Pages"], 0)
	if err != nil {
		return nil, err
	}
	return w.pages, nil
}

type pageWalk struct {
	view  *View
	seen  map[Ref]bool
	pages []Ref
	nodes int
}

func (w *pageWalk) walk(o Object, depth int) error {
	w.nodes++
	limits := w.view.file.limits
	if depth > limits.Depth || w.nodes > limits.Pages {
		return fmt.Errorf("page tree: %w", ErrLimit)
	}
	ref, _ := o.(Ref)
	r, err := w.view.Resolve(o)
	if err != nil {
		return fmt.Errorf("page tree: %w", err)
	}
	node, ok := r.(Dict)
	if !ok {
		if r == nil {
			return nil // a missing kid is no page
		}
		return &SyntaxError{What: "page tree node " + ref.String() + " is not a dictionary"}
	}
	kids, isNode := node["Kids"]
	if !isNode || w.view.Name(node["Type"]) == "Page" {
		w.pages = append(w.pages, ref) // the same page may be shown twice
		return nil
	}
	if !ref.IsZero() {
		if w.seen[ref] {
			return &SyntaxError{What: "page tree names node " + ref.String() + " twice"}
		}
		w.seen[ref] = true
	}
	for _, kid := range w.view.Array(kids) {
		err = w.walk(kid, depth+1)
		if err != nil {
			return err
		}
	}
	return nil
}

// Inherited returns an attribute of a page, from the page itself or the
// nearest node above that has it (ISO 32000-2, 7.7.3.4).
func (v *View) Inherited(page Dict, key Name) Object {
	node := page
	for range v.file.limits.Depth {
		if node == nil {
			return nil
		}
		value, ok := node[key]
		if ok {
			r, err := v.Resolve(value)
			if err != nil {
				return nil
			}
			return r
		}
		node = v.Dict(node["Parent"])
	}
	return nil
}
