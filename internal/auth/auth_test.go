package auth_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

const password = "đúng mật khẩu"

func open(t *testing.T, db *store.DB) (*auth.Accounts, *clock.Fake, string) {
	t.Helper()
	c := clock.NewFake(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC))
	dir := t.TempDir()
	as, err := auth.OpenAccounts(db, c, dir)
	if err != nil {
		t.Fatal(err)
	}
	uri, err := as.Create(t.Context(), auth.NewAccount{ID: "binh.nv", PersonID: "p-binh", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial, auth.RoleLeader}, Password: password, Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "account-secrets.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key of the secrets: %v, %v", info, err)
	}
	return as, c, u.Query().Get("secret")
}

func TestPasswordAndCodeOpenAnAccount(t *testing.T) {
	storetest.Each(t, auth.Schema, func(t *testing.T, db *store.DB) {
		as, c, secret := open(t, db)
		a, err := as.CheckPassword(t.Context(), "binh.nv", password)
		if err != nil {
			t.Fatal(err)
		}
		if s := a.Subject(); !s.Has(auth.RoleLeader) || s.AgencyID != "ubnd" {
			t.Errorf("subject %+v", s)
		}
		code, err := totp.GenerateCode(secret, c.Now())
		if err != nil {
			t.Fatal(err)
		}
		err = as.CheckCode(t.Context(), "binh.nv", code)
		if err != nil {
			t.Errorf("the right code: %v", err)
		}
		err = as.CheckCode(t.Context(), "binh.nv", code)
		if !errors.Is(err, auth.ErrCredentials) {
			t.Errorf("the same code again: %v", err)
		}
		c.Advance(30 * time.Second)
		code, err = as.DemoCode(t.Context(), "binh.nv")
		if err != nil {
			t.Fatal(err)
		}
		err = as.CheckCode(t.Context(), "binh.nv", code)
		if err != nil {
			t.Errorf("the next code: %v", err)
		}
	})
}

func TestWrongTriesTellNothingAndLockTheAccount(t *testing.T) {
	db := storetest.SQLite(t, auth.Schema...)
	as, c, _ := open(t, db)
	_, err := as.CheckPassword(t.Context(), "nobody", password)
	if !errors.Is(err, auth.ErrCredentials) {
		t.Errorf("an unknown name: %v", err)
	}
	for range 5 {
		_, err = as.CheckPassword(t.Context(), "binh.nv", "sai mật khẩu")
		if !errors.Is(err, auth.ErrCredentials) {
			t.Errorf("a wrong password: %v", err)
		}
	}
	_, err = as.CheckPassword(t.Context(), "binh.nv", password)
	if !errors.Is(err, auth.ErrLocked) {
		t.Errorf("after five wrong tries: %v", err)
	}
	c.Advance(2 * time.Minute)
	_, err = as.CheckPassword(t.Context(), "binh.nv", password)
	if err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

func TestTriesAtOnceAreCountedEach(t *testing.T) {
	db := storetest.SQLite(t, auth.Schema...)
	as, _, _ := open(t, db)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			err := as.CheckCode(t.Context(), "binh.nv", "none")
			if !errors.Is(err, auth.ErrCredentials) && !errors.Is(err, auth.ErrLocked) {
				t.Errorf("a wrong code: %v", err)
			}
		})
	}
	wg.Wait()
	err := as.CheckCode(t.Context(), "binh.nv", "none")
	if !errors.Is(err, auth.ErrLocked) {
		t.Errorf("after forty wrong tries: %v", err)
	}
}

func TestCreateRefusesAShortPasswordAndASecondAccountOfTheName(t *testing.T) {
	db := storetest.SQLite(t, auth.Schema...)
	as, _, _ := open(t, db)
	_, err := as.Create(t.Context(), auth.NewAccount{ID: "x", Password: "short"})
	if !errors.Is(err, auth.ErrPassword) {
		t.Errorf("a short password: %v", err)
	}
	_, err = as.Create(t.Context(), auth.NewAccount{ID: "binh.nv", Password: password})
	if !errors.Is(err, auth.ErrExists) {
		t.Errorf("the name again: %v", err)
	}
}

func TestSessionEndsByLogOutByIdlenessAndByTheDay(t *testing.T) {
	storetest.Each(t, auth.Schema, func(t *testing.T, db *store.DB) {
		_, c, _ := open(t, db)
		ss := auth.NewSessions(db, c)
		start := func() string {
			token, err := ss.Start(t.Context(), "binh.nv")
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		token := start()
		a, err := ss.Account(t.Context(), token)
		if err != nil || a.ID != "binh.nv" {
			t.Fatalf("got %v, %v", a, err)
		}
		err = ss.End(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		idle, day := start(), start()
		for _, dead := range []string{token, "", "x"} {
			_, err = ss.Account(t.Context(), dead)
			if !errors.Is(err, auth.ErrCredentials) {
				t.Errorf("token %q: %v", dead, err)
			}
		}
		for range 13 {
			c.Advance(time.Hour)
			_, err = ss.Account(t.Context(), day)
		}
		if !errors.Is(err, auth.ErrCredentials) {
			t.Errorf("after a day in use: %v", err)
		}
		_, err = ss.Account(t.Context(), idle)
		if !errors.Is(err, auth.ErrCredentials) {
			t.Errorf("after idleness: %v", err)
		}
	})
}

func TestPasskeyChallengeServesOneAccountAndPurposeOnce(t *testing.T) {
	db := storetest.SQLite(t, auth.Schema...)
	as, _, _ := open(t, db)
	p, err := auth.NewPasskeys(db, as, "localhost", []string{"https://localhost:8443"})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = p.BeginAssertion(t.Context(), "binh.nv", "login")
	if !errors.Is(err, auth.ErrPasskey) {
		t.Errorf("an account without a passkey: %v", err)
	}
	options, id, err := p.BeginRegistration(t.Context(), "binh.nv")
	if err != nil || len(options.Response.Challenge) < 16 {
		t.Fatalf("got %v, %v", options, err)
	}
	for range 2 {
		err = p.FinishAssertion(t.Context(), "binh.nv", "login", id, []byte("{}"))
		if !errors.Is(err, auth.ErrPasskey) {
			t.Errorf("a challenge made for registration: %v", err)
		}
	}
}
