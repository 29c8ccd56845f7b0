package pades

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/tsp"
)

const subFilterStamp = cos.Name("ETSI.RFC3161")

// stamped is a document time-stamp that was appended.
type stamped struct {
	prepared *Prepared
	token    *tsp.Token
	end      int64 // of the file
}

// addTimestamp appends a document time-stamp over the whole file that stands in
// out (EN 319 142-1, 5.4.3; ISO 32000-2, 12.8.5).
func addTimestamp(ctx context.Context, out Output, size int64, o Options) (*stamped, error) {
	d, err := openDocument(out, size, o.Password, o.Limits)
	if err != nil {
		return nil, err
	}
	name, err := d.placeTimestamp(o)
	if err != nil {
		return nil, err
	}
	imprint := cms.ImprintHash(o.Hash)
	// The file is there already: it is digested and not copied.
	p, err := d.reserve(ctx, out, size, io.Discard, out, name, imprint)
	if err != nil {
		return nil, err
	}
	der, err := o.Timestamp(ctx, imprint, p.Digest)
	if err != nil {
		return nil, fmt.Errorf("pades: document time-stamp: %w", err)
	}
	token, err := tsp.ParseToken(der)
	if err != nil {
		return nil, fmt.Errorf("pades: document time-stamp: %w", err)
	}
	err = token.Verify(tsp.VerifyOptions{Hash: imprint, Digest: p.Digest})
	if err != nil {
		return nil, fmt.Errorf("pades: document time-stamp: %w", err)
	}
	err = p.fill(out, der)
	if err != nil {
		return nil, err
	}
	return &stamped{prepared: p, token: token, end: p.Size}, nil
}

// placeTimestamp puts an invisible field with an empty document time-stamp on
// the first page and gives its name.
func (d *document) placeTimestamp(o Options) (string, error) {
	err := d.mayAddField()
	if err != nil {
		return "", err
	}
	f, err := d.readForm()
	if err != nil {
		return "", err
	}
	if f.permission() == 1 {
		// ISO 32000-2, 12.8.2.2 allows it, but widely used readers call it a
		// forbidden change.
		return "", refuse(CodeCertified, "the document is certified and forbids all changes")
	}
	name := f.freeStampName()
	pageRef, page, err := d.page(0)
	if err != nil {
		return "", err
	}
	sig := d.update.Add(cos.Dict{
		"Type": cos.Name("DocTimeStamp"), "Filter": cos.Name("Adobe.PPKLite"), "SubFilter": subFilterStamp,
		"ByteRange": cos.Reserved{ID: reservedRange, Width: byteRangeWidth},
		"Contents":  cos.Reserved{ID: reservedSig, Width: 2*o.TokenSize + 2},
	})
	widget := cos.Dict{
		"Type": cos.Name("Annot"), "Subtype": cos.Name("Widget"), "FT": cos.Name("Sig"), "T": encodeText(name), "V": sig,
		"TU": encodeText("Dấu thời gian"), "F": int64(flagPrint | flagLocked), "P": pageRef,
	}
	d.unseen(widget, page)
	ref := d.update.Add(widget)
	err = d.addAnnotation(pageRef, page, ref)
	if err != nil {
		return "", err
	}
	return name, f.register(ref)
}

// freeStampName gives a name for a time-stamp's field that no field has.
func (f *form) freeStampName() string {
	for n := 1; ; n++ {
		name := "Timestamp" + strconv.Itoa(n)
		taken := slices.ContainsFunc(f.fields, func(x field) bool { return x.name == name })
		if !taken {
			return name
		}
	}
}
