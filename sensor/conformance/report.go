package conformance

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// Tally counts the folders of a category by outcome.
type Tally struct {
	Category      string `json:"category"`
	Passed        int    `json:"passed"`
	Failed        int    `json:"failed"`
	NotApplicable int    `json:"not_applicable"`
	// Sooner are those of the passed whose records came some packets sooner
	// than Suricata's (see otherPacket).
	Sooner int `json:"sooner,omitempty"`
	// Features says for how many folders each missing feature is the reason.
	Features map[string]int `json:"features,omitempty"`
}

// Share is the part of the applicable folders that passed, in percent; 100
// when none is applicable.
func (t *Tally) Share() float64 {
	if t.Passed+t.Failed == 0 {
		return 100
	}
	return 100 * float64(t.Passed) / float64(t.Passed+t.Failed)
}

func (t *Tally) add(o Outcome, detail string) {
	switch o {
	case Passed:
		t.Passed++
		if detail == detailSooner {
			t.Sooner++
		}
	case Failed:
		t.Failed++
	case NotApplicable:
		t.NotApplicable++
		if t.Features == nil {
			t.Features = map[string]int{}
		}
		t.Features[detail]++
	}
}

// Summarise counts the results by category; the last entry, "all", counts the
// judgements of the categories together, the one before it whole folders.
func Summarise(results []*Result) []Tally {
	var out []Tally
	all := Tally{Category: "all"}
	for _, category := range Categories() {
		t := Tally{Category: category}
		for _, r := range results {
			o, detail := r.Outcome(category)
			if o != "" {
				t.add(o, detail)
				all.add(o, detail)
			}
		}
		out = append(out, t)
	}
	folders := Tally{Category: "folders"}
	for _, r := range results {
		folders.add(r.Outcome(""))
	}
	return append(out, folders, all)
}

// PrintTable writes the counts as a table.
func PrintTable(w io.Writer, list []Tally) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "category\tpassed\tfailed\tnot applicable\tof applicable\t")
	for i := range list {
		c := &list[i]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%.1f %%\t\n", c.Category, c.Passed, c.Failed, c.NotApplicable, c.Share())
	}
	err := t.Flush()
	if err != nil || len(list) == 0 {
		return err
	}
	_, err = fmt.Fprintf(w, "%d of the passed by records that came some packets sooner than Suricata's\n", list[len(list)-1].Sooner)
	return err
}

// PrintFeatures writes the missing features of a tally, the most frequent
// first.
func PrintFeatures(w io.Writer, t *Tally) error {
	names := slices.Sorted(maps.Keys(t.Features))
	slices.SortStableFunc(names, func(a, b string) int { return t.Features[b] - t.Features[a] })
	for _, name := range names {
		_, err := fmt.Fprintf(w, "%6d  %s\n", t.Features[name], name)
		if err != nil {
			return err
		}
	}
	return nil
}
