package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/hostos"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/spool"
)

// problem is what is wrong with a configuration: where, and what to do.
type problem struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Key  string `json:"key"`
	// Text says what is wrong, Do what to do about it.
	Text string `json:"problem"`
	Do   string `json:"do"`
}

// String is the problem as a line.
func (p problem) String() string {
	return fmt.Sprintf("%s:%d: %s: %s: %s", p.File, p.Line, p.Key, p.Text, p.Do)
}

// problemsError are the problems of a configuration that cannot be read.
type problemsError []problem

// Error implements error.
func (e problemsError) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// checker finds problems and knows where each key stands.
type checker struct {
	file  string
	found []problem
	lines map[string]int
}

func (c *checker) add(line int, key, do, format string, args ...any) {
	c.found = append(c.found, problem{File: c.file, Line: max(line, 1), Key: key, Text: fmt.Sprintf(format, args...), Do: do})
}

// at adds a problem at the line of its key.
func (c *checker) at(key, do, format string, args ...any) {
	c.add(c.lines[key], key, do, format, args...)
}

// parseSettings reads a configuration. Keys that are unknown or have a value
// of another kind are problems, all of them at once.
func parseSettings(file string, text []byte) (*settings, *checker) {
	c := &checker{file: file, lines: make(map[string]int)}
	s := &settings{}
	var doc yaml.Node
	err := yaml.Unmarshal(text, &doc)
	if err != nil {
		c.add(1, "(file)", "check the indentation and quotes there", "not YAML: %v", err)
		return s, c
	}
	if len(doc.Content) == 0 {
		return s, c
	}
	c.walk(doc.Content[0], reflect.ValueOf(s).Elem(), "")
	return s, c
}

// walk fills one value from a node, by the yaml tags of its type.
func (c *checker) walk(n *yaml.Node, v reflect.Value, key string) {
	if v.Kind() != reflect.Struct {
		err := n.Decode(v.Addr().Interface())
		if err != nil {
			c.add(n.Line, key, "write "+kindOf(v.Type()), "%q is not %s", n.Value, kindOf(v.Type()))
		}
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.MappingNode {
		c.add(n.Line, name(key), "write keys with values below it", "holds no keys")
		return
	}
	fields := make(map[string]int)
	for i := range v.NumField() {
		fields[strings.Split(v.Type().Field(i).Tag.Get("yaml"), ",")[0]] = i
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		full := strings.TrimPrefix(key+"."+k.Value, ".")
		at, ok := fields[k.Value]
		if !ok {
			c.add(k.Line, full, near(k.Value, fields), "unknown key")
			continue
		}
		if _, twice := c.lines[full]; twice {
			c.add(k.Line, full, "leave one of them", "stands twice, first in line %d", c.lines[full])
			continue
		}
		c.lines[full] = k.Line
		c.walk(value, v.Field(at), full)
	}
}

func name(key string) string {
	if key == "" {
		return "(file)"
	}
	return key
}

func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a length of time such as 30s or 5m"
	case t.Kind() == reflect.Pointer:
		return kindOf(t.Elem())
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	}
	return "a list of names with values"
}

// near proposes the known key that looks most like the unknown one.
func near(key string, fields map[string]int) string {
	best, least := "", 3
	var all []string
	for f := range fields {
		all = append(all, f)
		if d := distance(key, f); d < least || d == least && f < best {
			best, least = f, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	slices.Sort(all)
	return "known here: " + strings.Join(all, ", ")
}

// distance is the number of letters to change, add or leave out (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// judge looks at what the values mean, and at the files that they name.
func (c *checker) judge(s *settings) {
	if s.Name != "" && !output.ValidName(s.Name) {
		c.at("name", "use letters, digits, '-' and '_', at most 64", "%q cannot stand in a subject", s.Name)
	}
	switch sensor.ChecksumPolicy(s.Checksums) {
	case "", sensor.ChecksumAll, sensor.ChecksumAuto, sensor.ChecksumNone:
	default:
		c.at("checksums", "write all, auto or none", "%q is no policy", s.Checksums)
	}
	for key, n := range map[string]int{"flow_limit": s.FlowLimit, "stream_depth": s.StreamDepth} {
		if n < 0 {
			c.at(key, "give a number above zero, or leave it out", "%d is below zero", n)
		}
	}
	_, err := hostos.New(s.HostOS)
	if err != nil {
		c.at("host_os", "give lists of addresses or prefixes under: "+strings.Join(hostos.Names(), " "), "%v", err)
	}
	files, err := expand(s.Rules)
	if err != nil {
		c.at("rules", "put the files there, or correct the name", "%v", err)
	} else if len(files) > 0 {
		set, err := loadRules(files, s.Classification, s.ruleVars())
		if err != nil {
			c.at("rules", "correct the name, or let the sensor's user read it", "%v", err)
		} else if len(set.rules) == 0 {
			c.at("rules", "see antin-sensor rules check", "none of the %d rules loads", len(set.refused))
		}
	}
	for _, i := range s.Interfaces {
		_, err := net.InterfaceByName(i)
		if err != nil {
			c.at("interfaces", "see ip link for the names", "%s: %v", i, err)
		}
	}
	c.judgeLive(s)
	c.judgeHub(s)
}

func (c *checker) judgeHub(s *settings) {
	n := &s.Output.NATS
	const at = "output.nats."
	if n.URL == "" {
		for _, key := range []string{"tls_cert", "tls_key", "tls_ca", "deadline", "spool"} {
			if c.lines[at+key] > 0 {
				c.at(at+key, "give output.nats.url, or leave it out", "has no hub to go to")
			}
		}
		return
	}
	for key, path := range map[string]string{"tls_cert": n.Cert, "tls_key": n.Key, "tls_ca": n.CA} {
		if path == "" {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			c.at(at+key, "put the file there, or let the sensor's user read it", "%v", err)
			continue
		}
		f.Close()
	}
	if (n.Cert == "") != (n.Key == "") {
		c.at("output.nats", "give both tls_cert and tls_key", "a certificate without its key, or a key without its certificate")
	}
	if mb := n.Spool.LimitMB; mb != 0 && mb<<20 < spool.MinBytes {
		c.at(at+"spool.limit_mb", fmt.Sprintf("give at least %d, or leave it out for %d", spool.MinBytes>>20, spool.DefaultBytes>>20), "%d is too small", mb)
	}
	if n.Spool.Key == "" {
		return
	}
	info, err := os.Stat(n.Spool.Key)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		c.at(at+"spool.key", "let the sensor's user read it", "%v", err)
	case info.Mode().Perm()&0o077 != 0:
		c.at(at+"spool.key", "chmod 600 it", "others may read it (mode %04o)", info.Mode().Perm())
	case info.Size() != spool.KeySize:
		c.at(at+"spool.key", "move it away: the sensor makes a new one", "has %d bytes, not %d", info.Size(), spool.KeySize)
	}
}

func configCommand() *cobra.Command {
	parent := &cobra.Command{Use: "config", Short: "The configuration file"}
	var asJSON bool
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "Tell what is wrong with a configuration file, by line and key",
		Long:  "Read a configuration and the files that it names, and tell every problem with its line, its key and what to do.\nExit status: 0 good, 1 there are problems, 3 the file cannot be read.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readConfig(args[0])
			if err != nil {
				return could(err)
			}
			s, c := parseSettings(args[0], text)
			c.judge(s)
			slices.SortStableFunc(c.found, func(a, b problem) int { return a.Line - b.Line })
			err = printProblems(cmd.OutOrStdout(), args[0], c.found, asJSON)
			if err != nil {
				return could(err)
			}
			if len(c.found) > 0 {
				return &exitError{exitNo, errNo}
			}
			return nil
		},
	}
	check.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	parent.AddCommand(check)
	return parent
}

func printProblems(w io.Writer, file string, found []problem, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			File     string    `json:"file"`
			Good     bool      `json:"good"`
			Problems []problem `json:"problems"`
		}{file, len(found) == 0, append([]problem{}, found...)})
	}
	var b bytes.Buffer
	for _, p := range found {
		fmt.Fprintln(&b, p)
	}
	if len(found) == 0 {
		fmt.Fprintf(&b, "%s: good\n", file)
	}
	_, err := w.Write(b.Bytes())
	return err
}
