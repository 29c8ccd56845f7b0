package pades_test

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/tsp"
)

// sampling takes every so many documents of the corpus; ANTIN_PROVE_ALL=1 takes
// all of them.
const sampling = 12

// Every document of the corpus is signed at B-LTA or refused with a code, and
// the other readers find in it what they found before and both new signatures.
func TestTheCorpusIsSignedForTheArchiveOrRefusedWithACode(t *testing.T) {
	need(t, "qpdf", "pdfsig", "mutool", "openssl")
	p := trusttest.New(t, time.Time{})
	key := trusttest.ECKey(t)
	chain := p.Issue(t, "Nguyễn Văn A", key.Public())
	trust := filepath.Join(t.TempDir(), "trust.pem")
	bundle := slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Root.Raw}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Issuer.Raw}))
	err := os.WriteFile(trust, bundle, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	step := sampling
	if os.Getenv("ANTIN_PROVE_ALL") != "" {
		step = 1
	}
	read, signed, refused, seen := 0, 0, map[string]int{}, map[string]int{}
	n := 0
	err = filepath.WalkDir(testkit.Data(t, "pdf"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.EqualFold(filepath.Ext(path), ".pdf") {
			return err
		}
		n++
		if n%step != 0 {
			return nil
		}
		read++
		out, _, err := signFile(t, path, pades.Options{
			Signer: key, Chain: chain, Hash: crypto.SHA256, Level: pades.LevelLTA, Password: "usersecret", Now: p.Clock.Now(),
			Timestamp: (&tsp.Client{URL: p.TSAURL()}).Timestamp, Collect: p.Collector().Collect,
		})
		defer os.Remove(out)
		var why *cos.RefusedError
		switch {
		case errors.As(err, &why):
			refused[why.Code]++
			t.Logf("refused %-24s %s: %s", why.Code, filepath.Base(path), why.Reason)
			return nil
		case err != nil:
			t.Errorf("%s: no code: %v", path, err)
			return nil
		}
		signed++
		for _, reader := range readers(t, path, out, trust) {
			seen[reader]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("read %d, signed %d, refused %v, crashed 0; accepted by %v", read, signed, refused, seen)
}

// readers names the readers that accept a signed document. One that cannot read
// the input either is not asked.
func readers(t *testing.T, in, out, trust string) []string {
	t.Helper()
	var accept []string
	code := func(path string) int {
		cmd := exec.Command("qpdf", "--check", "--password=usersecret", path)
		err := cmd.Run()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode()
	}
	after := code(out)
	switch {
	case after == 0:
		accept = append(accept, "qpdf")
	case after > code(in):
		t.Errorf("qpdf --check finds more after signing: %s", in)
	default:
		accept = append(accept, "qpdf (as damaged as before)")
	}
	said, _ := exec.Command("pdfsig", "-nocert", "-upw", "usersecret", out).CombinedOutput()
	if !bytes.Contains(said, []byte("Signature")) {
		said, _ = exec.Command("pdfsig", "-nocert", out).CombinedOutput()
	}
	// pdfsig and mutool judge the signature; neither knows document time-stamps,
	// which OpenSSL judges.
	ours, valid := []byte("Nguyễn Văn A"), false
	for _, part := range bytes.Split(said, []byte("Signature #")) {
		valid = valid || bytes.Contains(part, ours) && bytes.Contains(part, []byte("Signature is Valid"))
	}
	switch {
	case valid:
		accept = append(accept, "pdfsig")
	case bytes.Contains(said, ours):
		t.Errorf("pdfsig does not accept: %s\n%s", in, said)
	default:
		accept = append(accept, "pdfsig (cannot read it)")
		t.Logf("pdfsig does not see it: %s: %.200s", filepath.Base(in), said)
	}
	said, err := exec.Command("mutool", "sign", "-v", "-p", "usersecret", out).CombinedOutput()
	switch {
	case bytes.Contains(said, []byte("The signature is valid")):
		accept = append(accept, "mutool")
	case bytes.Contains(said, []byte("repairing PDF document")) && repairs(in):
		accept = append(accept, "mutool (repairs the input already)")
	case err == nil && bytes.Contains(said, ours):
		t.Errorf("mutool does not accept: %s\n%s", in, said)
	default:
		accept = append(accept, "mutool (cannot read it)")
		t.Logf("mutool does not see it: %s: %v: %.200s", filepath.Base(in), err, said)
	}
	said, err = stampByOpenSSL(t, out, trust)
	if err == nil {
		accept = append(accept, "openssl ts")
	} else {
		t.Errorf("openssl ts -verify: %s: %v: %s", in, err, said)
	}
	return accept
}

// repairs tells whether mutool reads a document only after a repair of its own,
// by which the places in the file are others than those signed.
func repairs(path string) bool {
	said, _ := exec.Command("mutool", "sign", "-v", "-p", "usersecret", path).CombinedOutput()
	return bytes.Contains(said, []byte("repairing PDF document"))
}

// stampByOpenSSL lets OpenSSL verify the last document time-stamp over the bytes
// that it covers.
func stampByOpenSSL(t *testing.T, path, trust string) ([]byte, error) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`/ByteRange ?\[0 (\d+) (\d+) (\d+)\]`).FindAllSubmatch(data, -1)
	if all == nil {
		t.Fatalf("%s: no byte range", path)
	}
	var r [3]int
	for n := range r {
		r[n], err = strconv.Atoi(string(all[len(all)-1][n+1]))
		if err != nil {
			t.Fatal(err)
		}
	}
	der, err := hex.DecodeString(string(data[r[0]+1 : r[1]-1]))
	if err != nil {
		t.Fatal(err)
	}
	var token asn1.RawValue
	_, err = asn1.Unmarshal(der, &token)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	stamped, reply := filepath.Join(dir, "data"), filepath.Join(dir, "token")
	err = errors.Join(os.WriteFile(stamped, slices.Concat(data[:r[0]], data[r[1]:r[1]+r[2]]), 0o600), os.WriteFile(reply, token.FullBytes, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(stamped)
	return exec.Command("openssl", "ts", "-verify", "-token_in", "-in", reply, "-data", stamped, "-CAfile", trust).CombinedOutput()
}
