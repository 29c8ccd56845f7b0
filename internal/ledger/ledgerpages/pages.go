// Package ledgerpages shows the ledger in the console: the newest records, one
// record with its inclusion proof checked before the reader's eyes, and the
// tiles as static files, so that an outsider can copy the whole log and verify
// it without this program (C2SP tlog-tiles).
package ledgerpages

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/web"
)

// perPage is how many records a page of the list shows.
const perPage = 50

//go:embed templates locales
var room embed.FS

// Source is what the pages read of the log.
type Source interface {
	Size(ctx context.Context) (uint64, error)
	Entry(ctx context.Context, index uint64) (ledger.Entry, error)
	Proof(ctx context.Context, index uint64) (*ledger.Proof, error)
	VKey() (string, error)
}

type pages struct {
	site  *web.Site
	log   Source
	pages *web.Pages
}

// Register adds the pages; dir is the folder of the tiles.
func Register(site *web.Site, log Source, dir string) error {
	read, err := site.Pages(room)
	if err != nil {
		return fmt.Errorf("pages of the ledger: %w", err)
	}
	p := &pages{site: site, log: log, pages: read}
	site.Nav(web.NavItem{Group: "trust", Path: "/ledger", Key: "ledger.nav"})
	site.Handle("GET /ledger", web.SignedIn, p.list)
	site.Handle("GET /ledger/{index}", web.SignedIn, p.show)
	site.Handle("GET /ledger/{index}/proof.json", web.SignedIn, p.proof)
	// os.DirFS keeps to the folder; only what tlog-tiles names is served.
	files := http.StripPrefix("/tlog/", http.FileServerFS(os.DirFS(dir)))
	for _, pattern := range []string{"GET /tlog/checkpoint", "GET /tlog/ledger.vkey", "GET /tlog/tile/"} {
		site.Handle(pattern, web.Public, files.ServeHTTP)
	}
	return nil
}

type row struct {
	Index uint64
	Kind  string
	ledger.Entry
}

type listView struct {
	Rows  []row
	Size  uint64
	VKey  string
	Older string // the query's value for the next page, or ""
}

func (p *pages) list(w http.ResponseWriter, r *http.Request) {
	size, err := p.log.Size(r.Context())
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	view := listView{Size: size}
	view.VKey, err = p.log.VKey()
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	before := size
	asked, err := strconv.ParseUint(r.FormValue("before"), 10, 64)
	if err == nil && asked < size {
		before = asked
	}
	for index := before; index > 0 && len(view.Rows) < perPage; index-- {
		entry, err := p.log.Entry(r.Context(), index-1)
		if err != nil {
			p.site.Fail(w, r, err)
			return
		}
		view.Rows = append(view.Rows, row{Index: index - 1, Kind: p.kind(r, entry.Kind), Entry: entry})
	}
	if n := len(view.Rows); n > 0 && view.Rows[n-1].Index > 0 {
		view.Older = strconv.FormatUint(view.Rows[n-1].Index, 10)
	}
	p.pages.Render(w, r, "list", web.Page{Title: "ledger.title", View: view})
}

// kind is the act in words; an act that has none yet is shown by its code.
func (p *pages) kind(r *http.Request, code string) string {
	key := "ledger.kind." + code
	text := p.site.T(web.VisitorFrom(r.Context()).Lang, key)
	if text == key {
		return code
	}
	return text
}

type showView struct {
	Row        row
	Proof      *ledger.Proof
	Verified   bool
	Problem    string
	Entry      string
	Checkpoint string
}

func (p *pages) show(w http.ResponseWriter, r *http.Request) {
	proof, ok := p.find(w, r)
	if !ok {
		return
	}
	vkey, err := p.log.VKey()
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	view := showView{Proof: proof, Checkpoint: proof.Checkpoint}
	entry, err := ledger.VerifyProof(proof, vkey)
	if err != nil {
		view.Problem = err.Error()
	} else {
		view.Verified = true
	}
	view.Row = row{Index: proof.Index, Kind: p.kind(r, entry.Kind), Entry: entry}
	pretty, err := json.MarshalIndent(proof.Entry, "", "  ")
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	view.Entry = string(pretty)
	p.pages.Render(w, r, "record", web.Page{Title: "ledger.record", ExerciseID: entry.ExerciseID, View: view})
}

func (p *pages) find(w http.ResponseWriter, r *http.Request) (*ledger.Proof, bool) {
	index, err := strconv.ParseUint(r.PathValue("index"), 10, 64)
	if err != nil {
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return nil, false
	}
	size, err := p.log.Size(r.Context())
	if err == nil && index >= size {
		// A proof of what was never written would be waited for.
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return nil, false
	}
	proof, err := p.log.Proof(r.Context(), index)
	if errors.Is(err, ledger.ErrNotFound) {
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return nil, false
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return nil, false
	}
	return proof, true
}

func (p *pages) proof(w http.ResponseWriter, r *http.Request) {
	proof, ok := p.find(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Disposition", `attachment; filename="antin-proof-`+strconv.FormatUint(proof.Index, 10)+`.json"`)
	p.site.JSON(w, r, http.StatusOK, proof)
}
