// Package workdays counts working days as Vietnamese offices do: Monday to
// Friday without the public holidays (Bộ luật Lao động 2019 art. 111, 112), at
// +07:00. The lunar feasts and what is announced year by year are data; see
// holidays.yaml.
//
// It knows nothing of half days and of the holidays of single peoples.
package workdays

import (
	"time"
)

// Zone is the time of Vietnam, +07:00 without summer time.
func Zone() *time.Location { return time.FixedZone("+07", 7*60*60) }

// maxSearch bounds the look for the next working day: no row of days off is
// nearly so long.
const maxSearch = 60

// Calendar says which days are worked. It does not change and is safe for
// concurrent use. In a year that its data does not cover the lunar feasts count
// as worked, which makes a deadline early, never late.
type Calendar struct {
	off    map[date]string // days off beside Saturday and Sunday, with their names
	worked map[date]bool   // Saturdays and Sundays that are worked
	fixed  []fixedDay
	years  map[int]bool
}

// date is a day of Vietnam.
type date struct {
	year  int
	month time.Month
	day   int
}

func dateOf(t time.Time) date {
	y, m, d := t.In(Zone()).Date()
	return date{y, m, d}
}

// start is the first instant of the day.
func (d date) start() time.Time { return time.Date(d.year, d.month, d.day, 0, 0, 0, 0, Zone()) }

func (d date) plus(n int) date { return dateOf(d.start().AddDate(0, 0, n)) }

func (d date) weekend() bool {
	w := d.start().Weekday()
	return w == time.Saturday || w == time.Sunday
}

// Covers says whether the lunar feasts of t's year are known.
func (c *Calendar) Covers(t time.Time) bool { return c.years[dateOf(t).year] }

// IsWorkday says whether the day of t, at +07:00, is worked.
func (c *Calendar) IsWorkday(t time.Time) bool { return c.isWorkday(dateOf(t)) }

func (c *Calendar) isWorkday(d date) bool {
	if c.worked[d] {
		return true
	}
	return !d.weekend() && c.holiday(d) == ""
}

// Holiday names the public holiday on the day of t, a day in lieu, or a day
// swapped off; empty when it is none.
func (c *Calendar) Holiday(t time.Time) string { return c.holiday(dateOf(t)) }

func (c *Calendar) holiday(d date) string {
	name := c.off[d]
	if name != "" || c.years[d.year] {
		return name
	}
	for _, f := range c.fixed {
		if f.month == d.month && f.day == d.day && d.year >= f.From {
			return f.Name
		}
	}
	return ""
}

// Add returns when a term of n working days that begins at from ends: the last
// second of its last day. The first day does not count, and a term ends with
// its last day (Bộ luật Dân sự 2015 art. 147, 148). With n = 0 it is the end of
// from's day, or of the next working day when that one is not worked. A
// negative n counts back.
func (c *Calendar) Add(from time.Time, n int) time.Time {
	d, step := dateOf(from), 1
	if n < 0 {
		n, step = -n, -1
	}
	if n == 0 {
		d = c.next(d.plus(-1), 1)
	}
	for range n {
		d = c.next(d, step)
	}
	return d.start().AddDate(0, 0, 1).Add(-time.Second)
}

// next is the first working day after d, in the direction of step.
func (c *Calendar) next(d date, step int) date {
	for range maxSearch {
		d = d.plus(step)
		if c.isWorkday(d) {
			return d
		}
	}
	return d
}

// Between counts the working days after a's day up to b's day, so that
// Between(t, Add(t, n)) is n. It is negative when b's day is before a's.
func (c *Calendar) Between(a, b time.Time) int {
	from, to := dateOf(a), dateOf(b)
	if to.start().Before(from.start()) {
		return -c.Between(b, a)
	}
	n := 0
	for from != to {
		from = from.plus(1)
		if c.isWorkday(from) {
			n++
		}
	}
	return n
}
