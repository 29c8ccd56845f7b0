// Command millimetres measures the seal and the signature on rendered pages,
// for the proof of what marks look like: millimetres SIGNED.png SEALED.png DPI.
// The first picture shows the page before it was sealed. It prints the boxes of
// the red and the blue and which part of the blue's width the red covers, in
// millimetres from the top left corner, as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"image"
	_ "image/png"
	"os"
	"strconv"

	"github.com/antin-gov/antin/internal/testkit/ink"
)

func main() {
	err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "millimetres:", err)
		os.Exit(3)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want SIGNED.png SEALED.png DPI")
	}
	dpi, err := strconv.ParseFloat(args[2], 64)
	if err != nil || dpi <= 0 {
		return fmt.Errorf("DPI %q", args[2])
	}
	signed, err := measure(args[0], dpi)
	if err != nil {
		return err
	}
	sealed, err := measure(args[1], dpi)
	if err != nil {
		return err
	}
	out := ink.Page{Red: sealed.Red, Blue: signed.Blue}
	if out.Blue.Width > 0 {
		out.Overlap = (out.Red.Right() - out.Blue.X) / out.Blue.Width
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func measure(name string, dpi float64) (ink.Page, error) {
	f, err := os.Open(name)
	if err != nil {
		return ink.Page{}, err
	}
	defer func() { _ = f.Close() }()
	img, _, err := image.Decode(f)
	if err != nil {
		return ink.Page{}, fmt.Errorf("%s: %w", name, err)
	}
	return ink.Measure(img, dpi), nil
}
