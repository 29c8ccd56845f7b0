//go:build hyperscan && cgo

package rules

/*
#cgo pkg-config: libhs
#cgo noescape antin_scan
#cgo nocallback antin_scan
#include <hs.h>

// Which patterns were found, each once: the database says so.
typedef struct { unsigned count; unsigned room; unsigned *ids; } antin_found;

static int antin_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *arg) {
	antin_found *f = arg;
	if (f->count < f->room)
		f->ids[f->count++] = id;
	return 0;
}

static unsigned antin_scan(hs_database_t *db, const char *data, unsigned length, hs_scratch_t *scratch, unsigned *ids, unsigned room) {
	antin_found f = { 0, room, ids };
	if (hs_scan(db, data, length, 0, scratch, antin_match, &f) != HS_SUCCESS)
		return ~0u;
	return f.count;
}
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// hasLibrary says that Hyperscan is built in.
const hasLibrary = true

// library finds patterns by Hyperscan.
type library struct {
	db   *C.hs_database_t
	pats []int32
}

// newLibrary compiles patterns for Hyperscan. It returns nil where Hyperscan
// refuses: the windows take them then.
func newLibrary(m *matcher, pats []int32) *library {
	n := len(pats)
	texts := make([]*C.char, n)
	lengths := make([]C.size_t, n)
	flags := make([]C.uint, n)
	ids := make([]C.uint, n)
	var pin runtime.Pinner
	defer pin.Unpin()
	for i, id := range pats {
		p := m.pattern(id)
		pin.Pin(&p[0])
		texts[i], lengths[i] = (*C.char)(unsafe.Pointer(&p[0])), C.size_t(len(p))
		flags[i], ids[i] = C.HS_FLAG_CASELESS|C.HS_FLAG_SINGLEMATCH, C.uint(i)
	}
	l := &library{pats: pats}
	var failed *C.hs_compile_error_t
	rc := C.hs_compile_lit_multi(&texts[0], &flags[0], &ids[0], &lengths[0], C.uint(n), C.HS_MODE_BLOCK, nil, &l.db, &failed)
	if rc != C.HS_SUCCESS {
		C.hs_free_compile_error(failed)
		return nil
	}
	runtime.AddCleanup(l, func(db *C.hs_database_t) { C.hs_free_database(db) }, l.db)
	return l
}

// libraryUse is what a context keeps for it: scratch memory, and for which
// databases it is good.
type libraryUse struct {
	scratch *libraryScratch
	fits    map[*library]bool
}

// libraryScratch is what one goroutine needs for scans.
type libraryScratch struct {
	scratch *C.hs_scratch_t
	ids     []C.uint
}

// scan reports the patterns that stand in data. What Hyperscan cannot do, all
// patterns are taken for found: the rules are judged then without it.
func (l *library) scan(m *matcher, data []byte, ctx *Context) {
	if len(data) == 0 {
		return
	}
	s := ctx.library(l)
	n := uint32(C.antin_scan(l.db, (*C.char)(unsafe.Pointer(unsafe.SliceData(data))), C.uint(len(data)), s.scratch, &s.ids[0], C.uint(len(s.ids))))
	runtime.KeepAlive(l)
	if n > uint32(len(l.pats)) {
		for _, id := range l.pats {
			ctx.addRules(m.usersOf(id))
		}
		return
	}
	for _, i := range s.ids[:n] {
		users := m.usersOf(l.pats[i])
		if ctx.ruleSeen[users[0]] != ctx.generation {
			ctx.addRules(users)
		}
	}
}

// library makes the scratch fit for a database.
func (ctx *Context) library(l *library) *libraryScratch {
	s := ctx.scratch
	if s == nil {
		s = &libraryScratch{}
		ctx.scratch, ctx.fits = s, map[*library]bool{}
	}
	if ctx.fits[l] {
		return s
	}
	old := s.scratch
	C.hs_alloc_scratch(l.db, &s.scratch)
	if old == nil && s.scratch != nil {
		runtime.AddCleanup(ctx, func(s *libraryScratch) { C.hs_free_scratch(s.scratch) }, s)
	}
	if len(s.ids) < len(l.pats) {
		s.ids = make([]C.uint, len(l.pats))
	}
	ctx.fits[l] = true
	return s
}
