package smtp

import (
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	prototest.Notices(t, open,
		prototest.Case("an ordinary mail", turns, nil),
		prototest.Case("a client that does not wait", []prototest.Turn{{Dir: 0, Data: "EHLO c\r\n"}, {Dir: 1, Data: "220 mx\r\n250 ok\r\n"}}, []string{"no_server_welcome_message"}),
		prototest.Case("a greeting that refuses", []prototest.Turn{{Dir: 1, Data: "554 no\r\n"}}, []string{"invalid_reply"}),
		prototest.Case("a reply without code", []prototest.Turn{{Dir: 1, Data: "220 mx\r\nhello\r\n"}}, []string{"invalid_reply"}),
		prototest.Case("a reply to nothing", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n250 ok\r\n"}}, []string{"unable_to_match_reply_with_request"}),
		prototest.Case("a long command", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "EHLO " + strings.Repeat("a", 5000) + "\r\n"}}, []string{"max_command_line_len_exceeded"}),
		prototest.Case("a long reply", []prototest.Turn{{Dir: 1, Data: "220 " + strings.Repeat("a", 5000) + "\r\n"}}, []string{"max_reply_line_len_exceeded"}),
		prototest.Case("a command behind STARTTLS", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "STARTTLS\r\nEHLO c\r\n"}}, []string{"invalid_pipelined_sequence"}),
		prototest.Case("a message before its consent", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "DATA\r\nSubject: a\r\n"}}, []string{"invalid_pipelined_sequence"}),
		prototest.Case("TLS that is refused", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "STARTTLS\r\n"}, {Dir: 1, Data: "454 no\r\n"}}, []string{"tls_rejected"}),
		prototest.Case("a message before its consent where commands may come together", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "EHLO c\r\n"}, {Dir: 1, Data: "250 PIPELINING\r\n"}, {Dir: 0, Data: "RSET\r\nDATA\r\n.\r\n"}}, []string{"invalid_pipelined_sequence"}),
		prototest.Case("TLS that is consented to twice", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "STARTTLS\r\nSTARTTLS\r\n"}, {Dir: 1, Data: "220 go\r\n220 go\r\n"}}, []string{"invalid_pipelined_sequence", "failed_protocol_change"}),
		prototest.Case("a message that is refused", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "DATA\r\n"}, {Dir: 1, Data: "503 no\r\n"}}, []string{"data_command_rejected"}),
		prototest.Case("a second greeting", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "EHLO a\r\n"}, {Dir: 1, Data: "250 ok\r\n"}, {Dir: 0, Data: "EHLO b\r\n"}}, []string{"duplicate_fields"}),
		prototest.Case("a second sender", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "MAIL FROM:<a>\r\n"}, {Dir: 1, Data: "250 ok\r\n"}, {Dir: 0, Data: "MAIL FROM:<b>\r\n"}}, []string{"duplicate_fields"}),
		prototest.Case("a chunk without length", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "BDAT x\r\n"}}, []string{"invalid_bdat"}),
		prototest.Case("an empty chunk, the last", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "BDAT 0 LAST\r\nQUIT\r\n"}}, nil),
		prototest.Case("a chunk that goes on", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "BDAT 3\r\nabcdef\r\n"}}, []string{"bdat_chunk_len_exceeded"}),
		prototest.Case("a long boundary and file name", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "DATA\r\n"}, {Dir: 1, Data: "354 go\r\n"}, {Dir: 0, Data: "Content-Type: multipart/mixed; boundary=" + mark + "\r\n\r\n--" + mark + "\r\nContent-Disposition: attachment; filename=" + mark + "\r\n\r\na\r\n--" + mark + "--\r\n.\r\n"}, {Dir: 1, Data: "250 ok\r\n"}}, []string{"mime_long_boundary", "mime_long_filename"}),
		prototest.Case("a second message in one envelope", []prototest.Turn{{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "DATA\r\n"}, {Dir: 1, Data: "354 go\r\n"}, {Dir: 0, Data: "a\r\n.\r\n"}, {Dir: 1, Data: "250 ok\r\n"}}, nil),
	)
}

var mark = strings.Repeat("b", 300)
