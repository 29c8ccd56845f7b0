package ftp

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
		{"a transfer after its port", []prototest.Turn{{Dir: 0, Data: "PASV\r\n"}, {Dir: 1, Data: "227 ok (1,2,3,4,5,6)\r\n"}, {Dir: 0, Data: "RETR f\r\n"}}, nil},
		{"a transfer without port and name", []prototest.Turn{{Dir: 0, Data: "STOR\r\n"}}, []string{"file_before_port", "file_without_name"}},
		{"a command that is too long", []prototest.Turn{{Dir: 0, Data: "USER " + strings.Repeat("a", 5000) + "\r\n"}}, []string{"request_command_too_long"}},
		{"a reply that is too long", []prototest.Turn{{Dir: 0, Data: "USER a\r\n"}, {Dir: 1, Data: "331 " + strings.Repeat("a", 5000) + "\r\n"}}, []string{"response_command_too_long"}},
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
