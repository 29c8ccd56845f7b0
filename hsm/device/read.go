package device

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
)

// Terms in working days.
const (
	returnDays   = 5
	recoveryDays = 1
)

// listLimit bounds a list; a province has some ten thousand devices.
const listLimit = 50_000

func (s *Service) get(ctx context.Context, serial string) (*Device, error) {
	var d Device
	err := s.d.DB.NewSelect().Model(&d).Where("serial = ?", serial).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, serial)
	}
	if err != nil {
		return nil, fmt.Errorf("read device %s: %w", serial, err)
	}
	return &d, nil
}

// Act returns an act.
func (s *Service) Act(ctx context.Context, id string) (*Act, error) {
	var act Act
	err := s.d.DB.NewSelect().Model(&act).Where("id = ?", id).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: act %s", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read act %s: %w", id, err)
	}
	return &act, nil
}

// Get returns a device with its acts, the oldest first.
func (s *Service) Get(ctx context.Context, serial string) (*Device, []Act, error) {
	_, err := s.may(ctx, "read", auth.Resource{ID: serial})
	if err != nil {
		return nil, nil, err
	}
	d, err := s.get(ctx, serial)
	if err != nil {
		return nil, nil, err
	}
	acts := []Act{}
	err = s.d.DB.NewSelect().Model(&acts).ExcludeColumn("minutes").Where("serial = ?", serial).Order("proposed_at", "id").Scan(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read acts of %s: %w", serial, err)
	}
	return d, acts, nil
}

// Filter chooses devices; empty fields choose all.
type Filter struct {
	State            State
	Agency, PersonID string
}

// List lists devices by serial number.
func (s *Service) List(ctx context.Context, f Filter) ([]Device, error) {
	_, err := s.may(ctx, "read", auth.Resource{})
	if err != nil {
		return nil, err
	}
	out := []Device{}
	q := s.d.DB.NewSelect().Model(&out).Order("serial").Limit(listLimit)
	if f.State != "" {
		q = q.Where("state = ?", f.State)
	}
	if f.Agency != "" {
		q = q.Where("holder_agency = ?", f.Agency)
	}
	if f.PersonID != "" {
		q = q.Where("holder_person = ?", f.PersonID)
	}
	err = q.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	return out, nil
}

// Waiting lists the acts that wait for their confirmation, the oldest first.
func (s *Service) Waiting(ctx context.Context) ([]Act, error) {
	_, err := s.may(ctx, "read", auth.Resource{})
	if err != nil {
		return nil, err
	}
	acts := []Act{}
	err = s.d.DB.NewSelect().Model(&acts).ExcludeColumn("minutes").Where("state = ?", ActPending).Order("proposed_at", "id").Limit(listLimit).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list acts: %w", err)
	}
	return acts, nil
}

// Minutes returns the signed minutes of an act.
func (s *Service) Minutes(ctx context.Context, id string) ([]byte, error) {
	_, err := s.may(ctx, "read", auth.Resource{})
	if err != nil {
		return nil, err
	}
	act, err := s.Act(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(act.Minutes) == 0 {
		return nil, fmt.Errorf("%w: act %s (%s, %s) has no minutes", ErrNotFound, id, act.Change, act.State)
	}
	return act.Minutes, nil
}

// What is due of a device.
const (
	DueReturn   = "return"
	DueRecovery = "recovery"
)

// Due is a term that runs.
type Due struct {
	Device Device    `json:"device"`
	What   string    `json:"what"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Late   bool      `json:"late"`
}

// Due lists the terms that run, the first to end first; with lateOnly those
// that are over.
func (s *Service) Due(ctx context.Context, lateOnly bool) ([]Due, error) {
	devices, err := s.List(ctx, Filter{})
	if err != nil {
		return nil, err
	}
	now := s.d.Clock.Now()
	out := []Due{}
	for _, d := range devices {
		if !d.Held() {
			continue
		}
		if d.RecoveryAskedAt != nil {
			out = append(out, Due{Device: d, What: DueRecovery, Since: d.RecoveryAskedAt.UTC(), Until: s.d.Calendar.Add(*d.RecoveryAskedAt, recoveryDays).UTC()})
		}
		since, err := s.revoked(ctx, &d)
		if err != nil {
			return nil, err
		}
		if since != nil {
			out = append(out, Due{Device: d, What: DueReturn, Since: since.UTC(), Until: s.d.Calendar.Add(*since, returnDays).UTC()})
		}
	}
	kept := out[:0]
	for _, due := range out {
		due.Late = now.After(due.Until)
		if due.Late || !lateOnly {
			kept = append(kept, due)
		}
	}
	sort.SliceStable(kept, func(i, j int) bool { return kept[i].Until.Before(kept[j].Until) })
	return kept, nil
}

// revoked tells when the certificate on a device was revoked.
func (s *Service) revoked(ctx context.Context, d *Device) (*time.Time, error) {
	if d.RevokedAt != nil || d.Certificate == "" {
		return d.RevokedAt, nil
	}
	at, err := s.d.Certificates.RevokedAt(ctx, d.Certificate)
	if err != nil {
		return nil, fmt.Errorf("certificate %s on device %s: %w", d.Certificate, d.Serial, err)
	}
	return at, nil
}
