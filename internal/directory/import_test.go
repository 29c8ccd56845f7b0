package directory_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// adminsOnly is a policy as small as the test needs.
type adminsOnly struct{}

func (adminsOnly) Authorize(_ context.Context, s auth.Subject, action string, _ auth.Resource) error {
	if s.Has(auth.RoleAdmin) {
		return nil
	}
	return &auth.DeniedError{Action: action, Code: "role"}
}

// gate is a real ledger with a door that the test can shut.
type gate struct {
	*ledger.Log
	shut error
}

func (g *gate) Append(ctx context.Context, e ledger.Entry) (ledger.Receipt, error) {
	if g.shut != nil {
		return ledger.Receipt{}, g.shut
	}
	return g.Log.Append(ctx, e)
}

func openGate(t *testing.T) *gate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	log, err := ledger.Open(context.WithoutCancel(t.Context()), ledger.Options{Dir: filepath.Join(t.TempDir(), "ledger"), Origin: "antin.test/ledger", Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := log.Close()
		if err != nil {
			t.Error(err)
		}
	})
	return &gate{Log: log}
}

func TestImportAddsAllOfAFileOrNothing(t *testing.T) {
	storetest.Each(t, directory.Schema, func(t *testing.T, db *store.DB) {
		d := load(t, db)
		log := openGate(t)
		importer := &directory.Importer{DB: db, Ledger: log, Clock: clock.NewFake(now), Authorizer: adminsOnly{}}
		ctx := auth.WithSubject(t.Context(), auth.Subject{AccountID: "admin", Roles: []string{auth.RoleAdmin}})
		const head = "person,name,email,phone,agency,title,title_en,valid_from\n"
		const good = head + "p-900,Nguyễn Thị Ánh,anh@x.example,,stc,Chuyên viên,Officer,2026-01-01\np-901,Trần Bảo,,,stc,Chuyên viên,,2026-01-01\n"
		people := func() int {
			n, err := db.NewSelect().Model((*directory.Person)(nil)).Count(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
		before := people()
		for name, c := range map[string]struct {
			text string
			ctx  context.Context
			shut error
			want error
		}{
			"an agency that nobody knows":      {good + "p-902,A,,,nowhere,B,,2026-01-01\n", ctx, nil, directory.ErrInvalid},
			"somebody there with another name": {good + "p-lan,Somebody Else,,,stc,B,,2026-01-01\n", ctx, nil, directory.ErrDiffers},
			"a day that is none":               {good + "p-902,A,,,stc,B,,2026-02-30\n", ctx, nil, directory.ErrInvalid},
			"an unknown key of YAML":           {"peoples: []", ctx, nil, directory.ErrInvalid},
			"a person without the right":       {good, auth.WithSubject(t.Context(), auth.Subject{AccountID: "x"}), nil, auth.ErrDenied},
			"a ledger that refuses":            {good, ctx, ledger.ErrInvalid, ledger.ErrInvalid},
		} {
			log.shut = c.shut
			_, err := importer.Import(c.ctx, []byte(c.text))
			if !errors.Is(err, c.want) || people() != before {
				t.Errorf("%s: %v, %d people", name, err, people()-before)
			}
		}
		log.shut = nil
		done, err := importer.Import(ctx, []byte(good))
		if err != nil || done.People != 2 || done.Positions != 2 || people() != before+2 {
			t.Fatalf("got %+v, %v", done, err)
		}
		p, err := d.Position(t.Context(), "p-900", now)
		if err != nil || p.AgencyID != "stc" {
			t.Errorf("position: %+v, %v", p, err)
		}
		done, err = importer.Import(ctx, []byte("\ufeff"+strings.ReplaceAll(good, ",", ";")))
		if err != nil || done.Same != 4 || done.People != 0 {
			t.Errorf("a second time: %+v, %v", done, err)
		}
		done, err = importer.Import(ctx, []byte("agencies: [{id: xa-moi, code: H99.99, name: Xã Mới, kind: commune, parent: ubnd, valid_from: 2026-01-01T00:00:00+07:00}]\n"))
		if err != nil || done.Agencies != 1 {
			t.Errorf("an agency below one that is there: %+v, %v", done, err)
		}
	})
}
