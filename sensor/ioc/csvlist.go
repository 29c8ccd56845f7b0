package ioc

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// columns say where in a line what stands; -1 is nowhere.
type columns struct {
	kind, value, confidence, description, expires int
	// of is the kind that the name of the value's column says.
	of Kind
}

// plain is a list of one value a line.
var plain = columns{kind: -1, value: 0, confidence: -1, description: -1, expires: -1}

// csv reads lines: one value each, an entry of a hosts file, or the fields
// that a first line names.
func (r *reader) csv(in io.Reader) error {
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, maxObject)
	cols, first := plain, true
	for line := 1; sc.Scan(); line++ {
		text := strings.TrimSpace(sc.Text())
		if text == "" || text[0] == '#' || text[0] == ';' || strings.HasPrefix(text, "//") {
			continue
		}
		fields, err := split(text)
		if err != nil {
			r.refuse(line, text, err.Error())
			continue
		}
		if first {
			first = false
			named, ok := namedColumns(fields)
			if ok {
				cols = named
				continue
			}
			cols = shape(fields)
		}
		err = r.csvLine(line, fields, cols)
		if err != nil {
			return err
		}
	}
	err := sc.Err()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return nil
}

// split takes a line apart: by comma or semicolon with quotes (RFC 4180), or
// the name out of an entry of a hosts file.
func split(text string) ([]string, error) {
	words := strings.Fields(text)
	if len(words) >= 2 && (words[0] == "0.0.0.0" || words[0] == "127.0.0.1" || words[0] == "::") {
		return words[1:2], nil
	}
	if !strings.ContainsAny(text, ",;\"\t") {
		return []string{text}, nil
	}
	rd := csv.NewReader(strings.NewReader(text))
	rd.FieldsPerRecord = -1
	rd.TrimLeadingSpace = true
	rd.LazyQuotes = true
	comma := strings.IndexByte(text, ',') >= 0
	if !comma && strings.Contains(text, ";") {
		rd.Comma = ';'
	} else if !comma && strings.Contains(text, "\t") {
		rd.Comma = '\t'
	}
	fields, err := rd.Read()
	if err != nil {
		return nil, errors.New("not a line of fields")
	}
	return fields, nil
}

// namedColumns reads a line of column names.
func namedColumns(fields []string) (columns, bool) {
	c := columns{kind: -1, value: -1, confidence: -1, description: -1, expires: -1}
	for i, f := range fields {
		name := strings.ToLower(strings.Trim(f, " \"#"))
		switch name {
		case "type", "kind", "indicator_type", "ioc_type":
			c.kind = i
		case "value", "indicator", "ioc", "ioc_value":
			c.value = i
		case "confidence", "confidence_level":
			c.confidence = i
		case "description", "comment", "malware", "threat", "note":
			c.description = i
		case "expires", "valid_until", "expiry", "expiration":
			c.expires = i
		default:
			kind, ok := columnKind(name)
			if ok && c.value < 0 {
				c.value, c.of = i, kind
			}
		}
	}
	return c, c.value >= 0
}

// columnKind is the kind that a name says, in a header or a type column.
func columnKind(name string) (Kind, bool) {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "address", "ip", "ipv4", "ipv6", "ip-src", "ip-dst", "dst_ip", "src_ip", "ip:port", "ipv4-addr", "ipv6-addr", "ip_address":
		return KindAddress, true
	case "network", "cidr", "subnet":
		return KindNetwork, true
	case "domain", "hostname", "host", "fqdn", "domain-name", "domain_name":
		return KindDomain, true
	case "url", "uri":
		return KindURL, true
	case "md5", "md5_hash", "file-md5":
		return KindMD5, true
	case "sha1", "sha-1", "sha1_hash":
		return KindSHA1, true
	case "sha256", "sha-256", "sha256_hash":
		return KindSHA256, true
	case "ja3", "ja3_md5", "ja3_hash", "ja3-fingerprint-md5":
		return KindJA3, true
	case "ja3s", "ja3s_hash":
		return KindJA3S, true
	case "ja4":
		return KindJA4, true
	}
	return 0, false
}

// shape judges lines without a header: a first field that names a kind means
// kind, value, confidence, description, expiry; otherwise the value is first
// and a description may follow.
func shape(fields []string) columns {
	if len(fields) < 2 {
		return plain
	}
	_, ok := columnKind(fields[0])
	if ok {
		return columns{kind: 0, value: 1, confidence: 2, description: 3, expires: 4}
	}
	return columns{kind: -1, value: 0, confidence: -1, description: 1, expires: -1}
}

func (r *reader) csvLine(line int, fields []string, c columns) error {
	get := func(i int) string {
		if i < 0 || i >= len(fields) {
			return ""
		}
		return strings.TrimSpace(fields[i])
	}
	i := Indicator{Value: get(c.value), Description: get(c.description), Confidence: r.o.Confidence, Kind: c.of}
	if i.Value == "" {
		r.refuse(line, strings.Join(fields, ","), "no value")
		return nil
	}
	if name := get(c.kind); name != "" {
		kind, ok := columnKind(name)
		if !ok {
			r.refuse(line, i.Value, fmt.Sprintf("type %.40q is not known", name))
			return nil
		}
		i.Kind = kind
		i.Subdomains = strings.EqualFold(name, "domain")
	}
	if i.Kind == 0 {
		i.Kind = r.o.Kind
	}
	if i.Kind == 0 {
		kind, ok := guess(i.Value)
		if !ok {
			r.refuse(line, i.Value, "no address, network, domain, URL, digest or JA4")
			return nil
		}
		i.Kind = kind
	}
	if i.Kind == KindAddress {
		at, err := netip.ParseAddrPort(refang(i.Value))
		if err == nil {
			i.Value = at.Addr().String()
		}
	}
	if s := get(c.confidence); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > 100 {
			r.refuse(line, i.Value, fmt.Sprintf("confidence %.20q is not 0 to 100", s))
			return nil
		}
		i.Confidence = uint8(n)
	}
	if s := get(c.expires); s != "" {
		until, ok := parseTime(s)
		if !ok {
			r.refuse(line, i.Value, fmt.Sprintf("expiry %.40q is no time", s))
			return nil
		}
		i.Expires = until
	}
	return r.take(line, i)
}

func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		t, err := time.Parse(layout, s)
		if err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
