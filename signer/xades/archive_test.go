package xades_test

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/tsp"
	"github.com/antin-gov/antin/signer/validate"
	"github.com/antin-gov/antin/signer/xades"
)

func extend(t *testing.T, p *trusttest.PKI, data, content []byte, level xades.Level) []byte {
	t.Helper()
	client := &tsp.Client{URL: p.TSAURL()}
	out, err := xades.Extend(t.Context(), data, xades.ExtendOptions{
		Level: level, Content: content, Detached: content != nil, Timestamp: client.Timestamp, Collect: p.Collector().Collect,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.XML
}

func one(t *testing.T, data, content []byte, o validate.Options) validate.Signature {
	t.Helper()
	report := judge(t, data, content, o)
	if len(report.Signatures) != 1 {
		t.Fatalf("%d signatures", len(report.Signatures))
	}
	return report.Signatures[0]
}

func TestEveryPackagingIsSignedForTheArchiveRaisedToItAndRenewed(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	key := trusttest.ECKey(t)
	dir := t.TempDir()
	root := write(t, dir, "root.pem", pemOf("CERTIFICATE", p.Root.Raw))
	table := []byte("mã,tên\r\n\x00\x01")
	write(t, dir, "bang.csv", table)
	accept := func(t *testing.T, data []byte) {
		t.Helper()
		_, err := exec.LookPath("xmlsec1")
		if err != nil {
			return
		}
		said, err := xmlsec(dir, verifyArgs(root, write(t, dir, "signed.xml", data))...)
		if err != nil {
			t.Errorf("xmlsec1: %v\n%s", err, said)
		}
	}
	for _, packaging := range []xades.Packaging{xades.Enveloped, xades.Enveloping, xades.Detached} {
		t.Run(string(packaging), func(t *testing.T) {
			o := options(t, p, key, xades.LevelLTA)
			o.Packaging, o.Name = packaging, "bang.csv"
			data, beside := table, []byte(nil)
			switch packaging {
			case xades.Enveloped:
				data = []byte(letter)
			case xades.Detached:
				beside = table
			}
			how := validate.Options{Store: p.Store(t), Clock: p.Clock, Collector: p.Collector()}
			result, err := xades.Sign(t.Context(), data, o)
			if err != nil {
				t.Fatal(err)
			}
			s := one(t, result.XML, beside, how)
			if s.Verdict != validate.Passed || s.Level != "XAdES-B-LTA" || len(s.Reasons) != 0 {
				t.Errorf("%s %s %v", s.Verdict, s.Level, s.Reasons)
			}
			accept(t, result.XML)

			o.Level = xades.LevelB
			bare, err := xades.Sign(t.Context(), data, o)
			if err != nil {
				t.Fatal(err)
			}
			long := extend(t, p, bare.XML, beside, xades.LevelLT)
			s = one(t, long, beside, validate.Options{Store: p.Store(t), Clock: p.Clock})
			if s.Verdict != validate.Passed || s.Level != "XAdES-B-LT" {
				t.Errorf("raised to B-LT, offline: %s %s %v", s.Verdict, s.Level, s.Reasons)
			}
			accept(t, long)
			archived := extend(t, p, bare.XML, beside, xades.LevelLTA)
			renewed := extend(t, p, archived, beside, xades.LevelLTA)
			s = one(t, renewed, beside, how)
			if s.Verdict != validate.Passed || s.Level != "XAdES-B-LTA" || bytes.Count(renewed, []byte("<xades141:ArchiveTimeStamp")) != 2 {
				t.Errorf("renewed: %s %s %v", s.Verdict, s.Level, s.Reasons)
			}
			accept(t, renewed)

			// Whoever takes something away from under a time-stamp is told.
			cut := bytes.Replace(renewed, []byte("<xades:CRLValues"), []byte("<xades:CRLValuez"), 1)
			cut = bytes.Replace(cut, []byte("</xades:CRLValues"), []byte("</xades:CRLValuez"), 1)
			if !bytes.Equal(cut, renewed) {
				s = one(t, cut, beside, how)
				if s.Verdict == validate.Passed && len(s.Reasons) == 0 {
					t.Error("a changed property under an archive time-stamp passes unseen")
				}
			}
		})
	}
}

func TestAnArchivedXMLSignatureOutlivesItsCertificate(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	o := options(t, p, trusttest.ECKey(t), xades.LevelLTA)
	archived, err := xades.Sign(t.Context(), []byte(letter), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Level = xades.LevelB
	bare, err := xades.Sign(t.Context(), []byte(letter), o)
	if err != nil {
		t.Fatal(err)
	}
	p.Revoke(o.Chain[0], p.Clock.Now().Add(time.Hour), 1)
	p.Clock.Advance(48 * time.Hour)
	how := validate.Options{Store: p.Store(t), Clock: p.Clock, Collector: p.Collector()}
	s := one(t, archived.XML, nil, how)
	if s.Verdict != validate.Passed {
		t.Errorf("archived: %s %s %v", s.Verdict, s.SubIndication, s.Reasons)
	}
	s = one(t, bare.XML, nil, how)
	if s.Verdict == validate.Passed {
		t.Errorf("bare: %s", s.Verdict)
	}
}

func TestSignaturesByOthersAreExtendedWhereverTheirPropertiesEnd(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	o := options(t, p, trusttest.ECKey(t), xades.LevelB)
	result, err := xades.Sign(t.Context(), []byte(letter), o)
	if err != nil {
		t.Fatal(err)
	}
	// Other makers name the namespaces otherwise and leave empty pairs.
	for name, change := range map[string][2]string{
		"no unsigned properties":      {"", ""},
		"an empty pair":               {"</xades:SignedProperties>", "</xades:SignedProperties><xades:UnsignedProperties></xades:UnsignedProperties>"},
		"an empty pair, other prefix": {"</xades:SignedProperties>", `</xades:SignedProperties><q:UnsignedProperties xmlns:q="http://uri.etsi.org/01903/v1.3.2#"><q:UnsignedSignatureProperties></q:UnsignedSignatureProperties></q:UnsignedProperties>`},
	} {
		in := []byte(strings.Replace(string(result.XML), change[0], change[1], 1))
		out := extend(t, p, in, nil, xades.LevelLTA)
		s := one(t, out, nil, validate.Options{Store: p.Store(t), Clock: p.Clock, Collector: p.Collector()})
		if s.Verdict != validate.Passed || s.Level != "XAdES-B-LTA" {
			t.Errorf("%s: %s %s %v", name, s.Verdict, s.Level, s.Reasons)
		}
	}
}

func TestWhatDoesNotHoldIsNotExtended(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	o := options(t, p, trusttest.ECKey(t), xades.LevelB)
	result, err := xades.Sign(t.Context(), []byte(letter), o)
	if err != nil {
		t.Fatal(err)
	}
	client := &tsp.Client{URL: p.TSAURL()}
	how := xades.ExtendOptions{Timestamp: client.Timestamp, Collect: p.Collector().Collect}
	for name, in := range map[string][]byte{
		"an unsigned document": []byte(letter),
		"a changed document":   bytes.Replace(result.XML, []byte("1 &lt; 2"), []byte("1 &lt; 3"), 1),
		"a changed value":      bytes.Replace(result.XML, []byte("ngay="), []byte("ngax="), 1),
	} {
		_, err := xades.Extend(t.Context(), in, how)
		if name == "a changed document" && bytes.Equal(in, result.XML) {
			continue
		}
		if !errors.Is(err, xades.ErrNotExtendable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
