package directory

import (
	"context"
	"fmt"
	"time"
)

// maxSuccession bounds how often an agency was followed by another.
const maxSuccession = 16

// Managing says which agencies manage the certificates of an agency at a time.
type Managing struct {
	// AgencyID is the agency above it, or the one that followed that one; empty
	// when there is none: the agency stands at the top.
	AgencyID string
	// RegistrarID is whom that agency has charged with it; may be empty.
	RegistrarID string
}

// Holds says whether the agency is the managing one or charged by it.
func (m Managing) Holds(agencyID string) bool {
	return agencyID != "" && (agencyID == m.AgencyID || agencyID == m.RegistrarID)
}

// Managing returns who manages the certificates of the agency at the time. An
// agency that has ended is managed as the one that followed it.
func (d *Directory) Managing(ctx context.Context, agencyID string, at time.Time) (Managing, error) {
	a, err := d.standing(ctx, agencyID, at)
	if err != nil {
		return Managing{}, err
	}
	if a.ParentID == "" {
		return Managing{}, nil
	}
	parent, err := d.standing(ctx, a.ParentID, at)
	if err != nil {
		return Managing{}, err
	}
	m := Managing{AgencyID: parent.ID}
	if parent.RegistrarID == "" {
		return m, nil
	}
	registrar, err := d.standing(ctx, parent.RegistrarID, at)
	if err != nil {
		return Managing{}, err
	}
	m.RegistrarID = registrar.ID
	return m, nil
}

// standing is the agency, or the last that followed it where it has ended.
func (d *Directory) standing(ctx context.Context, id string, at time.Time) (*Agency, error) {
	for range maxSuccession {
		a, err := d.Agency(ctx, id)
		if err != nil {
			return nil, err
		}
		if a.ValidTo == nil || at.Before(*a.ValidTo) || a.SuccessorID == "" {
			return a, nil
		}
		id = a.SuccessorID
	}
	return nil, fmt.Errorf("%w: agency %q was followed by too many others", ErrInvalid, id)
}
