package validate

import (
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cos"
)

const (
	// maxDSSItems bounds each list of the document security store.
	maxDSSItems = 512
	// maxDSSBytes bounds what is read of it.
	maxDSSBytes = 256 << 20
)

// readDSS reads the document security store (ISO 32000-2 §12.8.4.3). What
// cannot be read is passed over: it proves nothing.
func readDSS(view *cos.View) trust.Evidence {
	var evidence trust.Evidence
	root, _, err := view.Root()
	if err != nil {
		return evidence
	}
	dss := view.Dict(root["DSS"])
	left := int64(maxDSSBytes)
	read := func(key cos.Name, take func(der []byte)) {
		for n, o := range view.Array(dss[key]) {
			if n == maxDSSItems || left <= 0 {
				return
			}
			stream := view.Stream(o)
			if stream == nil {
				continue
			}
			der, err := view.Decode(stream)
			if err != nil {
				continue
			}
			left -= int64(len(der))
			take(der)
		}
	}
	read("Certs", func(der []byte) {
		cert, err := trust.ParseCertificate(der)
		if err == nil {
			evidence.AddCertificate(cert)
		}
	})
	read("OCSPs", evidence.AddOCSP)
	read("CRLs", evidence.AddCRL)
	return evidence
}
