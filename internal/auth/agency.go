package auth

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// OfAgency lists the accounts of an agency that are not disabled, by id.
func (as *Accounts) OfAgency(ctx context.Context, agencyID string) ([]Account, error) {
	var list []Account
	err := as.db.NewSelect().Model(&list).Where("agency_id = ?", agencyID).Where("NOT disabled").OrderExpr("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("accounts of %s: %w", agencyID, err)
	}
	return list, nil
}

// SetAgency gives an account to another agency, within a transaction of the
// caller. Its sessions act for the new agency from the next request on.
func (as *Accounts) SetAgency(ctx context.Context, tx bun.IDB, id, agencyID string) error {
	return as.set(ctx, tx, id, "agency_id = ?", agencyID)
}

// Disable shuts an account, within a transaction of the caller: it can no
// longer sign in, and its sessions end.
func (as *Accounts) Disable(ctx context.Context, tx bun.IDB, id string) error {
	err := as.set(ctx, tx, id, "disabled = ?", true)
	if err != nil {
		return err
	}
	_, err = tx.NewDelete().TableExpr("session").Where("account_id = ?", id).Exec(ctx)
	if err != nil {
		return fmt.Errorf("end sessions of %s: %w", id, err)
	}
	return nil
}

func (as *Accounts) set(ctx context.Context, tx bun.IDB, id, what string, value any) error {
	result, err := tx.NewUpdate().Model((*Account)(nil)).Set(what, value).Where("id = ?", id).Exec(ctx)
	if err != nil {
		return fmt.Errorf("change account %s: %w", id, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("change account %s: %w", id, err)
	}
	if n != 1 {
		return fmt.Errorf("%w: %s", ErrNoAccount, id)
	}
	return nil
}
