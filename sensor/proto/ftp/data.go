package ftp

import (
	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/proto"
)

// Data reads a data connection. It implements proto.Parser.
type Data struct {
	host   proto.Host
	expect *proto.Expectation
	file   *files.File
	dir    int
}

// NewData returns a reader of the connection that was announced.
func NewData(host proto.Host, e *proto.Expectation) *Data {
	return &Data{host: host, expect: e, file: host.FileStore().New(nil)}
}

// Feed implements proto.Parser.
func (d *Data) Feed(dir int, b []byte) error {
	d.dir = dir
	d.file.Write(b)
	return nil
}

// Gap implements proto.Parser.
func (d *Data) Gap(_ int, n int) { d.file.Gap(n) }

// Close implements proto.Parser.
func (d *Data) Close() {
	// What nobody is told of, as a listing, is no file.
	defer d.file.Discard()
	if d.expect.Command == "" {
		return
	}
	d.host.Record(proto.Event{Kind: "ftp_data", Bodies: []encode.Body{d}})
	switch d.expect.Command {
	case "RETR", "STOR", "APPE", "STOU":
		d.file.Name = d.expect.Name[:min(len(d.expect.Name), files.MaxName)]
		if d.file.Size > 0 {
			d.file.Finish(true)
			d.host.File(d.dir, 0, d.file, d)
		}
	}
}

// Encode writes the ftp_data object.
func (d *Data) Encode(e *encode.Encoder) {
	e.Open("ftp_data")
	e.Text("filename", d.expect.Name)
	e.String("command", d.expect.Command)
	e.Close()
}
