package http2

import (
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	request := func(pairs ...string) string {
		return frame(frameHeaders, flagEndHeaders, 1, block(t, append([]string{":method", "POST", ":path", "/"}, pairs...)...))
	}
	answer := func(pairs ...string) string {
		return frame(frameHeaders, flagEndHeaders, 1, block(t, append([]string{":status", "200"}, pairs...)...))
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, err := z.Write(make([]byte, 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	err = z.Close()
	if err != nil {
		t.Fatal(err)
	}
	many := func() string {
		var b strings.Builder
		for i := range maxStreams + 1 {
			f := []byte(request())
			f[6], f[7], f[8] = 0, byte(i>>7), byte(i<<1|1)
			b.Write(f)
		}
		return b.String()
	}
	const c, s = 0, 1
	for _, test := range []struct {
		name  string
		turns []prototest.Turn
		want  []string
	}{
		{"an ordinary connection", turns(t), nil},
		{"another preface", []prototest.Turn{{Dir: c, Data: strings.Repeat("x", len(preface))}}, []string{"invalid_client_magic"}},
		{"settings of a stream", []prototest.Turn{{Dir: s, Data: frame(frameSettings, 0, 1, "")}}, []string{"invalid_frame_header"}},
		{"settings of odd length", []prototest.Turn{{Dir: s, Data: frame(frameSettings, 0, 0, "1234567")}}, []string{"invalid_frame_length"}},
		{"padding over the frame", []prototest.Turn{{Dir: s, Data: frame(frameHeaders, flagPadded|flagEndHeaders, 1, "\x09a")}}, []string{"invalid_frame_data"}},
		{"data of no stream", []prototest.Turn{{Dir: s, Data: frame(frameData, 0, 0, "a")}}, []string{"data_stream_zero"}},
		{"a long frame", []prototest.Turn{{Dir: s, Data: frame(frameData, 0, 1, strings.Repeat("a", maxControl))}}, []string{"long_frame_data"}},
		{"a header that is none", []prototest.Turn{{Dir: s, Data: frame(frameHeaders, flagEndHeaders, 1, "\xff\x00")}}, []string{"invalid_header"}},
		{"an integer without end", []prototest.Turn{{Dir: s, Data: frame(frameHeaders, flagEndHeaders, 1, "\xff"+strings.Repeat("\xff", 12))}}, []string{"header_integer_overflow", "invalid_header"}},
		{"a header that breaks off", []prototest.Turn{{Dir: s, Data: frame(frameHeaders, flagEndHeaders, 1, "\x40\x05ab")}}, []string{"extra_header_data"}},
		{"a stream opened again", []prototest.Turn{{Dir: c, Data: preface + request()}, {Dir: s, Data: frame(frameReset, 0, 1, "\x00\x00\x00\x00")}, {Dir: c, Data: request()}}, []string{"stream_id_reuse"}},
		{"headers over the limit", []prototest.Turn{{Dir: s, Data: frame(frameHeaders, 0, 1, "") + strings.Repeat(frame(frameContinuation, 0, 1, strings.Repeat("a", maxControl-1)), 5)}}, []string{"reassembly_limit_reached"}},
		{"another host than the authority", []prototest.Turn{{Dir: c, Data: preface + request(":authority", "a.vn", "host", "b.vn")}}, []string{"authority_host_mismatch"}},
		{"a user in the address", []prototest.Turn{{Dir: c, Data: preface + request(":authority", "u@a.vn")}}, []string{"userinfo_in_uri"}},
		{"a range that is none", []prototest.Turn{{Dir: c, Data: preface + request()}, {Dir: s, Data: answer("content-range", "bytes 9-1/5")}}, []string{"invalid_range"}},
		{"a range that is not there", []prototest.Turn{{Dir: c, Data: preface + request()}, {Dir: s, Data: answer("content-range", "bytes */5")}}, nil},
		{"a body that is not compressed", []prototest.Turn{{Dir: c, Data: preface + request()}, {Dir: s, Data: answer("content-encoding", "gzip") + frame(frameData, flagEndStream, 1, "plain")}}, []string{"failed_decompression"}},
		{"a bomb", []prototest.Turn{{Dir: c, Data: preface + request()}, {Dir: s, Data: answer("content-encoding", "gzip") + frame(frameData, flagEndStream, 1, bomb.String()[:800])}}, []string{"compression_bomb"}},
		{"long DNS messages", []prototest.Turn{
			{Dir: c, Data: preface + request("content-type", "application/dns-message") + strings.Repeat(frame(frameData, 0, 1, strings.Repeat("a", 1<<14)), 5)},
			{Dir: s, Data: answer("content-type", "application/dns-message") + strings.Repeat(frame(frameData, 0, 1, strings.Repeat("a", 1<<14)), 5)},
		}, []string{"dns_request_too_long", "dns_response_too_long"}},
		{"more streams than are kept", []prototest.Turn{{Dir: c, Data: preface + many()}}, []string{"too_many_streams"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := prototest.Heard(open, test.turns...).Notices
			if !slices.Equal(got, test.want) {
				t.Errorf("noticed %v, want %v", got, test.want)
			}
		})
	}
}
