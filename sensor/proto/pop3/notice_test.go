package pop3

import (
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	prototest.Notices(t, open,
		prototest.Case("an ordinary log-in", []prototest.Turn{{Dir: 1, Data: "+OK hi\r\n"}, {Dir: 0, Data: "USER a\r\n"}, {Dir: 1, Data: "+OK\r\n"}, {Dir: 0, Data: "PASS a b c\r\n"}, {Dir: 1, Data: "+OK\r\n"}, {Dir: 0, Data: "LIST\r\n"}, {Dir: 1, Data: "+OK\r\n1 2\r\n.\r\n"}}, nil),
		prototest.Case("an unknown command", []prototest.Turn{{Dir: 0, Data: "HELO a\r\n"}}, []string{"unknown_command"}),
		prototest.Case("arguments that are missing", []prototest.Turn{{Dir: 0, Data: "RETR\r\n"}}, []string{"incorrect_argument_count"}),
		prototest.Case("arguments that are too many", []prototest.Turn{{Dir: 0, Data: "STAT 1\r\n"}}, []string{"incorrect_argument_count"}),
		prototest.Case("a long command", []prototest.Turn{{Dir: 0, Data: "USER " + strings.Repeat("a", 300) + "\r\n"}}, []string{"request_too_long"}),
		prototest.Case("a long answer", []prototest.Turn{{Dir: 0, Data: "STAT\r\n"}, {Dir: 1, Data: "+OK " + strings.Repeat("a", 600) + "\r\n"}}, []string{"response_too_long"}),
		prototest.Case("more commands than are kept", []prototest.Turn{{Dir: 0, Data: strings.Repeat("NOOP\r\n", maxOpen+1)}}, []string{"too_many_transactions"}),
	)
}
