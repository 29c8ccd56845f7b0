package main

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca/ocspbench"
)

// ocspServerCommand is the hidden command of the serving process.
const ocspServerCommand = "benchocsp"

func (e *env) benchOCSP() *cobra.Command {
	var o ocspbench.Options
	cmd := &cobra.Command{
		Use: "ocsp", Short: "Status answers a second beside nginx, memory and start-up with a million certificates", Args: cobra.NoArgs,
		Long: "Make a register of many certificates in a temporary folder, start a serving process over it, and measure: the time to its first\n" +
			"answer, its memory with all answers made in advance, and answers a second beside nginx serving the same bytes as files, turn by\n" +
			"turn, by one load program over kept connections. The keys are in files; the data folder is not touched.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Certificates < 100 || o.Asked < 1 || o.Rounds < 1 || o.Each <= 0 {
				return fmt.Errorf("%w: at least 100 certificates, one asked for, one round", errUse)
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			o.Command = []string{self, ocspServerCommand}
			var bar *progressbar.ProgressBar
			var now string
			o.Progress = func(what string, done, total int) {
				if what != now {
					bar, now = progress(int64(total), what), what
				}
				_ = bar.Set(done)
			}
			r, err := ocspbench.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return e.showOCSPBench(r)
		},
	}
	cmd.Flags().IntVarP(&o.Certificates, "number", "n", 1_000_000, "certificates")
	cmd.Flags().IntVar(&o.Asked, "asked", 10_000, "different certificates asked for")
	cmd.Flags().DurationVar(&o.Each, "each", 2*time.Second, "how long each server is asked in a round")
	cmd.Flags().IntVar(&o.Rounds, "rounds", 11, "rounds")
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:18088", "address of the serving process")
	cmd.Flags().StringVar(&o.Nginx, "nginx", "127.0.0.1:18089", "address of nginx")
	return cmd
}

func (e *env) showOCSPBench(r *ocspbench.Result) error {
	if e.json {
		return printJSON(r)
	}
	fmt.Printf("start-up  %8s to the first answer with %d certificates; restarted %s, all kept answers back after %s\n",
		r.FirstAnswer.Round(time.Millisecond), r.Certificates, r.Restarted.Round(time.Millisecond), r.AllKept.Round(10*time.Millisecond))
	fmt.Printf("in advance%8s for all answers\n", r.MadeIn.Round(100*time.Millisecond))
	fmt.Printf("memory    %8.0f bytes a certificate with its answer; %d MB in all\n", r.HeapPerCertificate, r.RSS>>20)
	for i := range r.Own {
		fmt.Printf("round %d   %8.0f answers/s, nginx %.0f: %.2f\n", i+1, r.Own[i], r.Nginx[i], r.Own[i]/r.Nginx[i])
	}
	fmt.Printf("ratio     %8.2f of nginx (median of the rounds)\n", r.Ratio)
	fmt.Printf("processor %8.1f µs an answer, nginx %.1f µs\n", r.OwnCPU, r.NginxCPU)
	return nil
}

// ocspServer is the serving process of antin bench ocsp.
func ocspServer() *cobra.Command {
	return &cobra.Command{
		Use: ocspServerCommand + " DIR ADDRESS", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ocspbench.Serve(cmd.Context(), args[0], args[1])
		},
	}
}
