package pades

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cos"
)

// minDeflated is from which size on an item of the store is compressed. Keys and
// signatures, of which certificates and OCSP responses consist, do not compress;
// trying takes longer than signing.
const minDeflated = 4 << 10

// AddEvidence appends an update with the document security store to a signed
// file of the given size and tells its new size (EN 319 142-1, 5.4.2). What
// the store holds already stays.
func AddEvidence(out Output, size int64, o Options, p *Prepared, e trust.Evidence) (int64, error) {
	d, err := openDocument(out, size, o.Password, o.Limits)
	if err != nil {
		return 0, err
	}
	key, err := vriKey(out, p)
	if err != nil {
		return 0, err
	}
	err = d.storeEvidence([]cos.Name{key}, e)
	if err != nil {
		return 0, err
	}
	d.finish()
	w, err := d.update.Write(out)
	if err != nil {
		return 0, fmt.Errorf("pades: document security store: %w", err)
	}
	return w.End, nil
}

// vriKey names a signature in the store: SHA-1 of /Contents with its padding,
// as the standard fixes it; nothing depends on its collision resistance.
func vriKey(out io.ReaderAt, p *Prepared) (cos.Name, error) {
	digits := make([]byte, p.ByteRange[2]-p.ByteRange[1]-2)
	_, err := out.ReadAt(digits, p.ByteRange[1]+1)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("pades: read signature: %w", err)
	}
	contents := make([]byte, len(digits)/2)
	_, err = hex.Decode(contents, digits)
	if err != nil {
		return "", fmt.Errorf("pades: read signature: %w", err)
	}
	return cos.Name(strings.ToUpper(fmt.Sprintf("%x", sha1.Sum(contents)))), nil
}

// storeEvidence puts evidence into the store and names all of it under the keys
// of the signatures that it is for.
func (d *document) storeEvidence(keys []cos.Name, e trust.Evidence) error {
	holder, indirect := d.root["DSS"].(cos.Ref)
	store := d.view.Dict(d.root["DSS"]).Clone()
	store["Type"] = cos.Name("DSS")
	entry := cos.Dict{}
	var certs [][]byte
	for _, cert := range e.Certificates {
		certs = append(certs, cert.Raw)
	}
	parts := []struct {
		all, one cos.Name
		items    [][]byte
	}{{"Certs", "Cert", certs}, {"OCSPs", "OCSP", e.OCSPs}, {"CRLs", "CRL", e.CRLs}}
	for _, part := range parts {
		refs, err := d.storeItems(store, part.all, part.items)
		if err != nil {
			return err
		}
		if len(refs) > 0 {
			entry[part.one] = refs
		}
	}
	vri := d.view.Dict(store["VRI"]).Clone()
	for _, key := range keys {
		vri[key] = d.joined(vri[key], entry)
	}
	at, apart := store["VRI"].(cos.Ref)
	if apart {
		d.update.Put(at, vri)
	} else {
		store["VRI"] = vri
	}
	if indirect {
		d.update.Put(holder, store)
		return nil
	}
	d.root["DSS"] = d.update.Add(store)
	d.dirty = true
	return nil
}

// joined adds references to what the store says about a signature already.
func (d *document) joined(old cos.Object, entry cos.Dict) cos.Dict {
	all := d.view.Dict(old).Clone()
	for key, o := range entry {
		refs, _ := o.(cos.Array)
		list := d.view.Array(all[key]).Copy()
		for _, ref := range refs {
			if !slices.Contains(list, ref) {
				list = append(list, ref)
			}
		}
		all[key] = list
	}
	return all
}

// storeItems adds what an array of the store does not hold yet and gives the
// references of all items asked for.
func (d *document) storeItems(store cos.Dict, key cos.Name, items [][]byte) (cos.Array, error) {
	if len(items) == 0 {
		return nil, nil
	}
	list := d.view.Array(store[key]).Copy()
	var have [][]byte
	for _, o := range list {
		stm := d.view.Stream(o)
		if stm == nil {
			have = append(have, nil)
			continue
		}
		data, err := d.view.Decode(stm)
		if err != nil {
			return nil, refusal(err)
		}
		have = append(have, data)
	}
	var refs cos.Array
	var err error
	for _, item := range items {
		found := -1
		for i, old := range have {
			if bytes.Equal(old, item) {
				found = i
			}
		}
		if found >= 0 {
			refs = append(refs, list[found])
			continue
		}
		stm := &cos.Stream{Dict: cos.Dict{}, Data: item}
		if len(item) >= minDeflated {
			stm.Dict["Filter"] = cos.Name("FlateDecode")
			stm.Data, err = cos.Deflate(item)
		}
		if err != nil {
			return nil, err
		}
		ref := d.update.Add(stm)
		list, have, refs = append(list, ref), append(have, item), append(refs, ref)
	}
	at, apart := store[key].(cos.Ref)
	if apart {
		d.update.Put(at, list)
	} else {
		store[key] = list
	}
	return refs, nil
}
