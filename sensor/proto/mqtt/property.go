package mqtt

import (
	"encoding/binary"
	"slices"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

// form is how a property's value is written (§2.2.2.2).
type form uint8

const (
	formByte form = 1 + iota
	formTwo
	formFour
	formVar
	formText
	formBinary
	formPair
)

type propertyInfo struct {
	name string
	form form
}

var propertyTable = [...]propertyInfo{
	1: {"payload_format_indicator", formByte}, 2: {"message_expiry_interval", formFour}, 3: {"content_type", formText},
	8: {"response_topic", formText}, 9: {"correlation_data", formBinary}, 11: {"subscription_identifier", formVar},
	17: {"session_expiry_interval", formFour}, 18: {"assigned_client_identifier", formText},
	19: {"server_keep_alive", formTwo}, 21: {"authentication_method", formText}, 22: {"authentication_data", formBinary},
	23: {"request_problem_information", formByte}, 24: {"will_delay_interval", formFour},
	25: {"request_response_information", formByte}, 26: {"response_information", formText},
	28: {"server_reference", formText}, 31: {"reason_string", formText}, 33: {"receive_maximum", formTwo},
	34: {"topic_alias_maximum", formTwo}, 35: {"topic_alias", formTwo}, 36: {"maximum_qos", formByte},
	37: {"retain_available", formByte}, 38: {"userprop", formPair}, 39: {"maximum_packet_size", formFour},
	40: {"wildcard_subscription_available", formByte}, 41: {"subscription_identifier_available", formByte},
	42: {"shared_subscription_available", formByte},
}

// maxProperties bounds the properties of one packet.
const maxProperties = 64

type property struct {
	info  *propertyInfo
	value []byte
	// second is the value of a pair.
	second []byte
}

// properties reads a property list.
func properties(r *wire.Reader) []property {
	size, n, ok := length(r.B)
	if !ok {
		r.Take(len(r.B) + 1)
		return nil
	}
	r.Take(n)
	in := wire.Reader{B: r.Take(size)}
	var out []property
	for len(in.B) > 0 && len(out) < maxProperties {
		id := int(in.U8())
		if id >= len(propertyTable) || propertyTable[id].form == 0 {
			// The length of an unknown property is not known either.
			break
		}
		p := property{info: &propertyTable[id]}
		switch p.info.form {
		case formByte:
			p.value = in.Take(1)
		case formTwo:
			p.value = in.Take(2)
		case formFour:
			p.value = in.Take(4)
		case formVar:
			v, n, ok := length(in.B)
			if !ok {
				return out
			}
			in.Take(n)
			p.value = binary.BigEndian.AppendUint32(nil, uint32(v))
		case formText, formBinary:
			p.value = text(&in)
		case formPair:
			p.value, p.second = text(&in), text(&in)
		}
		if in.Short {
			break
		}
		out = append(out, p)
	}
	return out
}

// name is what the property is written under: of a pair its own key.
func (p *property) name() string {
	if p.info.form == formPair {
		return string(p.value[:min(len(p.value), maxText)])
	}
	return p.info.name
}

// encodeProperties writes each name once, with what was said first: an object has
// no name twice, MQTT may (§3.1.2.11.8, §3.3.2.3.8).
func encodeProperties(e *encode.Encoder, list []property) {
	e.Open("properties")
	for i := range list {
		p := &list[i]
		said := func(o property) bool { return o.name() == p.name() }
		if slices.ContainsFunc(list[:i], said) {
			continue
		}
		switch p.info.form {
		case formPair:
			e.TextKey(p.name())
			e.B = encode.AppendText(e.B, p.second[:min(len(p.second), maxText)])
		case formText:
			limited(e, p.info.name, p.value)
		case formBinary:
			limited(e, p.info.name, p.value)
		default:
			v := uint64(0)
			for _, c := range p.value {
				v = v<<8 | uint64(c)
			}
			e.Uint(p.info.name, v)
		}
	}
	e.Close()
}
