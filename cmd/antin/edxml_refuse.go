package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/signer/edxml"
)

func (e *env) edxmlRefuse() *cobra.Command {
	var out, reason string
	var from edxml.Organ
	cmd := &cobra.Command{
		Use: "refuse IN.edxml -o OUT.edxml --reason TEXT --organ ID --name NAME", Short: "Answer an envelope that is not taken in, with the reason", Args: cobra.ExactArgs(1),
		Long:    "Answer an envelope that is not taken in: the status 02 with its reason. The answer is not signed yet: antin edxml sign.",
		Example: "  antin edxml refuse thu.signed.edxml -o tu-choi.edxml --reason 'Sai nơi nhận' --organ 28.22.H17 --name 'Sở Nội vụ'",
		RunE: func(_ *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return fmt.Errorf("%w: a refusal needs its --reason", errUse)
			}
			return answerEnvelope(args[0], out, from, edxml.Refused, reason)
		},
	}
	outFlag(cmd, &out, "the answer")
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	organFlags(cmd, &from)
	return cmd
}

// organFlags are who answers.
func organFlags(cmd *cobra.Command, from *edxml.Organ) {
	cmd.Flags().StringVar(&from.ID, "organ", "", "identifier of the answering agency")
	cmd.Flags().StringVar(&from.Name, "name", "", "name of the answering agency")
}

// answerEnvelope writes the status that answers an envelope.
func answerEnvelope(in, out string, from edxml.Organ, code edxml.StatusCode, reason string) error {
	m, err := readMessage(in)
	if err != nil {
		return err
	}
	if m.Envelope == nil {
		return fmt.Errorf("%w: %s is a status itself", errUse, in)
	}
	var made []byte
	status, err := m.Envelope.Answer(from, code, reason, clock.System{}.Now())
	if err == nil {
		made, err = status.Write()
	}
	return writeMade(out, made, err)
}
