package plot_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"testing"

	"github.com/antin-gov/antin/internal/plot"
)

func TestPlotsAreWellFormed(t *testing.T) {
	var b bytes.Buffer
	err := plot.Write(&b, "title", "x", "y", []plot.Curve{{Name: "a", X: []float64{1, 10}, Y: []float64{0.01, 0.1}}})
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(&b)
	for {
		_, err = d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
