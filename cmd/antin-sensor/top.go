package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/antin-gov/antin/sensor/control"
)

// Terminal sequences (ECMA-48): to the upper left, clear to the end of a line,
// clear to the end of the screen.
const (
	termHome     = "\x1b[H"
	termEndLine  = "\x1b[K"
	termEnd      = "\x1b[J"
	termWidth    = 100
	leastRefresh = 200 * time.Millisecond
)

func topCommand() *cobra.Command {
	a := &asked{}
	every, times := time.Duration(0), 0
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show what passes a running sensor just now",
		Long: "Show, refreshing, the rates and drops of a running sensor, the hosts and protocols with the most bytes of the last seconds, and the rules with the most alerts since its start.\n" +
			"Ends with Ctrl-C, or after --times. Exit status: 0 done, 3 no sensor answers.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return could(err)
			}
			return watchTop(cmd.Context(), cmd.OutOrStdout(), c, a, max(every, leastRefresh), times)
		},
	}
	a.flags(cmd)
	cmd.Flags().DurationVar(&every, "every", 2*time.Second, "how often it is shown")
	cmd.Flags().IntVar(&times, "times", 0, "how often in all (default: until Ctrl-C)")
	return cmd
}

func watchTop(ctx context.Context, w io.Writer, c *control.Client, a *asked, every time.Duration, times int) error {
	before, err := c.Top(ctx)
	if err != nil {
		return answered(err)
	}
	screen := w == os.Stdout && term.IsTerminal(int(os.Stdout.Fd())) && !a.json
	for n := 0; times == 0 || n < times; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
		now, err := c.Top(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return answered(err)
		}
		err = a.print(w, now, func(b *bytes.Buffer) {
			var page bytes.Buffer
			printTop(&page, &before, &now)
			if screen {
				onScreen(b, page.String())
				return
			}
			page.WriteTo(b)
		})
		if err != nil {
			return err
		}
		before = now
	}
	return nil
}

// onScreen lays the page over the one before, cut to the terminal.
func onScreen(b *bytes.Buffer, page string) {
	width, height, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || width <= 0 || height <= 1 {
		width, height = termWidth, 40
	}
	b.WriteString(termHome)
	lines := strings.Split(strings.TrimRight(page, "\n"), "\n")
	for _, line := range lines[:min(len(lines), height-1)] {
		text := []rune(line)
		b.WriteString(string(text[:min(len(text), width)]) + termEndLine + "\n")
	}
	b.WriteString(termEnd)
}

func printTop(b *bytes.Buffer, before, now *control.Top) {
	seconds := now.Now.Sub(before.Now).Seconds()
	rate := func(a, b uint64) float64 {
		if seconds <= 0 || b < a {
			return 0
		}
		return float64(b-a) / seconds
	}
	p, q := before.Packets, now.Packets
	fmt.Fprintf(b, "%s on %s   up %s   %s\n", now.Name, strings.Join(now.Interfaces, ", "),
		time.Duration(now.Uptime*float64(time.Second)).Round(time.Second), now.Now.Local().Format(time.DateTime))
	fmt.Fprintf(b, "packets %12.0f /s   %10s   dropped %.0f /s (%d)   invalid %.0f /s (%d)\n", rate(p.Received, q.Received),
		bits(8*rate(p.Bytes, q.Bytes)), rate(p.Dropped, q.Dropped), q.Dropped, rate(p.Invalid, q.Invalid), q.Invalid)
	fmt.Fprintf(b, "flows   %12d      new %.0f /s   forced out %d   alerts %.1f /s (%d)\n", now.Flows.Active,
		rate(before.Flows.Total, now.Flows.Total), now.Flows.Forced, rate(before.Alerts, now.Alerts), now.Alerts)
	fmt.Fprintf(b, "rules   %12d      version %s   reloads %d, failed %d%s\n", now.Rules.Loaded, now.Rules.Version, now.Rules.Reloads, now.Rules.Failed, because(now.Rules.LastError))
	if now.Hub != nil {
		fmt.Fprintf(b, "hub     %12s      spool %d of %d MiB\n", words(now.Hub.Connected, "reached", "NOT REACHED"), now.Hub.Bytes>>20, now.Hub.Limit>>20)
	}
	lost := false
	for name, n := range now.Drops {
		if n > before.Drops[name] && name != "decode" {
			if !lost {
				b.WriteString("LOST   ")
			}
			lost = true
			fmt.Fprintf(b, "   %s %.0f /s (%d)", name, rate(before.Drops[name], n), n)
		}
	}
	if lost {
		b.WriteByte('\n')
	}
	printRows(b, "HOST", now.Talkers, now.Seconds)
	printRows(b, "PROTOCOL", now.Protocols, now.Seconds)
	fmt.Fprintf(b, "\n%-10s %9s  %-8s  %s\n", "RULE", "ALERTS", "LAST", "SIGNATURE")
	for _, a := range now.TopAlerts {
		fmt.Fprintf(b, "%-10d %9d  %s  %s\n", a.SID, a.Count, a.Last.Local().Format(time.TimeOnly), printable(a.Message))
	}
}

func printRows(b *bytes.Buffer, title string, rows []control.Row, seconds float64) {
	fmt.Fprintf(b, "\n%-40s %12s %14s\n", title, "PACKETS/S", "RATE")
	if seconds <= 0 {
		return
	}
	for _, r := range rows {
		fmt.Fprintf(b, "%-40s %12.0f %14s\n", printable(r.Name), float64(r.Packets)/seconds, bits(8*float64(r.Bytes)/seconds))
	}
}

// printable keeps what a rule's author wrote from ruling the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// bits is a rate for people.
func bits(perSecond float64) string {
	for _, u := range []struct {
		least float64
		name  string
	}{{1e9, "Gbit/s"}, {1e6, "Mbit/s"}, {1e3, "kbit/s"}} {
		if perSecond >= u.least {
			return fmt.Sprintf("%.1f %s", perSecond/u.least, u.name)
		}
	}
	return fmt.Sprintf("%.0f bit/s", perSecond)
}
