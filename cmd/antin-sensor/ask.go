package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/sensor/control"
)

// usualSocket is where the packaged service answers.
const usualSocket = "/run/antin-sensor/" + controlFile

// asked says which sensor is asked.
type asked struct {
	socket, logDir, config string
	json                   bool
}

func (a *asked) flags(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&a.socket, "control", "", "control socket of the sensor (default: of the service, or control.sock here)")
	fl.StringVarP(&a.logDir, "log-dir", "l", "", "log folder of the sensor, where its control socket is")
	fl.StringVarP(&a.config, "config", "c", "", "configuration of the sensor, which names the socket")
	fl.BoolVar(&a.json, "json", false, "answer as JSON")
}

// client finds the socket.
func (a *asked) client() (*control.Client, error) {
	path := a.socket
	if path == "" && a.config != "" {
		s, err := readSettings(a.config)
		if err != nil {
			return nil, err
		}
		path = s.Control
		if path == "" && s.Output.Dir != "" {
			path = filepath.Join(s.Output.Dir, controlFile)
		}
	}
	if path == "" && a.logDir != "" {
		path = filepath.Join(a.logDir, controlFile)
	}
	if path == "" {
		path = controlFile
		_, err := os.Stat(usualSocket)
		if err == nil {
			path = usualSocket
		}
	}
	return control.NewClient(path), nil
}

// print writes the answer as JSON, or as text says.
func (a *asked) print(w io.Writer, v any, text func(*bytes.Buffer)) error {
	var b bytes.Buffer
	if a.json {
		enc := json.NewEncoder(&b)
		enc.SetIndent("", "  ")
		err := enc.Encode(v)
		if err != nil {
			return could(err)
		}
	} else {
		text(&b)
	}
	_, err := w.Write(b.Bytes())
	if err != nil {
		return could(err)
	}
	return nil
}

// answered turns the sensor's no into exit status 1.
func answered(err error) error {
	var no *control.RefusedError
	if errors.As(err, &no) {
		return &exitError{exitNo, err}
	}
	return could(err)
}

// askCommand is a command that asks a running sensor one thing and prints the answer.
func askCommand[T any](use, short, long string, ask func(*control.Client, context.Context) (T, error), text func(*bytes.Buffer, *T)) *cobra.Command {
	a := &asked{}
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return could(err)
			}
			answer, err := ask(c, cmd.Context())
			if err != nil {
				return answered(err)
			}
			return a.print(cmd.OutOrStdout(), answer, func(b *bytes.Buffer) { text(b, &answer) })
		},
	}
	a.flags(cmd)
	return cmd
}

func statsCommand() *cobra.Command {
	return askCommand("stats", "Show what a running sensor counts",
		"Show what a running sensor counts: packets, drops by stage, flows, records, rules, and the way to the hub.\nExit status: 0 done, 3 no sensor answers.",
		(*control.Client).Figures, printFigures)
}

func printFigures(b *bytes.Buffer, f *control.Figures) {
	fmt.Fprintf(b, "%s on %s, up %s\n", f.Name, strings.Join(f.Interfaces, ", "), time.Duration(f.Uptime*float64(time.Second)).Round(time.Second))
	p := f.Packets
	fmt.Fprintf(b, "packets: received %d = processed %d + dropped %d + invalid %d; truncated %d; %d bytes; the kernel counted %d\n", p.Received, p.Processed, p.Dropped, p.Invalid, p.Truncated, p.Bytes, p.Kernel)
	fmt.Fprintf(b, "flows: %d active, %d in all, %d forced out; parser panics: %d\n", f.Flows.Active, f.Flows.Total, f.Flows.Forced, f.Panics)
	fmt.Fprintf(b, "rules: %d loaded (%s), %d reloads, %d failed%s\n", f.Rules.Loaded, f.Rules.Version, f.Rules.Reloads, f.Rules.Failed, because(f.Rules.LastError))
	fmt.Fprintf(b, "alerts: %d, held back by thresholds %d\n", f.Alerts, f.Suppressed)
	b.WriteString("drops:")
	for _, name := range slices.Sorted(maps.Keys(f.Drops)) {
		fmt.Fprintf(b, " %s %d", name, f.Drops[name])
	}
	b.WriteString("\nrecords:")
	for _, name := range slices.Sorted(maps.Keys(f.Events)) {
		fmt.Fprintf(b, " %s %d", name, f.Events[name])
	}
	b.WriteByte('\n')
	for _, s := range f.Sinks {
		fmt.Fprintf(b, "%s: %d records, %d delivered, %d dropped\n", s.Name, s.Accepted, s.Delivered, s.Dropped)
	}
	if f.Hub != nil {
		fmt.Fprintf(b, "hub: %s; the spool holds %d of %d bytes%s\n", words(f.Hub.Connected, "reached", "not reached"), f.Hub.Bytes, f.Hub.Limit, words(f.Hub.Failing, "; its disk takes nothing", ""))
	}
}

func words(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return "; the last: " + reason
}

func reloadCommand() *cobra.Command {
	return askCommand("reload", "Let a running sensor read its rules anew",
		"Let a running sensor read its configuration's rules anew, without losing a packet or a flow. Rules that cannot be taken leave those in force.\n"+
			"Exit status: 0 done, 1 the rules in force stay (it says why), 3 no sensor answers.",
		(*control.Client).Reload, func(b *bytes.Buffer, r *control.Reload) {
			fmt.Fprintf(b, "%d rules in force (%s), %d refused, in %.1f s\n", r.Loaded, r.Version, r.Refused, r.Seconds)
		})
}

func rotateCommand() *cobra.Command {
	return askCommand("rotate", "Let a running sensor begin its record file anew",
		"Let a running sensor begin eve.json anew; the old one is named by the time.\nExit status: 0 done, 1 the old file goes on (it says why), 3 no sensor answers.",
		(*control.Client).Rotate, func(b *bytes.Buffer, r *control.Rotate) {
			for _, name := range r.Files {
				fmt.Fprintf(b, "%s begun anew\n", name)
			}
		})
}
