package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/antin-gov/antin/sensor/detect"
	"github.com/antin-gov/antin/sensor/rules"
)

// privateNets is the default home network: the private address blocks
// (RFC 1918, RFC 4193), as Suricata's default.
const privateNets = "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12,fc00::/7]"

// maxConfig bounds the configuration file.
const maxConfig = 1 << 20

// Values of output.files.keep.
const (
	keepAll   = "all"
	keepRules = "rules"
)

// settings are the configuration file and, over it, the command line.
type settings struct {
	// Name and Site say which sensor this is and where it stands.
	Name string `yaml:"name"`
	Site string `yaml:"site"`
	// Interfaces are watched when the command line names no input.
	Interfaces []string `yaml:"interfaces"`
	Capture    struct {
		// Filter is a packet filter (pcap-filter(7)).
		Filter string `yaml:"filter"`
		// Workers share the frames of each interface; RingMB is the ring of
		// each, in MiB.
		Workers int `yaml:"workers"`
		RingMB  int `yaml:"ring_mb"`
		// SnapLen is how many bytes of each frame are taken; 0 takes all.
		SnapLen int `yaml:"snaplen"`
		// Promiscuous also takes frames for others, as is needed on a mirror
		// port; HardwareTime takes the card's time-stamps where it has them.
		Promiscuous  *bool `yaml:"promiscuous"`
		HardwareTime bool  `yaml:"hardware_time"`
	} `yaml:"capture"`
	Privileges struct {
		// User is who a sensor that was started by root becomes when its
		// captures are open. Seccomp filters system calls from then on.
		User    string `yaml:"user"`
		Seccomp *bool  `yaml:"seccomp"`
	} `yaml:"privileges"`
	Vars struct {
		// HomeNet and ExternalNet are what rules call $HOME_NET and
		// $EXTERNAL_NET.
		HomeNet     string            `yaml:"home_net"`
		ExternalNet string            `yaml:"external_net"`
		Address     map[string]string `yaml:"address"`
		Port        map[string]string `yaml:"port"`
	} `yaml:"vars"`
	// Rules are files or globs; Classification is classification.config,
	// looked for beside the rules when empty.
	Rules          []string `yaml:"rules"`
	Classification string   `yaml:"classification"`
	Checksums      string   `yaml:"checksums"`
	FlowLimit      int      `yaml:"flow_limit"`
	StreamDepth    int      `yaml:"stream_depth"`
	SSH            struct {
		// HASSH puts the fingerprints of the key exchange into records, which
		// wait for it; without, a record is written when both banners are known.
		HASSH *bool `yaml:"hassh"`
	} `yaml:"ssh"`
	// HostOS is which addresses have which operating system, by Suricata's names.
	HostOS map[string][]string `yaml:"host_os"`
	// Reputation names the lists of addresses that iprep asks; by default
	// categories.txt and iprep.list beside the rules.
	Reputation rules.ReputationFiles `yaml:"reputation"`
	Health     struct {
		// Every is how often the sensor tells how it is; LinkSpeed says the
		// speed of links in Mbit/s where the interface does not know it.
		Every     time.Duration     `yaml:"every"`
		LinkSpeed map[string]uint64 `yaml:"link_speed"`
	} `yaml:"health"`
	// Detect is what the detectors of behaviour are told.
	Detect detect.Config `yaml:"detect"`
	// IOC names the table of indicators and how often a new one is looked
	// for.
	IOC struct {
		Table string        `yaml:"table"`
		Every time.Duration `yaml:"every"`
	} `yaml:"ioc"`
	// Packets are kept in capture files around alerts and on demand.
	Packets struct {
		// Dir is the folder of the files; without it none are kept.
		Dir    string `yaml:"dir"`
		FileMB int64  `yaml:"file_mb"`
		Keep   int    `yaml:"keep"`
		// BeforeMB is what each worker remembers of all flows, zero the
		// default, so that what came before an alert is kept too.
		BeforeMB int `yaml:"before_mb"`
		// AfterPackets and After bound what is kept of a flow after its last
		// alert.
		AfterPackets int           `yaml:"after_packets"`
		After        time.Duration `yaml:"after"`
	} `yaml:"packets"`
	// Ranges bounds the files that are put together of the parts in which HTTP
	// carries them: the memory of all, and how long one waits for its next part.
	Ranges struct {
		MemoryMB int64         `yaml:"memory_mb"`
		Timeout  time.Duration `yaml:"timeout"`
	} `yaml:"ranges"`
	// Control is the socket at which a live sensor answers; "none" makes none.
	Control string `yaml:"control"`
	Output  struct {
		Dir string `yaml:"dir"`
		// Rotate begins a new eve.json when the old one is so large or so old,
		// and keeps so many old ones.
		Rotate struct {
			SizeMB   int64         `yaml:"size_mb"`
			Every    time.Duration `yaml:"every"`
			Keep     int           `yaml:"keep"`
			Compress bool          `yaml:"compress"`
		} `yaml:"rotate"`
		// Socket is where another program reads records: stream or dgram.
		Socket struct {
			Path string `yaml:"path"`
			Type string `yaml:"type"`
		} `yaml:"socket"`
		// Files is where transferred files are kept: none when the folder is
		// empty. Keep says which: all, as when it is empty, or those that rules
		// choose. FileMB is the largest one, TotalMB what all may take.
		Files struct {
			Dir     string `yaml:"dir"`
			Keep    string `yaml:"keep"`
			FileMB  int64  `yaml:"file_mb"`
			TotalMB int64  `yaml:"total_mb"`
		} `yaml:"files"`
		// Types are the event types that are written; all when empty.
		Types []string `yaml:"types"`
		// Netflow records each direction of a flow by itself as well.
		Netflow bool `yaml:"netflow"`
		// Evidence puts payload and packet into alerts; Anomalies records
		// what breaks its protocol.
		Evidence  *bool `yaml:"evidence"`
		Anomalies *bool `yaml:"anomalies"`
		// HeaderAnomalies adds those of packet headers and TCP connections.
		HeaderAnomalies bool `yaml:"header_anomalies"`
		NATS            struct {
			URL      string        `yaml:"url"`
			Cert     string        `yaml:"tls_cert"`
			Key      string        `yaml:"tls_key"`
			CA       string        `yaml:"tls_ca"`
			Deadline time.Duration `yaml:"deadline"`
			Spool    struct {
				// Dir and Key are beside the records when empty; LimitMB
				// bounds the folder, in MiB.
				Dir     string `yaml:"dir"`
				Key     string `yaml:"key"`
				LimitMB int64  `yaml:"limit_mb"`
			} `yaml:"spool"`
		} `yaml:"nats"`
	} `yaml:"output"`
}

// readSettings reads the configuration file; an unknown key is an error,
// because it is most often a misspelt one.
func readSettings(path string) (*settings, error) {
	if path == "" {
		return &settings{}, nil
	}
	text, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	s, c := parseSettings(path, text)
	if len(c.found) > 0 {
		return nil, problemsError(c.found)
	}
	return s, nil
}

func readConfig(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return text, nil
}

// ruleVars are the variables that rules may name.
func (s *settings) ruleVars() rules.Vars {
	home := s.Vars.HomeNet
	if home == "" {
		home = privateNets
	}
	v := rules.DefaultVars(home)
	v.Reputation = s.Reputation
	if s.Vars.ExternalNet != "" {
		v.Address["EXTERNAL_NET"] = s.Vars.ExternalNet
	}
	for name, value := range s.Vars.Address {
		v.Address[name] = value
	}
	for name, value := range s.Vars.Port {
		v.Port[name] = value
	}
	return v
}
