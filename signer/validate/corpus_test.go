package validate_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/validate"
)

// shortName is the file's own name, without the path of its source.
func shortName(path string) string {
	name := filepath.Base(path)
	n := strings.LastIndex(name, "__")
	return name[n+1+min(1, n+1):]
}

var hexString = regexp.MustCompile(`<(30[0-9a-fA-F]{200,})>`)

// ownAnchors trusts every certificate that the file itself brings, so that
// nothing is refused merely for being a stranger's.
func ownAnchors(t *testing.T, data []byte) *trust.Store {
	t.Helper()
	var evidence trust.Evidence
	for _, match := range hexString.FindAllSubmatch(data, 64) {
		value := make([]byte, hex.DecodedLen(len(match[1])))
		_, err := hex.Decode(value, match[1])
		if err != nil {
			continue
		}
		der, err := cms.TrimPadding(value)
		if err != nil {
			continue
		}
		for _, parse := range []func([]byte) (*cms.SignedData, error){cms.ParseLegacy, cms.ParseToken, cms.ParseSHA1} {
			signed, err := parse(der)
			if err == nil {
				for _, cert := range signed.Certificates {
					evidence.AddCertificate(cert)
				}
			}
		}
	}
	file, err := cos.Open(bytes.NewReader(data), int64(len(data)), cos.Options{Repair: true})
	if err == nil {
		view := file.Latest()
		root, _, err := view.Root()
		if err == nil {
			for _, o := range view.Array(view.Dict(root["DSS"])["Certs"]) {
				stream := view.Stream(o)
				if stream == nil {
					continue
				}
				der, err := view.Decode(stream)
				if err != nil {
					continue
				}
				cert, err := x509.ParseCertificate(der)
				if err == nil {
					evidence.AddCertificate(cert)
				}
			}
		}
	}
	if len(evidence.Certificates) == 0 {
		return nil
	}
	store, err := trust.NewStore(evidence.Certificates, nil)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func judgeFile(t *testing.T, path string) (*validate.Report, error) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return validate.Validate(context.Background(), bytes.NewReader(data), int64(len(data)), validate.Options{
		Store: ownAnchors(t, data), At: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), File: shortName(path),
	})
}

func TestEveryRealFileGetsAVerdict(t *testing.T) {
	var table strings.Builder
	counts := map[string]int{}
	reports := map[string]*validate.Report{}
	for _, folder := range []string{"pdf/dss", "pdf/pyhanko", "pdf/real"} {
		files, err := filepath.Glob(filepath.Join(testkit.Data(t, folder), "*.pdf"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, path := range files {
			report, err := judgeFile(t, path)
			if errors.Is(err, validate.ErrUnreadable) {
				counts["unreadable"]++
				fmt.Fprintf(&table, "%-60s unreadable: %v\n", shortName(path), err)
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", shortName(path), err)
				continue
			}
			reports[shortName(path)] = report
			counts[string(report.Verdict)]++
			if len(report.Signatures) == 0 {
				counts["unsigned"]++
				continue
			}
			fmt.Fprintf(&table, "%-60s %s\n", report.File, report.Verdict)
			for _, s := range report.Signatures {
				var codes []string
				for _, reason := range s.Reasons {
					codes = append(codes, strings.TrimSpace(string(reason.Code)+" "+strings.Join(reason.Args, ", ")))
				}
				fmt.Fprintf(&table, "    %-13s %-9s %-13s %-26s %-6s %-8s %-9s %s\n", s.Kind, s.Level, s.Verdict, s.SubIndication, s.Integrity, s.Coverage, s.Changes, strings.Join(codes, "; "))
			}
		}
	}
	t.Logf("%v\n%s", counts, table.String())
	t.Run("known bad files are told by their fault", func(t *testing.T) { checkKnownBad(t, reports) })
	t.Run("benign files raise no false alarm", func(t *testing.T) { checkBenign(t, reports) })
}

// The bad files of EU DSS and pyHanko: none is passed although every
// certificate in it is trusted, and each is told by its fault.
func checkKnownBad(t *testing.T, reports map[string]*validate.Report) {
	t.Helper()
	cases := map[string]struct {
		verdict validate.Verdict
		code    validate.Code
	}{
		"pdf-double-signer-info.pdf":                        {validate.Failed, validate.CodeSigners},
		"pdf-sig-with-econtent.pdf":                         {validate.Failed, validate.CodeContent},
		"pkcs7-no-message-digest.pdf":                       {validate.Indeterminate, validate.CodeNoAttributes},
		"pades-two-sig-copied-tst.pdf":                      {validate.Indeterminate, validate.CodeTimestampImprint},
		"pades-spoofing-replaced-reason.pdf":                {validate.Failed, validate.CodePlace},
		"pdf-spoofing-attack.pdf":                           {validate.Failed, validate.CodePlace},
		"pades-signed-annot-added.pdf":                      {validate.Failed, validate.CodeChangesForbidden},
		"replace.pdf":                                       {validate.Failed, validate.CodeChangesForbidden},
		"siwa.pdf":                                          {validate.Failed, validate.CodeGap},
		"pdf-signed-out-of-byteRange.pdf":                   {validate.Failed, validate.CodeByteRange},
		"pdf-signed-corrupted.pdf":                          {validate.Failed, validate.CodeByteRange},
		"pdf-eof.pdf":                                       {validate.Failed, validate.CodeByteRange},
		"one-byterange.pdf":                                 {validate.Failed, validate.CodeByteRange},
		"malformed-pades.pdf":                               {validate.Failed, validate.CodeDigest},
		"pdf-with-empty-sig.pdf":                            {validate.Failed, validate.CodeContainer},
		"form-update-override-appearance-stream-sneaky.pdf": {validate.Failed, validate.CodeChangesForbidden},
		"extensions-indirect-not-all-paths.pdf":             {validate.Failed, validate.CodeChangesForbidden},
		"ed448-disallowed-hash.pdf":                         {validate.Indeterminate, validate.CodeAlgorithm},
		"pades-unsupported-signature-algorithm.pdf":         {validate.Indeterminate, validate.CodeAlgorithm},
	}
	for name, want := range cases {
		report := reports[name]
		if report == nil {
			t.Errorf("%s is not among the files", name)
			continue
		}
		told := false
		for _, s := range report.Signatures {
			told = told || has(s, want.code)
		}
		if report.Verdict != want.verdict || !told {
			t.Errorf("%s: want %s by %s, got %s", name, want.verdict, want.code, explain(report))
		}
	}
}

// Files that were only signed again, stamped or given validation data.
func checkBenign(t *testing.T, reports map[string]*validate.Report) {
	t.Helper()
	names := []string{
		"fieldmdp-exclude-signed.pdf", "muestra-firmado-firmado.pdf", "pades-lt-extended-dss.pdf", "pades-ltv.pdf",
		"pades-lta-dss-indirect-arrs-test.pdf", "pades-lta-dss-indirect-arrs-test-2.pdf", "belgian_pki_multiple_ocsps.pdf",
		"belgian_pki_multiple_ocsps_lt.pdf", "pdf-with-vri-timestamp.pdf", "sample_document_mra.pdf",
		"Signature-P-SK-1 (HASH_FAILURE).pdf", "Signature-P-HU_MIC-3.pdf", "doc-firmado-LT.pdf",
		"Test.signed_Certipost-2048-SHA512.extended.pdf",
	}
	for _, name := range names {
		report := reports[name]
		if report == nil {
			t.Errorf("%s is not among the files", name)
			continue
		}
		for _, s := range report.Signatures {
			if s.Integrity != validate.Intact || (s.Changes != validate.ChangesNone && s.Changes != validate.ChangesAllowed) {
				t.Errorf("%s: %s", name, explain(report))
			}
		}
	}
}

// FuzzValidate wants -fuzzminimizetime 1x: the time to shrink an input is
// longer than the time to judge a thousand.
func FuzzValidate(f *testing.F) {
	for _, folder := range []string{"pdf/dss", "pdf/pyhanko"} {
		files, err := filepath.Glob(filepath.Join(testkit.Data(f, folder), "*.pdf"))
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range files {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			if len(data) < 50_000 {
				f.Add(data)
			}
		}
	}
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, data []byte) {
		report, err := validate.Validate(context.Background(), bytes.NewReader(data), int64(len(data)), validate.Options{At: at})
		if err != nil {
			return
		}
		// Nobody is trusted, so nothing may pass.
		if report.Verdict == validate.Passed {
			t.Fatalf("passed without an anchor: %s", explain(report))
		}
	})
}
