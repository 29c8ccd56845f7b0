package appearance_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/antin-gov/antin/signer/appearance"
)

func TestPagesAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string][]int{
		"": nil, "all": {1, 2, 3, 4, 5, 6}, "tất cả": {1, 2, 3, 4, 5, 6}, "1,3-5": {1, 3, 4, 5}, " 2 - 3 , 2": {2, 3}, "5-last": {5, 6}, "cuối": {6}, "last,1": {1, 6},
	} {
		p, err := appearance.ParsePages(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got, err := p.Numbers(6)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"0", "-1", "x", "1,", ",", "1-2-3", "1-0", "99999999999999999999", "every"} {
		p, err := appearance.ParsePages(text)
		if err == nil {
			_, err = p.Numbers(6)
		}
		if !errors.Is(err, appearance.ErrSpec) && !errors.Is(err, appearance.ErrOutside) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"7", "5-7", "4-2"} {
		p, err := appearance.ParsePages(text)
		if err != nil {
			t.Fatal(text, err)
		}
		_, err = p.Numbers(6)
		if !errors.Is(err, appearance.ErrOutside) {
			t.Errorf("%q of six pages: %v", text, err)
		}
	}
}
