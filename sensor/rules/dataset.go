package rules

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Data are the lists that rules name: datasets, reputations, digests of files.
// One Data serves all rule files of a sensor and outlives a reload, so that
// what rules put into a set stays. It may be used by several goroutines.
type Data struct {
	// Open reads a list by the name that a rule gives; nil refuses such rules.
	Open func(name string) (io.ReadCloser, error)
	// Dir is the folder that the files to save to lie in when their name is
	// not absolute.
	Dir string
	// Reputation is what iprep asks; nil refuses such rules. A reload sets
	// another.
	Reputation *Reputation

	mu   sync.Mutex
	sets map[string]*Dataset
}

// Limits of lists.
const (
	maxDatasets     = 4096
	maxDatasetBytes = 100 << 20
	// entryOverhead is what an entry costs beside its bytes.
	entryOverhead = 64
	maxSetEntry   = 8 << 10
)

// Dataset is a set of values that rules test and change.
type Dataset struct {
	name, kind string
	// Save is the file that the set is to be written to when the sensor ends,
	// empty for none.
	Save string

	mu      sync.RWMutex
	values  map[string]uint16
	bytes   int
	limit   int
	changed bool
}

var (
	errNoLists  = errors.New("no lists are read here")
	errNoMemory = errors.New("more than its memory limit")
)

// decode reads a value as a list writes it.
func decodeEntry(kind, s string) (string, error) {
	switch kind {
	case "string":
		raw, err := base64.StdEncoding.DecodeString(s)
		return string(raw), err
	case "md5", "sha256":
		raw, err := hex.DecodeString(s)
		if err == nil && len(raw) != map[string]int{"md5": 16, "sha256": 32}[kind] {
			err = errors.New("digest of another length")
		}
		return string(raw), err
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return "", err
	}
	a = a.Unmap()
	if kind == "ipv4" && !a.Is4() {
		return "", errors.New("not an IPv4 address")
	}
	return string(a.AsSlice()), nil
}

func encodeEntry(kind, v string) string {
	switch kind {
	case "string":
		return base64.StdEncoding.EncodeToString([]byte(v))
	case "md5", "sha256":
		return hex.EncodeToString([]byte(v))
	}
	a, _ := netip.AddrFromSlice([]byte(v))
	return a.String()
}

// normal is a buffer's bytes as the set holds them.
func (d *Dataset) normal(raw []byte) []byte {
	if d.kind == "ip" || d.kind == "ipv4" || d.kind == "ipv6" {
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			a, _ = netip.ParseAddr(string(raw))
		}
		return a.Unmap().AsSlice()
	}
	return raw[:min(len(raw), maxSetEntry)]
}

func (d *Dataset) get(raw []byte) (uint16, bool) {
	key := d.normal(raw)
	d.mu.RLock()
	defer d.mu.RUnlock()
	v, ok := d.values[string(key)]
	return v, ok
}

// put adds a value and reports whether it is new.
func (d *Dataset) put(key string, rep uint16) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.values[key]
	if ok {
		return false, nil
	}
	if d.bytes+len(key)+entryOverhead > d.limit {
		return false, errNoMemory
	}
	d.bytes += len(key) + entryOverhead
	d.values[key] = rep
	return true, nil
}

func (d *Dataset) add(raw []byte) bool {
	// A set that is full stays as it is; the rule does not match then.
	isNew, _ := d.put(string(d.normal(raw)), 0)
	if isNew {
		d.mu.Lock()
		d.changed = true
		d.mu.Unlock()
	}
	return isNew
}

func (d *Dataset) remove(raw []byte) bool {
	key := string(d.normal(raw))
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.values[key]
	if ok {
		delete(d.values, key)
		d.bytes -= len(key) + entryOverhead
		d.changed = true
	}
	return ok
}

// read takes a list: one value a line, with a number after a comma where it
// has a reputation.
func (d *Dataset) read(r io.Reader) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 4*maxSetEntry)
	for line := 1; in.Scan(); line++ {
		text := strings.TrimSpace(in.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		value, rep, has := strings.Cut(text, ",")
		n := uint64(0)
		var err error
		if has {
			n, err = strconv.ParseUint(strings.TrimSpace(rep), 10, 16)
			if err != nil {
				return fmt.Errorf("line %d: reputation is not a number", line)
			}
		}
		key, err := decodeEntry(d.kind, value)
		if err != nil {
			return fmt.Errorf("line %d is not a value of type %s", line, d.kind)
		}
		_, err = d.put(key, uint16(n))
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
	return in.Err()
}

// Write writes the values, sorted, as a list reads them.
func (d *Dataset) Write(w io.Writer) error {
	d.mu.RLock()
	lines := make([]string, 0, len(d.values))
	for v := range d.values {
		lines = append(lines, encodeEntry(d.kind, v))
	}
	d.mu.RUnlock()
	slices.Sort(lines)
	out := bufio.NewWriter(w)
	for _, l := range lines {
		out.WriteString(l)
		out.WriteByte('\n')
	}
	return out.Flush()
}

// Unsaved lists the sets that have a file and were changed since they were
// listed last.
func (d *Data) Unsaved() []*Dataset {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*Dataset
	for _, s := range d.sets {
		s.mu.Lock()
		if s.Save != "" && s.changed {
			s.changed = false
			out = append(out, s)
		}
		s.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b *Dataset) int { return strings.Compare(a.Save, b.Save) })
	return out
}

// dataset finds a set or makes it, and loads its list the first time.
func (d *Data) dataset(name, kind, load string, mayLack bool, limit int) (*Dataset, error) {
	if d == nil {
		return nil, errNoLists
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.sets[name]
	if s != nil {
		if kind != "" && kind != s.kind {
			return nil, fmt.Errorf("set %q has type %s elsewhere", clip(name), s.kind)
		}
		return s, nil
	}
	switch kind {
	case "string", "md5", "sha256", "ipv4", "ipv6", "ip":
	case "":
		return nil, fmt.Errorf("set %q has no type", clip(name))
	default:
		return nil, fmt.Errorf("unknown type %q", clip(kind))
	}
	if len(d.sets) >= maxDatasets {
		return nil, fmt.Errorf("more than %d sets", maxDatasets)
	}
	s = &Dataset{name: name, kind: kind, values: map[string]uint16{}, limit: limit}
	err := d.load(s, load, mayLack)
	if err != nil {
		return nil, err
	}
	if d.sets == nil {
		d.sets = map[string]*Dataset{}
	}
	d.sets[name] = s
	return s, nil
}

// path is where a set is saved.
func (d *Data) path(name string) string {
	if d.Dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(d.Dir, name)
}

// digests makes a set that is a list of digests in hexadecimal digits.
func (d *Data) digests(buf Buffer, file string) (*Dataset, error) {
	if d == nil || d.Open == nil {
		return nil, errNoLists
	}
	f, err := d.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := map[Buffer]int{BufferFileMD5: 32, BufferFileSHA1: 40, BufferFileSHA256: 64}[buf]
	s := &Dataset{kind: "string", values: map[string]uint16{}, limit: maxDatasetBytes}
	in := bufio.NewScanner(f)
	for line := 1; in.Scan(); line++ {
		text := in.Bytes()
		i := bytes.IndexAny(text, " \t,#")
		if i >= 0 {
			text = text[:i]
		}
		if len(text) == 0 {
			continue
		}
		if len(text) != size {
			return nil, fmt.Errorf("%s line %d is no digest", file, line)
		}
		_, err = s.put(strings.ToLower(string(text)), 0)
		if err != nil {
			return nil, fmt.Errorf("%s line %d: %w", file, line, err)
		}
	}
	return s, in.Err()
}

func (d *Data) load(s *Dataset, file string, mayLack bool) error {
	if file == "" {
		return nil
	}
	if d.Open == nil {
		return errNoLists
	}
	f, err := d.Open(file)
	if err != nil {
		if mayLack {
			return nil
		}
		return err
	}
	defer f.Close()
	err = s.read(f)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
