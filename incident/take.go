package incident

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/event"
)

// Taken says what became of a batch.
type Taken struct {
	Stored     int
	Duplicates int
	Alerts     int
	// Opened holds the ids of the cases that the batch opened.
	Opened []string
}

// insertRows is how many events one INSERT carries; a statement stays within a
// few MiB for records of usual size.
const insertRows = 250

// correlationLock keeps two ingesting processes on PostgreSQL from opening two
// cases for one attack. SQLite has one writer anyway.
const correlationLock = 0x616e74696e01

// Take stores the events, each once by its id, and lets the new ones raise
// alerts and cases, all in one transaction: after an error nothing stands and
// the batch may be given again.
func (s *Service) Take(ctx context.Context, events []*event.Event) (Taken, error) {
	var taken Taken
	if len(events) == 0 {
		return taken, nil
	}
	now := s.now()
	rows, found, err := s.prepare(ctx, events, now)
	if err != nil {
		return taken, err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		taken = Taken{}
		fresh, err := insertEvents(ctx, tx, rows)
		if err != nil {
			return err
		}
		taken.Stored, taken.Duplicates = len(fresh), len(events)-len(fresh)
		var detections []detection
		for _, d := range found {
			if fresh[d.event.ID] {
				detections = append(detections, d)
			}
		}
		if len(detections) == 0 {
			return nil
		}
		if s.db.Postgres() {
			_, err = tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(?)", correlationLock)
			if err != nil {
				return fmt.Errorf("take the correlation lock: %w", err)
			}
		}
		c := correlator{Service: s, tx: tx, now: now}
		err = c.run(ctx, detections)
		taken.Alerts, taken.Opened = c.raised, c.opened
		return err
	})
	if err != nil {
		return Taken{}, fmt.Errorf("store a batch of %d events: %w", len(events), err)
	}
	if taken.Alerts > 0 || len(taken.Opened) > 0 {
		s.hub.kick()
	}
	return taken, nil
}

// prepare does outside the transaction what needs no row lock: whose the
// events are and which rules they meet.
func (s *Service) prepare(ctx context.Context, events []*event.Event, now time.Time) ([]StoredEvent, []detection, error) {
	rows := make([]StoredEvent, 0, len(events))
	seen := make(map[string]bool, len(events))
	var found []detection
	for _, ev := range events {
		if seen[ev.ID] {
			continue
		}
		seen[ev.ID] = true
		ev.Site, ev.ExerciseID = clean(ev.Site), clean(ev.ExerciseID)
		client, server := endpoints(ev)
		agency, err := s.agency.at(ctx, ev.Site, client)
		if err == nil && agency == "" {
			agency, err = s.agency.at(ctx, ev.Site, server)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("find the agency of event %s: %w", ev.ID, err)
		}
		row := StoredEvent{
			ID: ev.ID, Sensor: ev.Sensor, Site: ev.Site, ExerciseID: ev.ExerciseID, AgencyID: agency,
			At: ev.Time.Truncate(time.Microsecond), ReceivedAt: now, Type: clean(ev.Type), Proto: clean(ev.Proto),
			SrcPort: int(ev.Src.Port()), DstPort: int(ev.Dst.Port()),
			CommunityID: clean(ev.CommunityID), FlowID: int64(ev.FlowID), Raw: ev.Raw, SHA256: ev.SHA256(),
		}
		if ev.Src.Addr().IsValid() {
			row.SrcIP = ev.Src.Addr().String()
		}
		if ev.Dst.Addr().IsValid() {
			row.DstIP = ev.Dst.Addr().String()
		}
		if ev.Alert != nil {
			row.SID = ev.Alert.SID
		}
		rows = append(rows, row)
		found = append(found, s.detect(ev, agency, addrText(client), addrText(server))...)
	}
	return rows, found, nil
}

// insertEvents inserts the rows that do not stand yet and returns their ids.
func insertEvents(ctx context.Context, tx bun.Tx, rows []StoredEvent) (map[string]bool, error) {
	fresh := make(map[string]bool, len(rows))
	for len(rows) > 0 {
		n := min(len(rows), insertRows)
		part := rows[:n]
		rows = rows[n:]
		var ids []string
		err := tx.NewInsert().Model(&part).On("CONFLICT (id) DO NOTHING").Returning("id").Scan(ctx, &ids)
		if err != nil {
			return nil, fmt.Errorf("insert %d events: %w", n, err)
		}
		for _, id := range ids {
			fresh[id] = true
		}
	}
	return fresh, nil
}

// Bury keeps what could not be parsed. The key makes a redelivery harmless.
func (s *Service) Bury(ctx context.Context, letters []DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	_, err := s.db.NewInsert().Model(&letters).On("CONFLICT (key) DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("keep %d dead letters: %w", len(letters), err)
	}
	return nil
}
