package drill_test

import (
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/antin-gov/antin/incident/drill"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// mailbox is a real SMTP server on loopback that keeps what it is given.
type mailbox struct {
	mu   sync.Mutex
	to   []string
	text []string
}

func (m *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{box: m}, nil }

type session struct {
	box *mailbox
	to  string
}

func (s *session) Reset()                                    {}
func (s *session) Logout() error                             { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error      { return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }
func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.to, s.box.text = append(s.box.to, s.to), append(s.box.text, string(b))
	return nil
}

func TestMailsReachTheTeamThroughSMTPOnceAndAfterAnOutage(t *testing.T) {
	box := &mailbox{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(listener.Addr().String()[strings.LastIndex(listener.Addr().String(), ":")+1:])
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, storetest.SQLite(t, schema()...), clock.NewFake(start), noPackets{})
	r.deps.Mailer = &drill.SMTP{Host: "127.0.0.1", Port: port, Plain: true, From: "dien-tap@antin.example"}
	err = listener.Close() // the server is away at first
	if err != nil {
		t.Fatal(err)
	}
	r.Service, err = drill.New(r.deps)
	if err != nil {
		t.Fatal(err)
	}
	d := running(t, r, paperDrill)
	_, err = r.Tick(t.Context())
	if err == nil {
		t.Error("a mail server that is away was not told of")
	}
	if b := board(t, r, d.ID); len(b.Outbox) != 2 || b.Outbox[0].SentAt != nil || b.Outbox[0].Fault == "" {
		t.Fatalf("outbox %+v", b.Outbox)
	}
	listener, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(box)
	server.Domain, server.ReadTimeout, server.WriteTimeout = "localhost", 10*time.Second, 10*time.Second
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	r.clock.Advance(2 * time.Minute)
	for range 2 {
		tick(t, r)
	}
	box.mu.Lock()
	defer box.mu.Unlock()
	if strings.Join(box.to, " ") != "long.cd@demo.antin.example phu@demo.antin.example" {
		t.Errorf("recipients %v", box.to)
	}
	for _, text := range box.text {
		if !strings.Contains(text, "X-Antin-Exercise: "+d.ID) || !strings.Contains(text, "=?UTF-8?") {
			t.Errorf("mail:\n%s", text)
		}
	}
	if b := board(t, r, d.ID); b.Outbox[0].SentAt == nil || b.Outbox[1].SentAt == nil {
		t.Errorf("outbox %+v", b.Outbox)
	}
	err = server.Close()
	if err != nil {
		t.Error(err)
	}
	<-done
}
