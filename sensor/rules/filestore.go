package rules

import (
	"errors"
	"fmt"
	"strings"
)

// StoreScope is how many files a match chooses.
type StoreScope uint8

// The scopes: the files that were judged, those of the transaction, those of the
// flow from then on.
const (
	StoreFile StoreScope = iota
	StoreTx
	StoreFlow
)

// StoreFiles says which files are kept when a rule matches.
type StoreFiles struct {
	// SID is the rule's.
	SID   uint32
	Scope StoreScope
	// ToServer and ToClient are the directions of files.
	ToServer, ToClient bool
}

// Has reports whether files of a direction are meant: 0 to the server, 1 to the
// client.
func (s StoreFiles) Has(dir int) bool { return dir == 0 && s.ToServer || dir == 1 && s.ToClient }

// carriers are the protocols in which files are followed.
var carriers = [...]string{"", "http", "http1", "http2", "smtp", "imap", "pop3", "ftp-data", "smb"}

// addFileStore reads "filestore", "filestore:both" or "filestore:response,flow":
// direction and scope. With a direction alone, the scope is the transaction.
func (b *builder) addFileStore(value string) error {
	s := &StoreFiles{ToServer: true, ToClient: true}
	if b.rule.store != nil {
		return errors.New("is there twice")
	}
	b.rule.store = s
	if value == "" {
		return nil
	}
	parts := splitTrim(value)
	if len(parts) > 2 {
		return fmt.Errorf("%q is neither a direction nor a scope", clip(parts[2]))
	}
	switch strings.ToLower(parts[0]) {
	case "request", "to_server":
		s.ToClient = false
	case "response", "to_client":
		s.ToServer = false
	case "both":
	default:
		return fmt.Errorf("%q is none of request, response, to_server, to_client and both", clip(parts[0]))
	}
	s.Scope = StoreTx
	if len(parts) == 1 {
		return nil
	}
	switch strings.ToLower(parts[1]) {
	case "file":
		s.Scope = StoreFile
	case "tx":
	case "ssn", "flow":
		s.Scope = StoreFlow
	default:
		return fmt.Errorf("%q is none of file, tx, ssn and flow", clip(parts[1]))
	}
	return nil
}

// settleFileStore makes a rule that chooses files one that is judged on what it
// chooses from, and refuses one that could never choose.
func (b *builder) settleFileStore() error {
	r := b.rule
	if r.store == nil {
		return nil
	}
	carries := false
	for _, app := range carriers {
		carries = carries || r.proto.app == app
	}
	if !carries {
		return fmt.Errorf("filestore: files are not followed in %s", r.proto.app)
	}
	if r.proto.ip&ipTCP == 0 {
		return errors.New("filestore: files are followed in TCP alone")
	}
	if r.flow.toServer && !r.store.ToServer && r.store.Scope == StoreFile ||
		r.flow.toClient && !r.store.ToClient && r.store.Scope == StoreFile {
		return errors.New("filestore: chooses files of the direction in which the rule is not judged")
	}
	if r.store.Scope == StoreFile {
		if b.needPkt {
			return errors.New("filestore: a packet keyword cannot be judged on a file; give the scope flow")
		}
		// What is judged is a file, and a whole file is not a packet.
		r.flow.views |= 1 << ViewTransaction
		return b.addState(packetTest{kind: packetFile}, nil)
	}
	fields := r.appEvents()
	for i := range r.lists {
		buf := r.lists[i].buf
		fields = fields || buf != BufferPayload && !bufferTable[buf].packet
	}
	plain := len(r.lists) == 0 && len(r.events) == 0 && !b.needPkt
	switch {
	case plain && r.proto.app != "":
		r.flow.views |= 1 << ViewTransaction
	case r.store.Scope == StoreTx && !fields:
		return errors.New("filestore: no transaction belongs to a rule on packets or the stream; give the scope flow or file")
	}
	return nil
}
