package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/atomicfile"
	"github.com/antin-gov/antin/signer/office"
)

// draftFlags describe a draft.
type draftFlags struct {
	draft  office.Draft
	form   string
	attach []string
	opened []*os.File
}

func (f *draftFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.draft.Kind, "kind", "", "type by its abbreviation: QĐ, CT, TB, BC, TTr, CV, …; SY, TrS or SL for a copy")
	flags.StringVar(&f.draft.SignerID, "signer", "", "person who is to sign")
	flags.StringVar(&f.form, "form", "head", "in what authority: head, TM, Q, KT, TL or TUQ")
	flags.StringVar(&f.draft.Abstract, "abstract", "", "what it is about")
	flags.StringVar(&f.draft.Unit, "unit", "", "what the symbol of an official letter (CV) ends in")
	flags.StringVar(&f.draft.Place, "place", "", "name of the place, where the document leaves room for the whole line of the date")
	flags.StringVar(&f.draft.AgencyID, "agency", "", "agency (default: that of the account)")
	flags.StringArrayVar(&f.attach, "attach", nil, "PDF that goes with it (again for more)")
}

// open opens the files of a draft; close them with close.
func (f *draftFlags) open(path string) (office.Draft, error) {
	d := f.draft
	d.Form = office.Form(f.form)
	file, err := f.file(path)
	if err != nil {
		return d, err
	}
	d.File, d.Attachments = file, nil
	for _, name := range f.attach {
		a, err := f.file(name)
		if err != nil {
			return d, err
		}
		d.Attachments = append(d.Attachments, a)
	}
	return d, nil
}

func (f *draftFlags) file(path string) (office.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return office.File{}, err
	}
	f.opened = append(f.opened, file)
	return office.File{Name: filepath.Base(path), Content: file}, nil
}

func (f *draftFlags) close() {
	for _, file := range f.opened {
		_ = file.Close()
	}
	f.opened = nil
}

func (e *env) officeSubmit() *cobra.Command {
	var f draftFlags
	cmd := &cobra.Command{
		Use: "submit FILE.pdf…", Short: "Put drafts before who is to sign them", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				docs := []*office.Document{}
				bar := progress(int64(len(args)), "submit")
				for _, path := range args {
					doc, err := submitFile(ctx, s.Office, &f, path)
					if err != nil {
						return fmt.Errorf("%s: %w (%d submitted before)", path, err, len(docs))
					}
					docs = append(docs, doc)
					_ = bar.Add(1)
				}
				if e.json {
					return printJSON(docs)
				}
				for _, d := range docs {
					fmt.Printf("%s\t%s\twaits for %s\n", d.ID, d.Name, d.SignerID)
				}
				return nil
			})
		},
	}
	f.add(cmd)
	return cmd
}

func submitFile(ctx context.Context, s *office.Service, f *draftFlags, path string) (*office.Document, error) {
	defer f.close()
	d, err := f.open(path)
	if err != nil {
		return nil, err
	}
	doc, err := s.Submit(ctx, d)
	if errors.Is(err, office.ErrRequest) {
		return nil, fmt.Errorf("%w: %w", errUse, err)
	}
	return doc, err
}

func (e *env) officeResubmit() *cobra.Command {
	var f draftFlags
	cmd := &cobra.Command{
		Use: "resubmit DOCUMENT FILE.pdf", Short: "Bring a returned document before its signer again", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				defer f.close()
				d, err := f.open(args[1])
				if err != nil {
					return err
				}
				doc, err := s.Office.Resubmit(ctx, args[0], d)
				if errors.Is(err, office.ErrRequest) {
					return fmt.Errorf("%w: %w", errUse, err)
				}
				if err != nil {
					return err
				}
				return e.show(doc, "%s: %s, waits for %s\n", doc.ID, doc.State, doc.SignerID)
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (e *env) officeExport() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "export DOCUMENT -o FOLDER", Short: "Write a document and its attachments, as they stand, into a folder", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return fmt.Errorf("%w: --out is needed", errUse)
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				names, err := exportDocument(ctx, s.Office, args[0], out)
				if err != nil {
					return err
				}
				return e.show(names, "%d files in %s\n", len(names), out)
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "folder")
	return cmd
}

func exportDocument(ctx context.Context, s *office.Service, id, out string) ([]string, error) {
	err := os.MkdirAll(out, 0o755)
	if err != nil {
		return nil, err
	}
	f, doc, err := s.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	names := []string{filepath.Join(out, doc.Name)}
	err = copyOut(f, names[0])
	if err != nil {
		return nil, err
	}
	list, err := s.Attachments(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		f, _, err := s.OpenAttachment(ctx, id, a.Position)
		if err != nil {
			return nil, err
		}
		name := filepath.Join(out, a.Name)
		if slices.Contains(names, name) {
			name = filepath.Join(out, fmt.Sprintf("%d-%s", a.Position, a.Name))
		}
		err = copyOut(f, name)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// copyOut writes a file whole or not at all, and closes it.
func copyOut(f *os.File, path string) error {
	defer func() { _ = f.Close() }()
	err := atomicfile.Write(path, 0o644, func(out *os.File) error {
		_, err := out.ReadFrom(f)
		return err
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
