package rules

import (
	"errors"
	"fmt"
	"strings"
)

// Vars are the address and port variables that headers name, without "$".
type Vars struct {
	Address map[string]string
	Port    map[string]string
	// Data are the lists that rules name; nil refuses rules that need one.
	Data *Data
	// Reputation names the files of iprep; without a name those beside the rules
	// are taken.
	Reputation ReputationFiles
}

// DefaultVars returns Suricata's default variables with the given home
// network, for instance "[10.0.0.0/8,192.168.0.0/16]".
func DefaultVars(homeNet string) Vars {
	home := "$HOME_NET"
	return Vars{
		Address: map[string]string{
			"HOME_NET": homeNet, "EXTERNAL_NET": "!$HOME_NET",
			"HTTP_SERVERS": home, "SMTP_SERVERS": home, "SQL_SERVERS": home, "DNS_SERVERS": home,
			"TELNET_SERVERS": home, "AIM_SERVERS": "$EXTERNAL_NET", "DC_SERVERS": home,
			"DNP3_SERVER": home, "DNP3_CLIENT": home, "MODBUS_CLIENT": home, "MODBUS_SERVER": home,
			"ENIP_CLIENT": home, "ENIP_SERVER": home,
		},
		Port: map[string]string{
			"HTTP_PORTS": "80", "SHELLCODE_PORTS": "!80", "ORACLE_PORTS": "1521", "SSH_PORTS": "22",
			"DNP3_PORTS": "20000", "MODBUS_PORTS": "502", "FILE_DATA_PORTS": "[$HTTP_PORTS,110,143]",
			"FTP_PORTS": "21", "GENEVE_PORTS": "6081", "VXLAN_PORTS": "4789", "TEREDO_PORTS": "3544",
		},
	}
}

// maxListDepth bounds nested lists and variables that name variables; real
// configurations stay under four.
const maxListDepth = 16

var (
	errListDepth = errors.New("address or port list nested too deeply")
	errBrackets  = errors.New("unbalanced brackets in list")
	errEmptyList = errors.New("address or port list is empty after its exceptions")
)

// listParser evaluates the list grammar that addresses and ports share:
// any, !x, [a,b,![c,d]], $VAR and single items.
type listParser struct {
	vars map[string]string
	all  spans
	item func(string) (span, error)
}

func (p listParser) parse(text string, depth int) (spans, error) {
	if depth > maxListDepth {
		return nil, errListDepth
	}
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil, errEmptyList
	case text == "any":
		return p.all, nil
	case text[0] == '!':
		inner, err := p.parse(text[1:], depth+1)
		if err != nil {
			return nil, err
		}
		return nonEmpty(minus(p.all, inner))
	case text[0] == '$':
		value, ok := p.vars[text[1:]]
		if !ok {
			return nil, fmt.Errorf("unknown variable %s", text)
		}
		return p.parse(value, depth+1)
	case text[0] == '[':
		return p.list(text, depth)
	}
	s, err := p.item(text)
	if err != nil {
		return nil, err
	}
	return spans{s}, nil
}

func (p listParser) list(text string, depth int) (spans, error) {
	if text[len(text)-1] != ']' {
		return nil, errBrackets
	}
	parts, err := splitList(text[1 : len(text)-1])
	if err != nil {
		return nil, err
	}
	var plus, without spans
	positive := false
	for _, part := range parts {
		part = strings.TrimSpace(part)
		negated := strings.HasPrefix(part, "!")
		part = strings.TrimPrefix(part, "!")
		got, err := p.parse(part, depth+1)
		if err != nil {
			return nil, err
		}
		if negated {
			without = append(without, got...)
			continue
		}
		positive = true
		plus = append(plus, got...)
	}
	if !positive {
		plus = append(plus, p.all...)
	}
	return nonEmpty(minus(normalise(plus), normalise(without)))
}

func nonEmpty(s spans) (spans, error) {
	if len(s) == 0 {
		return nil, errEmptyList
	}
	return s, nil
}

// splitList splits at the commas outside brackets.
func splitList(text string) ([]string, error) {
	var parts []string
	depth, start := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '[':
			depth++
		case ']':
			depth--
			if depth < 0 {
				return nil, errBrackets
			}
		case ',':
			if depth == 0 {
				parts = append(parts, text[start:i])
				start = i + 1
			}
		}
	}
	if depth != 0 {
		return nil, errBrackets
	}
	return append(parts, text[start:]), nil
}
