package app_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/internal/trust"
)

// actLimit is the longest that a client may be kept waiting for an answer.
const actLimit = 60 * time.Second

// seen is what a client saw of an act.
type seen struct {
	done bool   // the act was done
	text string // status and words
	took time.Duration
	// holds tells after the fault whether what the client was given is recorded;
	// nil when it was given nothing that binds.
	holds func() error
}

// client is whoever uses the certification centre from outside: by HTTP, and
// by the command line as an officer.
type client struct {
	p        *platform
	dir      string
	document string
	// subject is the certificate whose status is asked.
	subject, issuer *x509.Certificate
	// requests are approved and not issued, certificates are good and not
	// revoked: one of each is used up by a round.
	requests, certificates []string
}

// newClient prepares what n rounds of acts use up.
func newClient(t *testing.T, p *platform, n int) *client {
	t.Helper()
	c := &client{p: p, dir: t.TempDir()}
	c.subject, c.issuer, _, _ = p.issue(t, "fault-subject")
	for i := range n {
		label := fmt.Sprintf("fault-%d", i)
		_, err := p.sys.Keys.Generate(t.Context(), label, "EC-P256")
		if err != nil {
			t.Fatal(err)
		}
		asking, err := p.sys.As(t.Context(), "minh.pq")
		if err != nil {
			t.Fatal(err)
		}
		request, err := p.sys.CA.Request(asking, ra.Form{Profile: "official", PersonID: "p-lan", KeyLabel: label})
		if err != nil {
			t.Fatal(err)
		}
		approving, err := p.sys.As(t.Context(), "thu.vt")
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.sys.CA.Approve(approving, request.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		c.requests = append(c.requests, request.ID)
		leaf, _, _, _ := p.issue(t, label+"-revoked")
		c.certificates = append(c.certificates, leaf.SerialNumber.Text(16))
	}
	d := paper.Directive{Agency: "ỦY BAN NHÂN DÂN TỈNH", Number: 9, Symbol: "CT-UBND", Place: "Trung Tâm", Date: time.Now(), Abstract: "Về việc diễn tập",
		Text: "Thử tải.", Signer: paper.Signer{Authority: []string{"TM. ỦY BAN NHÂN DÂN"}, Title: "CHỦ TỊCH", Name: "Nguyễn Văn Bình"}}
	rendered, err := d.Document().Render()
	if err != nil {
		t.Fatal(err)
	}
	c.document = writeFile(t, filepath.Join(c.dir, "in.pdf"), rendered.PDF)
	return c
}

// act is one thing that clients do.
type act struct {
	name string
	do   func(*client, *testing.T) seen
}

func faultActs() []act {
	return []act{
		{"issue a certificate", (*client).issue}, {"revoke a certificate", (*client).revoke},
		{"OCSP, with a nonce", (*client).status}, {"fetch the CRL", (*client).list},
		{"time-stamp", (*client).stampIt}, {"sign a document (B-T)", (*client).sign},
	}
}

// run makes each act once, all at the same time. What one act uses up no other
// touches.
func (c *client) run(t *testing.T, acts []act) map[string]seen {
	out := map[string]seen{}
	var mu sync.Mutex
	var doing sync.WaitGroup
	for _, a := range acts {
		doing.Go(func() {
			began := time.Now()
			s := a.do(c, t)
			s.took = time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			out[a.name] = s
		})
	}
	doing.Wait()
	return out
}

// command runs antin as an officer would.
func (c *client) command(t *testing.T, account string, args ...string) outcome {
	t.Helper()
	ctx, cancel := contextFor(actLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.p.bin, "antin"), args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "LC_ALL=en_US.UTF-8", "ANTIN_DATA_DIR=" + c.p.dir}, c.p.env...)
	if account != "" {
		cmd.Env = append(cmd.Env, c.p.as(t, account)...)
	}
	return runProgram(t, cmd)
}

// said is the exit status and the beginning of what a command said.
func (c *client) said(o outcome) string {
	text := o.err
	at := strings.LastIndex("\n"+text, "\nantin: ")
	if at >= 0 {
		text = text[at:]
	}
	text = strings.NewReplacer(c.p.dir, "DATA", c.dir+"/", "").Replace(strings.Join(strings.Fields(text), " "))
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return fmt.Sprintf("exit %d: %s", o.status, text)
}

func (c *client) issue(t *testing.T) seen {
	id := c.requests[0]
	got := c.command(t, "thu.vt", "ca", "issue", "--as", "thu.vt", id, "--json")
	if got.status != 0 {
		return seen{text: c.said(got)}
	}
	c.requests = c.requests[1:]
	var row struct{ Serial string }
	got.decode(t, &row)
	return seen{done: true, text: "exit 0: issued", holds: func() error { return c.recorded(t, row.Serial) }}
}

// recorded says whether a certificate that a client has stands in the register
// with its place in the ledger.
func (c *client) recorded(t *testing.T, serial string) error {
	row, err := c.p.sys.CA.Get(auth.WithSubject(t.Context(), auth.Subject{AccountID: "system:gateway"}), serial)
	if err != nil {
		return err
	}
	if row.State != "issued" || row.IssueIndex == nil {
		return fmt.Errorf("certificate %s is %s, ledger entry %v", serial, row.State, row.IssueIndex)
	}
	entry, err := c.p.sys.Ledger.Entry(t.Context(), uint64(*row.IssueIndex))
	if err != nil || entry.Object != row.Serial {
		return fmt.Errorf("certificate %s: ledger entry of %q, %w", serial, entry.Object, err)
	}
	return nil
}

func (c *client) revoke(t *testing.T) seen {
	serial := c.certificates[0]
	got := c.command(t, "thu.vt", "ca", "revoke", serial, "--cause", "key-exposed", "--as", "thu.vt", "--json")
	if got.status != 0 {
		return seen{text: c.said(got)}
	}
	c.certificates = c.certificates[1:]
	return seen{done: true, text: "exit 0: revoked", holds: func() error {
		var row struct {
			RevokeIndex *uint64 `json:"revoke_index"`
		}
		got.decode(t, &row)
		if row.RevokeIndex == nil {
			return fmt.Errorf("revocation of %s has no place in the ledger", serial)
		}
		entry, err := c.p.sys.Ledger.Entry(t.Context(), *row.RevokeIndex)
		if err == nil && !strings.EqualFold(strings.TrimLeft(entry.Object, "0"), strings.TrimLeft(serial, "0")) {
			err = fmt.Errorf("ledger entry %d is of %s, not of %s", *row.RevokeIndex, entry.Object, serial)
		}
		return err
	}}
}

// ask makes an HTTP request.
func (c *client) ask(t *testing.T, method, path, kind string, body []byte) (int, []byte, error) {
	t.Helper()
	ctx, cancel := contextFor(actLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.p.addr.PKI+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	return answer.StatusCode, b, err
}

func (c *client) status(t *testing.T) seen {
	nonce := make([]byte, 16)
	_, err := rand.Read(nonce)
	if err != nil {
		t.Fatal(err)
	}
	query, err := trust.NewOCSPRequest(c.subject, c.issuer, crypto.SHA256, nonce)
	if err != nil {
		t.Fatal(err)
	}
	status, body, err := c.ask(t, http.MethodPost, "/ocsp", "application/ocsp-request", query)
	if err != nil {
		return seen{text: "no answer: " + err.Error()}
	}
	text := fmt.Sprintf("HTTP %d", status)
	response, err := ocsp.ParseResponseForCert(body, c.subject, c.issuer)
	var refused ocsp.ResponseError
	switch {
	case err == nil && response.Status == ocsp.Good:
		return seen{done: true, text: text + ", good, signed"}
	case err == nil:
		return seen{text: fmt.Sprintf("%s, status %d", text, response.Status)}
	case asError(err, &refused):
		return seen{text: text + ", OCSP error " + refused.Status.String()}
	default:
		return seen{text: text + ", " + firstLine(body)}
	}
}

func (c *client) list(t *testing.T) seen {
	url := c.subject.CRLDistributionPoints[0]
	status, body, err := c.ask(t, http.MethodGet, url[strings.Index(url, "/crl/"):], "", nil)
	if err != nil {
		return seen{text: "no answer: " + err.Error()}
	}
	list, err := x509.ParseRevocationList(body)
	if err != nil {
		return seen{text: fmt.Sprintf("HTTP %d, %s", status, firstLine(body))}
	}
	err = list.CheckSignatureFrom(c.issuer)
	if err != nil || list.NextUpdate.Before(time.Now()) || list.ThisUpdate.After(time.Now().Add(time.Minute)) {
		return seen{text: fmt.Sprintf("HTTP %d, a list from %s to %s", status, list.ThisUpdate.Format(time.DateTime), list.NextUpdate.Format(time.DateTime))}
	}
	return seen{done: true, text: fmt.Sprintf("HTTP %d, a valid list", status)}
}

// stampRequest is a TimeStampReq (RFC 3161 §2.4.1).
type stampRequest struct {
	Version int
	Imprint struct {
		Hash struct {
			Algorithm asn1.ObjectIdentifier
			Null      asn1.RawValue
		}
		Digest []byte
	}
	CertReq bool
}

// stampResponse is a TimeStampResp (RFC 3161 §2.4.2).
type stampResponse struct {
	Status struct {
		Status  int
		Text    []asn1.RawValue `asn1:"optional"`
		Failure asn1.BitString  `asn1:"optional"`
	}
	Token asn1.RawValue `asn1:"optional"`
}

// failures are the names of PKIFailureInfo that a time-stamping authority may
// give (RFC 3161 §2.4.2).
var failures = map[int]string{0: "badAlg", 2: "badRequest", 5: "badDataFormat", 14: "timeNotAvailable", 15: "unacceptedPolicy", 16: "unacceptedExtension", 17: "addInfoNotAvailable", 25: "systemFailure"}

func (c *client) stampIt(t *testing.T) seen {
	var q stampRequest
	digest := sha256.Sum256([]byte(rand.Text()))
	q.Version, q.CertReq, q.Imprint.Digest = 1, true, digest[:]
	q.Imprint.Hash.Algorithm, q.Imprint.Hash.Null = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, asn1.NullRawValue
	der, err := asn1.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	status, body, err := c.ask(t, http.MethodPost, "/tsa", "application/timestamp-query", der)
	if err != nil {
		return seen{text: "no answer: " + err.Error()}
	}
	var r stampResponse
	_, err = asn1.Unmarshal(body, &r)
	if err != nil {
		return seen{text: fmt.Sprintf("HTTP %d, %s", status, firstLine(body))}
	}
	if r.Status.Status > 1 {
		text := fmt.Sprintf("HTTP %d, PKIStatus %d", status, r.Status.Status)
		for bit, name := range failures {
			if r.Status.Failure.At(bit) == 1 {
				text += ", PKIFailureInfo " + name
			}
		}
		return seen{text: text}
	}
	sum := sha256.Sum256(r.Token.FullBytes)
	return seen{done: true, text: fmt.Sprintf("HTTP %d, granted", status), holds: func() error {
		var index *int64
		err := c.p.sys.DB.NewSelect().Table("ca_timestamp").Column("ledger_index").Where("token_sha256 = ?", hex.EncodeToString(sum[:])).Scan(t.Context(), &index)
		if err == nil && index == nil {
			err = fmt.Errorf("a time-stamp without a ledger entry")
		}
		return err
	}}
}

func (c *client) sign(t *testing.T) seen {
	out := filepath.Join(c.dir, rand.Text()+".pdf")
	got := c.command(t, "", "sign", c.document, "-o", out, "--key", "demo-official", "--level", "B-T", "--json")
	_, err := os.Stat(out)
	if got.status != 0 {
		if err == nil {
			t.Errorf("sign left with status %d and a signed document", got.status)
		}
		return seen{text: c.said(got)}
	}
	return seen{done: true, text: "exit 0: signed", holds: func() error {
		var row struct {
			ReleaseIndex uint64 `json:"release_index"`
			ID           string `json:"id"`
		}
		got.decode(t, &row)
		entry, err := c.p.sys.Ledger.Entry(t.Context(), row.ReleaseIndex)
		if err == nil && !strings.HasPrefix(entry.Kind, "sign") {
			err = fmt.Errorf("ledger entry %d of a signature is %q", row.ReleaseIndex, entry.Kind)
		}
		return err
	}}
}

// firstLine is the beginning of an answer that is text.
func firstLine(body []byte) string {
	line, _, _ := bytes.Cut(body, []byte("\n"))
	return fmt.Sprintf("%.80q", line)
}
