package cos

// Limits bound what a hostile file can cost. A zero field means its default.
type Limits struct {
	Depth    int   // nesting of arrays and dictionaries
	Entries  int   // cross-reference entries over all sections
	Sections int   // cross-reference sections
	Object   int64 // bytes of one object without its stream
	Raw      int64 // stored bytes of one stream that is read into memory
	Decoded  int64 // bytes of one stream after each filter
	Floor    int64 // up to which the ratio of decoded to stored bytes does not matter
	Pages    int   // pages, and page-tree nodes
	Scan     int64 // bytes read in search of lost stream ends and, in repair, objects
	Cache    int   // objects kept in memory
}

const (
	defaultDepth    = 96        // deeper than any producer nests; pdf.js and qpdf stop at 100-500
	defaultEntries  = 8_388_607 // ISO 32000-1, annex C.2: indirect objects in a file
	defaultSections = 4096      // one a signature or save; the longest seen in practice is below 200
	defaultObject   = 32 << 20  // a name tree or page list of a very large file
	defaultRaw      = 256 << 20 // whole streams are read only for objects, metadata and comparison
	defaultDecoded  = 256 << 20 // deflate yields up to 1032:1: see maxRatio
	defaultFloor    = 4 << 20   // so that a bomb in a small file stays small
	minEntries      = 200_000   // cross-reference entries that a file may have whatever its size
	defaultPages    = 500_000   // several times the largest archive document known to us
	defaultScan     = 4 << 30   // repair reads a file once; lost ends may read parts again
	defaultCache    = 20_000    // some 10 MB at the usual size of dictionaries
)

func (l Limits) withDefaults() Limits {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set64 := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Depth, defaultDepth)
	set(&l.Entries, defaultEntries)
	set(&l.Sections, defaultSections)
	set64(&l.Object, defaultObject)
	set64(&l.Raw, defaultRaw)
	set64(&l.Decoded, defaultDecoded)
	set64(&l.Floor, defaultFloor)
	set(&l.Pages, defaultPages)
	set64(&l.Scan, defaultScan)
	set(&l.Cache, defaultCache)
	return l
}
