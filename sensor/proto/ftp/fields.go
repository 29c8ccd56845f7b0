package ftp

import (
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/rules"
)

// Fields implements proto.Fields.
func (tx *transaction) Fields(dir int, b *rules.Buffers) {
	if dir == proto.ToServer {
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
	b.AddNumber(rules.BufferFTPReplyReceived, answered)
	if tx.hasMode {
		if tx.active {
			active = 1
		}
		b.AddNumber(rules.BufferFTPMode, active)
		b.AddNumber(rules.BufferFTPDynamicPort, uint64(tx.port))
	}
}

// Fields implements proto.Fields.
func (d *Data) Fields(dir int, b *rules.Buffers) {
	if dir != d.dir {
		return
	}
	switch d.expect.Command {
	case "RETR":
		b.AddNumber(rules.BufferFTPDataCommand, rules.FTPRetr)
	case "STOR":
		b.AddNumber(rules.BufferFTPDataCommand, rules.FTPStor)
	}
}
