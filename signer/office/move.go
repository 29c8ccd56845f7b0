package office

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/uptrace/bun"
	"golang.org/x/sys/unix"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/signer"
)

// Names of moves: the ledger has them behind "office.".
const (
	moveDraft    = "draft"
	moveSign     = "sign"
	moveNumber   = "number"
	moveSeal     = "seal"
	moveIssue    = "issue"
	moveReturn   = "return"
	moveResubmit = "resubmit"
	moveWithdraw = "withdraw"
	moveRecall   = "recall"
	moveExtend   = "extend"
)

// errCut is why an act came to nothing that was cut off after its release.
var errCut = errors.New("cut off before the document moved")

// move is one kind of step of a document.
type move struct {
	name string
	from []State
	to   State
	// may says whether the subject may; the policy is asked.
	may func(doc *Document) auth.Resource
	// ready looks at everything that would refuse the move, before the claim.
	ready func(ctx context.Context, doc *Document) error
	// claimed runs in the transaction of the claim.
	claimed func(ctx context.Context, tx bun.Tx, doc *Document) error
	// work makes the next revision of the document at the path, as the signing
	// act; nil for a move that leaves the file as it is.
	work func(ctx context.Context, doc *Document, act, path string) error
	// reason is kept with the step.
	reason string
	// change sets what the move changes besides the state, before it is written.
	change func(doc *Document)
	// columns are those that change sets.
	columns []string
	// also runs in the transaction that makes the move visible.
	also func(ctx context.Context, tx bun.Tx) error
}

// run makes a move.
func (s *Service) run(ctx context.Context, id string, m move) (*Document, error) {
	unlock, err := s.lock(id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	doc, err := s.settled(ctx, id)
	if err != nil {
		return nil, err
	}
	subject := auth.SubjectFrom(ctx)
	err = s.d.Authorizer.Authorize(ctx, subject, "office."+m.name, m.may(doc))
	if err != nil {
		return nil, err
	}
	if !slices.Contains(m.from, doc.State) {
		return nil, &OrderError{ID: id, Move: m.name, State: doc.State, Want: m.from}
	}
	if m.ready != nil {
		err = m.ready(ctx, doc)
		if err != nil {
			return nil, err
		}
	}
	act := rand.Text()
	err = s.claim(ctx, doc, act, m, subject.AccountID)
	if err != nil {
		return nil, err
	}
	if m.work != nil {
		err = m.work(ctx, doc, act, s.file(id, doc.Revision+1))
		if err != nil {
			// The claim goes even when the caller has gone.
			return nil, errors.Join(err, s.unclaim(context.WithoutCancel(ctx), doc))
		}
	}
	err = s.finish(context.WithoutCancel(ctx), doc, m)
	if err != nil {
		return nil, err
	}
	return doc, nil
}

// claim takes the document for a move: one of two who try wins.
func (s *Service) claim(ctx context.Context, doc *Document, act string, m move, account string) error {
	now := s.d.Clock.Now()
	err := s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.NewUpdate().Model((*Document)(nil)).Set("claim = ?", act).Set("claim_move = ?", m.name).Set("claim_by = ?", account).Set("claimed_at = ?", now).
			Where("id = ?", doc.ID).Where("state = ?", doc.State).Where("revision = ?", doc.Revision).Where("claim = ''").Exec(ctx)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if n != 1 {
			return ErrBusy
		}
		doc.Claim, doc.ClaimMove, doc.ClaimBy, doc.ClaimedAt = act, m.name, account, &now
		if m.claimed != nil {
			return m.claimed(ctx, tx, doc)
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrBusy) {
		return fmt.Errorf("%w: claim document %s: %w", ErrRecord, doc.ID, err)
	}
	return err
}

// unclaim gives a claim up whose move came to nothing. A number stays.
func (s *Service) unclaim(ctx context.Context, doc *Document) error {
	_, err := s.d.DB.NewUpdate().Model((*Document)(nil)).Set("claim = ''").Set("claim_move = ''").Set("claim_by = ''").Set("claimed_at = NULL").
		Where("id = ?", doc.ID).Where("claim = ?", doc.Claim).Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: give up claim on %s: %w", ErrRecord, doc.ID, err)
	}
	return nil
}

// finish records a move that is done and makes it visible.
func (s *Service) finish(ctx context.Context, doc *Document, m move) error {
	was := doc.State
	now := s.d.Clock.Now()
	if m.work != nil {
		doc.Revision++
		sum, size, err := digestFile(s.file(doc.ID, doc.Revision))
		if err != nil {
			return fmt.Errorf("read document %s: %w", doc.ID, err)
		}
		doc.SHA256, doc.Size = sum, size
		doc.ProtectedUntil = s.protection(ctx, doc)
	}
	doc.State, doc.MovedAt, doc.Reason = m.to, now, m.reason
	if m.change != nil {
		m.change(doc)
	}
	receipt, err := s.d.Ledger.Append(ctx, s.entry(doc, m.name, doc.ClaimBy, doc.Claim))
	if err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrRecord, err), s.takeBack(ctx, doc, err), s.unclaim(ctx, doc))
	}
	step := &Step{DocumentID: doc.ID, Move: m.name, State: doc.State, AccountID: doc.ClaimBy, Reason: m.reason, SHA256: doc.SHA256, LedgerAt: int64(receipt.Index), At: now}
	if m.work != nil {
		step.ActID = doc.Claim
	}
	claim := doc.Claim
	doc.Claim, doc.ClaimMove, doc.ClaimBy, doc.ClaimedAt = "", "", "", nil
	err = s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		columns := append([]string{"state", "moved_at", "reason", "revision", "sha256", "size", "protected_until", "claim", "claim_move", "claim_by", "claimed_at"}, m.columns...)
		res, err := tx.NewUpdate().Model(doc).Column(columns...).WherePK().Where("claim = ?", claim).Where("state = ?", was).Exec(ctx)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if n != 1 {
			return fmt.Errorf("the claim %s is lost", claim)
		}
		if m.also != nil {
			err = m.also(ctx, tx)
			if err != nil {
				return err
			}
		}
		return addStep(ctx, tx, step)
	})
	if err != nil {
		return fmt.Errorf("%w: document %s: %w", ErrRecord, doc.ID, err)
	}
	return nil
}

// addStep puts a step at the end of the trail.
func addStep(ctx context.Context, tx bun.Tx, step *Step) error {
	err := tx.NewSelect().Model((*Step)(nil)).ColumnExpr("COALESCE(MAX(position), 0) + 1").Where("document_id = ?", step.DocumentID).Scan(ctx, &step.Position)
	if err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(step).Exec(ctx)
	return err
}

// entry is a move in the ledger: digests and numbers, no words.
func (s *Service) entry(doc *Document, name, account, act string) ledger.Entry {
	detail := map[string]string{"act": act, "state": string(doc.State), "revision": strconv.FormatInt(doc.Revision, 10)}
	if doc.Number > 0 {
		detail["number"], detail["year"] = strconv.FormatInt(doc.Number, 10), strconv.FormatInt(doc.Year, 10)
	}
	if doc.DelegationID != "" {
		detail["delegation"] = doc.DelegationID
	}
	return ledger.Entry{Time: s.d.Clock.Now(), Kind: "office." + name, Actor: account, Agency: doc.AgencyID, Object: doc.ID, Digest: doc.SHA256, Detail: detail, ExerciseID: doc.ExerciseID}
}

// lock holds the document for this process. The kernel gives the lock of a
// process that is killed to the next one, so a claim that is met under the lock
// is that of a dead one.
func (s *Service) lock(id string) (func(), error) {
	if id == "" || filepath.Base(id) != id {
		return nil, fmt.Errorf("%w: document %q", ErrNotFound, id)
	}
	f, err := os.OpenFile(filepath.Join(s.folder(id), "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: document %s", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("lock document %s: %w", id, err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrBusy
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("document %s: %w", id, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// takeBack says in the record of a signing act that its result did not leave,
// when there is such an act and it was released.
func (s *Service) takeBack(ctx context.Context, doc *Document, why error) error {
	act, err := s.d.Signer.Act(ctx, doc.Claim)
	if store.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if act.State != signer.StateReleased {
		return nil
	}
	err = s.d.Signer.Withdraw(ctx, act, why)
	if errors.Is(err, why) {
		return nil // it gives the reason back
	}
	return err
}

// settled reads a document and, where a move of it was cut off, completes the
// move when its result is there and recorded, or takes it back. The caller has
// the lock.
func (s *Service) settled(ctx context.Context, id string) (*Document, error) {
	doc, err := s.read(ctx, id)
	if err != nil || doc.Claim == "" {
		return doc, err
	}
	done, err := s.done(ctx, doc)
	if err != nil {
		return nil, err
	}
	s.d.Logger.WarnContext(ctx, "a move of a document was cut off", slog.String("document", id), slog.String("move", doc.ClaimMove), slog.Bool("completed", done))
	if done {
		return doc, s.finish(ctx, doc, s.resumed(doc))
	}
	_, err = s.d.Ledger.Append(ctx, s.entry(doc, "undone", doc.ClaimBy, doc.Claim))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	err = errors.Join(s.takeBack(ctx, doc, errCut), s.unclaim(ctx, doc))
	if err != nil {
		return nil, err
	}
	return s.read(ctx, id)
}

// done tells whether the signing act of a claim was released and its file is in
// place.
func (s *Service) done(ctx context.Context, doc *Document) (bool, error) {
	act, err := s.d.Signer.Act(ctx, doc.Claim)
	if store.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if act.State != signer.StateReleased {
		return false, nil
	}
	sum, _, err := digestFile(s.file(doc.ID, doc.Revision+1))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return sum == act.ResultSHA256, err
}

// resumed is the rest of a move that was cut off after its work.
func (s *Service) resumed(doc *Document) move {
	worked := func(context.Context, *Document, string, string) error { return nil }
	switch doc.ClaimMove {
	case moveSign:
		m := signing(doc.ClaimBy)
		m.work = worked
		return m
	case moveNumber:
		return move{name: moveNumber, to: StateNumbered, work: worked}
	case moveExtend:
		return move{name: moveExtend, to: StateIssued, work: worked}
	}
	return move{name: moveSeal, to: StateSealed, work: worked}
}

// Resume completes or takes back every move that was cut off; who still works
// on a document is left alone. It returns how many were settled.
func (s *Service) Resume(ctx context.Context) (int, error) {
	var ids []string
	err := s.d.DB.NewSelect().Model((*Document)(nil)).Column("id").Where("claim <> ''").OrderExpr("claimed_at").Scan(ctx, &ids)
	if err != nil {
		return 0, fmt.Errorf("find moves that were cut off: %w", err)
	}
	n := 0
	var failures []error
	for _, id := range ids {
		unlock, err := s.lock(id)
		if errors.Is(err, ErrBusy) {
			continue
		}
		if err == nil {
			_, err = s.settled(ctx, id)
			unlock()
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("document %s: %w", id, err))
			continue
		}
		n++
	}
	return n, errors.Join(failures...)
}

// digestFile gives the hex SHA-256 and the size of a file.
func digestFile(path string) (string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}
