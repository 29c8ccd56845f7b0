// Package asic makes and reads associated signature containers (EN 319 162-1):
// a ZIP file with data files and CAdES signatures over them. It writes ASiC-E,
// whose signature is over a manifest with the digest of each file, and reads
// that and ASiC-S with one file.
//
// Reading is bounded in entries, sizes and decompression, and refuses what two
// ZIP readers could see differently: names that stand twice, lead outside or
// are written in different ways, entries that share their bytes, anything
// before the first entry.
//
// It does not do XAdES in containers, time assertions and evidence records.
package asic

import (
	"archive/zip"
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/antin-gov/antin/signer/xades"
)

// What can be wrong with a container.
var (
	// ErrMalformed: not a container that is read here.
	ErrMalformed = errors.New("asic: malformed")
	// ErrLimit: more of something than is taken.
	ErrLimit = errors.New("asic: over a limit")
	// ErrName: a file name that does not go into a container.
	ErrName = errors.New("asic: file name not usable")
)

const (
	maxEntries = 1000
	// maxSignatures in one container.
	maxSignatures = 32
	maxUnpacked   = 512 << 20 // bytes of all files together
	maxManifest   = 4 << 20
	maxContainer  = 32 << 20 // bytes of one CMS signature
	maxName       = 1024

	mimeE    = "application/vnd.etsi.asic-e+zip"
	mimeS    = "application/vnd.etsi.asic-s+zip"
	metaInf  = "META-INF/"
	manifest = "META-INF/ASiCManifest001.xml"
	signed   = "META-INF/signature001.p7s"
)

// Container is an opened container.
type Container struct {
	// Files are the data files, in order.
	Files []string
	// Signatures are those of META-INF.
	Signatures []Signature

	entries map[string]*zip.File
	digests map[string][]byte // by name and hash, computed once
}

// Signature is one CAdES signature with what it is over.
type Signature struct {
	// Name is that of the entry, CMS its bytes.
	Name string
	CMS  []byte
	// Signed is the name of the entry that it signs: the manifest, or the file
	// of ASiC-S. Empty when the container does not tell.
	Signed string
	// Objects are the files that the manifest names; nil without manifest.
	Objects []Object
	// Err is why the manifest cannot be read.
	Err error
}

// Object is a file named in a manifest.
type Object struct {
	Name   string
	Hash   crypto.Hash
	Digest []byte
	Err    error // algorithm not known, or no such file
}

// IsContainer tells by its first bytes whether a file looks like a ZIP file.
func IsContainer(head []byte) bool { return bytes.HasPrefix(head, []byte("PK\x03\x04")) }

// Open reads a container.
func Open(in io.ReaderAt, size int64) (*Container, error) {
	z, err := zip.NewReader(in, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	c := &Container{entries: map[string]*zip.File{}, digests: map[string][]byte{}}
	err = c.index(z, size)
	if err != nil {
		return nil, err
	}
	mime, err := c.mimetype(z)
	if err != nil {
		return nil, err
	}
	return c, c.readSignatures(mime)
}

func (c *Container) index(z *zip.Reader, size int64) error {
	if len(z.File) > maxEntries {
		return fmt.Errorf("%w: %d entries", ErrLimit, len(z.File))
	}
	seen := map[string]bool{}
	var packed, unpacked uint64
	for _, f := range z.File {
		err := checkName(f.Name)
		folded := strings.ToLower(f.Name)
		if err != nil || seen[folded] {
			return fmt.Errorf("%w: entry %q", ErrMalformed, f.Name)
		}
		seen[folded] = true
		if f.Method != zip.Store && f.Method != zip.Deflate || f.Flags&1 != 0 {
			return fmt.Errorf("%w: entry %q is packed in a way that is not read", ErrMalformed, f.Name)
		}
		// Neither sum may be driven round by one huge number.
		if f.CompressedSize64 > uint64(size) || f.UncompressedSize64 > maxUnpacked {
			return fmt.Errorf("%w: size of entry %q", ErrLimit, f.Name)
		}
		packed += f.CompressedSize64
		unpacked += f.UncompressedSize64
		if packed > uint64(size) || unpacked > maxUnpacked {
			return fmt.Errorf("%w: unpacked size", ErrLimit)
		}
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		c.entries[f.Name] = f
		if f.Name != "mimetype" && !strings.HasPrefix(f.Name, metaInf) {
			c.Files = append(c.Files, f.Name)
		}
	}
	return nil
}

// checkName takes relative names in one spelling only.
func checkName(name string) error {
	plain := strings.TrimSuffix(name, "/")
	bad := plain == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsAny(name, "\\\x00") ||
		path.Clean(plain) != plain || path.IsAbs(plain) || plain == ".." || strings.HasPrefix(plain, "../")
	if bad {
		return fmt.Errorf("%w: %q", ErrName, name)
	}
	return nil
}

// mimetype is the first entry, stored, at the very beginning (EN 319 162-1
// annex A).
func (c *Container) mimetype(z *zip.Reader) (string, error) {
	first := c.entries["mimetype"]
	if first == nil || z.File[0] != first || first.Method != zip.Store {
		return "", fmt.Errorf("%w: no mimetype as first entry", ErrMalformed)
	}
	const header = 30 + len("mimetype")
	offset, err := first.DataOffset()
	if err != nil || offset != int64(header) {
		return "", fmt.Errorf("%w: something before the mimetype", ErrMalformed)
	}
	data, err := c.read("mimetype", 256)
	if err != nil {
		return "", err
	}
	mime := string(data)
	if mime != mimeE && mime != mimeS {
		return "", fmt.Errorf("%w: mimetype %q", ErrMalformed, mime)
	}
	return mime, nil
}

func (c *Container) readSignatures(mime string) error {
	manifests := map[string]string{} // signature → manifest
	for name := range c.entries {
		if !strings.HasPrefix(name, metaInf+"ASiCManifest") || !strings.HasSuffix(name, ".xml") {
			continue
		}
		of, _, err := c.readManifest(name)
		if err == nil {
			if manifests[of] != "" {
				return fmt.Errorf("%w: two manifests for %s", ErrMalformed, of)
			}
			manifests[of] = name
		}
	}
	for name := range c.entries {
		base := strings.ToLower(strings.TrimPrefix(name, metaInf))
		if !strings.HasPrefix(name, metaInf) || !strings.Contains(base, "signature") || !strings.HasSuffix(base, ".p7s") {
			continue
		}
		if len(c.Signatures) == maxSignatures {
			return fmt.Errorf("%w: more than %d signatures", ErrLimit, maxSignatures)
		}
		s := Signature{Name: name, Signed: manifests[name]}
		var err error
		s.CMS, err = c.read(name, maxContainer)
		if err != nil {
			return err
		}
		switch {
		case s.Signed != "":
			_, s.Objects, s.Err = c.readManifest(s.Signed)
		case mime == mimeS && len(c.Files) == 1:
			s.Signed = c.Files[0]
		}
		c.Signatures = append(c.Signatures, s)
	}
	slices.SortFunc(c.Signatures, func(a, b Signature) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// manifestXML is ASiCManifest (EN 319 162-1 annex A.4).
type manifestXML struct {
	XMLName      xml.Name `xml:"http://uri.etsi.org/02918/v1.2.1# ASiCManifest"`
	SigReference []struct {
		URI string `xml:"URI,attr"`
	} `xml:"http://uri.etsi.org/02918/v1.2.1# SigReference"`
	Objects []struct {
		URI    string `xml:"URI,attr"`
		Method struct {
			Algorithm string `xml:"Algorithm,attr"`
		} `xml:"http://www.w3.org/2000/09/xmldsig# DigestMethod"`
		Value string `xml:"http://www.w3.org/2000/09/xmldsig# DigestValue"`
	} `xml:"http://uri.etsi.org/02918/v1.2.1# DataObjectReference"`
}

func (c *Container) readManifest(name string) (string, []Object, error) {
	data, err := c.read(name, maxManifest)
	if err != nil {
		return "", nil, err
	}
	// The strict reader decides what is XML at all.
	_, err = xades.Parse(data)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %s: %w", ErrMalformed, name, err)
	}
	var m manifestXML
	err = xml.Unmarshal(data, &m)
	if err != nil || len(m.SigReference) != 1 || len(m.Objects) == 0 || len(m.Objects) > maxEntries {
		return "", nil, fmt.Errorf("%w: %s", ErrMalformed, name)
	}
	of, err := url.PathUnescape(m.SigReference[0].URI)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %s", ErrMalformed, name)
	}
	var objects []Object
	seen := map[string]bool{}
	for _, o := range m.Objects {
		one := Object{}
		one.Name, err = url.PathUnescape(o.URI)
		if err != nil || seen[one.Name] {
			return "", nil, fmt.Errorf("%w: %s", ErrMalformed, name)
		}
		seen[one.Name] = true
		one.Hash, one.Err = xades.HashByURI(o.Method.Algorithm)
		one.Digest, err = base64.StdEncoding.DecodeString(strings.TrimSpace(o.Value))
		if err != nil {
			return "", nil, fmt.Errorf("%w: %s", ErrMalformed, name)
		}
		objects = append(objects, one)
	}
	return of, objects, nil
}

// Open opens an entry for reading; no more than its stated size is given.
func (c *Container) Open(name string) (io.ReadCloser, error) {
	f := c.entries[name]
	if f == nil {
		return nil, fmt.Errorf("%w: no entry %q", ErrMalformed, name)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: entry %q: %w", ErrMalformed, name, err)
	}
	return &bounded{r, int64(f.UncompressedSize64)}, nil
}

// bounded stops an entry that unpacks to more than it states.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, fmt.Errorf("%w: an entry unpacks to more than it states", ErrMalformed)
	}
	return n, err
}

func (c *Container) read(name string, limit int64) ([]byte, error) {
	r, err := c.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: entry %q: %w", ErrMalformed, name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: entry %q", ErrLimit, name)
	}
	return data, nil
}

// Digest computes the digest of a file.
func (c *Container) Digest(name string, h crypto.Hash) ([]byte, error) {
	key := h.String() + " " + name
	known := c.digests[key]
	if known != nil {
		return known, nil
	}
	r, err := c.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	sum := h.New()
	_, err = io.Copy(sum, r)
	if err != nil {
		return nil, fmt.Errorf("%w: entry %q: %w", ErrMalformed, name, err)
	}
	c.digests[key] = sum.Sum(nil)
	return c.digests[key], nil
}
