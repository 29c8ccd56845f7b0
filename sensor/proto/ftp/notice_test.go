package ftp

import (
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	prototest.Notices(t, open,
		prototest.Case("a transfer after its port", []prototest.Turn{{Dir: 0, Data: "PASV\r\n"}, {Dir: 1, Data: "227 ok (1,2,3,4,5,6)\r\n"}, {Dir: 0, Data: "RETR f\r\n"}}, nil),
		prototest.Case("a transfer without port and name", []prototest.Turn{{Dir: 0, Data: "STOR\r\n"}}, []string{"file_before_port", "file_without_name"}),
		prototest.Case("a command that is too long", []prototest.Turn{{Dir: 0, Data: "USER " + strings.Repeat("a", 5000) + "\r\n"}}, []string{"request_command_too_long"}),
		prototest.Case("a reply that is too long", []prototest.Turn{{Dir: 0, Data: "USER a\r\n"}, {Dir: 1, Data: "331 " + strings.Repeat("a", 5000) + "\r\n"}}, []string{"response_command_too_long"}),
		prototest.Case("more commands than are kept", []prototest.Turn{{Dir: 0, Data: strings.Repeat("NOOP\r\n", maxOpen+1)}}, []string{"too_many_transactions"}),
	)
}
