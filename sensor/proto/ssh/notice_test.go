package ssh

import (
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	prototest.Notices(t, open,
		prototest.Case("an ordinary connection", turns, nil),
		prototest.Case("a banner without software", []prototest.Turn{{Dir: 0, Data: "SSH-2.0\r\n"}}, []string{"invalid_banner"}),
		prototest.Case("another protocol in the other direction", []prototest.Turn{{Dir: 0, Data: "SSH-2.0-a\r\n"}, {Dir: 1, Data: "HTTP/1.1 200\r\n"}}, []string{"invalid_banner"}),
		prototest.Case("a banner over 256 bytes", []prototest.Turn{{Dir: 0, Data: "SSH-2.0-" + strings.Repeat("a", 300) + "\r\n"}}, []string{"long_banner"}),
		prototest.Case("packets of version 1", []prototest.Turn{{Dir: 1, Data: "SSH-1.99-a\r\n"}, {Dir: 0, Data: "SSH-1.5-a\r\n\xff\xff\xff\xff\x00\x00"}}, nil),
		prototest.Case("a packet that is too long", []prototest.Turn{{Dir: 0, Data: "SSH-2.0-a\r\n\xff\xff\xff\xff\x00\x00"}}, []string{"invalid_record"}),
	)
}
