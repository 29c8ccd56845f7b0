package workdays

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"gopkg.in/yaml.v3"
)

// maxFile limits an own file in bytes.
const maxFile = 1 << 20

// Limits of the years that a file may name.
const (
	minYear = 2000
	maxYear = 2200
)

// tetDays is how many days Tết has (art. 112 1b).
const tetDays = 5

// ErrInvalid means that a file of holidays does not hold together; the text
// says where and why.
var ErrInvalid = errors.New("holidays invalid")

//go:embed holidays.yaml
var builtin []byte

// file is the form of holidays.yaml.
type file struct {
	Fixed []fixedDay       `yaml:"fixed"`
	Years map[int]yearDays `yaml:"years"`
}

type fixedDay struct {
	Day  string `yaml:"day"`
	Name string `yaml:"name"`
	From int    `yaml:"from"`

	month time.Month
	day   int
}

type yearDays struct {
	Tet       string `yaml:"tet"`
	TetBefore int    `yaml:"tet_before"`
	GioTo     string `yaml:"gio_to"`
	QuocKhanh string `yaml:"quoc_khanh"`
	Swaps     []swap `yaml:"swaps"`
}

type swap struct {
	Off  string `yaml:"off"`
	Work string `yaml:"work"`
}

// Load returns the calendar of the built-in holidays and, when path is not
// empty, of the own file there over them. An unknown key, a date that is not
// one or a swap of the wrong days is ErrInvalid.
func Load(path string) (*Calendar, error) {
	all, err := parse(builtin)
	if err != nil || path == "" {
		return build(all, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("holidays: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	err = errors.Join(err, f.Close())
	if err != nil {
		return nil, fmt.Errorf("holidays: %w", err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%w: %s is over %d bytes", ErrInvalid, path, maxFile)
	}
	own, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(own.Fixed) > 0 {
		all.Fixed = own.Fixed
	}
	maps.Copy(all.Years, own.Years)
	c, err := build(all, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func parse(b []byte) (file, error) {
	var f file
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	err := dec.Decode(&f)
	if err != nil && !errors.Is(err, io.EOF) {
		return f, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for i := range f.Fixed {
		d := &f.Fixed[i]
		at, err := time.Parse("01-02", d.Day)
		if err != nil || d.Name == "" {
			return f, fmt.Errorf("%w: fixed day %q: want MM-DD and a name", ErrInvalid, d.Day)
		}
		d.month, d.day = at.Month(), at.Day()
	}
	return f, nil
}

func build(f file, err error) (*Calendar, error) {
	if err != nil {
		return nil, err
	}
	c := &Calendar{off: make(map[date]string), worked: make(map[date]bool), fixed: f.Fixed, years: make(map[int]bool)}
	for _, year := range slices.Sorted(maps.Keys(f.Years)) {
		err = c.addYear(year, f.Years[year], f.Fixed)
		if err != nil {
			return nil, fmt.Errorf("%w: year %d: %w", ErrInvalid, year, err)
		}
	}
	return c, nil
}

// addYear enters the holidays of a year, then the days in lieu of those that
// fall on a weekend, then the swaps.
func (c *Calendar) addYear(year int, y yearDays, fixed []fixedDay) error {
	if year < minYear || year > maxYear {
		return fmt.Errorf("want %d to %d", minYear, maxYear)
	}
	c.years[year] = true
	days := make(map[date]string)
	for _, f := range fixed {
		if year >= f.From {
			days[date{year, f.month, f.day}] = f.Name
		}
	}
	err := addLunar(days, year, y)
	if err != nil {
		return err
	}
	switch y.QuocKhanh {
	case "before":
		days[date{year, time.September, 1}] = "Quốc khánh"
	case "", "after":
		days[date{year, time.September, 3}] = "Quốc khánh"
	default:
		return fmt.Errorf("quoc_khanh %q: want before or after", y.QuocKhanh)
	}
	maps.Copy(c.off, days)
	inOrder := slices.SortedFunc(maps.Keys(days), func(a, b date) int { return a.start().Compare(b.start()) })
	for _, d := range inOrder {
		if !d.weekend() {
			continue
		}
		lieu := d.plus(1)
		for lieu.weekend() || c.off[lieu] != "" {
			lieu = lieu.plus(1)
		}
		c.off[lieu] = "Nghỉ bù " + days[d]
	}
	return c.swap(year, y.Swaps)
}

func addLunar(days map[date]string, year int, y yearDays) error {
	tet, err := parseDate(y.Tet, year)
	if err != nil {
		return fmt.Errorf("tet: %w", err)
	}
	gioTo, err := parseDate(y.GioTo, year)
	if err != nil {
		return fmt.Errorf("gio_to: %w", err)
	}
	before := y.TetBefore
	if before == 0 {
		before = 1
	}
	if before < 1 || before >= tetDays {
		return fmt.Errorf("tet_before %d: want 1 to %d", before, tetDays-1)
	}
	for i := range tetDays {
		days[tet.plus(i-before)] = "Tết Nguyên đán"
	}
	days[gioTo] = "Giỗ Tổ Hùng Vương"
	return nil
}

func (c *Calendar) swap(year int, swaps []swap) error {
	for _, s := range swaps {
		off, err := parseDate(s.Off, year)
		if err != nil {
			return fmt.Errorf("swap: %w", err)
		}
		work, err := parseDate(s.Work, year)
		if err != nil {
			return fmt.Errorf("swap: %w", err)
		}
		if !c.isWorkday(off) || c.isWorkday(work) {
			return fmt.Errorf("swap: %s must be a working day and %s a day off", s.Off, s.Work)
		}
		c.off[off] = "Hoán đổi"
		c.worked[work] = true
	}
	return nil
}

func parseDate(text string, year int) (date, error) {
	t, err := time.ParseInLocation(time.DateOnly, text, Zone())
	if err != nil {
		return date{}, fmt.Errorf("%q is not YYYY-MM-DD", text)
	}
	if t.Year() != year {
		return date{}, fmt.Errorf("%s is not in %d", text, year)
	}
	return dateOf(t), nil
}
