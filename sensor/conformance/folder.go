package conformance

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFile bounds test.yaml and suricata.yaml.
const maxFile = 1 << 20

// spec is test.yaml.
type spec struct {
	Requires requires    `yaml:"requires"`
	Args     []string    `yaml:"args"`
	Pcap     yaml.Node   `yaml:"pcap"`
	Rules    string      `yaml:"rules"`
	Command  yaml.Node   `yaml:"command"`
	Skip     yaml.Node   `yaml:"skip"`
	ExitCode int         `yaml:"exit-code"`
	Checks   []checkSpec `yaml:"checks"`
}

type requires struct {
	Min      string   `yaml:"min-version"`
	Less     string   `yaml:"lt-version"`
	Greater  string   `yaml:"gt-version"`
	Features []string `yaml:"features"`
	Script   []string `yaml:"script"`
}

type checkSpec struct {
	Filter  *filterSpec `yaml:"filter"`
	Shell   yaml.Node   `yaml:"shell"`
	Stats   yaml.Node   `yaml:"stats"`
	Compare yaml.Node   `yaml:"file-compare"`
}

// storedTest is a shell command that looks for a file in the store.
var storedTest = regexp.MustCompile(`^test (! )?-([es]) filestore/([0-9a-f]{2}/[0-9a-f]{64})$`)

// stored applies a check that is such a command; dir is where files were kept.
func (c *checkSpec) stored(dir string) (ok, applies bool) {
	var shell struct {
		Args string `yaml:"args"`
	}
	if c.Shell.Kind == 0 || c.Shell.Decode(&shell) != nil || dir == "" {
		return false, false
	}
	m := storedTest.FindStringSubmatch(strings.TrimSpace(shell.Args))
	if m == nil {
		return false, false
	}
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(m[3])))
	there := err == nil && (m[2] == "e" || info.Size() > 0)
	return there == (m[1] == ""), true
}

type filterSpec struct {
	Count    int            `yaml:"count"`
	Match    map[string]any `yaml:"match"`
	File     string         `yaml:"filename"`
	Requires requires       `yaml:"requires"`
}

// config is the part of a folder's suricata.yaml that changes what is seen.
type config struct {
	Vars struct {
		Address map[string]string `yaml:"address-groups"`
		Port    map[string]string `yaml:"port-groups"`
	} `yaml:"vars"`
	Outputs []yaml.Node `yaml:"outputs"`
	// OSPolicy says by which system's rules overlaps are settled.
	OSPolicy yaml.Node `yaml:"host-os-policy"`
	AppLayer struct {
		Protocols map[string]struct {
			Enabled string `yaml:"enabled"`
			// HASSH is SSH's.
			HASSH string `yaml:"hassh"`
			// Longest is MQTT's limit of a message.
			Longest string `yaml:"max-msg-length"`
			// Raw keeps mail as one file.
			Raw  string `yaml:"raw-extraction"`
			MIME struct {
				Schemes yaml.Node `yaml:"extract-urls-schemes"`
			} `yaml:"mime"`
		} `yaml:"protocols"`
	} `yaml:"app-layer"`
}

// missing names a parser that the folder's configuration turns off: here none
// is.
func (c *config) missing() string {
	for _, name := range slices.Sorted(maps.Keys(c.AppLayer.Protocols)) {
		p := c.AppLayer.Protocols[name]
		if p.Longest != "" {
			return "a limit of messages (" + name + ")"
		}
		if p.Raw == "yes" {
			return "mail as one file"
		}
		if p.MIME.Schemes.Kind != 0 {
			return "choice of links' schemes"
		}
		switch p.Enabled {
		case "no", "false", "detection-only":
			return "a parser turned off (" + name + ")"
		}
	}
	if c.OSPolicy.Kind != 0 {
		return "overlap policies of systems"
	}
	for i := range c.Outputs {
		why := recordOption(&c.Outputs[i])
		if why != "" {
			return why
		}
	}
	return ""
}

// recordOption names a setting of the records that the sensor does not have.
func recordOption(n *yaml.Node) string {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			on := i+1 < len(n.Content)
			switch {
			case child.Value == "string-log-limit":
				return "a limit of texts in records"
			case child.Value == "dns" && on && chosen(n.Content[i+1]):
				return "choice of DNS records by kind"
			case child.Value == "smb" && on && chosen(n.Content[i+1]):
				return "choice of SMB records by kind"
			}
		}
		why := recordOption(child)
		if why != "" {
			return why
		}
	}
	return ""
}

// chosen tells a choice among the records of a protocol.
func chosen(n *yaml.Node) bool {
	var o struct {
		Requests, Responses string
		Types               []string
	}
	return n.Decode(&o) == nil && (o.Requests == "no" || o.Responses == "no" || len(o.Types) > 0)
}

// eveLog is an EVE output of suricata.yaml.
type eveLog struct {
	Enabled string      `yaml:"enabled"`
	Types   []yaml.Node `yaml:"types"`
}

// storing reports whether the folder's configuration keeps files, and whether all
// of them.
func (c *config) storing() (some, all bool) {
	for _, out := range c.Outputs {
		var kinds map[string]struct {
			Enabled string `yaml:"enabled"`
			Force   string `yaml:"force-filestore"`
		}
		err := out.Decode(&kinds)
		if err == nil && kinds["file-store"].Enabled == "yes" {
			return true, kinds["file-store"].Force == "yes"
		}
	}
	return false, false
}

// logged leaves out the records of the types that the folder's configuration
// does not write.
func (c *config) logged(records []map[string]any) []map[string]any {
	types := map[string]bool{}
	for _, out := range c.Outputs {
		var kinds map[string]yaml.Node
		err := out.Decode(&kinds)
		if err != nil {
			continue
		}
		node, ok := kinds["eve-log"]
		var log eveLog
		if !ok || node.Decode(&log) != nil || log.Enabled == "no" || log.Enabled == "false" {
			continue
		}
		for _, t := range log.Types {
			types[typeName(&t)] = true
		}
	}
	if len(types) == 0 {
		return records
	}
	if types["http2"] {
		types["http"] = true
	}
	if types["doh2"] {
		types["dns"] = true
	}
	if types["files"] {
		types["fileinfo"] = true
	}
	if types["ftp"] {
		types["ftp_data"] = true
	}
	anomalies := c.anomalies()
	return slices.DeleteFunc(records, func(r map[string]any) bool {
		kind := text(r["event_type"])
		if kind == "anomaly" {
			name, _ := value(r, "anomaly.type")
			return !types[kind] || !anomalies[text(name)]
		}
		return !types[kind]
	})
}

// anomalies are the kinds of anomalies that are written: by default those of the
// application layer.
func (c *config) anomalies() map[string]bool {
	out := map[string]bool{"applayer": true}
	for _, o := range c.Outputs {
		var kinds map[string]yaml.Node
		err := o.Decode(&kinds)
		if err != nil {
			continue
		}
		node, ok := kinds["eve-log"]
		var log eveLog
		if !ok || node.Decode(&log) != nil {
			continue
		}
		for _, t := range log.Types {
			var one struct {
				Anomaly struct {
					Types map[string]string `yaml:"types"`
				} `yaml:"anomaly"`
			}
			if typeName(&t) != "anomaly" || t.Decode(&one) != nil {
				continue
			}
			for kind, on := range one.Anomaly.Types {
				out[kind] = on == "yes" || on == "true"
			}
		}
	}
	return out
}

// typeName is a type that stands alone or with its options.
func typeName(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		return n.Content[0].Value
	}
	return n.Value
}

// version is the Suricata whose records the sensor writes.
var version = []int{8, 0, 7}

// unmet names what of the requirements the sensor does not have.
func (r *requires) unmet() string {
	if r.Min != "" && compare(version, parseVersion(r.Min)) < 0 {
		return "Suricata " + r.Min + " or later"
	}
	if r.Less != "" && compare(version, parseVersion(r.Less)) >= 0 {
		return "Suricata before " + r.Less
	}
	if r.Greater != "" && compare(version, parseVersion(r.Greater)) <= 0 {
		return "Suricata after " + r.Greater
	}
	for _, f := range r.Features {
		if f != "HAVE_JA3" && f != "HAVE_JA4" && f != "MAGIC" {
			return "feature " + f
		}
	}
	if len(r.Script) > 0 {
		return "a script"
	}
	return ""
}

func parseVersion(s string) []int {
	var out []int
	for part := range strings.SplitSeq(s, ".") {
		n := 0
		for _, c := range part {
			if c < '0' || c > '9' {
				break
			}
			n = n*10 + int(c-'0')
		}
		out = append(out, n)
	}
	return out
}

// compare orders versions by the parts that both state, as "8" means any 8.
func compare(a, b []int) int {
	n := min(len(a), len(b))
	return slices.Compare(a[:n], b[:n])
}

func readYAML(path string, into any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return err
	}
	err = yaml.Unmarshal(text, into)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// capture is the folder's capture, empty when it has none.
func (s *spec) capture(dir string) string {
	if s.Pcap.Kind == yaml.ScalarNode && s.Pcap.Tag == "!!str" {
		return filepath.Join(dir, s.Pcap.Value)
	}
	if s.Pcap.Kind == yaml.ScalarNode && s.Pcap.Value == "false" {
		return ""
	}
	for _, pattern := range []string{"*.pcap", "*.pcapng", "*.cap", "*.pcap.lz4"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err == nil && len(found) > 0 {
			return found[0]
		}
	}
	return ""
}
