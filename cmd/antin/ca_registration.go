package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/workdays"
)

// registrationCommands are the acts of registration beside request, approve,
// reject and issue.
func (e *env) registrationCommands() []*cobra.Command {
	return []*cobra.Command{
		e.caConfirm(), e.caReturn(), e.caWithdraw(), e.caResubmit(), e.caShow(),
		e.caBulk(), e.caReport(), e.caAttach(), e.caDocuments(), e.caDocument(), e.caHandOver(),
	}
}

func (e *env) caConfirm() *cobra.Command {
	return e.decision("confirm", "Confirm a request as the managing agency", func(ctx context.Context, s *app.System, id, note string) (*ra.Request, error) {
		return s.CA.Desk().Confirm(ctx, id, note)
	})
}

func (e *env) caReturn() *cobra.Command {
	return e.decision("return", "Send a request back for correction; --note says what", func(ctx context.Context, s *app.System, id, note string) (*ra.Request, error) {
		return s.CA.Desk().Return(ctx, id, note)
	})
}

func (e *env) caWithdraw() *cobra.Command {
	return e.decision("withdraw", "Take a request back", func(ctx context.Context, s *app.System, id, note string) (*ra.Request, error) {
		return s.CA.Desk().Withdraw(ctx, id, note)
	})
}

func (e *env) caResubmit() *cobra.Command {
	var f formFlags
	cmd := &cobra.Command{
		Use: "resubmit REQUEST", Short: "File a returned request again; what the directory says is read anew", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := f.read()
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				request, err := s.CA.Desk().Resubmit(ctx, args[0], form)
				if err != nil {
					return err
				}
				return e.show(request, "request %s: %s\n", request.ID, request.State)
			})
		},
	}
	f.keyFlags(cmd)
	return cmd
}

// formFlags are the flags that fill a form.
type formFlags struct {
	ra.Form
	kind, csr string
}

func (f *formFlags) keyFlags(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.DNSNames, "dns", nil, "DNS names of a machine")
	cmd.Flags().StringVar(&f.KeyLabel, "key", "", "label of the key in the token")
	cmd.Flags().StringVar(&f.csr, "csr", "", "file with a PKCS#10 request, for a key elsewhere")
	cmd.Flags().StringVar(&f.Device, "device", "", "serial number of the holder's device")
	cmd.Flags().StringVar(&f.Note, "note", "", "note")
}

func (f *formFlags) allFlags(cmd *cobra.Command) {
	f.keyFlags(cmd)
	cmd.Flags().StringVar(&f.kind, "kind", string(ra.KindNew), "new, renew, change, rekey, revoke or recover")
	cmd.Flags().StringVar(&f.Serial, "serial", "", "the certificate that the request is about; for all kinds but new")
	cmd.Flags().StringVar(&f.Cause, "cause", "", "cause of a revocation, see antin ca revoke --help; with change and rekey the old certificate is revoked for it")
	cmd.Flags().StringVar(&f.MakeKey, "make-key", "", "have a key of this algorithm made in the token when the request is carried out")
	cmd.Flags().StringVar(&f.Profile, "profile", "", "official, agency-seal, service, client, device or sensor")
	cmd.Flags().StringVar(&f.PersonID, "person", "", "the person, for a personal certificate")
	cmd.Flags().StringVar(&f.AgencyID, "agency", "", "the agency, for a seal or a machine")
	cmd.Flags().StringVar(&f.Machine, "machine", "", "name of a service, device or sensor")
}

// maxRequestFile is the most that is read of a file with a PKCS#10 request.
const maxRequestFile = 64 << 10

func (f *formFlags) read() (ra.Form, error) {
	form := f.Form
	form.Kind = ra.Kind(f.kind)
	if form.Serial != "" {
		serial, err := serialNumber(form.Serial)
		if err != nil {
			return form, err
		}
		form.Serial = serial
	}
	if f.csr == "" {
		return form, nil
	}
	b, err := readLimited(f.csr, maxRequestFile)
	form.CSR = b
	return form, err
}

// readLimited reads a file that may have at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	b, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is over %d bytes", path, limit)
	}
	return b, nil
}

func (e *env) caShow() *cobra.Command {
	return &cobra.Command{
		Use: "show REQUEST", Short: "Show a request with its history and documents", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				request, err := s.CA.Desk().Get(ctx, args[0])
				if err != nil {
					return err
				}
				history, err := s.CA.Desk().History(ctx, args[0])
				if err != nil {
					return err
				}
				documents, err := s.CA.Desk().Documents(ctx, args[0])
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(map[string]any{"request": request, "history": history, "documents": documents})
				}
				fmt.Printf("request %s: %s, %s, %s%s\n", request.ID, request.Kind, request.Profile, request.State, dueText(request))
				for _, h := range history {
					fmt.Printf("  %s  %-24s %s  ledger %d  %s\n", h.At.In(workdays.Zone()).Format(time.RFC3339), h.Act, h.Account, h.Index, h.Note)
				}
				for _, doc := range documents {
					fmt.Printf("  document %s  %s  %d bytes  sha256 %s\n", doc.ID, doc.Name, doc.Size, doc.SHA256)
				}
				return nil
			})
		},
	}
}

func dueText(r *ra.Request) string {
	switch {
	case r.DueAt == nil:
		return ""
	case r.Overdue:
		return ", OVERDUE since " + r.DueAt.In(workdays.Zone()).Format(time.DateOnly)
	default:
		return ", due " + r.DueAt.In(workdays.Zone()).Format(time.DateOnly)
	}
}

func (e *env) caAttach() *cobra.Command {
	return &cobra.Command{
		Use: "attach REQUEST FILE", Short: "Attach a document to a request", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := readLimited(args[1], ra.MaxDocument)
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				doc, err := s.CA.Desk().Attach(ctx, args[0], filepath.Base(args[1]), content)
				if err != nil {
					return err
				}
				return e.show(doc, "document %s: %s, %s, sha256 %s\n", doc.ID, doc.Name, doc.MIME, doc.SHA256)
			})
		},
	}
}

func (e *env) caDocuments() *cobra.Command {
	return &cobra.Command{
		Use: "documents REQUEST", Short: "List the documents of a request", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				list, err := s.CA.Desk().Documents(ctx, args[0])
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(list)
				}
				rows := [][]string{}
				for _, doc := range list {
					rows = append(rows, []string{doc.ID, doc.Name, doc.MIME, fmt.Sprint(doc.Size), doc.AddedBy})
				}
				return table(os.Stdout, []string{"DOCUMENT", "NAME", "KIND", "BYTES", "BY"}, rows)
			})
		},
	}
}

func (e *env) caDocument() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "document REQUEST DOCUMENT -o FILE", Short: "Write a document of a request to a file", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return fmt.Errorf("%w: -o names the file", errUse)
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				doc, err := s.CA.Desk().Document(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				err = os.WriteFile(out, doc.Content, 0o644)
				if err != nil {
					return err
				}
				return e.show(doc, "%s: %s\n", out, doc.Name)
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file")
	return cmd
}

func (e *env) caHandOver() *cobra.Command {
	var to, device string
	cmd := &cobra.Command{
		Use: "hand-over REQUEST", Short: "Record that the certificate or its device was handed over", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				request, err := s.CA.Desk().HandOver(ctx, args[0], to, device)
				if err != nil {
					return err
				}
				return e.show(request, "request %s: handed to %s\n", request.ID, strings.TrimSpace(request.HandedTo+" "+request.HandedDevice))
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the person it was handed to; the holder when left out")
	cmd.Flags().StringVar(&device, "device", "", "serial number of the device")
	return cmd
}

func (e *env) caRequests() *cobra.Command {
	var f ra.Filter
	var states []string
	var kind string
	cmd := &cobra.Command{
		Use: "requests", Short: "List requests, newest first, with their terms", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.Kind = ra.Kind(kind)
			for _, state := range states {
				f.States = append(f.States, ra.State(state))
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				page, err := s.CA.Desk().List(ctx, f)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(page.Requests)
				}
				rows := [][]string{}
				for _, r := range page.Requests {
					rows = append(rows, []string{r.ID, string(r.Kind), r.Profile, string(r.State), r.CreatedBy, r.ConfirmedBy, r.DecidedBy,
						strings.TrimPrefix(dueText(&r), ", "), r.Serial})
				}
				err = table(os.Stdout, []string{"REQUEST", "KIND", "PROFILE", "STATE", "BY", "CONFIRMED BY", "DECIDED BY", "TERM", "SERIAL"}, rows)
				if err == nil && page.Next != "" {
					fmt.Printf("more: --after %s\n", page.Next)
				}
				return err
			})
		},
	}
	cmd.Flags().StringSliceVar(&states, "state", nil, "states: requested, confirmed, approved, issuing, returned, issued, done, rejected, withdrawn")
	cmd.Flags().StringVar(&kind, "kind", "", "new, renew, change, rekey, revoke or recover")
	cmd.Flags().StringVar(&f.AgencyID, "agency", "", "of this agency")
	cmd.Flags().StringVar(&f.ManagerID, "manager", "", "managed by this agency")
	cmd.Flags().StringVar(&f.PersonID, "person", "", "of this holder")
	cmd.Flags().StringVar(&f.JobID, "job", "", "of this file")
	cmd.Flags().BoolVar(&f.Open, "open", false, "only where somebody has still to act")
	cmd.Flags().BoolVar(&f.Overdue, "overdue", false, "only those whose term is over")
	cmd.Flags().StringVar(&f.After, "after", "", "the next page, as the page before names it")
	cmd.Flags().IntVar(&f.Limit, "limit", 0, "requests on a page, at most 500; 100 when left out")
	return cmd
}
