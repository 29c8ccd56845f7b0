package reorg

import (
	"errors"
	"strings"
	"testing"
)

func TestTemplateIsAnOrder(t *testing.T) {
	o, err := ReadOrder(strings.NewReader(Template))
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Steps) != 6 || o.Steps[0].Merge.Keep != "xa-a" || o.Effective.IsZero() {
		t.Errorf("read %+v", o)
	}
}

func TestOrdersThatDoNotHoldTogetherAreRefused(t *testing.T) {
	const head = "title: a\nlegal_basis: b\nsteps:\n"
	for name, text := range map[string]string{
		"nothing":                          "",
		"no steps":                         "title: a\nlegal_basis: b\n",
		"no legal basis":                   "title: a\nsteps: [{dissolve: {agency: x}}]\n",
		"an unknown key":                   head + "  - dissolve: {agency: x, colour: red}\n",
		"a step of two kinds":              head + "  - {dissolve: {agency: x}, move: {agency: y, parent: z}}\n",
		"a step of no kind":                head + "  - {}\n",
		"an agency in two steps":           head + "  - dissolve: {agency: x}\n  - move: {agency: x, parent: z}\n",
		"a merger into itself":             head + "  - merge: {from: [x, y], into: {id: x}}\n",
		"a seal kept that is not merged":   head + "  - merge: {from: [x, y], into: {id: n, name: N}, keep: z}\n",
		"a seal kept into what stands":     head + "  - merge: {from: [x, y], into: {id: n}, keep: x}\n",
		"a merger of one into a new one":   head + "  - merge: {from: [x], into: {id: n, name: N}}\n",
		"a split into one":                 head + "  - split: {agency: x, into: [{id: y}]}\n",
		"a move under itself":              head + "  - move: {agency: x, parent: x}\n",
		"a rename that gives another id":   head + "  - rename: {agency: x, to: {id: y}}\n",
		"a person twice":                   head + "  - dissolve: {agency: x, people: [{person: p}, {person: p}]}\n",
		"a person who leaves and goes":     head + "  - dissolve: {agency: x, people: [{person: p, to: y, leaves: retired}]}\n",
		"a cause that is not one of leave": head + "  - dissolve: {agency: x, people: [{person: p, leaves: key-exposed}]}\n",
		"more than the limit":              head + strings.Repeat("# ", maxOrder),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadOrder(strings.NewReader(text))
			if !errors.Is(err, ErrOrder) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzReadOrder(f *testing.F) {
	f.Add(Template)
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ReadOrder(strings.NewReader(text))
		if err == nil && len(o.Steps) == 0 {
			t.Error("an order without steps was read")
		}
	})
}
