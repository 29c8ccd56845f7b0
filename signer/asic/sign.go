package asic

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/antin-gov/antin/signer/cades"
	"github.com/antin-gov/antin/signer/xades"
)

// File is one data file for a container.
type File struct {
	Name     string
	MimeType string // application/octet-stream when empty
	Content  io.ReaderAt
	Size     int64
}

// Result tells what was made.
type Result struct {
	Manifest []byte
	CMS      *cades.Result
}

// Sign writes an ASiC-E container with the files and a CAdES signature over
// their manifest. The files are read twice: for their digests and into the
// container; what changed between does not verify.
func Sign(ctx context.Context, w io.Writer, files []File, o cades.Options) (*Result, error) {
	if len(files) == 0 || len(files) > maxEntries-3 {
		return nil, fmt.Errorf("%w: %d files", ErrLimit, len(files))
	}
	if o.Hash == 0 {
		o.Hash = crypto.SHA256
	}
	o.Attached = false
	r := &Result{}
	var err error
	r.Manifest, err = writeManifest(files, o.Hash)
	if err != nil {
		return nil, err
	}
	r.CMS, err = cades.Sign(ctx, bytes.NewReader(r.Manifest), o)
	if err != nil {
		return nil, err
	}
	err = write(w, files, r, o.Now)
	if err != nil {
		return nil, fmt.Errorf("asic: write container: %w", err)
	}
	return r, nil
}

func writeManifest(files []File, h crypto.Hash) ([]byte, error) {
	algorithm, err := xades.HashURI(h)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">` +
		`<asic:SigReference URI="` + signed + `" MimeType="application/x-pkcs7-signature"/>`)
	seen := map[string]bool{}
	var total int64
	for _, f := range files {
		folded := strings.ToLower(f.Name)
		err := checkName(f.Name)
		reserved := folded == "mimetype" || strings.HasPrefix(folded, strings.ToLower(metaInf)) || strings.HasSuffix(folded, "/")
		if err != nil || seen[folded] || reserved {
			return nil, fmt.Errorf("%w: %q", ErrName, f.Name)
		}
		seen[folded] = true
		total += f.Size
		if f.Size < 0 || total > maxUnpacked {
			return nil, fmt.Errorf("%w: files of over %d MiB", ErrLimit, maxUnpacked>>20)
		}
		sum := h.New()
		_, err = io.Copy(sum, io.NewSectionReader(f.Content, 0, f.Size))
		if err != nil {
			return nil, fmt.Errorf("asic: read %s: %w", f.Name, err)
		}
		mime := f.MimeType
		if mime == "" {
			mime = "application/octet-stream"
		}
		escaped := (&url.URL{Path: f.Name}).EscapedPath()
		b.WriteString(`<asic:DataObjectReference URI="` + attribute(escaped) + `" MimeType="` + attribute(mime) + `"><ds:DigestMethod Algorithm="` + algorithm +
			`"/><ds:DigestValue>` + base64.StdEncoding.EncodeToString(sum.Sum(nil)) + `</ds:DigestValue></asic:DataObjectReference>`)
	}
	b.WriteString("</asic:ASiCManifest>\n")
	return []byte(b.String()), nil
}

func attribute(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;").Replace(s)
}

func write(w io.Writer, files []File, r *Result, now time.Time) error {
	z := zip.NewWriter(w)
	// The mimetype stands stored, with its sizes before it and no extra field.
	mime := []byte(mimeE)
	header := &zip.FileHeader{Name: "mimetype", Method: zip.Store, CRC32: checksum(mime), CompressedSize64: uint64(len(mime)), UncompressedSize64: uint64(len(mime))}
	first, err := z.CreateRaw(header)
	if err != nil {
		return err
	}
	_, err = first.Write(mime)
	if err != nil {
		return err
	}
	for _, f := range files {
		err = add(z, f.Name, io.NewSectionReader(f.Content, 0, f.Size), now)
		if err != nil {
			return err
		}
	}
	err = add(z, manifest, bytes.NewReader(r.Manifest), now)
	if err != nil {
		return err
	}
	err = add(z, signed, bytes.NewReader(r.CMS.CMS), now)
	if err != nil {
		return err
	}
	return z.Close()
}

func add(z *zip.Writer, name string, content io.Reader, now time.Time) error {
	entry, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: now.UTC()})
	if err != nil {
		return err
	}
	_, err = io.Copy(entry, content)
	return err
}

func checksum(data []byte) uint32 { return crc32.ChecksumIEEE(data) }
