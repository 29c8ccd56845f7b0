package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

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
		err := saveDataset(set)
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("save dataset: %w", err))
		}
	}
	return errs
}

func saveDataset(set *rules.Dataset) error {
	f, err := os.CreateTemp(filepath.Dir(set.Save), ".dataset-*")
	if err != nil {
		return err
	}
	err = set.Write(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), set.Save)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
