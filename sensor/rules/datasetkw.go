package rules

import (
	"errors"
	"fmt"
	"strings"
)

type setAction uint8

const (
	setHas setAction = iota
	setLacks
	setAdd
	setRemove
	setReputation
)

// setTest is one dataset, datarep or list of digests on a buffer.
type setTest struct {
	set    *Dataset
	action setAction
	rep    numberTest
}

func (t *setTest) changes() bool { return t.action == setAdd || t.action == setRemove }

func (t *setTest) holds(raw []byte) bool {
	switch t.action {
	case setAdd:
		return t.set.add(raw)
	case setRemove:
		return t.set.remove(raw)
	}
	rep, has := t.set.get(raw)
	switch t.action {
	case setLacks:
		return !has
	case setReputation:
		return has && t.rep.holds(int(rep))
	}
	return has
}

// setOptions are the parts of dataset and datarep after the name.
type setOptions struct {
	kind, load, save string
	mayLack          bool
	limit            int
}

func parseSetOptions(parts []string) (setOptions, error) {
	o := setOptions{limit: maxDatasetBytes}
	for _, part := range parts {
		key, arg, _ := strings.Cut(part, " ")
		arg = strings.TrimSpace(arg)
		var err error
		switch key {
		case "type":
			o.kind = arg
		case "load":
			o.load = arg
		case "save":
			o.save = arg
		case "state":
			o.load, o.save, o.mayLack = arg, arg, true
		case "memcap":
			o.limit, err = (&numberInfo{most: 1 << 40}).value(strings.NewReplacer("kb", "kib", "mb", "mib", "gb", "gib").Replace(arg))
			o.limit = min(max(o.limit, 1), maxDatasetBytes)
		case "hashsize":
			// The size of a hash table is chosen here.
			_, err = parseInt(arg, 1, 1<<30)
		default:
			err = fmt.Errorf("unknown part %q", clip(part))
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

// addDataset reads "isset,name,type string,load file".
func (b *builder) addDataset(value string) error {
	parts := splitTrim(value)
	if len(parts) < 2 || parts[1] == "" {
		return errors.New("needs an action and a name")
	}
	t := &setTest{}
	switch parts[0] {
	case "isset":
	case "isnotset":
		t.action = setLacks
	case "set":
		t.action = setAdd
	case "unset":
		t.action = setRemove
	default:
		return fmt.Errorf("unknown action %q", clip(parts[0]))
	}
	o, err := parseSetOptions(parts[2:])
	if err != nil {
		return err
	}
	t.set, err = b.data.dataset(parts[1], o.kind, o.load, o.mayLack, o.limit)
	if err != nil {
		return err
	}
	if o.save != "" {
		t.set.Save = b.data.path(o.save)
	}
	return b.addSet(t)
}

// addDatarep reads "name, >, 200, load file, type string".
func (b *builder) addDatarep(value string) error {
	parts := splitTrim(value)
	if len(parts) < 3 {
		return errors.New("needs a name, an operator and a number")
	}
	rep, err := parseNumberTest(parts[1]+parts[2], 65535)
	if err != nil {
		return err
	}
	o, err := parseSetOptions(parts[3:])
	if err != nil {
		return err
	}
	t := &setTest{action: setReputation, rep: rep}
	t.set, err = b.data.dataset(parts[0], o.kind, o.load, o.mayLack, o.limit)
	if err != nil {
		return err
	}
	return b.addSet(t)
}

func (b *builder) addSet(t *setTest) error {
	if b.buf == BufferPayload {
		return errors.New("no sticky buffer before it")
	}
	return b.add(b.buf, b.trans, item{kind: itemSet, set: t})
}

// addHashes reads the name of a list of digests, or "!" and a name.
func (b *builder) addHashes(buf Buffer, value string) error {
	value, negated := strings.CutPrefix(strings.TrimSpace(value), "!")
	set, err := b.data.digests(buf, unquote(strings.TrimSpace(value)))
	if err != nil {
		return err
	}
	t := &setTest{set: set}
	if negated {
		t.action = setLacks
	}
	return b.add(buf, nil, item{kind: itemSet, set: t})
}
