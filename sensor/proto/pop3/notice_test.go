package pop3

import (
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		turns []prototest.Turn
		want  []string
	}{
		{"an ordinary log-in", []prototest.Turn{{Dir: 1, Data: "+OK hi\r\n"}, {Dir: 0, Data: "USER a\r\n"}, {Dir: 1, Data: "+OK\r\n"}, {Dir: 0, Data: "PASS a b c\r\n"}, {Dir: 1, Data: "+OK\r\n"}, {Dir: 0, Data: "LIST\r\n"}, {Dir: 1, Data: "+OK\r\n1 2\r\n.\r\n"}}, nil},
		{"an unknown command", []prototest.Turn{{Dir: 0, Data: "HELO a\r\n"}}, []string{"unknown_command"}},
		{"arguments that are missing", []prototest.Turn{{Dir: 0, Data: "RETR\r\n"}}, []string{"incorrect_argument_count"}},
		{"arguments that are too many", []prototest.Turn{{Dir: 0, Data: "STAT 1\r\n"}}, []string{"incorrect_argument_count"}},
		{"a long command", []prototest.Turn{{Dir: 0, Data: "USER " + strings.Repeat("a", 300) + "\r\n"}}, []string{"request_too_long"}},
		{"a long answer", []prototest.Turn{{Dir: 0, Data: "STAT\r\n"}, {Dir: 1, Data: "+OK " + strings.Repeat("a", 600) + "\r\n"}}, []string{"response_too_long"}},
		{"more commands than are kept", []prototest.Turn{{Dir: 0, Data: strings.Repeat("NOOP\r\n", maxOpen+1)}}, []string{"too_many_transactions"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := prototest.Heard(open, c.turns...).Notices
			if !slices.Equal(got, c.want) {
				t.Errorf("noticed %v, want %v", got, c.want)
			}
		})
	}
}
