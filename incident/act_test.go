package incident_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/internal/auth"
)

func TestActsAreAuthorisedRecordedAndChained(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := analyst(t.Context())
		id := take(t, b, attack(t, "r1", "", 0)).Opened[0]
		b.clock.Advance(3 * time.Minute)
		_, err := b.Acknowledge(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Assign(ctx, id, "mai.dn")
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Comment(ctx, id, "Đã cô lập máy <10.3.9.23> & báo xã")
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Fulfil(ctx, id, "first-notice", "12/TB-TTGSATTT")
		if err != nil {
			t.Fatal(err)
		}
		b.clock.Advance(time.Hour)
		k, err := b.Close(ctx, id, incident.ReasonResolved, "cài lại máy")
		if err != nil {
			t.Fatal(err)
		}
		if k.State != incident.StateClosed || k.Assignee != "mai.dn" || !k.AckAt.Equal(start.Add(3*time.Minute)) {
			t.Errorf("case %+v", k)
		}
		want := "incident.acknowledge incident.assign incident.comment incident.fulfil incident.close"
		if b.book.kinds() != want {
			t.Errorf("ledger: %s", b.book.kinds())
		}
		for _, e := range b.book.entries {
			if strings.Contains(fmt.Sprint(e), "cô lập") || strings.Contains(fmt.Sprint(e), "cài lại") || e.Actor != "dung.ht" {
				t.Errorf("ledger entry %+v", e)
			}
		}
		err = b.VerifyHistory(ctx, id)
		if err != nil {
			t.Error(err)
		}
		d, err := b.Get(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if d.Clocks[0].MetAt == nil || !d.Clocks[1].Running() {
			t.Errorf("clocks %+v", d.Clocks)
		}
		_, err = b.Acknowledge(ctx, id)
		if !errors.Is(err, incident.ErrState) {
			t.Errorf("acknowledging a closed case gave %v", err)
		}
		_, err = b.db.ExecContext(ctx, "UPDATE incident_history SET actor = 'nobody' WHERE seq = 3")
		if err != nil {
			t.Fatal(err)
		}
		err = b.VerifyHistory(ctx, id)
		if !errors.Is(err, incident.ErrBroken) {
			t.Errorf("a changed row gave %v", err)
		}
	})
}

func TestARefusedOrUnrecordedActChangesNothing(t *testing.T) {
	fault := errors.New("disk full")
	cases := []struct {
		name string
		who  auth.Subject
		book error
		want error
	}{
		{"nobody is signed in", auth.Subject{}, nil, auth.ErrDenied},
		{"an official of the agency may read but not act", auth.Subject{AccountID: "long.cd", AgencyID: "xa-tan-lap", Roles: []string{auth.RoleOfficial}}, nil, auth.ErrDenied},
		{"the ledger refuses", auth.Subject{AccountID: "dung.ht", Roles: []string{auth.RoleAnalyst}}, fault, fault},
	}
	acts := map[string]func(ctx context.Context, b *bench, id string) error{
		"acknowledge": func(ctx context.Context, b *bench, id string) error { _, err := b.Acknowledge(ctx, id); return err },
		"assign": func(ctx context.Context, b *bench, id string) error {
			_, err := b.Assign(ctx, id, "mai.dn")
			return err
		},
		"comment": func(ctx context.Context, b *bench, id string) error { _, err := b.Comment(ctx, id, "x"); return err },
		"fulfil": func(ctx context.Context, b *bench, id string) error {
			_, err := b.Fulfil(ctx, id, "report", "1")
			return err
		},
		"close": func(ctx context.Context, b *bench, id string) error {
			_, err := b.Close(ctx, id, incident.ReasonResolved, "")
			return err
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, b *bench) {
				id := take(t, b, attack(t, "r1", "", 0)).Opened[0]
				before, err := b.Get(analyst(t.Context()), id)
				if err != nil {
					t.Fatal(err)
				}
				b.book.fault = c.book
				for name, act := range acts {
					err = act(auth.WithSubject(t.Context(), c.who), b, id)
					if !errors.Is(err, c.want) {
						t.Errorf("%s gave %v, want %v", name, err, c.want)
					}
				}
				after, err := b.Get(analyst(t.Context()), id)
				if err != nil {
					t.Fatal(err)
				}
				if fmt.Sprint(after.Case) != fmt.Sprint(before.Case) || len(after.History) != len(before.History) {
					t.Errorf("the case changed from %+v to %+v", before.Case, after.Case)
				}
			})
		})
	}
}
