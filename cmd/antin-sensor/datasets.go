package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/antin-gov/antin/internal/atomicfile"
	"github.com/antin-gov/antin/sensor/rules"
)

// saveDatasets writes the sets that rules changed to the files that the rules
// name, each whole or not at all.
func saveDatasets(data *rules.Data) error {
	if data == nil {
		return nil
	}
	var errs error
	for _, set := range data.Unsaved() {
		err := atomicfile.Write(set.Save, 0o600, func(f *os.File) error { return set.Write(f) })
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("save dataset: %w", err))
		}
	}
	return errs
}
