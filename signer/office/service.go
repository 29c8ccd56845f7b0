package office

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/nd30"
)

// Errors that a caller can act on.
var (
	ErrNotFound = errors.New("not found")
	// ErrOrder is what an OrderError unwraps to.
	ErrOrder = errors.New("not this document's turn")
	// ErrBusy means that somebody moves the document just now.
	ErrBusy = errors.New("somebody is working on this document just now")
	// ErrRecord means that the move could not be recorded; it did not take place.
	ErrRecord = errors.New("the move could not be recorded")
	// ErrRequest means that the request contradicts itself or lacks something.
	ErrRequest = errors.New("request not usable")
	// ErrKey means that no key of whom it must be is there, or several.
	ErrKey = errors.New("which key signs is not clear")
	// ErrDamaged means that a file is not the one that was recorded.
	ErrDamaged = errors.New("file is not the recorded one")
)

// OrderError says that a move does not fit the state of the document
// (NĐ 30/2020 Đ14: person, number and date, seal, issue).
type OrderError struct {
	ID, Move string
	State    State
	Want     []State
}

// Error tells the state and what the move needs.
func (e *OrderError) Error() string {
	want := make([]string, 0, len(e.Want))
	for _, w := range e.Want {
		want = append(want, string(w))
	}
	return fmt.Sprintf("document %s is %s: %s needs one that is %s", e.ID, e.State, e.Move, strings.Join(want, " or "))
}

// Unwrap returns ErrOrder.
func (e *OrderError) Unwrap() error { return ErrOrder }

// Limits.
const (
	listLimit      = 500
	maxWords       = 500 // letters of a reason or an abstract
	maxAttachments = 50
	// maxAttachment follows the provinces' rule for attachments: 50 MB.
	maxAttachment = 50 << 20
)

// Signer is what the office needs of the signing service.
type Signer interface {
	SignAs(ctx context.Context, act string, q signer.Request, path string) (*signer.Act, error)
	Act(ctx context.Context, id string) (*signer.Act, error)
	CheckKey(ctx context.Context, k signer.Key) error
	CheckSecret(ctx context.Context, d *nd30.Document) error
	Withdraw(ctx context.Context, act *signer.Act, why error) error
	Extend(ctx context.Context, q signer.ExtendRequest, path string) (*signer.ExtendResult, error)
}

// Deps are what the service needs.
type Deps struct {
	DB         *store.DB
	Signer     Signer
	Keys       signer.Keys
	Directory  *directory.Directory
	Ledger     ledger.Appender
	Clock      clock.Clock
	Calendar   Calendar
	Authorizer auth.Authorizer
	// Dir is the folder of the documents' files.
	Dir string
	// MaxSize bounds a document in bytes.
	MaxSize int64
	Logger  *slog.Logger
}

// Service moves documents. Every move is claimed in the database, done,
// recorded in the ledger, and then made visible: whoever dies in between leaves
// a claim, by which the next one completes the move or takes it back.
type Service struct{ d Deps }

// New checks the dependencies and returns the service.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Signer == nil || d.Keys == nil || d.Directory == nil || d.Ledger == nil || d.Clock == nil || d.Calendar == nil || d.Authorizer == nil || d.Logger == nil ||
		d.Dir == "" || d.MaxSize <= 0 {
		return nil, fmt.Errorf("%w: a dependency is missing", ErrRequest)
	}
	err := os.MkdirAll(d.Dir, 0o700)
	if err != nil {
		return nil, fmt.Errorf("folder of the office: %w", err)
	}
	return &Service{d: d}, nil
}

// folder holds everything of a document.
func (s *Service) folder(id string) string { return filepath.Join(s.d.Dir, id) }

// file is a revision of a document.
func (s *Service) file(id string, revision int64) string {
	return filepath.Join(s.folder(id), fmt.Sprintf("%04d.pdf", revision))
}

// attachment is the file of an attachment as it came, or as it was sealed.
func (s *Service) attachment(a *Attachment, sealed bool) string {
	ending := "pdf"
	if sealed {
		ending = "sealed.pdf"
	}
	return filepath.Join(s.folder(a.DocumentID), fmt.Sprintf("%04d-a%02d.%s", a.Revision, a.Position, ending))
}

// read reads a document's row.
func (s *Service) read(ctx context.Context, id string) (*Document, error) {
	var doc Document
	err := s.d.DB.NewSelect().Model(&doc).Where("id = ?", id).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: document %s", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read document %s: %w", id, err)
	}
	return &doc, nil
}

// resource is the document as the policy sees it. Who signed is its maker in
// the sense of the two persons: another one numbers and seals.
func resource(doc *Document) auth.Resource {
	return auth.Resource{Kind: "document", ID: doc.ID, AgencyID: doc.AgencyID, CreatedBy: doc.CreatedBy, AssignedPerson: doc.SignerID}
}

// Get returns a document that the subject may see.
func (s *Service) Get(ctx context.Context, id string) (*Document, error) {
	doc, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	err = s.d.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), "office.read", resource(doc))
	if err != nil {
		return nil, err
	}
	return doc, nil
}

// Steps gives the trail of a document, the oldest first.
func (s *Service) Steps(ctx context.Context, id string) ([]Step, error) {
	_, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	steps := []Step{}
	err = s.d.DB.NewSelect().Model(&steps).Where("document_id = ?", id).OrderExpr("position").Limit(listLimit).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("trail of %s: %w", id, err)
	}
	return steps, nil
}

// Attachments lists the files that go with a document.
func (s *Service) Attachments(ctx context.Context, id string) ([]Attachment, error) {
	_, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.attachments(ctx, id)
}

func (s *Service) attachments(ctx context.Context, id string) ([]Attachment, error) {
	list := []Attachment{}
	err := s.d.DB.NewSelect().Model(&list).Where("document_id = ?", id).OrderExpr("position").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("attachments of %s: %w", id, err)
	}
	return list, nil
}

// Open opens the current file of a document that the subject may see.
func (s *Service) Open(ctx context.Context, id string) (*os.File, *Document, error) {
	doc, err := s.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(s.file(id, doc.Revision))
	if err != nil {
		return nil, nil, fmt.Errorf("open document %s: %w", id, err)
	}
	return f, doc, nil
}

// OpenAttachment opens an attachment: the sealed file when there is one.
func (s *Service) OpenAttachment(ctx context.Context, id string, position int64) (*os.File, *Attachment, error) {
	list, err := s.Attachments(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	for i := range list {
		if list[i].Position != position {
			continue
		}
		f, err := os.Open(s.attachment(&list[i], list[i].SealedSHA256 != ""))
		if err != nil {
			return nil, nil, fmt.Errorf("open attachment %d of %s: %w", position, id, err)
		}
		return f, &list[i], nil
	}
	return nil, nil, fmt.Errorf("%w: attachment %d of %s", ErrNotFound, position, id)
}

// Filter chooses documents of an agency.
type Filter struct {
	// AgencyID is empty for the subject's own.
	AgencyID string
	// State is empty for all.
	State State
	// Waiting chooses those that wait for the subject: to be signed by the
	// person, returned to the drafter, or to be numbered, sealed and issued by
	// the clerk.
	Waiting bool
	// Search is a part of the symbol, the abstract or the name.
	Search string
	// Limit is how many at most; zero means the greatest number.
	Limit int
}

// List lists documents, those that moved last first; what waits comes with the
// oldest first.
func (s *Service) List(ctx context.Context, f Filter) ([]Document, error) {
	subject := auth.SubjectFrom(ctx)
	if f.AgencyID == "" {
		f.AgencyID = subject.AgencyID
	}
	err := s.d.Authorizer.Authorize(ctx, subject, "office.read", auth.Resource{Kind: "document", AgencyID: f.AgencyID})
	if err != nil {
		return nil, err
	}
	if f.Limit <= 0 || f.Limit > listLimit {
		f.Limit = listLimit
	}
	docs := []Document{}
	q := s.d.DB.NewSelect().Model(&docs).Limit(int64(f.Limit))
	if f.AgencyID != "" { // an administrator belongs to none and sees all
		q = q.Where("agency_id = ?", f.AgencyID)
	}
	if f.State != "" {
		q = q.Where("state = ?", f.State)
	}
	if f.Search != "" {
		like := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(f.Search) + "%"
		q = q.Where(`symbol LIKE ? ESCAPE '\' OR abstract LIKE ? ESCAPE '\' OR name LIKE ? ESCAPE '\'`, like, like, like)
	}
	if f.Waiting {
		clerk := []State{""}
		if subject.Has(auth.RoleClerk) {
			clerk = []State{StateSigned, StateNumbered, StateSealed}
		}
		q = q.Where("(state = ? AND signer_id = ? AND signer_id <> '') OR (state = ? AND created_by = ?) OR (state IN (?) AND signed_by <> ?)",
			StateDraft, subject.PersonID, StateReturned, subject.AccountID, bun.List(clerk), subject.AccountID).OrderExpr("moved_at, id")
	} else {
		q = q.OrderExpr("moved_at DESC, id")
	}
	err = q.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list documents: %w", err)
	}
	return docs, nil
}

// words checks a text that a person wrote.
func words(text string) (string, error) {
	text = strings.TrimSpace(strings.ToValidUTF8(text, ""))
	if text == "" {
		return "", fmt.Errorf("%w: say why", ErrRequest)
	}
	return text, short(text)
}

// short refuses a text that is too long or has control characters.
func short(text string) error {
	n := 0
	for _, r := range text {
		n++
		if unicode.IsControl(r) && r != '\n' {
			return fmt.Errorf("%w: a text has control characters", ErrRequest)
		}
	}
	if n > maxWords {
		return fmt.Errorf("%w: a text of %d letters, at most %d", ErrRequest, n, maxWords)
	}
	return nil
}
