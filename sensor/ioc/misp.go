package ioc

import (
	"fmt"
	"io"
	"strings"
)

// mispAttribute is what is read of an attribute (MISP core format, §2.4).
type mispAttribute struct {
	Type    string `json:"type"`
	Value   string `json:"value"`
	Comment string `json:"comment"`
	ToIDs   any    `json:"to_ids"`
	Deleted any    `json:"deleted"`
	Tags    []struct {
		Name string `json:"name"`
	} `json:"Tag"`
}

// misp reads the attributes of an event or of several, those of objects too.
func (r *reader) misp(in io.Reader) error {
	j := newJSONList(in)
	seen := false
	err := j.walk(func(name string) (bool, error) {
		if name != "Attribute" {
			return false, nil
		}
		seen = true
		return true, elements(j, r.mispAttribute)
	})
	if err != nil {
		return err
	}
	if !seen {
		return fmt.Errorf("%w: neither a STIX bundle nor a MISP event with attributes", ErrFormat)
	}
	return nil
}

func (r *reader) mispAttribute(line int, a *mispAttribute) error {
	parts := mispKinds(a.Type)
	switch {
	case parts == nil:
		r.refuse(line, a.Value, fmt.Sprintf("attribute of type %.60q", a.Type))
		return nil
	case truth(a.Deleted):
		r.refuse(line, a.Value, "deleted")
		return nil
	case a.ToIDs != nil && !truth(a.ToIDs):
		r.refuse(line, a.Value, "not meant for detection (to_ids is false)")
		return nil
	}
	values := strings.Split(a.Value, "|")
	if len(values) < len(parts) {
		r.refuse(line, a.Value, "fewer parts than its type says")
		return nil
	}
	for n, kind := range parts {
		if kind == 0 {
			continue
		}
		value := values[n]
		if len(parts) == 1 {
			value = a.Value
		}
		i := Indicator{Kind: kind, Value: value, Description: a.Comment, Confidence: r.confidence(a)}
		i.Subdomains = a.Type == "domain" || a.Type == "domain|ip"
		err := r.take(line, i)
		if err != nil {
			return err
		}
	}
	return nil
}

// truth reads the forms in which MISP writes a flag: true, 1, "1".
func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v == "1" || strings.EqualFold(v, "true")
	}
	return false
}

// mispKinds are the parts of an attribute's value; a zero part is skipped.
func mispKinds(kind string) []Kind {
	switch kind {
	case "ip-src", "ip-dst":
		return []Kind{KindAddress}
	case "ip-src|port", "ip-dst|port":
		return []Kind{KindAddress, 0}
	case "domain", "hostname":
		return []Kind{KindDomain}
	case "hostname|port":
		return []Kind{KindDomain, 0}
	case "domain|ip":
		return []Kind{KindDomain, KindAddress}
	case "url", "uri", "link":
		return []Kind{KindURL}
	case "md5":
		return []Kind{KindMD5}
	case "sha1":
		return []Kind{KindSHA1}
	case "sha256":
		return []Kind{KindSHA256}
	case "filename|md5", "malware-sample":
		return []Kind{0, KindMD5}
	case "filename|sha1":
		return []Kind{0, KindSHA1}
	case "filename|sha256":
		return []Kind{0, KindSHA256}
	case "ja3-fingerprint-md5":
		return []Kind{KindJA3}
	case "ja3s-fingerprint-md5":
		return []Kind{KindJA3S}
	case "ja4-fingerprint", "ja4":
		return []Kind{KindJA4}
	}
	return nil
}

// confidence reads MISP's taxonomy of confidence, as its guide maps it.
func (r *reader) confidence(a *mispAttribute) uint8 {
	for _, t := range a.Tags {
		level, ok := strings.CutPrefix(t.Name, `misp:confidence-level="`)
		if !ok {
			continue
		}
		switch strings.TrimSuffix(level, `"`) {
		case "completely-confident":
			return 100
		case "usually-confident":
			return 75
		case "fairly-confident":
			return 50
		case "rarely-confident":
			return 25
		case "unconfident":
			return 0
		}
	}
	return r.o.Confidence
}
