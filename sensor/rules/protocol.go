package rules

// appProtocols are the application protocols that rules can name, with the IP
// protocols that carry them. A name stands here when the sensor has a parser
// or finds the protocol.
var appProtocols = map[string]uint8{
	"dcerpc":   ipTCP | ipUDP,
	"dhcp":     ipUDP,
	"dnp3":     ipTCP | ipUDP,
	"dns":      ipTCP | ipUDP,
	"doh2":     ipTCP,
	"ftp":      ipTCP,
	"ftp-data": ipTCP,
	"http":     ipTCP,
	"http1":    ipTCP,
	"http2":    ipTCP,
	"imap":     ipTCP,
	"krb5":     ipTCP | ipUDP,
	"ldap":     ipTCP | ipUDP,
	"mdns":     ipUDP,
	"modbus":   ipTCP,
	"mqtt":     ipTCP,
	"ntp":      ipUDP,
	"pop3":     ipTCP,
	"quic":     ipUDP,
	"sip":      ipTCP | ipUDP,
	"smb":      ipTCP,
	"smtp":     ipTCP,
	"snmp":     ipUDP | ipTCP,
	"ssh":      ipTCP,
	"tftp":     ipUDP,
	"tls":      ipTCP,
}

// appHolds compares the protocol that a rule names with a flow's.
func appHolds(want, have string) bool {
	switch want {
	case "http":
		return have == "http" || have == "http2" || have == "doh2"
	case "http2", "dns":
		// DNS over HTTP/2 is both.
		return have == want || have == "doh2"
	case "http1":
		return have == "http"
	case "dcerpc":
		// In SMB's named pipes too.
		return have == "dcerpc" || have == "smb"
	}
	return want == have
}

// bufferOf reports whether a rule for a protocol may use the buffers of
// another's name.
func bufferOf(buffer, rule string) bool {
	switch {
	case buffer == "" || rule == "" || buffer == rule:
		return true
	case buffer == "http":
		return rule == "http1" || rule == "http2" || rule == "doh2"
	case buffer == "dns", buffer == "http2":
		return rule == "doh2"
	case buffer == "dcerpc":
		return rule == "smb"
	case buffer == "tls":
		return rule == "quic"
	case buffer == "smtp":
		return rule == "imap" || rule == "pop3"
	}
	return false
}
