package ftp

import (
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/rules"
)

// Fields implements proto.Fields.
func (tx *transaction) Fields(dir int, b *rules.Buffers) {
	if dir == proto.ToServer && tx.command != "" {
		b.AddText(rules.BufferFTPCommand, []byte(tx.command))
		b.AddText(rules.BufferFTPCommandData, tx.data)
	}
	for _, r := range tx.replies {
		if dir == proto.ToClient {
			b.AddText(rules.BufferFTPReply, r.text)
			b.AddText(rules.BufferFTPCompletionCode, r.code)
		}
	}
	answered, active := uint64(0), uint64(0)
	if len(tx.replies) > 0 {
		answered = 1
	}
	if dir == proto.ToClient && tx.command != "" {
		b.AddNumber(rules.BufferFTPReplyReceived, answered)
	}
	if tx.hasMode {
		if tx.active {
			active = 1
		}
		b.AddNumber(rules.BufferFTPMode, active)
		b.AddNumber(rules.BufferFTPDynamicPort, uint64(tx.port))
	}
}

// Fields gives the rules the command in the direction that it has by itself,
// whoever opened the connection. It implements proto.Fields.
func (d *Data) Fields(dir int, b *rules.Buffers) {
	switch command := d.expect.Command; {
	case command == "RETR" && dir == proto.ToClient:
		b.AddNumber(rules.BufferFTPDataCommand, rules.FTPRetr)
	case command == "STOR" && dir == proto.ToServer:
		b.AddNumber(rules.BufferFTPDataCommand, rules.FTPStor)
	}
}
