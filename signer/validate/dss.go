package validate

import (
	"errors"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cos"
)

const (
	// maxDSSItems bounds each list of the document security store.
	maxDSSItems = 512
	// maxDSSBytes bounds what is read of it.
	maxDSSBytes = 256 << 20
	// dssFloor is how much more than the file's own size may be read: evidence
	// is hardly compressible.
	dssFloor = 32 << 20
)

// readDSS reads the document security stores of all revisions, newest first
// (ISO 32000-2 §12.8.4.3), so that a later update takes no evidence away. What
// cannot be read is passed over: it proves nothing.
func readDSS(file *cos.File) trust.Evidence {
	r := &dssReader{left: min(maxDSSBytes, dssFloor+file.Size()), seen: make(map[int64]bool)}
	for n := len(file.Revisions()) - 1; n >= 0 && r.left > 0; n-- {
		view, err := file.View(n)
		if err != nil {
			continue
		}
		r.revision(view)
	}
	return r.evidence
}

type dssReader struct {
	evidence trust.Evidence
	left     int64
	seen     map[int64]bool // streams read, by where they stand
}

func (r *dssReader) revision(view *cos.View) {
	root, _, err := view.Root()
	if err != nil {
		return
	}
	dss := view.Dict(root["DSS"])
	r.list(view, dss["Certs"], func(der []byte) {
		cert, err := trust.ParseCertificate(der)
		if err == nil {
			r.evidence.AddCertificate(cert)
		}
	})
	r.list(view, dss["OCSPs"], r.evidence.AddOCSP)
	r.list(view, dss["CRLs"], r.evidence.AddCRL)
}

func (r *dssReader) list(view *cos.View, list cos.Object, take func(der []byte)) {
	for n, o := range view.Array(list) {
		if n == maxDSSItems || r.left <= 0 {
			return
		}
		ref, _ := o.(cos.Ref)
		offset, _, ok := view.Location(ref)
		if !ok || r.seen[offset] {
			continue
		}
		r.seen[offset] = true
		stream := view.Stream(o)
		if stream == nil {
			continue
		}
		der, err := view.Decode(stream)
		if errors.Is(err, cos.ErrLimit) {
			r.left = 0 // a bomb, not evidence
		}
		if err != nil {
			continue
		}
		r.left -= int64(len(der))
		take(der)
	}
}
