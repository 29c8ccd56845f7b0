package mqtt

import "github.com/antin-gov/antin/sensor/rules"

// Fields gives the rules the packets of the transaction at once, in the
// direction of its first. It implements proto.Fields.
func (tx *transaction) Fields(dir int, b *rules.Buffers) {
	if tx.version > 0 {
		b.AddNumber(rules.BufferMQTTProtocolVersion, uint64(tx.version))
	}
	for _, m := range tx.messages {
		m.fields(b)
	}
}

func (m *message) fields(b *rules.Buffers) {
	b.AddNumber(rules.BufferMQTTType, uint64(m.kind))
	b.AddNumber(rules.BufferMQTTQoS, uint64(m.qos))
	flags := uint64(0)
	if m.dup {
		flags |= 8
	}
	if m.retain {
		flags |= 1
	}
	b.AddNumber(rules.BufferMQTTFlags, flags)
	switch m.kind {
	case typeConnect:
		b.AddNumber(rules.BufferMQTTConnectFlags, uint64(m.flags))
		b.AddText(rules.BufferMQTTProtocolString, m.protocol)
		b.AddText(rules.BufferMQTTClientID, m.client)
		b.AddText(rules.BufferMQTTUsername, m.username)
		b.AddText(rules.BufferMQTTPassword, m.password)
		b.AddText(rules.BufferMQTTWillTopic, m.willTopic)
		b.AddText(rules.BufferMQTTWillMessage, m.willMessage)
	case typeConnack:
		present := uint64(0)
		if m.present {
			present = 1
		}
		b.AddNumber(rules.BufferMQTTSessionPresent, present)
	case typePublish:
		b.AddText(rules.BufferMQTTPublishTopic, m.topic)
		b.AddText(rules.BufferMQTTPublishMessage, m.payload)
	}
	for _, t := range m.topics {
		if m.kind == typeSubscribe {
			b.AddText(rules.BufferMQTTSubscribeTopic, t.name)
		} else {
			b.AddText(rules.BufferMQTTUnsubscribeTopic, t.name)
		}
	}
	for _, code := range m.codes {
		b.AddNumber(rules.BufferMQTTReasonCode, uint64(code))
	}
}
