package acme

import (
	"context"
	"fmt"
	"time"

	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
)

// AccountLine is an account as officers see it.
type AccountLine struct {
	ID           string    `bun:"id" json:"id"`
	AgencyID     string    `bun:"agency_id" json:"agency_id"`
	CredentialID string    `bun:"credential_id" json:"credential_id"`
	Status       string    `bun:"status" json:"status"`
	CreatedAt    time.Time `bun:"created_at" json:"created_at"`
	// Certificates made for it, as far back as orders are kept.
	Certificates int64 `bun:"certificates" json:"certificates"`
}

// listLimit bounds one page of accounts.
const listLimit = 500

// Accounts lists the accounts, newest first, to who may read credentials.
func Accounts(ctx context.Context, db *store.DB, authorizer auth.Authorizer) ([]AccountLine, error) {
	err := authorizer.Authorize(ctx, auth.SubjectFrom(ctx), enrol.ActionRead, auth.Resource{Kind: enrol.ResourceKind})
	if err != nil {
		return nil, fmt.Errorf("ACME accounts: %w", err)
	}
	var list []AccountLine
	err = db.NewSelect().TableExpr("acme_account AS a").ColumnExpr("a.id, a.agency_id, a.credential_id, a.status, a.created_at").
		ColumnExpr("(SELECT count(*) FROM acme_order AS o WHERE o.account_id = a.id AND o.state = ?) AS certificates", statusValid).
		OrderExpr("a.created_at DESC, a.id").Limit(listLimit).Scan(ctx, &list)
	if err != nil {
		return nil, fmt.Errorf("list ACME accounts: %w", err)
	}
	return list, nil
}
