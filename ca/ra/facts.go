package ra

import (
	"context"
	"fmt"
	"time"

	"github.com/antin-gov/antin/ca/profile"
)

// Facts tells what the directory says today of the holder that the form names:
// what a certificate of the profile would say.
func (d *Desk) Facts(ctx context.Context, p *profile.Profile, f Form) (profile.Facts, error) {
	return d.facts(ctx, p, f)
}

// facts reads from the directory what the profile needs of the holder.
func (d *Desk) facts(ctx context.Context, p *profile.Profile, f Form) (profile.Facts, error) {
	now := d.cfg.Clock.Now()
	facts := profile.Facts{DNSNames: f.DNSNames, IPs: f.IPs}
	agencyID := f.AgencyID
	switch p.Kind {
	case profile.KindPerson:
		if f.PersonID == "" || f.Machine != "" {
			return facts, fmt.Errorf("%w: profile %s is for a person", ErrForm, p.Name)
		}
		person, err := d.cfg.Directory.Person(ctx, f.PersonID)
		if err != nil {
			return facts, fmt.Errorf("holder: %w", err)
		}
		position, err := d.cfg.Directory.Position(ctx, f.PersonID, now)
		if err != nil {
			return facts, fmt.Errorf("holder: %w", err)
		}
		if agencyID != "" && agencyID != position.AgencyID {
			return facts, fmt.Errorf("%w: %s holds no position at %s", ErrForm, f.PersonID, agencyID)
		}
		agencyID = position.AgencyID
		facts.PersonID, facts.PersonName, facts.Email, facts.PositionTitle = person.ID, person.Name, person.Email, position.Title
	case profile.KindAgency:
		if f.PersonID != "" || f.Machine != "" {
			return facts, fmt.Errorf("%w: profile %s is for an agency", ErrForm, p.Name)
		}
	case profile.KindMachine:
		if f.PersonID != "" || f.Machine == "" {
			return facts, fmt.Errorf("%w: profile %s is for a machine, by name", ErrForm, p.Name)
		}
		facts.MachineName = f.Machine
	default:
		return facts, fmt.Errorf("%w: profile %s is not for request", ErrForm, p.Name)
	}
	agency, err := d.cfg.Directory.Agency(ctx, agencyID)
	if err != nil {
		return facts, fmt.Errorf("agency: %w", err)
	}
	if now.Before(agency.ValidFrom) || agency.ValidTo != nil && !now.Before(*agency.ValidTo) {
		return facts, fmt.Errorf("%w: agency %s does not exist at %s", ErrForm, agency.ID, now.Format(time.DateOnly))
	}
	facts.AgencyID, facts.AgencyCode, facts.AgencyName = agency.ID, agency.Code, agency.Name
	return facts, nil
}
