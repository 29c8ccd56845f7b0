package incident

import (
	"context"
	"fmt"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
)

// may asks the policy whether to offer an act. A fault counts as no; the act
// itself asks again and tells.
func (s *Service) may(ctx context.Context, action string, r auth.Resource) bool {
	return s.authz.Authorize(ctx, auth.SubjectFrom(ctx), action, r) == nil
}

// EvidenceRecord returns one record of a case's evidence, for download.
func (s *Service) EvidenceRecord(ctx context.Context, id, eventID string) (*Evidence, error) {
	k, err := s.readCase(ctx, s.db, id)
	if err != nil {
		return nil, err
	}
	err = s.mayRead(ctx, auth.SubjectFrom(ctx), k.AgencyID)
	if err != nil {
		return nil, fmt.Errorf("read evidence of case %s: %w", k.Number, err)
	}
	var e StoredEvent
	err = s.db.NewSelect().Model(&e).
		Where("id = ?", eventID).
		Where("id IN (SELECT v.event_id FROM incident_evidence AS v JOIN incident_alert AS a ON a.id = v.alert_id WHERE a.case_id = ?)", k.ID).
		Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: evidence of case %s", ErrNotFound, k.Number)
	}
	if err != nil {
		return nil, fmt.Errorf("read evidence of case %s: %w", k.Number, err)
	}
	return &Evidence{Event: e, Raw: e.Raw, Intact: e.intact(), Packet: packetOf(e.Raw)}, nil
}
