package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/hsm/device"
)

func (e *env) hsmDevice() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "device",
		Short: "Register of devices with keys: hand out, return, lose, recover, destroy",
		Long: "Register of devices with keys. A change is confirmed by another person than the one who proposed it:\n" +
			"  antin hsm device register ET-0001 --kind usb --maker SafeNet --model \"eToken 5110\" --as minh.pq\n" +
			"  antin hsm device hand-out ET-0001 --person p-binh --as minh.pq\n" +
			"  antin hsm device confirm ACT -o minutes.pdf --as thu.vt",
	}
	for _, change := range device.Changes() {
		cmd.AddCommand(e.deviceChange(change))
	}
	cmd.AddCommand(e.deviceRegister(), e.deviceConfirm(), e.deviceRefuse(), e.deviceList(), e.deviceShow(), e.deviceDue(), e.deviceMinutes(), e.deviceNotice(),
		e.deviceAskRecovery(), e.deviceRevoked(), e.deviceWaiting())
	return cmd
}

func (e *env) deviceRegister() *cobra.Command {
	var in device.Entry
	cmd := &cobra.Command{
		Use: "register SERIAL", Short: "Put a device into stock", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Serial = args[0]
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				d, err := s.Devices.Register(ctx, in)
				if err != nil {
					return err
				}
				return e.show(d, "device %s: %s, %s %s\n", d.Serial, d.State, d.Maker, d.Model)
			})
		},
	}
	cmd.Flags().StringVar(&in.Kind, "kind", "usb", strings.Join(device.Kinds(), ", "))
	cmd.Flags().StringVar(&in.Maker, "maker", "", "maker")
	cmd.Flags().StringVar(&in.Model, "model", "", "model")
	cmd.Flags().StringVar(&in.Note, "note", "", "note")
	return cmd
}

// deviceChange is the command that proposes a change.
func (e *env) deviceChange(change device.Change) *cobra.Command {
	short := map[device.Change]string{
		device.ChangeHandOut: "Propose to hand a device out", device.ChangeReturn: "Propose to take a device back",
		device.ChangeLose: "Propose to record a loss", device.ChangeDamage: "Propose to record damage",
		device.ChangeRecover: "Propose to record that a device works again", device.ChangeRestock: "Propose to put a returned device back into stock",
		device.ChangeDestroy: "Propose to record that a device was destroyed",
	}
	p := device.Proposal{Change: change}
	var at string
	cmd := &cobra.Command{
		Use: string(change) + " SERIAL", Short: short[change], Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Serial = args[0]
			var err error
			p.HappenedAt, err = parseWhen(at)
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				act, err := s.Devices.Propose(ctx, p)
				if err != nil {
					return err
				}
				return e.show(act, "act %s: %s %s proposed by %s; another person confirms it\n", act.ID, act.Change, act.Serial, act.ProposedBy)
			})
		},
	}
	if change == device.ChangeHandOut {
		cmd.Flags().StringVar(&p.PersonID, "person", "", "who takes it over")
		cmd.Flags().StringVar(&p.Certificate, "certificate", "", "serial number of the certificate on it")
	}
	cmd.Flags().StringVar(&p.Note, "note", "", "note; what happened, for a loss or damage")
	cmd.Flags().StringVar(&at, "at", "", "when it happened (RFC 3339); now without it")
	return cmd
}

// parseWhen reads an RFC 3339 time; the zero time when the text is empty.
func parseWhen(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return parseTime(text)
}

func (e *env) deviceConfirm() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "confirm ACT", Short: "Confirm a change that another person proposed", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				act, err := s.Devices.Confirm(ctx, args[0])
				if err != nil {
					return err
				}
				err = writeMinutes(out, act.Minutes)
				if err != nil {
					return err
				}
				return e.show(act, "act %s: %s %s confirmed by %s\n", act.ID, act.Change, act.Serial, act.DecidedBy)
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "write the signed minutes (PDF) to this file")
	return cmd
}

func writeMinutes(out string, pdf []byte) error {
	if out == "" || len(pdf) == 0 {
		return nil
	}
	return os.WriteFile(out, pdf, 0o644)
}

func (e *env) deviceRefuse() *cobra.Command {
	return &cobra.Command{
		Use: "refuse ACT", Short: "Refuse a change that another person proposed", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				act, err := s.Devices.Refuse(ctx, args[0])
				if err != nil {
					return err
				}
				return e.show(act, "act %s: refused by %s\n", act.ID, act.DecidedBy)
			})
		},
	}
}

func (e *env) deviceList() *cobra.Command {
	var f device.Filter
	var state string
	cmd := &cobra.Command{
		Use: "list", Short: "List devices", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.State = device.State(state)
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				devices, err := s.Devices.List(ctx, f)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(devices)
				}
				rows := [][]string{}
				for _, d := range devices {
					rows = append(rows, []string{d.Serial, d.Kind, d.Maker + " " + d.Model, string(d.State), d.HolderPerson, d.HolderAgency, d.StateAt.Format("2006-01-02")})
				}
				return table(os.Stdout, []string{"SERIAL", "KIND", "MODEL", "STATE", "HOLDER", "AGENCY", "SINCE"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "in-stock, handed-out, returned, lost, damaged, recovered or destroyed")
	cmd.Flags().StringVar(&f.Agency, "agency", "", "held by this agency")
	cmd.Flags().StringVar(&f.PersonID, "person", "", "held by this person")
	return cmd
}

func (e *env) deviceShow() *cobra.Command {
	return &cobra.Command{
		Use: "show SERIAL", Short: "Show a device and what happened to it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				d, acts, err := s.Devices.Get(ctx, args[0])
				if err != nil {
					return err
				}
				return printJSON(map[string]any{"device": d, "acts": acts})
			})
		},
	}
}

func (e *env) deviceWaiting() *cobra.Command {
	return &cobra.Command{
		Use: "waiting", Short: "List the changes that wait for a second person", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				acts, err := s.Devices.Waiting(ctx)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(acts)
				}
				rows := [][]string{}
				for _, a := range acts {
					rows = append(rows, []string{a.ID, string(a.Change), a.Serial, a.PersonID, a.ProposedBy, a.ProposedAt.Format("2006-01-02 15:04")})
				}
				return table(os.Stdout, []string{"ACT", "CHANGE", "SERIAL", "PERSON", "BY", "AT"}, rows)
			})
		},
	}
}

func (e *env) deviceDue() *cobra.Command {
	var late bool
	cmd := &cobra.Command{
		Use: "due", Short: "Terms that run: return within 5 working days after revocation, recovery within 1", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				due, err := s.Devices.Due(ctx, late)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(due)
				}
				rows := [][]string{}
				for _, d := range due {
					word := ""
					if d.Late {
						word = "LATE"
					}
					rows = append(rows, []string{d.Device.Serial, d.What, d.Device.HolderPerson, d.Since.Format("2006-01-02"), d.Until.Format("2006-01-02 15:04"), word})
				}
				return table(os.Stdout, []string{"SERIAL", "WHAT", "HOLDER", "SINCE", "UNTIL", ""}, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&late, "late", false, "only those that are over")
	return cmd
}

// devicePDF is a command that writes a PDF of an act.
func (e *env) devicePDF(use, short string, get func(s *device.Service, ctx context.Context, id string) ([]byte, error)) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: use + " ACT -o FILE.pdf", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return fmt.Errorf("%w: --out is needed", errUse)
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				pdf, err := get(s.Devices, ctx, args[0])
				if err != nil {
					return err
				}
				err = writeMinutes(out, pdf)
				if err != nil {
					return err
				}
				return e.show(map[string]string{"act": args[0], "file": out}, "%s of %s: %s\n", use, args[0], out)
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file")
	return cmd
}

func (e *env) deviceMinutes() *cobra.Command {
	return e.devicePDF("minutes", "Write the signed minutes of a confirmed change", (*device.Service).Minutes)
}

func (e *env) deviceNotice() *cobra.Command {
	return e.devicePDF("notice", "Write the signed notice of a hand-over that was proposed", (*device.Service).Notice)
}

func (e *env) deviceAskRecovery() *cobra.Command {
	return &cobra.Command{
		Use: "ask-recovery SERIAL", Short: "Record that the holder asked to recover a locked or damaged device", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				d, err := s.Devices.AskRecovery(ctx, args[0])
				if err != nil {
					return err
				}
				return e.show(d, "device %s: recovery asked for\n", d.Serial)
			})
		},
	}
}

func (e *env) deviceRevoked() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use: "certificate-revoked SERIAL --at TIME", Short: "Record when the certificate on a device was revoked by another authority", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			when, err := parseWhen(at)
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				d, err := s.Devices.NoteRevocation(ctx, args[0], when)
				if err != nil {
					return err
				}
				return e.show(d, "device %s: its certificate was revoked at %s\n", d.Serial, d.RevokedAt.Format(time.RFC3339))
			})
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "when (RFC 3339)")
	return cmd
}
