// Command officeload makes the world of the proof of the office and works in it:
//
//	officeload files -each N -out DIR    people.csv, drafts with room for number and date, an attachment
//	officeload setup -data DIR -files DIR -antin FILE   people, accounts, keys and seals of five agencies
//	officeload work -data DIR -files DIR -antin FILE -user ROLE.AGENCY -each N
//
// work is one user in a process of their own, until the agency's documents are
// all issued: a drafter brings drafts, the head signs what waits, the clerk
// numbers, seals and issues. What others do in between is theirs.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/antin-gov/antin/cmd/antin/app"
)

// flags are those of all parts.
type flags struct {
	each                                 int
	out, data, files, antin, user, level string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "officeload:", err)
		os.Exit(3)
	}
}

func run(ctx context.Context) error {
	if len(os.Args) < 2 {
		return fmt.Errorf("files, setup or work")
	}
	var f flags
	set := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	set.IntVar(&f.each, "each", 40, "documents of each agency")
	set.StringVar(&f.out, "out", ".", "folder that is written")
	set.StringVar(&f.data, "data", "", "data folder of the system")
	set.StringVar(&f.files, "files", ".", "folder of the drafts")
	set.StringVar(&f.antin, "antin", "", "the antin program")
	set.StringVar(&f.user, "user", "", "ROLE.AGENCY: one, two, head or clerk")
	set.StringVar(&f.level, "level", "B-LT", "level of the signatures")
	err := set.Parse(os.Args[2:])
	if err != nil {
		return err
	}
	if os.Args[1] == "files" {
		return files(f.each, f.out)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := app.Open(ctx, app.Options{
		Dir: f.data, Logger: log, Environ: os.Environ(), Worker: []string{f.antin, app.WorkerCommand}, Reader: []string{f.antin, app.ReaderCommand},
	})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	switch os.Args[1] {
	case "setup":
		return setup(ctx, s, f)
	case "work":
		return work(ctx, s, f)
	}
	return fmt.Errorf("no part %q", os.Args[1])
}
