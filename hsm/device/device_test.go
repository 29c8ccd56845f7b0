package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/workdays"
)

// book is a ledger in memory that can be broken.
type book struct {
	entries []ledger.Entry
	err     error
}

func (b *book) Append(_ context.Context, e ledger.Entry) (ledger.Receipt, error) {
	if b.err != nil {
		return ledger.Receipt{}, b.err
	}
	b.entries = append(b.entries, e)
	return ledger.Receipt{Index: uint64(len(b.entries) - 1)}, nil
}

// rules is the policy in short: the second person of a confirmation.
type rules struct{}

func (rules) Authorize(_ context.Context, s auth.Subject, action string, r auth.Resource) error {
	if s.AccountID == "" || action == "hsm.device.confirm" && (r.CreatedBy == s.AccountID || !s.Has(auth.RoleCAOfficer) && r.AssignedTo != s.AccountID) {
		return &auth.DeniedError{Action: action, Code: "same-person"}
	}
	return nil
}

// unsigned hands the minutes back, as a signer would with a signature.
type unsigned struct{}

func (unsigned) SignReport(_ context.Context, pdf []byte, _ string) ([]byte, error) { return pdf, nil }

// revocations are our own certificates that were revoked.
type revocations map[string]time.Time

func (r revocations) RevokedAt(_ context.Context, serial string) (*time.Time, error) {
	at, ok := r[serial]
	if !ok {
		return nil, nil
	}
	return &at, nil
}

type world struct {
	*Service
	clock   *clock.Fake
	book    *book
	revoked revocations
}

var (
	minh = auth.Subject{AccountID: "minh.pq", PersonID: "p-minh", AgencyID: "ttcds", Roles: []string{auth.RoleCAOfficer}}
	thu  = auth.Subject{AccountID: "thu.vt", PersonID: "p-thu", AgencyID: "ttcds", Roles: []string{auth.RoleCAOfficer}}
	bnh  = auth.Subject{AccountID: "binh.nv", PersonID: "p-binh", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial}}
	lan  = auth.Subject{AccountID: "lan.tt", PersonID: "p-lan", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial}}
)

func schema() []store.Migration { return slices.Concat(directory.Schema, Schema()) }

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	file, err := directory.Demo()
	if err != nil {
		t.Fatal(err)
	}
	err = directory.Load(t.Context(), db, file)
	if err != nil {
		t.Fatal(err)
	}
	calendar, err := workdays.Load("")
	if err != nil {
		t.Fatal(err)
	}
	// A Thursday.
	w := &world{clock: clock.NewFake(time.Date(2026, 4, 23, 3, 0, 0, 0, time.UTC)), book: &book{}, revoked: revocations{}}
	w.Service, err = New(Deps{DB: db, Ledger: w.book, Clock: w.clock, Authorizer: rules{}, People: directory.New(db), Documents: unsigned{}, Certificates: w.revoked,
		Calendar: calendar, Agency: "ttcds", Place: "Trung Tâm", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func as(t *testing.T, s auth.Subject) context.Context { return auth.WithSubject(t.Context(), s) }

func (w *world) register(t *testing.T, serial string) {
	t.Helper()
	_, err := w.Register(as(t, minh), Entry{Serial: serial, Kind: "usb", Maker: "SafeNet", Model: "eToken 5110"})
	if err != nil {
		t.Fatal(err)
	}
}

// do proposes as minh and confirms as thu.
func (w *world) do(t *testing.T, p Proposal) *Act {
	t.Helper()
	act, err := w.Propose(as(t, minh), p)
	if err != nil {
		t.Fatal(err)
	}
	act, err = w.Confirm(as(t, thu), act.ID)
	if err != nil {
		t.Fatal(err)
	}
	return act
}

func TestADeviceGoesOutAndComesBackWithMinutes(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.register(t, "ET-1")
		_, err := w.Register(as(t, minh), Entry{Serial: "ET-1", Kind: "usb", Maker: "x", Model: "y"})
		if !errors.Is(err, ErrExists) {
			t.Errorf("registered twice: %v", err)
		}
		act, err := w.Propose(as(t, minh), Proposal{Serial: "ET-1", Change: ChangeHandOut, PersonID: "p-binh", Certificate: "0a1b"})
		if err != nil {
			t.Fatal(err)
		}
		notice, err := w.Notice(as(t, minh), act.ID)
		if err != nil || !strings.Contains(pdfText(t, notice), "Mẫu số 07") {
			t.Errorf("notice: %v", err)
		}
		_, err = w.Propose(as(t, minh), Proposal{Serial: "ET-1", Change: ChangeDamage, Note: "x"})
		if !errors.Is(err, ErrState) {
			t.Errorf("a second change while one waits: %v", err)
		}
		for who, subject := range map[string]auth.Subject{"the proposer": minh, "somebody else's official": lan,
			"the proposer's other account": {AccountID: "minh.2", PersonID: "p-minh", Roles: []string{auth.RoleCAOfficer}}} {
			_, err = w.Confirm(as(t, subject), act.ID)
			if !errors.Is(err, auth.ErrDenied) {
				t.Errorf("confirmed by %s: %v", who, err)
			}
		}
		act, err = w.Confirm(as(t, bnh), act.ID)
		if err != nil {
			t.Fatalf("the receiver confirms: %v", err)
		}
		text := pdfText(t, act.Minutes)
		for _, part := range []string{"Mẫu số 08", "Nguyễn Văn Bình", "ET-1", "0a1b", "Trung tâm Chuyển đổi số"} {
			if !strings.Contains(text, part) {
				t.Errorf("minutes without %q:\n%s", part, text)
			}
		}
		last := w.book.entries[len(w.book.entries)-1]
		if last.Kind != "hsm.device.confirmed" || last.Digest != act.MinutesSHA256 || act.MinutesSHA256 == "" {
			t.Errorf("ledger: %+v", last)
		}
		_, err = w.Confirm(as(t, thu), act.ID)
		if !errors.Is(err, ErrState) {
			t.Errorf("confirmed twice: %v", err)
		}
		back := w.do(t, Proposal{Serial: "ET-1", Change: ChangeReturn})
		if back.PersonID != "p-binh" {
			t.Errorf("returned by %q", back.PersonID)
		}
		d, acts, err := w.Get(as(t, minh), "ET-1")
		if err != nil || d.State != StateReturned || d.HolderPerson != "" || len(acts) != 2 {
			t.Errorf("%+v %d acts, %v", d, len(acts), err)
		}
		stored, err := w.Minutes(as(t, minh), back.ID)
		if err != nil || !bytes.Equal(stored, back.Minutes) {
			t.Errorf("stored minutes: %d bytes, %v", len(stored), err)
		}
	})
}

func TestTermsRunInWorkingDays(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	for i := range 3 {
		w.register(t, fmt.Sprintf("ET-%d", i))
		w.do(t, Proposal{Serial: fmt.Sprintf("ET-%d", i), Change: ChangeHandOut, PersonID: "p-binh", Certificate: fmt.Sprintf("%02d", i)})
	}
	w.revoked["00"] = w.clock.Now()
	_, err := w.AskRecovery(as(t, minh), "ET-1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.AskRecovery(as(t, minh), "ET-1")
	if !errors.Is(err, ErrState) {
		t.Errorf("asked twice: %v", err)
	}
	due, err := w.Due(as(t, minh), false)
	if err != nil || len(due) != 2 || due[0].What != DueRecovery || due[0].Late {
		t.Fatalf("%+v %v", due, err)
	}
	// Giỗ Tổ falls on Sunday 26 April 2026, 30 April and 1 May are holidays: the
	// fifth working day after Thursday 23 April is not before 4 May.
	calendar, _ := workdays.Load("")
	if want := calendar.Add(w.clock.Now(), 5); !due[1].Until.Equal(want) || want.Before(time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("return due %s, want %s", due[1].Until, want)
	}
	w.clock.Set(time.Date(2026, 4, 25, 0, 0, 0, 0, time.UTC))
	late, err := w.Due(as(t, minh), true)
	if err != nil || len(late) != 1 || late[0].Device.Serial != "ET-1" {
		t.Errorf("late: %+v %v", late, err)
	}
	w.do(t, Proposal{Serial: "ET-1", Change: ChangeRecover})
	_, err = w.NoteRevocation(as(t, minh), "ET-2", w.clock.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Set(time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC))
	late, err = w.Due(as(t, minh), true)
	if err != nil || len(late) != 2 || late[0].What != DueReturn {
		t.Errorf("late: %+v %v", late, err)
	}
	w.do(t, Proposal{Serial: "ET-0", Change: ChangeReturn})
	w.do(t, Proposal{Serial: "ET-2", Change: ChangeLose, Note: "Mất trên đường đi công tác"})
	late, err = w.Due(as(t, minh), true)
	if err != nil || len(late) != 0 {
		t.Errorf("late after return and loss: %+v %v", late, err)
	}
}

func TestALossHasItsFormAndOnlyPossibleChangesAreTaken(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	w.register(t, "ET-1")
	for _, c := range []struct {
		what string
		p    Proposal
		want error
	}{
		{"a return of what nobody has", Proposal{Serial: "ET-1", Change: ChangeReturn}, ErrState},
		{"a hand-out to nobody known", Proposal{Serial: "ET-1", Change: ChangeHandOut, PersonID: "p-nobody"}, ErrInvalid},
		{"a change that is none", Proposal{Serial: "ET-1", Change: "sell"}, ErrInvalid},
		{"a device that is none", Proposal{Serial: "ET-9", Change: ChangeReturn}, ErrNotFound},
		{"damage without a word about it", Proposal{Serial: "ET-1", Change: ChangeDamage}, ErrInvalid},
		{"something of tomorrow", Proposal{Serial: "ET-1", Change: ChangeDestroy, HappenedAt: w.clock.Now().Add(time.Hour)}, ErrInvalid},
	} {
		_, err := w.Propose(as(t, minh), c.p)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	w.do(t, Proposal{Serial: "ET-1", Change: ChangeHandOut, PersonID: "p-binh"})
	lost := w.do(t, Proposal{Serial: "ET-1", Change: ChangeLose, Note: "Mất trên đường đi công tác"})
	text := pdfText(t, lost.Minutes)
	if !strings.Contains(text, "Mẫu số 09") || !strings.Contains(text, "Mất trên đường") {
		t.Errorf("loss minutes: %s", text)
	}
	found := w.do(t, Proposal{Serial: "ET-1", Change: ChangeRecover})
	if found.Minutes != nil {
		t.Error("recovery has minutes")
	}
	d, _, err := w.Get(as(t, minh), "ET-1")
	if err != nil || d.State != StateRecovered || d.HolderPerson != "p-binh" {
		t.Errorf("%+v %v", d, err)
	}
	act, err := w.Propose(as(t, minh), Proposal{Serial: "ET-1", Change: ChangeReturn})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Refuse(as(t, thu), act.ID)
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := w.Waiting(as(t, minh))
	if err != nil || len(waiting) != 0 {
		t.Errorf("waiting: %+v %v", waiting, err)
	}
}

func TestWithoutTheLedgerNothingChanges(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.register(t, "ET-1")
		act, err := w.Propose(as(t, minh), Proposal{Serial: "ET-1", Change: ChangeHandOut, PersonID: "p-binh"})
		if err != nil {
			t.Fatal(err)
		}
		w.book.err = errors.New("disk full")
		_, err = w.Confirm(as(t, thu), act.ID)
		if !errors.Is(err, ErrRecord) {
			t.Errorf("confirm: %v", err)
		}
		_, err = w.Register(as(t, minh), Entry{Serial: "ET-2", Kind: "usb", Maker: "x", Model: "y"})
		if !errors.Is(err, ErrRecord) {
			t.Errorf("register: %v", err)
		}
		w.book.err = nil
		d, acts, err := w.Get(as(t, minh), "ET-1")
		if err != nil || d.State != StateInStock || acts[0].State != ActPending {
			t.Errorf("%+v %+v %v", d, acts, err)
		}
		_, _, err = w.Get(as(t, minh), "ET-2")
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("ET-2: %v", err)
		}
	})
}

func pdfText(t *testing.T, pdf []byte) string {
	t.Helper()
	_, err := exec.LookPath("pdftotext")
	if err != nil {
		t.Skip("pdftotext is not installed (apt install poppler-utils)")
	}
	cmd := exec.Command("pdftotext", "-layout", "-", "-")
	cmd.Stdin = bytes.NewReader(pdf)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}
