package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/capture/packetlog"
	"github.com/antin-gov/antin/sensor/control"
)

// addPackets opens the packet log, if one is asked for.
func addPackets(s *settings, cfg *sensor.Config, log *slog.Logger) (closeLog func() error, err error) {
	o := &s.Packets
	if o.Dir == "" {
		return func() error { return nil }, nil
	}
	l, err := packetlog.Open(packetlog.Options{Dir: o.Dir, FileBytes: o.FileMB << 20, Keep: o.Keep, Logger: log})
	if err != nil {
		return nil, err
	}
	cfg.Packets = sensor.Packets{Log: l, Before: o.BeforeMB << 20, AfterPackets: o.AfterPackets, After: o.After}
	cfg.Health.Packets = l.Stats
	return func() error {
		err := l.Close()
		if err != nil {
			return could(err)
		}
		return nil
	}, nil
}

func recordCommand() *cobra.Command {
	a, r, host := &asked{}, control.Record{}, ""
	length := time.Minute
	cmd := &cobra.Command{
		Use:   "record --flow ID | --host ADDRESS",
		Short: "Let a running sensor keep the packets of a flow or a host",
		Long: "Let a running sensor keep the packets of a flow (the flow_id of its records) or of a host in its packet log: those that it still remembers, and those to come.\n" +
			"Exit status: 0 done, 1 the sensor keeps no packets (it says why), 3 no sensor answers.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (r.Flow == 0) == (host == "") {
				return errors.New("say --flow ID or --host ADDRESS")
			}
			if host != "" {
				addr, err := netip.ParseAddr(host)
				if err != nil {
					return fmt.Errorf("--host: %w", err)
				}
				r.Host = addr.Unmap().String()
			}
			r.Seconds = length.Seconds()
			c, err := a.client()
			if err != nil {
				return could(err)
			}
			done, err := c.Record(cmd.Context(), r)
			if err != nil {
				return answered(err)
			}
			return a.print(cmd.OutOrStdout(), done, func(b *bytes.Buffer) {
				fmt.Fprintf(b, "kept in %s until %s\n", done.Dir, done.Until.Local().Format(time.DateTime))
			})
		},
	}
	a.flags(cmd)
	cmd.Flags().Uint64Var(&r.Flow, "flow", 0, "flow_id of the flow")
	cmd.Flags().StringVar(&host, "host", "", "address of the host")
	cmd.Flags().DurationVar(&length, "for", length, "how long")
	return cmd
}

// record places an order for packets.
func (v *server) record(r control.Record) (control.Recorded, error) {
	if !(r.Seconds > 0 && r.Seconds < math.MaxInt32) {
		return control.Recorded{}, sensor.ErrOrder
	}
	o := sensor.Order{Flow: r.Flow, For: time.Duration(r.Seconds * float64(time.Second))}
	if r.Host != "" {
		host, err := netip.ParseAddr(r.Host)
		if err != nil {
			return control.Recorded{}, err
		}
		o.Host = host.Unmap()
	}
	err := v.engine.Record(o)
	if err != nil {
		return control.Recorded{}, err
	}
	return control.Recorded{Dir: v.s.Packets.Dir, Until: v.cfg.Clock.Now().Add(o.For)}, nil
}
