package office

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/workdays"
)

// Calendar counts working days; *workdays.Calendar has it.
type Calendar interface {
	// Add gives the end of the n-th working day after a time.
	Add(from time.Time, n int) time.Time
}

// Due tells until when signed documents must leave: on the day on which they
// were signed, at the latest on the next working day (NĐ 30/2020 Đ18.2). It
// answers for those that are signed and not issued yet.
func (s *Service) Due(ctx context.Context, docs []Document) (map[string]time.Time, error) {
	ids := []string{""}
	for _, doc := range docs {
		if doc.State == StateSigned || doc.State == StateNumbered || doc.State == StateSealed {
			ids = append(ids, doc.ID)
		}
	}
	due := map[string]time.Time{}
	if len(ids) == 1 {
		return due, nil
	}
	var steps []Step
	err := s.d.DB.NewSelect().Model(&steps).Where("document_id IN (?)", bun.List(ids)).Where("move = ?", moveSign).OrderExpr("position").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("when documents were signed: %w", err)
	}
	for _, step := range steps { // the last signature counts
		due[step.DocumentID] = s.d.Calendar.Add(step.At, 1)
	}
	return due, nil
}

// Next gives the number that comes next in a series of the agency this year:
// that of documents or that of copies. Who numbers first takes it.
func (s *Service) Next(ctx context.Context, agencyID string, copies bool) (int64, error) {
	err := s.d.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), "office.read", auth.Resource{Kind: "document", AgencyID: agencyID})
	if err != nil {
		return 0, err
	}
	var last int64
	err = s.d.DB.NewSelect().TableExpr("office_series").ColumnExpr("last").Where("agency_id = ?", agencyID).
		Where("year = ?", s.d.Clock.Now().In(workdays.Zone()).Year()).Where("copies = ?", copies).Scan(ctx, &last)
	if err != nil && !store.IsNotFound(err) {
		return 0, fmt.Errorf("series of %s: %w", agencyID, err)
	}
	return last + 1, nil
}

// NextSymbol gives the number and symbol that a document would get now; the one
// that it has when it has one.
func (s *Service) NextSymbol(ctx context.Context, doc *Document) (string, error) {
	if doc.Symbol != "" {
		return doc.Symbol, nil
	}
	kind, err := KindOf(doc.Kind)
	if err != nil {
		return "", err
	}
	agency, err := s.d.Directory.Agency(ctx, doc.AgencyID)
	if err != nil {
		return "", err
	}
	next, err := s.Next(ctx, doc.AgencyID, kind.Copy)
	if err != nil {
		return "", err
	}
	return kind.Symbol(next, agency.Abbreviation, doc.Unit), nil
}
