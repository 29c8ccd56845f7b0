package cades_test

import (
	"bytes"
	"crypto"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/cades"
	"github.com/antin-gov/antin/signer/tsp"
	"github.com/antin-gov/antin/signer/validate"
)

func digestOf(data []byte) func(h crypto.Hash) ([]byte, error) {
	return func(h crypto.Hash) ([]byte, error) {
		d := h.New()
		d.Write(data)
		return d.Sum(nil), nil
	}
}

func TestSignaturesOfOpenSSLAndOursAreRaisedAndRenewed(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	key := trusttest.ECKey(t)
	dir := t.TempDir()
	root := write(t, dir, "root.pem", pemOf("CERTIFICATE", p.Root.Raw))
	file := write(t, dir, "content", content)
	o := options(t, p, key, cades.LevelB)
	detached, err := cades.Sign(t.Context(), bytes.NewReader(content), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Attached = true
	attached, err := cades.Sign(t.Context(), bytes.NewReader(content), o)
	if err != nil {
		t.Fatal(err)
	}
	client := &tsp.Client{URL: p.TSAURL()}
	how := cades.ExtendOptions{Digest: digestOf(content), Timestamp: client.Timestamp, Collect: p.Collector().Collect}
	for name, in := range map[string][]byte{"detached": detached.CMS, "attached": attached.CMS, "in PEM": pemOf("CMS", detached.CMS)} {
		how.Level = cades.LevelLT
		long, err := cades.Extend(t.Context(), in, how)
		if err != nil {
			t.Fatal(err)
		}
		report := judge(t, long.CMS, content, validate.Options{Store: p.Store(t), Clock: p.Clock})
		if report.Verdict != validate.Passed || report.Signatures[0].Level != "CAdES-B-LT" {
			t.Errorf("%s: B-LT offline: %+v", name, report.Signatures[0])
		}
		how.Level = cades.LevelLTA
		archived, err := cades.Extend(t.Context(), in, how)
		if err != nil {
			t.Fatal(err)
		}
		renewed, err := cades.Extend(t.Context(), archived.CMS, how)
		if err != nil || len(archived.Stamps) != 2 || len(renewed.Stamps) != 1 {
			t.Fatalf("%s: renewal: %v", name, err)
		}
		for _, der := range [][]byte{archived.CMS, renewed.CMS} {
			report = judge(t, der, content, validate.Options{Store: p.Store(t), Clock: p.Clock, Collector: p.Collector()})
			if report.Verdict != validate.Passed || report.Signatures[0].Level != "CAdES-B-LTA" || len(report.Signatures[0].Reasons) != 0 {
				t.Errorf("%s: B-LTA: %+v", name, report.Signatures[0])
			}
		}
		_, err = exec.LookPath("openssl")
		if err == nil && name == "detached" {
			openssl(t, "cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", write(t, dir, "renewed.p7s", renewed.CMS), "-content", file, "-CAfile", root, "-purpose", "any", "-out", filepath.Join(dir, "out"))
		}
	}
	other := bytes.Clone(content)
	other[0] ^= 1
	how.Digest = digestOf(other)
	_, err = cades.Extend(t.Context(), detached.CMS, how)
	if !errors.Is(err, cades.ErrNotExtendable) {
		t.Errorf("another content: %v", err)
	}
	_, err = cades.Extend(t.Context(), content, how)
	if !errors.Is(err, cades.ErrNotExtendable) {
		t.Errorf("no container: %v", err)
	}
}
