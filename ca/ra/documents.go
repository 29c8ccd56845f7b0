package ra

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// Limits of the documents of a request: scans of decisions and forms.
const (
	MaxDocument   = 10 << 20 // bytes of one
	maxDocuments  = 20
	maxNameLength = 200 // bytes
)

// Document is a file that was attached to a request.
type Document struct {
	bun.BaseModel `bun:"table:ca_request_document"`

	ID        string    `bun:"id,pk" json:"id"`
	RequestID string    `bun:"request_id" json:"request_id"`
	Name      string    `bun:"name" json:"name"`
	MIME      string    `bun:"mime" json:"mime"`
	Size      int64     `bun:"size" json:"size"`
	SHA256    string    `bun:"sha256" json:"sha256"`
	Content   []byte    `bun:"content" json:"-"`
	AddedBy   string    `bun:"added_by" json:"added_by"`
	AddedAt   time.Time `bun:"added_at" json:"added_at"`
	Index     int64     `bun:"ledger_index" json:"ledger_index"`
}

// documentTypes are the kinds of file that a request may carry, by what stands
// in them. None of them runs in a browser; they are served as attachments all
// the same (see ServeDocument).
func documentTypes() []string {
	return []string{"application/pdf", "image/png", "image/jpeg", "application/zip", "text/plain; charset=utf-8"}
}

// Attach adds a document to a request that is not at its end. Its kind is what
// its first bytes say, whatever its name; office documents count as zip.
func (d *Desk) Attach(ctx context.Context, id, name string, content []byte) (*Document, error) {
	who, r, err := d.begin(ctx, id, "")
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionAttach, r.resource())
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", id, err)
	}
	if !contains(open(), r.State) {
		return nil, fmt.Errorf("%w: request %s is %s", ErrState, id, r.State)
	}
	doc, err := newDocument(name, content)
	if err != nil {
		return nil, err
	}
	doc.RequestID, doc.AddedBy, doc.AddedAt = id, who.AccountID, d.cfg.Clock.Now().UTC()
	n, err := d.cfg.DB.NewSelect().Model((*Document)(nil)).Where("request_id = ?", id).Count(ctx)
	if err != nil {
		return nil, fmt.Errorf("documents of %s: %w", id, err)
	}
	if n >= maxDocuments {
		return nil, fmt.Errorf("%w: request %s has %d documents already", ErrForm, id, n)
	}
	receipt, err := d.cfg.Ledger.Append(ctx, ledger.Entry{Time: doc.AddedAt, Kind: ActionAttach, Actor: who.AccountID, Agency: r.AgencyID,
		Object: id, Digest: doc.SHA256, Detail: map[string]string{"document": doc.ID, "mime": doc.MIME, "size": fmt.Sprint(doc.Size)}})
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrLedger, ActionAttach, err)
	}
	doc.Index = int64(receipt.Index)
	return doc, d.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(doc).Exec(ctx)
		if err != nil {
			return fmt.Errorf("attach to %s: %w", id, err)
		}
		return record(ctx, tx, Event{RequestID: id, At: doc.AddedAt, Act: ActionAttach, State: r.State, Account: who.AccountID, Note: doc.Name, Index: doc.Index})
	})
}

func newDocument(name string, content []byte) (*Document, error) {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	bad := func(c rune) bool { return unicode.IsControl(c) || c == utf8.RuneError }
	switch {
	case name == "." || name == "/" || len(name) > maxNameLength || strings.ContainsFunc(name, bad):
		return nil, fmt.Errorf("%w: name of the document: want 1 to %d bytes of text", ErrForm, maxNameLength)
	case len(content) == 0 || len(content) > MaxDocument:
		return nil, fmt.Errorf("%w: %s has %d bytes, want 1 to %d", ErrForm, name, len(content), MaxDocument)
	}
	kind := http.DetectContentType(content)
	if !contains(documentTypes(), kind) {
		return nil, fmt.Errorf("%w: %s is %s; a PDF, PNG, JPEG, office or text file is wanted", ErrForm, name, kind)
	}
	random := make([]byte, 8)
	_, err := rand.Read(random)
	if err != nil {
		return nil, fmt.Errorf("document id: %w", err)
	}
	sum := sha256.Sum256(content)
	return &Document{ID: "doc-" + hex.EncodeToString(random), Name: name, MIME: kind, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Content: content}, nil
}

// Documents lists the documents of a request, without their content.
func (d *Desk) Documents(ctx context.Context, id string) ([]Document, error) {
	_, err := d.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	list := []Document{}
	err = d.cfg.DB.NewSelect().Model(&list).ExcludeColumn("content").Where("request_id = ?", id).OrderExpr("ledger_index").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("documents of %s: %w", id, err)
	}
	return list, nil
}

// Document returns a document with its content, after its digest was compared.
func (d *Desk) Document(ctx context.Context, id, document string) (*Document, error) {
	_, err := d.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	var doc Document
	err = d.cfg.DB.NewSelect().Model(&doc).Where("request_id = ?", id).Where("id = ?", document).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: document %q", ErrNotFound, document)
	}
	if err != nil {
		return nil, fmt.Errorf("read document %s: %w", document, err)
	}
	sum := sha256.Sum256(doc.Content)
	if hex.EncodeToString(sum[:]) != doc.SHA256 {
		return nil, fmt.Errorf("document %s of %s: %w", document, id, errDigest)
	}
	return &doc, nil
}

var errDigest = errors.New("ra: a document is not what was attached")

// ServeDocument writes a document as a download that no browser shows or runs
// on our origin, whatever is in it.
func ServeDocument(w http.ResponseWriter, doc *Document) {
	h := w.Header()
	h.Set("Content-Type", doc.MIME)
	h.Set("Content-Disposition", Disposition(doc))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", fmt.Sprint(len(doc.Content)))
	_, _ = w.Write(doc.Content) // the client may have gone
}

// Disposition is the Content-Disposition of a document (RFC 6266): always an
// attachment.
func Disposition(doc *Document) string {
	return `attachment; filename="` + doc.ID + `"; filename*=UTF-8''` + percent(doc.Name)
}

// percent writes a name for a header (RFC 8187 §3.2).
func percent(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// HandOver records that the certificate, or the device with its key, was handed
// to somebody; device is its serial number in the register of devices.
func (d *Desk) HandOver(ctx context.Context, id, to, device string) (*Request, error) {
	who, r, err := d.begin(ctx, id, "")
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionHandOver, r.resource())
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", id, err)
	}
	if to == "" {
		to = r.PersonID
	}
	_, err = d.cfg.Directory.Person(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("hand over to: %w", err)
	}
	if device == "" {
		device = r.Device
	}
	err = checkForm(&Form{Device: device}, nil)
	if err != nil {
		return nil, err
	}
	if r.State != StateIssued && r.State != StateDone || r.HandedAt != nil {
		return nil, fmt.Errorf("%w: request %s is %s, or was handed over", ErrState, id, r.State)
	}
	return r, d.handOver(ctx, who, r, to, device)
}

func (d *Desk) handOver(ctx context.Context, who auth.Subject, r *Request, to, device string) error {
	detail := r.detail()
	detail["to"], detail["serial"] = to, r.Serial
	if device != "" {
		detail["device"] = device
	}
	index, err := d.append(ctx, ActionHandOver, who.AccountID, r, detail)
	if err != nil {
		return err
	}
	now := d.cfg.Clock.Now().UTC()
	return d.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		result, err := tx.NewUpdate().Model((*Request)(nil)).Set("handed_at = ?", now).Set("handed_by = ?", who.AccountID).Set("handed_to = ?", to).
			Set("handed_device = ?", device).Where("id = ?", r.ID).Where("handed_at IS NULL").Exec(ctx)
		if err != nil {
			return fmt.Errorf("record hand-over of %s: %w", r.ID, err)
		}
		n, err := result.RowsAffected()
		if err != nil || n != 1 {
			return fmt.Errorf("%w: request %s was handed over meanwhile", ErrState, r.ID)
		}
		r.HandedAt, r.HandedBy, r.HandedTo, r.HandedDevice = &now, who.AccountID, to, device
		return record(ctx, tx, Event{RequestID: r.ID, At: now, Act: ActionHandOver, State: r.State, Account: who.AccountID, Note: strings.TrimSpace(to + " " + device), Index: index})
	})
}
