package mqtt

// missing names the packet that should have come before an answer to it.
var missing = [...]string{
	typeConnack: "missing_connect", typePuback: "missing_publish", typePubrec: "missing_publish",
	typePubrel: "missing_publish", typePubcomp: "missing_publish", typeSuback: "missing_subscribe",
	typeUnsuback: "missing_unsubscribe",
}

// notice tells what is wrong with a packet that begins a transaction: an
// answer to nothing, a second CONNECT (§3.1), a quality of service that does
// not exist (§2.1.3), no identifier where there must be one (§2.2.1), and
// what comes before the connection stands.
func (c *Conn) notice(dir int, tx uint64, m *message) {
	if m.skipped > 0 {
		return
	}
	switch m.kind {
	case typeConnect:
		if c.connected {
			c.host.Notice(dir, tx, "double_connect")
		}
		return
	case typePublish, typeSubscribe, typeUnsubscribe:
		if m.qos > maxQoS {
			c.host.Notice(dir, tx, "invalid_qos_level")
		} else if m.qos > 0 && (!m.hasID || m.id == 0) {
			c.host.Notice(dir, tx, "missing_msg_id")
		}
	}
	if int(m.kind) < len(missing) && missing[m.kind] != "" {
		c.host.Notice(dir, tx, missing[m.kind])
	}
	if !c.connected && m.kind != typeConnack {
		c.host.Notice(dir, tx, "unintroduced_message")
	}
}

const maxQoS = 2
