package prototest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// mayBeEmpty are the lists that Suricata writes even with nothing in them, and
// what is left of a record without its header when there is nothing to tell.
func mayBeEmpty(path string) bool {
	switch path {
	case "", ".pop3.request.args", ".pop3.response.data":
		return true
	}
	return false
}

// Form wants a record to be one JSON object in the form of every record: a field
// stands in its object once, and what has nothing to say is left out: there is
// no null and, but for those that Suricata writes too, no empty object and no empty
// list.
func Form(record []byte) error {
	d := json.NewDecoder(bytes.NewReader(record))
	d.UseNumber()
	start, err := d.Token()
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	if start != json.Delim('{') {
		return errors.New("not an object")
	}
	err = members(d, "")
	if err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one object")
	}
	return nil
}

// members reads the rest of an object that stands at path.
func members(d *json.Decoder, path string) error {
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return fmt.Errorf("not JSON: %w", err)
		}
		name := key.(string)
		if seen[name] {
			return fmt.Errorf("%s.%s stands twice", path, name)
		}
		seen[name] = true
		err = value(d, path+"."+name)
		if err != nil {
			return err
		}
	}
	if len(seen) == 0 && !mayBeEmpty(path) {
		return fmt.Errorf("%s is an empty object", path)
	}
	return closed(d)
}

func value(d *json.Decoder, path string) error {
	t, err := d.Token()
	switch {
	case err != nil:
		return fmt.Errorf("not JSON: %w", err)
	case t == nil:
		return fmt.Errorf("%s is null", path)
	case t == json.Delim('{'):
		return members(d, path)
	case t != json.Delim('['):
		return nil
	}
	if !d.More() && !mayBeEmpty(path) {
		return fmt.Errorf("%s is an empty list", path)
	}
	for d.More() {
		err = value(d, path+"[]")
		if err != nil {
			return err
		}
	}
	return closed(d)
}

// closed reads the end of an object or a list.
func closed(d *json.Decoder) error {
	_, err := d.Token()
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return nil
}
