package workdays

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.RFC3339} {
		v, err := time.ParseInLocation(layout, text, Zone())
		if err == nil {
			return v
		}
	}
	t.Fatalf("%q is not a time", text)
	return time.Time{}
}

func load(t *testing.T, own string) (*Calendar, error) {
	t.Helper()
	if own == "" {
		return Load("")
	}
	path := filepath.Join(t.TempDir(), "holidays.yaml")
	err := os.WriteFile(path, []byte(own), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return Load(path)
}

func TestTheHolidaysAreThoseThatWereAnnounced(t *testing.T) {
	c, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, first, last string // a row of days off, both ends off
	}{
		{"Tết 2024, 29 tháng Chạp to mùng 5, two days in lieu", "2024-02-08", "2024-02-14"},
		{"Giỗ Tổ 2024", "2024-04-18", "2024-04-18"},
		{"30/4 and 1/5 of 2024 with the Monday swapped off", "2024-04-27", "2024-05-01"},
		{"Quốc khánh 2024 with 3/9", "2024-08-31", "2024-09-03"},
		{"Tết 2025, nine days", "2025-01-25", "2025-02-02"},
		{"30/4 to 4/5 of 2025", "2025-04-30", "2025-05-04"},
		{"Quốc khánh 2025 with 1/9", "2025-08-30", "2025-09-02"},
		{"Tết Dương lịch 2026, four days by a swap", "2026-01-01", "2026-01-04"},
		{"Tết 2026, nine days", "2026-02-14", "2026-02-22"},
		{"Giỗ Tổ 2026 is a Sunday, made up on Monday", "2026-04-25", "2026-04-27"},
		{"Quốc khánh 2026, five days by a swap", "2026-08-29", "2026-09-02"},
		{"Ngày Văn hóa Việt Nam 2026", "2026-11-24", "2026-11-24"},
		{"30/4/2028 is a Sunday, made up after 1/5", "2028-04-29", "2028-05-02"},
	} {
		t.Run(row.name, func(t *testing.T) {
			first, last := at(t, row.first), at(t, row.last)
			for d := first; !d.After(last); d = d.AddDate(0, 0, 1) {
				if c.IsWorkday(d) {
					t.Errorf("%s is worked", d.Format(time.DateOnly))
				}
			}
			for _, d := range []time.Time{first.AddDate(0, 0, -1), last.AddDate(0, 0, 1)} {
				if !c.IsWorkday(d) {
					t.Errorf("%s is not worked: %s", d.Format(time.DateOnly), c.Holiday(d))
				}
			}
		})
	}
	for _, day := range []string{"2024-05-04", "2025-04-26", "2026-01-10", "2026-08-22"} {
		if !c.IsWorkday(at(t, day)) {
			t.Errorf("the swapped Saturday %s is not worked", day)
		}
	}
	if !c.IsWorkday(at(t, "2025-11-24")) {
		t.Error("24/11 is off before 2026")
	}
}

func TestTermsEndWithTheLastSecondOfTheirLastWorkingDay(t *testing.T) {
	c, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, from string
		n          int
		want       string
	}{
		{"three days in an ordinary week", "2026-11-02 09:00", 3, "2026-11-05"},
		{"over a weekend", "2026-11-05 16:59", 3, "2026-11-10"},
		{"begun on a Sunday", "2026-11-08 10:00", 1, "2026-11-09"},
		{"over Tết", "2026-02-13 08:00", 3, "2026-02-25"},
		{"over a worked Saturday", "2026-08-20 08:00", 2, "2026-08-22"},
		{"late in the evening UTC it is the next day in Vietnam", "2026-11-02T18:00:00Z", 1, "2026-11-04"},
		{"no days from a working day", "2026-11-03 10:00", 0, "2026-11-03"},
		{"no days from a Saturday", "2026-11-07 10:00", 0, "2026-11-09"},
		{"counted back", "2026-11-10 10:00", -3, "2026-11-05"},
		{"in a year without data", "2050-12-30 10:00", 1, "2051-01-02"},
	} {
		t.Run(row.name, func(t *testing.T) {
			from := at(t, row.from)
			got := c.Add(from, row.n)
			want := at(t, row.want+" 00:00").AddDate(0, 0, 1).Add(-time.Second)
			if !got.Equal(want) {
				t.Errorf("got %s, want %s", got, want)
			}
			if row.n != 0 && c.Between(from, got) != row.n {
				t.Errorf("Between gives %d", c.Between(from, got))
			}
		})
	}
	if c.Covers(at(t, "2050-01-01")) || !c.Covers(at(t, "2035-01-01")) {
		t.Error("Covers is wrong about 2035 or 2050")
	}
}

func TestOwnFileAddsToTheHolidays(t *testing.T) {
	c, err := load(t, "years:\n  2027: {tet: 2027-02-06, tet_before: 2, gio_to: 2027-04-16, swaps: [{off: 2027-05-04, work: 2027-05-08}]}\n")
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[string]bool{"2027-02-04": false, "2027-05-04": false, "2027-05-08": true, "2027-04-16": false, "2026-02-16": false} {
		if c.IsWorkday(at(t, day)) != want {
			t.Errorf("%s worked is %v", day, !want)
		}
	}
	c, err = load(t, "fixed: [{day: 01-01, name: Tết Dương lịch}]\n")
	if err != nil {
		t.Fatal(err)
	}
	if !c.IsWorkday(at(t, "2026-11-24")) || c.IsWorkday(at(t, "2026-01-01")) {
		t.Error("the own list of fixed days does not replace the built-in one")
	}
}

func TestFilesThatDoNotHoldTogetherAreRefused(t *testing.T) {
	for name, own := range map[string]string{
		"an unknown key":                 "holidays: []\n",
		"a date that is none":            "years: {2027: {tet: 2027-02-30, gio_to: 2027-04-16}}\n",
		"a date of another year":         "years: {2027: {tet: 2026-02-06, gio_to: 2027-04-16}}\n",
		"a swap of a day off":            "years: {2027: {tet: 2027-02-06, gio_to: 2027-04-16, swaps: [{off: 2027-05-08, work: 2027-05-09}]}}\n",
		"five days before Tết":           "years: {2027: {tet: 2027-02-06, tet_before: 5, gio_to: 2027-04-16}}\n",
		"a year far away":                "years: {12027: {tet: 2027-02-06, gio_to: 2027-04-16}}\n",
		"a fixed day without a name":     "fixed: [{day: 01-01}]\n",
		"a second day of another month":  "years: {2027: {tet: 2027-02-06, gio_to: 2027-04-16, quoc_khanh: later}}\n",
		"no dates of the lunar calendar": "years: {2027: {}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, own)
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}
