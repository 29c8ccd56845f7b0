package diff

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/antin-gov/antin/signer/cos"
)

// store lets the document security store change (EN 319 142-1, 5.4.2). Data may
// go: some programs write the store anew for each signature, and whoever
// validates reads the stores of all revisions, so that nothing is lost.
func (c *comparer) store(o, n cos.Object, at *way) {
	x, y := c.old.Dict(o), c.new.Dict(n)
	if y == nil {
		c.reject(at, cos.Ref{}, Reason{Code: CodeStoreRemoved})
		return
	}
	changed := false
	for _, key := range keys(x, y) {
		here := at.to(string(key))
		switch key {
		case "Type":
		case "Certs", "OCSPs", "CRLs":
			changed = c.grown(x[key], y[key], here) || changed
		case "VRI":
			changed = c.related(x[key], y[key], here) || changed
		default:
			c.compare(x[key], y[key], here, 0)
		}
	}
	if changed || x == nil {
		c.note(at, cos.Ref{}, Reason{Level: LTAUpdates, Code: CodeStoreAdded})
	}
}

// grown lets an array of streams grow and tells whether it did. An item counts
// as kept when the same object or one with the same content is there.
func (c *comparer) grown(o, n cos.Object, at *way) bool {
	before, after := c.old.Array(o), c.new.Array(n)
	for i, x := range before {
		if lists(after, x) {
			c.compare(x, x, at.to(strconv.Itoa(i)), 0)
			continue
		}
		if !c.holds(after, x) {
			c.note(at, cos.Ref{}, Reason{Level: LTAUpdates, Code: CodeStoreShrank})
			break
		}
	}
	seen := map[cos.Ref]bool{}
	for _, x := range after {
		ref, isRef := x.(cos.Ref)
		if lists(before, x) || seen[ref] {
			continue
		}
		stm := c.new.Stream(x)
		if isRef {
			seen[ref] = true
		}
		if !isRef || stm == nil || stm.Dict["Subtype"] != nil {
			c.reject(at, ref, Reason{Code: CodeStoreForeign})
			continue
		}
		_, err := c.budget.decodes(c.new, stm)
		if errors.Is(err, cos.ErrLimit) {
			c.reject(at, ref, Reason{Code: CodeStoreGrows})
			return true
		}
	}
	return len(after) > len(before)
}

// holds tells whether an array has a stream with the content of an old one.
func (c *comparer) holds(list cos.Array, o cos.Object) bool {
	want, ok := c.content(c.old, o)
	return ok && slices.ContainsFunc(list, func(x cos.Object) bool {
		got, ok := c.content(c.new, x)
		return ok && bytes.Equal(got, want)
	})
}

func (c *comparer) content(v *cos.View, o cos.Object) ([]byte, bool) {
	stm := v.Stream(o)
	if stm == nil {
		return nil, false
	}
	return c.decoded(v, stm)
}

// decoded reads a stream as long as the budget lasts. One that is refused for
// its size has cost as much as a large one.
func (c *comparer) decoded(v *cos.View, stm *cos.Stream) ([]byte, bool) {
	return c.budget.decode(v, stm)
}

func (b *budget) decode(v *cos.View, stm *cos.Stream) ([]byte, bool) {
	data, err := b.decodes(v, stm)
	return data, err == nil
}

func (b *budget) decodes(v *cos.View, stm *cos.Stream) ([]byte, error) {
	const refused = 8 << 20
	if b.decoded < 0 {
		return nil, cos.ErrLimit
	}
	data, err := v.Decode(stm)
	if err != nil {
		b.decoded -= refused
		return nil, err
	}
	b.decoded -= int64(len(data))
	return data, nil
}

// related compares what the store says about single signatures (VRI).
func (c *comparer) related(o, n cos.Object, at *way) bool {
	x, y := c.old.Dict(o), c.new.Dict(n)
	changed := false
	for _, key := range keys(x, y) {
		here := at.to(string(key))
		was, is := c.old.Dict(x[key]), c.new.Dict(y[key])
		if is == nil {
			// The entry only says what belongs to which signature; the data
			// itself is kept by the arrays above.
			c.note(here, cos.Ref{}, Reason{Level: LTAUpdates, Code: CodeStoreRelations})
			continue
		}
		changed = changed || was == nil
		for _, k := range keys(was, is) {
			switch k {
			case "Cert", "OCSP", "CRL":
				changed = c.grown(was[k], is[k], here.to(string(k))) || changed
			case "TU", "TS", "Type":
				if was[k] != nil {
					c.compare(was[k], is[k], here.to(string(k)), 0)
				}
			default:
				c.compare(was[k], is[k], here.to(string(k)), 0)
			}
		}
	}
	return changed
}

// additions lets a dictionary of small direct values gain keys.
func (c *comparer) additions(o, n cos.Dict, at *way) {
	for _, key := range keys(o, n) {
		if o[key] == nil {
			c.note(at.to(string(key)), cos.Ref{}, Reason{Level: LTAUpdates, Code: CodeExtension})
			continue
		}
		c.compare(o[key], n[key], at.to(string(key)), 0)
	}
}

// version lets the catalog state a PDF version.
func (c *comparer) version(o, n cos.Object, at *way) {
	if cos.Equal(o, n) {
		return
	}
	name := c.new.Name(n)
	was := c.old.Name(o)
	known := slices.Contains([]cos.Name{"1.4", "1.5", "1.6", "1.7", "2.0"}, name)
	if !known || was > name {
		c.reject(at, cos.Ref{}, Reason{Code: CodeVersion})
		return
	}
	c.note(at, cos.Ref{}, Reason{Level: LTAUpdates, Code: CodeVersionRaised})
}

// info lets the document information change its date and producer.
func (c *comparer) info(o, n cos.Object) {
	x, y := c.old.Dict(o), c.new.Dict(n)
	at := &way{key: "Info"}
	for _, key := range keys(x, y) {
		if key != "ModDate" && key != "Producer" {
			c.compare(x[key], y[key], at.to(string(key)), 0)
			continue
		}
		was, _ := c.old.Bytes(x[key])
		is, _ := c.new.Bytes(y[key])
		if !bytes.Equal(was, is) {
			c.note(at.to(string(key)), cos.Ref{}, Reason{Level: LTAUpdates, Code: CodeInfoDates})
		}
	}
}

// metadata lets the XMP packet change dates and the producer (ISO 16684-1).
func (c *comparer) metadata(o, n cos.Object, at *way) {
	x, y := c.old.Stream(o), c.new.Stream(n)
	if y == nil || x == nil && c.old.Dict(o) != nil {
		c.compare(o, n, at, 0)
		return
	}
	var a []byte
	ok1 := true
	if x != nil {
		a, ok1 = c.decoded(c.old, x)
	}
	b, ok2 := c.decoded(c.new, y)
	if !ok1 || !ok2 || y.Dict["Type"] != cos.Name("Metadata") || y.Dict["Subtype"] != cos.Name("XML") {
		c.compare(o, n, at, 0)
		return
	}
	if bytes.Equal(a, b) {
		return
	}
	facts1, err1 := facts(a)
	facts2, err2 := facts(b)
	if err1 != nil || err2 != nil || !slices.Equal(facts1, facts2) {
		ref, _ := n.(cos.Ref)
		c.reject(at, ref, Reason{Code: CodeMetadata})
		return
	}
	c.note(at, cos.Ref{}, Reason{Level: LTAUpdates, Code: CodeMetadataDates})
}

// maxFacts bounds the statements of one XMP packet.
const maxFacts = 100_000

// facts lists the statements of an XMP packet without those that every save
// changes.
func facts(data []byte) ([]string, error) {
	volatile := []string{"ModifyDate", "MetadataDate", "InstanceID", "Producer", "xmptk", "History"}
	dec := xml.NewDecoder(bytes.NewReader(data))
	var out, path []string
	hidden := 0
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			slices.Sort(out)
			return out, nil
		}
		if err != nil || len(out) > maxFacts {
			return nil, errors.Join(err, cos.ErrLimit)
		}
		switch t := token.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Space+t.Name.Local)
			if hidden > 0 || slices.Contains(volatile, t.Name.Local) {
				hidden++
				continue
			}
			for _, a := range t.Attr {
				if !slices.Contains(volatile, a.Name.Local) && a.Name.Space != "xmlns" && a.Value != "" {
					out = append(out, strings.Join(path, ">")+"@"+a.Name.Space+a.Name.Local+"="+a.Value)
				}
			}
		case xml.EndElement:
			path = path[:len(path)-1]
			hidden = max(0, hidden-1)
		case xml.CharData:
			s := strings.TrimSpace(string(t))
			if hidden == 0 && s != "" {
				out = append(out, strings.Join(path, ">")+"="+s)
			}
		}
	}
}
