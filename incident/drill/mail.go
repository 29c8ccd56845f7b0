package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	"github.com/wneessen/go-mail"
)

// Banner marks every message of a drill, first and last; no setting takes it
// away.
const Banner = "*** DIỄN TẬP – EXERCISE *** Đây là tình huống diễn tập, không phải sự cố thật. This is an exercise message."

const subjectMark = "[DIỄN TẬP - EXERCISE] "

const (
	mailRetry    = time.Minute
	maxMailTries = 10
)

// post puts the inject's mail into the outbox, one message for each recipient.
// The roster is asked again: a recipient who is not on it gets nothing.
func (s *Service) post(ctx context.Context, tx bun.Tx, d *Drill, sc *Scenario, in *Inject, now time.Time) error {
	to := sc.recipients(in)
	err := sc.CheckRoster(to...)
	if err != nil {
		return err
	}
	rows := make([]Message, len(to))
	for i, r := range to {
		rows[i] = Message{
			ID: fmt.Sprintf("%s/%s/%d", d.ID, in.ID, i+1), DrillID: d.ID, InjectID: in.ID, Recipient: r,
			Subject: subjectMark + in.Mail.Subject, Body: Banner + "\n\n" + in.Mail.Body + "\n\n" + Banner + "\n",
			CreatedAt: now, NextAt: &now,
		}
	}
	_, err = tx.NewInsert().Model(&rows).Exec(ctx)
	if err != nil {
		return fmt.Errorf("put mail into the outbox: %w", err)
	}
	return nil
}

// sendMail sends what waits in the outbox, when a mail server is configured.
func (s *Service) sendMail(ctx context.Context, now time.Time) error {
	if s.d.Mailer == nil {
		return nil
	}
	var waiting []Message
	err := s.d.DB.NewSelect().Model(&waiting).Where("sent_at IS NULL AND next_at <= ?", now).OrderExpr("created_at, id").Limit(dueLimit).Scan(ctx)
	if err != nil {
		return fmt.Errorf("read the outbox: %w", err)
	}
	var faults []error
	for i := range waiting {
		m := &waiting[i]
		m.Attempts++
		err = s.d.Mailer.Send(ctx, *m)
		if err != nil {
			faults = append(faults, fmt.Errorf("send mail %s: %w", m.ID, err))
			next := now.Add(mailRetry)
			m.Fault, m.NextAt = err.Error(), &next
			if m.Attempts >= maxMailTries {
				m.NextAt = nil
			}
		} else {
			sent := s.now()
			m.Fault, m.NextAt, m.SentAt = "", nil, &sent
		}
		_, err = s.d.DB.NewUpdate().Model(m).Column("attempts", "fault", "next_at", "sent_at").WherePK().Exec(ctx)
		if err != nil {
			faults = append(faults, fmt.Errorf("note mail %s: %w", m.ID, err))
		}
	}
	return errors.Join(faults...)
}

// SMTP sends mail through a server (RFC 5321).
type SMTP struct {
	Host string
	Port int
	// Plain permits a server without STARTTLS: a relay on this machine.
	Plain    bool
	Username string
	Password string
	From     string
}

// Send implements Mailer.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	msg := mail.NewMsg()
	err := msg.From(s.From)
	if err != nil {
		return fmt.Errorf("sender: %w", err)
	}
	err = msg.To(m.Recipient)
	if err != nil {
		return fmt.Errorf("recipient: %w", err)
	}
	msg.Subject(m.Subject)
	msg.SetGenHeader("X-Antin-Exercise", m.DrillID)
	msg.SetBodyString(mail.TypeTextPlain, m.Body)
	options := []mail.Option{mail.WithPort(s.Port), mail.WithTLSPolicy(mail.TLSMandatory), mail.WithTimeout(20 * time.Second)}
	if s.Plain {
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if s.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.Username), mail.WithPassword(s.Password))
	}
	client, err := mail.NewClient(s.Host, options...)
	if err != nil {
		return fmt.Errorf("mail server %s: %w", s.Host, err)
	}
	err = client.DialAndSendWithContext(ctx, msg)
	if err != nil {
		return fmt.Errorf("mail server %s: %w", s.Host, err)
	}
	return nil
}
