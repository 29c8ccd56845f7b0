package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/office"
)

func (e *env) officeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "office", Short: "Documents on their way out: person, number and date, seal, issue",
		Long: "The order is that of NĐ 30/2020: who is asked to sign signs, by the delegation register; the clerk numbers, seals and issues.\n" +
			"A command that was cut off is begun again: what was done by half is completed or taken back.",
		Example: "  antin office delegate add --agency ubnd --form TM --person p-binh --decision \"Luật 65/2025/QH15\"\n" +
			"  antin office submit chi-thi.pdf --kind CT --signer p-binh --form TM --as lan.tt\n" +
			"  antin office sign --waiting --key demo-official --as binh.nv\n" +
			"  antin office number --waiting --as hoa.lt\n" +
			"  antin office seal --waiting --as hoa.lt\n" +
			"  antin office issue --waiting --as hoa.lt",
	}
	cmd.AddCommand(e.officeSubmit(), e.officeResubmit(), e.officeResume(), e.officeList(), e.officeShow(), e.officeExport(), e.officeDelegate())
	for _, m := range []officeMove{
		{use: "sign", short: "Sign documents as the person who was asked to", state: office.StateDraft, signs: true,
			do: func(ctx context.Context, s *office.Service, id, _ string, u office.Use) (*office.Document, error) {
				return s.Sign(ctx, id, u)
			}},
		{use: "number", short: "Give signed documents number and date and write them in, as the clerk", state: office.StateSigned, signs: true,
			do: func(ctx context.Context, s *office.Service, id, _ string, u office.Use) (*office.Document, error) {
				return s.Number(ctx, id, u)
			}},
		{use: "seal", short: "Put the agency's seal on numbered documents and their attachments, as the clerk", state: office.StateNumbered, signs: true,
			do: func(ctx context.Context, s *office.Service, id, _ string, u office.Use) (*office.Document, error) {
				return s.Seal(ctx, id, u)
			}},
		{use: "issue", short: "Issue sealed documents, as the clerk", state: office.StateSealed,
			do: func(ctx context.Context, s *office.Service, id, _ string, _ office.Use) (*office.Document, error) {
				return s.Issue(ctx, id)
			}},
		{use: "return", short: "Give documents back to their drafter, with a reason", reason: true,
			do: func(ctx context.Context, s *office.Service, id, reason string, _ office.Use) (*office.Document, error) {
				return s.Return(ctx, id, reason)
			}},
		{use: "withdraw", short: "End documents that were not issued, with a reason", reason: true,
			do: func(ctx context.Context, s *office.Service, id, reason string, _ office.Use) (*office.Document, error) {
				return s.Withdraw(ctx, id, reason)
			}},
		{use: "recall", short: "Withdraw documents that were issued, with a reason", reason: true,
			do: func(ctx context.Context, s *office.Service, id, reason string, _ office.Use) (*office.Document, error) {
				return s.Recall(ctx, id, reason)
			}},
	} {
		cmd.AddCommand(e.officeMove(m))
	}
	return cmd
}

// officeMove is a command that moves documents.
type officeMove struct {
	use, short string
	// state is that of the documents which --waiting chooses.
	state  office.State
	signs  bool
	reason bool
	do     func(ctx context.Context, s *office.Service, id, reason string, u office.Use) (*office.Document, error)
}

// officeResult is what became of one document.
type officeResult struct {
	ID       string           `json:"id"`
	Document *office.Document `json:"document,omitempty"`
	Error    string           `json:"error,omitempty"`
}

func (e *env) officeMove(m officeMove) *cobra.Command {
	var waiting bool
	var reason, image, place, scheme string
	var page int
	use := office.Use{Factor: signer.FactorLocal}
	cmd := &cobra.Command{
		Use: m.use + " DOCUMENT…", Short: m.short,
		Args: func(_ *cobra.Command, args []string) error {
			if waiting == (len(args) > 0) {
				return fmt.Errorf("%w: name documents, or give --waiting for all that wait for the account", errUse)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			use.Scheme = signer.Scheme(scheme)
			if image != "" {
				use.Image, err = readLimited(image, maxImage)
				if err != nil {
					return err
				}
			}
			if place != "" {
				use.Place = &office.Place{Page: page}
				use.Place.Box, err = parseBox(place)
				if err != nil {
					return err
				}
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				if waiting {
					args, err = waitingFor(ctx, s.Office, m.state)
					if err != nil {
						return err
					}
				}
				return e.moveAll(ctx, s.Office, m, args, reason, use)
			})
		},
	}
	if m.state != "" {
		cmd.Flags().BoolVar(&waiting, "waiting", false, "every document that waits for the account")
	}
	if m.reason {
		cmd.Flags().StringVar(&reason, "reason", "", "why")
	}
	if m.signs {
		cmd.Flags().StringVar(&use.Key, "key", "", "name of the key (default: the only one)")
		cmd.Flags().StringVar(&use.Level, "level", "B-LT", "B-B, B-T, B-LT or B-LTA")
		cmd.Flags().StringVar(&scheme, "scheme", "", "rsa-pss (default of RSA keys) or rsa-pkcs1")
	}
	if m.signs && m.use != "number" {
		cmd.Flags().StringVar(&image, "image", "", "PNG of the hand-written signature or of the seal")
		cmd.Flags().StringVar(&place, "place", "", "place of the mark instead of the one found: X,Y,WIDTH,HEIGHT in millimetres from the page's top left")
		cmd.Flags().IntVar(&page, "page", -1, "page of --place, -1 for the last")
	}
	return cmd
}

// maxImage is the most that is read of an image.
const maxImage = 4 << 20

// waitingFor are the documents in the state that wait for who acts.
func waitingFor(ctx context.Context, s *office.Service, state office.State) ([]string, error) {
	docs, err := s.List(ctx, office.Filter{Waiting: true, State: state})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, d := range docs {
		ids = append(ids, d.ID)
	}
	return ids, nil
}

// moveAll moves documents one after the other; one that is refused does not
// stop the rest.
func (e *env) moveAll(ctx context.Context, s *office.Service, m officeMove, ids []string, reason string, use office.Use) error {
	results := []officeResult{}
	bar := progress(int64(len(ids)), m.use)
	failed, busy := 0, 0
	for _, id := range ids {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		doc, err := m.do(ctx, s, id, reason, use)
		r := officeResult{ID: id, Document: doc}
		if err != nil {
			r.Document, r.Error = nil, err.Error()
			failed++
			if errors.Is(err, office.ErrBusy) {
				busy++
			}
			fmt.Fprintf(os.Stderr, "antin: %s: %v\n", id, err)
		}
		results = append(results, r)
		_ = bar.Add(1)
	}
	if e.json {
		err := printJSON(results)
		if err != nil {
			return err
		}
	} else {
		for _, r := range results {
			if r.Document != nil {
				fmt.Printf("%s\t%s\t%s\t%s\n", r.ID, r.Document.State, r.Document.Symbol, r.Document.Name)
			}
		}
		fmt.Printf("%d moved, %d refused, %d of them busy\n", len(results)-failed, failed, busy)
	}
	if failed > 0 {
		return answer(exitNo)
	}
	return nil
}

// officeResume settles what was cut off.
func (e *env) officeResume() *cobra.Command {
	return &cobra.Command{
		Use: "resume", Short: "Complete or take back every move that was cut off (the server does so when it starts)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				n, err := s.Office.Resume(ctx)
				if err != nil {
					return err
				}
				return e.show(map[string]int{"settled": n}, "%d settled\n", n)
			})
		},
	}
}
