package office_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/signer/office"
)

func TestTwentyTakersLeaveNoGapAndNoDouble(t *testing.T) {
	now := time.Date(2026, 12, 31, 17, 30, 0, 0, time.UTC) // already 2027 in Vietnam
	kind, err := office.KindOf("QĐ")
	if err != nil {
		t.Fatal(err)
	}
	cut := errors.New("cut off")
	storetest.Each(t, []store.Migration{office.SeriesSchema()}, func(t *testing.T, db *store.DB) {
		take := func(id, agency string, end error) error {
			return db.InTx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
				_, err := office.Take(ctx, tx, id, agency, kind, now)
				return errors.Join(err, end)
			})
		}
		var wg sync.WaitGroup
		for user := range 20 {
			wg.Go(func() {
				for i := range 10 {
					id, agency := fmt.Sprintf("d%d-%d", user, i), fmt.Sprintf("agency%d", i%5)
					err := take(id, agency, cut)
					if !errors.Is(err, cut) {
						t.Error(err)
					}
					err = errors.Join(take(id, agency, nil), take(id, agency, nil))
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for a := range 5 {
			var numbers []int64
			err := db.NewSelect().Model((*office.Number)(nil)).Column("number").Where("agency_id = ? AND year = 2027", fmt.Sprintf("agency%d", a)).
				Order("number").Scan(t.Context(), &numbers)
			if err != nil || len(numbers) != 40 {
				t.Fatalf("%d numbers, %v", len(numbers), err)
			}
			for i, n := range numbers {
				if n != int64(i+1) {
					t.Fatalf("number %d in place %d", n, i+1)
				}
			}
		}
	})
}

func TestThereAre29TypesAndSymbolsReadAsTheNormHasThem(t *testing.T) {
	documents := 0
	for _, k := range office.Kinds() {
		if !k.Copy {
			documents++
		}
	}
	if documents != 29 {
		t.Errorf("%d types", documents)
	}
	for _, c := range []struct{ code, unit, want string }{{"QĐ", "", "05/QĐ-UBND"}, {"CV", "VX", "05/UBND-VX"}, {"SY", "", "05/SY-UBND"}} {
		k, err := office.KindOf(c.code)
		if err != nil || k.Symbol(5, "UBND", c.unit) != c.want {
			t.Errorf("%s: %s, %v", c.code, k.Symbol(5, "UBND", c.unit), err)
		}
	}
	_, err := office.KindOf("XX")
	if !errors.Is(err, office.ErrKind) {
		t.Error(err)
	}
}
