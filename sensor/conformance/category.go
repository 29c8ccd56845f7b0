package conformance

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	categoryOther = "other"
	categoryFiles = "files"
)

// Categories lists the categories in the order of the report.
func Categories() []string {
	return []string{
		"alert", "dns", "tls", "http", "flow", "ssh", "smb", "smtp", "dhcp", "ftp", "ntp", "snmp", "krb5", "rdp",
		"quic", "mqtt", "sip", "files", "anomaly", categoryOther,
	}
}

// recorded are the kinds of record that the sensor writes; a check on another
// kind names a feature that it does not have.
var recorded = map[string]string{
	"alert": "alert", "dns": "dns", "tls": "tls", "http": "http", "flow": "flow", "netflow": "flow", "ssh": "ssh", "smb": "smb",
	"smtp": "smtp", "dhcp": "dhcp", "ftp": "ftp", "ftp_data": "ftp", "ntp": "ntp", "snmp": "snmp", "krb5": "krb5",
	"rdp": "rdp", "quic": "quic", "mqtt": "mqtt", "sip": "sip", "fileinfo": "files", "anomaly": "anomaly",
	"modbus": categoryOther, "ldap": categoryOther, "tftp": categoryOther, "pop3": categoryOther,
	"imap": categoryOther, "dcerpc": categoryOther, "dnp3": categoryOther, "mdns": categoryOther,
}

// category is the category that a check counts in.
func (c *checkSpec) category() string {
	if c.Filter == nil {
		return categoryOther
	}
	kind, ok := c.Filter.Match["event_type"]
	if !ok {
		for key := range c.Filter.Match {
			if strings.HasPrefix(key, "alert.") {
				return "alert"
			}
		}
		return categoryOther
	}
	name, ok := recorded[text(kind)]
	if !ok {
		return categoryOther
	}
	return name
}

func (c *checkSpec) kind() string {
	switch {
	case c.Shell.Kind != 0:
		return "shell command"
	case c.Stats.Kind != 0:
		return "Suricata's counters"
	}
	return "comparison of files"
}

// inlineKeys are fields that only an inline sensor writes.
var inlineKeys = []string{"verdict", "drop.", "flow.action", "flow.exception_policy", "alert.firewall"}

// foreign are protocols that the sensor does not set out to speak.
var foreign = []string{"template", "pgsql", "enip", "rfb", "bittorrent-dht", "nfs", "ike", "websocket", "doh2", "llmnr"}

// option names what Suricata writes only when told to and the sensor does
// not, and records of other versions than the sensor's.
func option(key, want string) string {
	switch {
	case strings.HasPrefix(key, "ether."):
		return "Ethernet addresses in records"
	case strings.HasPrefix(key, "metadata.flowvars"), strings.HasPrefix(key, "metadata.pktvars"), strings.HasPrefix(key, "metadata.entropy"):
		return "variables of rules in records"
	case strings.HasPrefix(key, "tls.client_handshake."), strings.HasPrefix(key, "tls.server_handshake."):
		return "lists of the handshake in tls records"
	case strings.HasPrefix(key, "frame."):
		return "frames"
	case key == "dns.type" && (want == "query" || want == "answer"), key == "dns.rrname", key == "dns.rrtype", key == "dns.version" && want != "3":
		return "DNS records before version 3"
	case key == "alert.references":
		return "references of rules in records"
	case key == "alert.xff":
		return "forwarded addresses in alerts"
	case key == "flow.state" && want == "bypassed":
		return "bypass of flows"
	case (key == "app_proto" || key == "anomaly.app_proto") && slices.Contains(foreign, want):
		return "protocol " + want
	}
	kind, _, deep := strings.Cut(key, ".")
	if deep && (kind == "stats" || slices.Contains(foreign, kind)) {
		return "records of type " + kind
	}
	return ""
}

// refusedFor names the reason when the check counts alerts of a rule that was
// refused: one that it names, or any of the folder's when it names none.
func (f *filterSpec) refusedFor(refused []refusal) string {
	kind, ok := f.Match["event_type"]
	alerts := ok && text(kind) == "alert"
	for _, r := range refused {
		id, byID := f.Match["alert.signature_id"]
		msg, byMsg := f.Match["alert.signature"]
		switch {
		case byID && text(id) != strconv.FormatUint(uint64(r.sid), 10):
		case byMsg && !strings.Contains(r.rule, text(msg)):
		case byID, byMsg, alerts:
			return "rule: " + r.reason
		}
	}
	return ""
}

// missing names what a filter asks for and the sensor does not have.
func (f *filterSpec) missing() string {
	why := f.Requires.unmet()
	if why != "" {
		return why
	}
	if f.File != "" && filepath.Base(f.File) != "eve.json" {
		return "output file " + f.File
	}
	kind, ok := f.Match["event_type"]
	_, known := recorded[text(kind)]
	if ok && !known {
		return "records of type " + text(kind)
	}
	for key, want := range f.Match {
		why = option(key, text(want))
		if why != "" {
			return why
		}
		for _, k := range inlineKeys {
			if strings.HasPrefix(key, k) {
				return "inline mode (" + strings.TrimSuffix(k, ".") + ")"
			}
		}
		if key == "alert.action" && text(want) == "blocked" {
			return "inline mode (blocked)"
		}
	}
	return ""
}
