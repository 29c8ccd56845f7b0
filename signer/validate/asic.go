package validate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/antin-gov/antin/signer/asic"
	"github.com/antin-gov/antin/signer/cms"
)

// ASiC judges the CAdES signatures of a container (EN 319 162-1). A signature
// that does not cover every data file of the container is never more than
// INDETERMINATE, and what it covers is told. The error is ErrUnreadable when
// the file is no container that is read here.
func ASiC(ctx context.Context, in io.ReaderAt, size int64, o Options) (*Report, error) {
	container, err := asic.Open(in, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	o.Policy = o.policy()
	var list []*object
	for _, s := range container.Signatures {
		found, err := observeContained(container, s, o.Policy)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return judgeObjects(ctx, list, o), nil
}

// observeContained observes one signature of a container, which may have
// several signers.
func observeContained(container *asic.Container, s asic.Signature, p *Policy) ([]*object, error) {
	var content io.Reader
	if s.Signed != "" {
		entry, err := container.Open(s.Signed)
		if err == nil {
			defer func() { _ = entry.Close() }()
			content = entry
		}
	}
	list, err := observeContainer(s.CMS, content, p)
	if errors.Is(err, ErrUnreadable) || errors.Is(err, asic.ErrMalformed) {
		list, err = []*object{brokenContainer(cms.ErrMalformed, p)}, nil
	}
	if err != nil {
		return nil, err
	}
	for _, one := range list {
		one.Field = strings.TrimSpace(s.Name + " " + one.Field)
		if s.Err != nil {
			one.fail(SubFormat, CodeContainer)
			continue
		}
		// What a broken signature names needs no look.
		if s.Objects != nil && one.Integrity == Intact {
			one.observeManifest(container, s.Objects)
		}
	}
	return list, nil
}

// observeManifest compares the files with the digests of the signed manifest.
func (o *object) observeManifest(container *asic.Container, objects []asic.Object) {
	var names []string
	for _, file := range objects {
		names = append(names, file.Name)
		if file.Err != nil {
			o.doubt(SubCryptoConstraints, CodeAlgorithm)
			o.Integrity = Broken
			continue
		}
		if cms.WeakHash(file.Hash) {
			o.doubt(SubCryptoConstraints, CodeWeak, file.Hash.String())
		}
		if !slices.Contains(container.Files, file.Name) {
			o.Integrity = Broken
			o.doubt(SubNoData, CodeReference, printable(file.Name))
			continue
		}
		sum, err := container.Digest(file.Name, file.Hash)
		if err != nil || !bytes.Equal(sum, file.Digest) {
			o.Integrity = Broken
			o.fail(SubHash, CodeDigest)
		}
	}
	for _, file := range container.Files {
		if !slices.Contains(names, file) && o.Coverage == CoversFile {
			o.Coverage = CoversPart
			o.doubt(SubSignatureConstraint, CodeCovers, printable(strings.Join(names, ", ")))
		}
	}
}
