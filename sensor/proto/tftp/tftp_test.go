package tftp

import (
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

var turns = []prototest.Turn{{Dir: 0, Data: "\x00\x01rfc1350.txt\x00OCTET\x00"}, {Dir: 0, Data: "\x00\x02a\x00netascii\x00blksize\x001428\x00"}}

func TestRequests(t *testing.T) {
	prototest.Talk(t, open, turns...).Want(t, `{"tftp":{"packet":"read","file":"rfc1350.txt","mode":"octet"}}`,
		`{"tftp":{"packet":"write","file":"a","mode":"netascii"}}`)
}

func FuzzTFTP(f *testing.F) { prototest.Fuzz(f, open, turns...) }
