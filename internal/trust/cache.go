package trust

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/antin-gov/antin/internal/atomicfile"
)

const (
	// DefaultCacheSize bounds a cache in bytes: some lists of a large authority,
	// or answers on some ten thousand certificates.
	DefaultCacheSize = 256 << 20
	// maxCacheFile bounds one record of a cache; lists stand apart.
	maxCacheFile = 8 << 20
	cacheRecord  = ".json"
	cacheList    = ".crl"
	// cacheTemp begins the name of what is being written (atomicfile).
	cacheTemp = "."
)

// ErrOffline is returned where something would have to be fetched and the
// network may not be touched.
var ErrOffline = errors.New("not in the cache, and the network is not asked")

// ErrCache says that a cache cannot be used.
var ErrCache = errors.New("cache of revocation data")

// Cache keeps revocation data in a folder, for judging without the network: for
// each certificate the last OCSP response, the lists, and the certificates of
// their signers. Everything in it is verified and its age is judged where it is
// used; a file that is not as it was written counts as not there. Records are
// written whole or not at all, and several processes may share a folder. It is
// bounded: beyond its size the oldest records go. It is safe for concurrent use.
type Cache struct {
	dir   string
	limit int64

	mu   sync.Mutex
	size int64 // of the folder, as far as this process knows
	err  error // the first that kept something from being kept
}

// OpenCache makes or opens a cache of at most limit bytes in a folder; limit 0
// means DefaultCacheSize.
func OpenCache(dir string, limit int64) (*Cache, error) {
	if limit <= 0 {
		limit = DefaultCacheSize
	}
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCache, err)
	}
	c := &Cache{dir: dir, limit: limit}
	files, err := c.files()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		c.size += f.size
	}
	return c, nil
}

// record is what is kept about one certificate.
type record struct {
	Subject      string    `json:"subject"`
	Serial       string    `json:"serial"`
	FetchedAt    time.Time `json:"fetched_at"`
	OCSPs        [][]byte  `json:"ocsps,omitempty"`
	Lists        []string  `json:"lists,omitempty"` // digests of files beside
	Certificates [][]byte  `json:"certificates,omitempty"`
}

// CacheEntry tells of one certificate in a cache.
type CacheEntry struct {
	Subject   string    `json:"subject"`
	Serial    string    `json:"serial"`
	FetchedAt time.Time `json:"fetched_at"`
	OCSPs     int       `json:"ocsp_responses"`
	CRLs      int       `json:"crls"`
	// Whole is false when the record or one of its lists is not as it was written.
	Whole bool `json:"whole"`
}

func (c *Cache) path(name string) string { return filepath.Join(c.dir, name) }

func recordName(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:]) + cacheRecord
}

// keep replaces what is known about a certificate. What keeps it from being
// kept is told by Err: a verdict does not depend on it.
func (c *Cache) keep(cert *x509.Certificate, e Evidence, now time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.write(cert, e, now)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("%w: %s: %w", ErrCache, c.dir, err)
	}
}

// Err is the first error that kept something from being kept.
func (c *Cache) Err() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *Cache) write(cert *x509.Certificate, e Evidence, now time.Time) error {
	subject := cert.Subject.CommonName
	if subject == "" {
		subject = cert.Subject.String()
	}
	r := record{Subject: subject, Serial: SerialText(cert), FetchedAt: now.UTC(), OCSPs: e.OCSPs}
	for _, one := range e.Certificates {
		r.Certificates = append(r.Certificates, one.Raw)
	}
	lists := e.CRLs
	for _, l := range e.Lists {
		lists = append(slices.Clip(lists), l.Raw)
	}
	for _, der := range lists {
		sum := sha256.Sum256(der)
		name := hex.EncodeToString(sum[:])
		r.Lists = append(r.Lists, name)
		_, err := os.Stat(c.path(name + cacheList))
		if err == nil {
			continue
		}
		err = c.put(name+cacheList, der)
		if err != nil {
			return err
		}
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	err = c.put(recordName(cert), append([]byte(hex.EncodeToString(sum[:])+"\n"), data...))
	if err != nil || c.size <= c.limit {
		return err
	}
	return c.prune()
}

// put writes a file whole or not at all.
func (c *Cache) put(name string, data []byte) error {
	err := atomicfile.WriteBytes(c.path(name), 0o600, data)
	if err != nil {
		return err
	}
	c.size += int64(len(data))
	return nil
}

type cacheFile struct {
	name string
	size int64
	at   time.Time
}

// files lists the cache's own, oldest first.
func (c *Cache) files() ([]cacheFile, error) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCache, err)
	}
	var list []cacheFile
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if ext != cacheRecord && ext != cacheList && !strings.HasPrefix(e.Name(), cacheTemp) {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // gone meanwhile, or not ours
		}
		list = append(list, cacheFile{e.Name(), info.Size(), info.ModTime()})
	}
	slices.SortFunc(list, func(a, b cacheFile) int { return a.at.Compare(b.at) })
	return list, nil
}

// prune removes the oldest records down to three quarters of the limit, the
// lists that no record names any more, and what dead processes left.
func (c *Cache) prune() error {
	files, err := c.files()
	if err != nil {
		return err
	}
	var total int64
	for _, f := range files {
		total += f.size
	}
	goal := c.limit / 4 * 3
	var kept []cacheFile
	for n, f := range files {
		stale := strings.HasPrefix(f.name, cacheTemp) && time.Since(f.at) > time.Hour
		old := filepath.Ext(f.name) == cacheRecord && total > goal && n < len(files)-1
		if !stale && !old {
			kept = append(kept, f)
			continue
		}
		total -= f.size
		err = errors.Join(err, os.Remove(c.path(f.name)))
	}
	named := map[string]bool{}
	for _, f := range kept {
		r, whole := c.read(f.name)
		if whole {
			for _, list := range r.Lists {
				named[list+cacheList] = true
			}
		}
	}
	for _, f := range kept {
		if filepath.Ext(f.name) == cacheList && !named[f.name] {
			total -= f.size
			err = errors.Join(err, os.Remove(c.path(f.name)))
		}
	}
	c.size = total
	return err
}

// read reads a record; false when it is not as it was written.
func (c *Cache) read(name string) (*record, bool) {
	if filepath.Ext(name) != cacheRecord {
		return nil, false
	}
	data, err := readBounded(c.path(name), maxCacheFile)
	if err != nil {
		return nil, false
	}
	sum, body, found := bytes.Cut(data, []byte("\n"))
	have := sha256.Sum256(body)
	if !found || string(sum) != hex.EncodeToString(have[:]) {
		return nil, false
	}
	var r record
	err = json.Unmarshal(body, &r)
	return &r, err == nil
}

// list reads a revocation list by its digest.
func (c *Cache) list(name string) ([]byte, bool) {
	if len(name) != 2*sha256.Size || strings.ContainsAny(name, `/\.`) {
		return nil, false
	}
	data, err := readBounded(c.path(name+cacheList), maxCRL)
	if err != nil {
		return nil, false
	}
	sum := sha256.Sum256(data)
	return data, name == hex.EncodeToString(sum[:])
}

func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s", ErrCache, path)
	}
	return os.ReadFile(path)
}

// find gives what is kept about a certificate. A list that is not whole is left
// out.
func (c *Cache) find(cert *x509.Certificate) (Evidence, bool) {
	if c == nil {
		return Evidence{}, false
	}
	r, whole := c.read(recordName(cert))
	if !whole {
		return Evidence{}, false
	}
	e := Evidence{OCSPs: r.OCSPs}
	for _, name := range r.Lists {
		der, whole := c.list(name)
		if whole {
			e.AddCRL(der)
		}
	}
	for _, der := range r.Certificates {
		one, err := ParseCertificate(der)
		if err == nil {
			e.AddCertificate(one)
		}
	}
	return e, !e.Empty()
}

// Entries lists the certificates that something is kept about, oldest first,
// and the size of the cache in bytes.
func (c *Cache) Entries() ([]CacheEntry, int64, error) {
	files, err := c.files()
	if err != nil {
		return nil, 0, err
	}
	entries := []CacheEntry{}
	var total int64
	for _, f := range files {
		total += f.size
		if filepath.Ext(f.name) != cacheRecord {
			continue
		}
		r, whole := c.read(f.name)
		if !whole {
			entries = append(entries, CacheEntry{Subject: f.name, FetchedAt: f.at})
			continue
		}
		one := CacheEntry{Subject: r.Subject, Serial: r.Serial, FetchedAt: r.FetchedAt, OCSPs: len(r.OCSPs), CRLs: len(r.Lists), Whole: true}
		for _, name := range r.Lists {
			_, whole := c.list(name)
			one.Whole = one.Whole && whole
		}
		entries = append(entries, one)
	}
	return entries, total, nil
}
