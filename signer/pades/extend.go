package pades

import (
	"context"
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/material"
	"github.com/antin-gov/antin/signer/tsp"
)

// maxExtended bounds the signatures of a document that is extended.
const maxExtended = 256

// ExtendOptions say how far a signed document is raised and by whom.
type ExtendOptions struct {
	Level    Level       // LevelLT or LevelLTA; LevelLTA when empty
	Hash     crypto.Hash // of document time-stamps; SHA-256 when zero
	Password string      // opens an encrypted input
	// Timestamp and Collect are those of Options.
	Timestamp func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error)
	Collect   func(ctx context.Context, chain []*x509.Certificate) (trust.Evidence, error)
	// Path finds the chain of a certificate in a pool. For one that it returns
	// no chain of, nothing is collected: the addresses that an untrusted
	// certificate names are not to be visited. Nil orders by signatures alone.
	Path func(ctx context.Context, leaf *x509.Certificate, pool []*x509.Certificate) []*x509.Certificate
	// TokenSize is the room kept for a token; 16 kB when zero.
	TokenSize int
	Now       time.Time // evidence from later than this proves nothing
	Limits    cos.Limits
}

// Extended tells what Extend added.
type Extended struct {
	Level      Level
	Size       int64 // of the whole output
	Signatures int   // that were there, document time-stamps not counted
	// Stamps are the times of the document time-stamps that were added.
	Stamps   []time.Time
	Evidence trust.Evidence // what the document security store was given
}

// Extend writes the input and behind it what raises its signatures to a level
// (EN 319 142-1, 5.4 and 5.5): a document time-stamp first where a signature has
// no proof of its time; the validation data of every signature and time-stamp
// that no later document time-stamp protects together with its data; and, for
// B-LTA, a new document time-stamp. On a document that is at B-LTA this renews
// the archive time-stamp. Whether the signatures are valid is the caller's
// question. When it fails the output must be thrown away.
func Extend(ctx context.Context, in io.ReaderAt, size int64, out Output, x ExtendOptions) (*Extended, error) {
	o, err := x.options()
	if err != nil {
		return nil, err
	}
	_, err = openDocument(in, size, o.Password, o.Limits)
	if err != nil {
		return nil, err
	}
	err = copyInput(ctx, out, in, size, io.Discard)
	if err != nil {
		return nil, err
	}
	e := &extension{out: out, size: size, o: o, x: x, result: &Extended{Level: o.Level}}
	err = e.read()
	if err != nil {
		return nil, err
	}
	if e.result.Signatures == 0 {
		return nil, refuse(CodeNotSigned, "the document carries no signature")
	}
	if e.lacksTime() {
		err = e.stamp(ctx)
		if err == nil {
			err = e.read()
		}
		if err != nil {
			return nil, err
		}
	}
	err = e.addEvidence(ctx)
	if err != nil {
		return nil, err
	}
	if o.Level == LevelLTA {
		err = e.stamp(ctx)
		if err != nil {
			return nil, err
		}
	}
	e.result.Size = e.size
	return e.result, nil
}

func (x ExtendOptions) options() (Options, error) {
	if x.Level == "" {
		x.Level = LevelLTA
	}
	o := Options{
		Level: x.Level, Hash: x.Hash, Password: x.Password, Timestamp: x.Timestamp, TokenSize: x.TokenSize,
		Collect: x.Collect, Now: x.Now, Limits: x.Limits,
	}.withDefaults()
	if !o.Level.long() {
		return o, fmt.Errorf("%w: a document is extended to %s or %s, not %q", ErrOptions, LevelLT, LevelLTA, string(o.Level))
	}
	if !o.Hash.Available() {
		return o, fmt.Errorf("%w: digest algorithm", ErrOptions)
	}
	return o, o.check()
}

// extension is the state of one Extend.
type extension struct {
	out    Output
	size   int64
	o      Options
	x      ExtendOptions
	list   []present // in the order of what they cover
	store  trust.Evidence
	result *Extended
}

// present is a signature or document time-stamp that is there.
type present struct {
	key    cos.Name // in the security store
	end    int64    // last byte covered
	signed *cms.SignedData
	token  *tsp.Token // of a document time-stamp
}

// read lists what the file holds now.
func (e *extension) read() error {
	d, err := openDocument(e.out, e.size, e.o.Password, e.o.Limits)
	if err != nil {
		return err
	}
	f, err := d.readForm()
	if err != nil {
		return err
	}
	e.list, e.result.Signatures = nil, 0
	for _, field := range f.signatures() {
		if len(e.list) == maxExtended {
			return refuse(CodeTooLarge, fmt.Sprintf("more than %d signatures", maxExtended))
		}
		p, err := d.readSignature(field)
		if err != nil {
			return err
		}
		e.list = append(e.list, p)
		if p.token == nil {
			e.result.Signatures++
		}
	}
	sort.SliceStable(e.list, func(i, j int) bool { return e.list[i].end < e.list[j].end })
	e.store = d.readStore()
	return nil
}

func (d *document) readSignature(f field) (present, error) {
	broken := func(why string) (present, error) {
		return present{}, refuse(CodeSignatureBroken, fmt.Sprintf("the signature in field %q cannot be read: %s", f.name, why))
	}
	dict := d.view.Dict(f.value)
	value, ok := d.view.Bytes(dict["Contents"])
	if !ok {
		return broken("it has no contents")
	}
	ranges := d.view.Array(dict["ByteRange"])
	if len(ranges) != 4 {
		return broken("it has no byte range")
	}
	from, _ := d.view.Int(ranges[2])
	length, _ := d.view.Int(ranges[3])
	p := present{key: cos.Name(strings.ToUpper(fmt.Sprintf("%x", sha1.Sum(value)))), end: from + length}
	der, _, err := cms.Normalize(value)
	if err != nil {
		return broken(err.Error())
	}
	switch d.view.Name(dict["SubFilter"]) {
	case subFilterStamp:
		p.token, err = tsp.ParseToken(der)
		if err == nil {
			p.signed = p.token.Signed
		}
	case "adbe.pkcs7.sha1":
		p.signed, err = cms.ParseSHA1(der)
	case subFilterCAdES:
		p.signed, err = cms.Parse(der)
	default:
		p.signed, err = cms.ParseLegacy(der)
	}
	if err != nil {
		return broken(err.Error())
	}
	return p, nil
}

// readStore reads the document security store. What cannot be read is passed
// over and collected anew.
func (d *document) readStore() trust.Evidence {
	var e trust.Evidence
	store := d.view.Dict(d.root["DSS"])
	read := func(key cos.Name, take func(der []byte)) {
		for _, o := range d.view.Array(store[key]) {
			stm := d.view.Stream(o)
			if stm == nil {
				continue
			}
			der, err := d.view.Decode(stm)
			if err == nil {
				take(der)
			}
		}
	}
	read("Certs", func(der []byte) {
		cert, err := trust.ParseCertificate(der)
		if err == nil {
			e.AddCertificate(cert)
		}
	})
	read("OCSPs", e.AddOCSP)
	read("CRLs", e.AddCRL)
	return e
}

// lacksTime tells whether a signature has neither a time-stamp of its own nor a
// document time-stamp after it.
func (e *extension) lacksTime() bool {
	for n, p := range e.list {
		_, later := e.stampAfter(n)
		if p.token == nil && len(p.signed.Signer.Timestamps) == 0 && !later {
			return true
		}
	}
	return false
}

// stampAfter is the time of the first document time-stamp that covers the
// signature n with what follows it.
func (e *extension) stampAfter(n int) (time.Time, bool) {
	for _, later := range e.list[n+1:] {
		if later.token != nil && later.end > e.list[n].end {
			return later.token.GenTime, true
		}
	}
	return time.Time{}, false
}

func (e *extension) stamp(ctx context.Context) error {
	s, err := addTimestamp(ctx, e.out, e.size, e.o)
	if err != nil {
		return err
	}
	e.size = s.end
	e.result.Stamps = append(e.result.Stamps, s.token.GenTime)
	return nil
}

// addEvidence gives the security store the validation data that is missing.
func (e *extension) addEvidence(ctx context.Context) error {
	var chains [][]*x509.Certificate
	var keys []cos.Name
	for n, p := range e.list {
		missing, err := e.missing(ctx, n)
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			chains, keys = append(chains, missing...), append(keys, p.key)
		}
	}
	if len(chains) == 0 {
		return nil
	}
	o := e.o
	o.Collect = func(ctx context.Context, chain []*x509.Certificate) (trust.Evidence, error) {
		got, err := e.o.Collect(ctx, chain)
		var revoked *trust.RevokedError
		if errors.As(err, &revoked) {
			// It comes with its evidence, which shows when: a signature that is
			// proven to be older stays good.
			return got, nil
		}
		return got, err
	}
	evidence, err := gather(material.GatherChains(ctx, o.Collect, chains))
	if err != nil {
		return err
	}
	e.result.Evidence = evidence
	d, err := openDocument(e.out, e.size, o.Password, o.Limits)
	if err != nil {
		return err
	}
	err = d.storeEvidence(keys, evidence)
	if err != nil {
		return err
	}
	d.finish()
	w, err := d.update.Write(e.out)
	if err != nil {
		return fmt.Errorf("pades: document security store: %w", err)
	}
	e.size = w.End
	return nil
}

// missing lists the chains of a signature, its time-stamps included, that need
// validation data: all when no later document time-stamp protects what is
// there, else those for which nothing usable is there.
func (e *extension) missing(ctx context.Context, n int) ([][]*x509.Certificate, error) {
	p := e.list[n]
	at, protected := e.stampAfter(n)
	own, err := e.chain(ctx, p.signed)
	if err != nil {
		return nil, err
	}
	var chains [][]*x509.Certificate
	if len(own) > 0 {
		chains = append(chains, own)
	}
	for _, der := range p.signed.Signer.Timestamps {
		token, err := cms.ParseToken(der)
		if err != nil {
			return nil, fmt.Errorf("pades: signature time-stamp: %w", err)
		}
		chain, err := e.chain(ctx, token)
		if err != nil {
			return nil, err
		}
		if len(chain) > 0 {
			chains = append(chains, chain)
		}
	}
	if !protected {
		return chains, nil
	}
	var missing [][]*x509.Certificate
	for _, chain := range chains {
		if !e.known(chain, at, p.signed) {
			missing = append(missing, chain)
		}
	}
	return missing, nil
}

// known tells whether the store says something about every certificate of a
// chain below its root.
func (e *extension) known(chain []*x509.Certificate, at time.Time, signed *cms.SignedData) bool {
	var evidence trust.Evidence
	evidence.Add(e.store)
	evidence.Add(trust.Evidence{OCSPs: signed.OCSPs, CRLs: signed.CRLs})
	for n := 0; n+1 < len(chain); n++ {
		status := trust.CheckRevocation(trust.RevocationRequest{
			Certificate: chain[n], Issuer: chain[n+1], At: at, Now: e.o.Now, Evidence: evidence,
		})
		if status.Status == trust.RevocationUnknown {
			return false
		}
	}
	return len(chain) > 1
}

func (e *extension) chain(ctx context.Context, signed *cms.SignedData) ([]*x509.Certificate, error) {
	leaf, err := signed.SignerCertificate(e.store.Certificates...)
	if err != nil {
		return nil, fmt.Errorf("pades: signer's certificate: %w", err)
	}
	pool := append(append([]*x509.Certificate(nil), signed.Certificates...), e.store.Certificates...)
	if e.x.Path != nil {
		return e.x.Path(ctx, leaf, pool), nil
	}
	return material.Order(leaf, pool), nil
}
