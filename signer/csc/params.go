package csc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
)

// params are the members of a JSON object of a request. A member that is null
// counts as absent; one that stands twice is refused, as two readers could
// take two different ones (RFC 8259 §4).
type params map[string]json.RawMessage

// maxMembers bounds the members of an object; the largest of the standard has
// fewer than 20.
const maxMembers = 64

var errJSON = errors.New("csc: not a JSON object")

// parseParams reads one JSON object and nothing after it.
func parseParams(b []byte) (params, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	open, err := d.Token()
	if err != nil || open != json.Delim('{') {
		return nil, errJSON
	}
	p := params{}
	for d.More() {
		key, err := d.Token()
		name, ok := key.(string)
		if err != nil || !ok || len(p) == maxMembers {
			return nil, errJSON
		}
		var value json.RawMessage
		err = d.Decode(&value)
		if err != nil {
			return nil, errJSON
		}
		_, twice := p[name]
		if twice {
			return nil, errJSON
		}
		p[name] = value
	}
	_, err = d.Token()
	if err != nil {
		return nil, errJSON
	}
	_, err = d.Token()
	if !errors.Is(err, io.EOF) {
		return nil, errJSON
	}
	return p, nil
}

func (p params) has(name string) bool {
	raw, ok := p[name]
	return ok && string(raw) != "null"
}

// text is a string; need refuses its absence.
func (p params) text(name string, need bool) (string, error) {
	if !p.has(name) {
		if need {
			return "", missing("string", name)
		}
		return "", nil
	}
	var v string
	err := json.Unmarshal(p[name], &v)
	if err != nil || p[name][0] != '"' {
		return "", missing("string", name)
	}
	if need && v == "" {
		return "", missing("string", name)
	}
	return v, nil
}

// choice is a string that is one of some, or the first when it is absent.
func (p params) choice(name string, of ...string) (string, error) {
	v, err := p.text(name, false)
	if err != nil || v == "" {
		return of[0], err
	}
	for _, o := range of {
		if v == o {
			return v, nil
		}
	}
	return "", badParameter(name)
}

func (p params) flag(name string) (bool, error) {
	if !p.has(name) {
		return false, nil
	}
	v, err := strconv.ParseBool(string(p[name]))
	if err != nil || p[name][0] == '1' || p[name][0] == '0' {
		return false, invalid("Invalid parameter " + name)
	}
	return v, nil
}

// number is an integer that must be there. Some clients send it as a string,
// which the standard does not have.
func (p params) number(name string) (int, error) {
	if !p.has(name) {
		return 0, missing("integer", name)
	}
	v, err := strconv.ParseFloat(string(p[name]), 64)
	if err != nil || v != math.Trunc(v) || math.Abs(v) > 1e9 {
		return 0, missing("integer", name)
	}
	return int(v), nil
}

// objects is an array of objects.
func (p params) objects(name string, most int) ([]params, error) {
	if !p.has(name) {
		return nil, nil
	}
	var raw []json.RawMessage
	err := json.Unmarshal(p[name], &raw)
	if err != nil || len(raw) > most {
		return nil, invalid("Invalid array parameter " + name)
	}
	list := make([]params, 0, len(raw))
	for _, r := range raw {
		o, err := parseParams(r)
		if err != nil {
			return nil, invalid("Invalid array parameter " + name)
		}
		list = append(list, o)
	}
	return list, nil
}

// digests is an array of digests in base64. An error names the array as this
// version of the interface does.
func (p params) digests(name string, need bool, most int) ([][]byte, error) {
	if !p.has(name) {
		if need {
			return nil, missing("array", name)
		}
		return nil, nil
	}
	var list []string
	err := json.Unmarshal(p[name], &list)
	if err != nil || p[name][0] != '[' {
		return nil, missing("array", name)
	}
	if len(list) == 0 {
		return nil, invalid("Empty hash array")
	}
	if len(list) > most {
		return nil, invalid("Numbers of signatures is too high")
	}
	out := make([][]byte, 0, len(list))
	for _, v := range list {
		d, err := decodeBase64(v)
		if err != nil {
			return nil, invalid("Invalid Base64 hash string parameter")
		}
		if len(d) != 32 && len(d) != 48 && len(d) != 64 {
			return nil, invalid("Invalid digest value length")
		}
		out = append(out, d)
	}
	return out, nil
}

var errBase64 = errors.New("csc: not base64")

// decodeBase64 is strict: one text for one value, without line ends (RFC 4648
// §3).
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errBase64
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errBase64
	}
	return b, nil
}
