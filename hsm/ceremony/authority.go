package ceremony

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/custodian"
	"github.com/antin-gov/antin/internal/trust"
)

const (
	// serialBits is the length of serial numbers, random beyond the 64 bits that
	// the CA/Browser Forum asks for and under RFC 5280's 20 octets.
	serialBits = 127
	// backdate lets a certificate hold on machines whose clock is a little slow.
	backdate = 5 * time.Minute
	// maxInput bounds certificates, requests and lists that are read.
	maxInput = 16 << 20
)

// plan gives the steps of the kind.
func (r *run) plan() ([]step, error) {
	key := step{"key", Text{"Tạo khoá trong thiết bị", "Make the key in the token"}, (*run).keyStep}
	switch r.s.Kind {
	case KindRoot:
		return []step{key,
			{"certificate", Text{"Lập, kiểm tra và ký chứng thư gốc", "Write, lint and sign the root's certificate"}, (*run).rootStep},
			{"list", Text{"Ký danh sách thu hồi đầu tiên", "Sign the first revocation list"}, (*run).listStep}}, nil
	case KindCSR:
		return []step{key, {"request", Text{"Ký yêu cầu cấp chứng thư", "Sign the certificate request"}, (*run).requestStep}}, nil
	case KindSubordinate:
		return []step{
			{"authority", Text{"Mở khoá gốc và kiểm tra chứng thư, danh sách thu hồi", "Open the root's key, check certificate and list"}, (*run).authorityStep},
			{"certificate", Text{"Kiểm tra yêu cầu và ký chứng thư cấp dưới", "Check the request and sign the subordinate's certificate"}, (*run).subordinateStep}}, nil
	case KindCRL:
		return []step{
			{"authority", Text{"Mở khoá gốc và kiểm tra chứng thư, danh sách thu hồi", "Open the root's key, check certificate and list"}, (*run).authorityStep},
			{"list", Text{"Ký danh sách thu hồi", "Sign the revocation list"}, (*run).listStep}}, nil
	case KindKey:
		return []step{key, {"public-key", Text{"Ghi khoá công khai", "Write the public key"}, (*run).publicKeyStep}}, nil
	case KindBackup:
		return []step{
			{"backup", Text{"Sao lưu khoá và chia khoá bọc cho người giữ", "Wrap the keys, split the wrapping key over the custodians"}, (*run).backupStep}}, nil
	case KindRestore:
		return []step{
			{"restore", Text{"Ghép khoá bọc, khôi phục và thử khoá", "Join the shares, restore the keys and test them"}, (*run).restoreStep}}, nil
	}
	return nil, fmt.Errorf("%w: kind %q", ErrScript, r.s.Kind)
}

// keyStep makes the key of the ceremony. A key that an interrupted attempt of
// the same ceremony left is taken: its absence was recorded before it was made.
func (r *run) keyStep(ctx context.Context) error {
	k := r.s.Key
	signer, err := r.room.Token.Signer(ctx, k.Label)
	_, intended := r.journal.find(eventIntent, k.Label)
	if err == nil && !intended {
		return fmt.Errorf("%w: the token holds a key %q already", ErrOverwrite, k.Label)
	}
	if err != nil && !errors.Is(err, hsm.ErrNotFound) {
		return fmt.Errorf("look for key %q: %w", k.Label, err)
	}
	if err != nil {
		signer, err = r.generate(ctx)
	}
	if err != nil {
		return err
	}
	return r.recordKey(ctx, signer)
}

func (r *run) generate(ctx context.Context) (crypto.Signer, error) {
	k := r.s.Key
	index, err := r.append(ctx, "hsm.ceremony.key.intent", r.s.SHA256(), map[string]string{"label": k.Label, "algorithm": k.Algorithm})
	if err != nil {
		return nil, err
	}
	err = r.journal.add(line{At: r.now(), Event: eventIntent, Name: k.Label, Ledger: index})
	if err != nil {
		return nil, err
	}
	_, err = r.room.Token.GenerateKey(ctx, hsm.NewKey{Label: k.Label, Algorithm: k.Algorithm, Backup: k.Backup})
	if err != nil {
		return nil, fmt.Errorf("make key %q: %w", k.Label, err)
	}
	return r.room.Token.Signer(ctx, k.Label)
}

func (r *run) recordKey(ctx context.Context, signer crypto.Signer) error {
	k := r.s.Key
	algorithm := hsm.AlgorithmOf(signer.Public())
	if algorithm != k.Algorithm {
		return fmt.Errorf("%w: the key %q is %s, not %s", ErrCheck, k.Label, algorithm, k.Algorithm)
	}
	print, err := custodian.Fingerprint(signer.Public())
	if err != nil {
		return err
	}
	old, before := r.journal.find(eventKey, k.Label)
	if before && old.SHA256 != strings.TrimPrefix(print, "sha256:") {
		return fmt.Errorf("%w: the key %q is not the one that this ceremony made", ErrCheck, k.Label)
	}
	if !before {
		digest := strings.TrimPrefix(print, "sha256:")
		index, err := r.append(ctx, "hsm.ceremony.key", digest, map[string]string{"label": k.Label, "algorithm": algorithm})
		if err != nil {
			return err
		}
		err = r.journal.add(line{At: r.now(), Event: eventKey, Name: k.Label, SHA256: digest, Ledger: index})
		if err != nil {
			return err
		}
	}
	r.signer = signer
	r.fact("Khoá", "Key", k.Label+", "+algorithm)
	r.fact("Được phép sao lưu (bọc trong thiết bị)", "May be backed up (wrapped in the token)", yesNo(k.Backup))
	r.fact("Vân tay khoá (SHA-256 của SubjectPublicKeyInfo)", "Fingerprint of the key (SHA-256 of SubjectPublicKeyInfo)", Spaced(strings.TrimPrefix(print, "sha256:")))
	r.room.Console.Say("  key " + k.Label + " " + algorithm + " " + print)
	return nil
}

func yesNo(b bool) string {
	if b {
		return "có / yes"
	}
	return "không / no"
}

// Spaced breaks hex into groups of eight, as it is read aloud.
func Spaced(digest string) string {
	var b strings.Builder
	for i := 0; i < len(digest); i += 8 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(digest[i:min(i+8, len(digest))])
	}
	return b.String()
}

// rootStep makes the root's certificate.
func (r *run) rootStep(ctx context.Context) error {
	der, err := r.makeCert(ctx, "root-"+r.s.Name+".pem", func() ([]byte, error) {
		profile := r.s.Cert.Profile
		if profile == "" {
			profile = "root"
		}
		template, err := r.room.Certificates.Template(CertificateOrder{Profile: profile, Facts: r.s.Cert, Public: r.signer.Public(), NotBefore: r.now().Add(-backdate)})
		if err != nil {
			return nil, err
		}
		// Builders of paths are glad of it (RFC 5280 §4.2.1.1 lets a root omit it).
		template.AuthorityKeyId = template.SubjectKeyId
		return r.certify(template, nil, r.signer)
	})
	if err != nil {
		return err
	}
	r.issuer, err = x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCheck, err)
	}
	err = r.checkSigned(r.issuer, r.issuer, r.signer.Public())
	if err != nil {
		return err
	}
	r.certificateFacts(r.issuer)
	return nil
}

// certify lints the content, signs it, and lints what was signed.
func (r *run) certify(template, issuer *x509.Certificate, key crypto.Signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	warnings, err := r.room.Certificates.Lint(template, issuer, key.Public())
	if err != nil {
		return nil, fmt.Errorf("%w: nothing was signed: %w", ErrCheck, err)
	}
	for _, w := range warnings {
		r.room.Console.Say("  lint warns: " + w)
	}
	parent := issuer
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, template.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	_, err = r.room.Certificates.Check(der)
	if err != nil {
		return nil, fmt.Errorf("%w: what was signed: %w", ErrCheck, err)
	}
	return der, nil
}

// checkSigned compares a certificate with its issuer and with the key that it
// must be of.
func (r *run) checkSigned(cert, issuer *x509.Certificate, pub crypto.PublicKey) error {
	if !samePublic(cert.PublicKey, pub) {
		return fmt.Errorf("%w: the certificate is of another key", ErrCheck)
	}
	err := cert.CheckSignatureFrom(issuer)
	if err != nil {
		return fmt.Errorf("%w: signature of the certificate: %w", ErrCheck, err)
	}
	if !bytes.Equal(cert.RawIssuer, issuer.RawSubject) {
		return fmt.Errorf("%w: the certificate names another issuer", ErrCheck)
	}
	return nil
}

func samePublic(a, b crypto.PublicKey) bool {
	own, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && own.Equal(b)
}

func (r *run) certificateFacts(cert *x509.Certificate) {
	r.fact("Chủ thể chứng thư", "Subject of the certificate", cert.Subject.String())
	r.fact("Bên cấp", "Issuer", cert.Issuer.String())
	r.fact("Số sê-ri", "Serial number", trust.SerialText(cert))
	r.fact("Hiệu lực", "Validity", cert.NotBefore.Format(time.RFC3339)+" – "+cert.NotAfter.Format(time.RFC3339))
	r.fact("Vân tay chứng thư (SHA-256)", "Fingerprint of the certificate (SHA-256)", Spaced(hexSum(cert.Raw)))
}

// requestStep makes the request for another root.
func (r *run) requestStep(ctx context.Context) error {
	content, err := r.make(ctx, r.s.Name+".csr", func() ([]byte, error) {
		profile := r.s.Cert.Profile
		if profile == "" {
			profile = "issuer"
		}
		template, err := r.room.Certificates.Template(CertificateOrder{Profile: profile, Facts: r.s.Cert, Public: r.signer.Public(), NotBefore: r.now()})
		if err != nil {
			return nil, err
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{RawSubject: template.RawSubject}, r.signer)
		if err != nil {
			return nil, fmt.Errorf("sign request: %w", err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
	})
	if err != nil {
		return err
	}
	csr, err := parseRequest(content)
	if err != nil {
		return err
	}
	if !samePublic(csr.PublicKey, r.signer.Public()) {
		return fmt.Errorf("%w: the request is of another key", ErrCheck)
	}
	r.fact("Chủ thể yêu cầu", "Subject of the request", csr.Subject.String())
	r.fact("Vân tay yêu cầu (SHA-256)", "Fingerprint of the request (SHA-256)", Spaced(hexSum(csr.Raw)))
	return nil
}

// parseRequest reads a request and checks its signature: the proof that who
// asks has the key.
func parseRequest(content []byte) (*x509.CertificateRequest, error) {
	der := content
	block, _ := pem.Decode(content)
	if block != nil {
		der = block.Bytes
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: request: %w", ErrCheck, err)
	}
	return csr, nil
}

// publicKeyStep writes the public key of the new key.
func (r *run) publicKeyStep(ctx context.Context) error {
	_, err := r.make(ctx, "key-"+r.s.Name+".pub", func() ([]byte, error) {
		der, err := x509.MarshalPKIXPublicKey(r.signer.Public())
		if err != nil {
			return nil, fmt.Errorf("encode public key: %w", err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
	})
	return err
}

// authorityStep opens the root that takes part: certificate, key, list in force.
func (r *run) authorityStep(ctx context.Context) error {
	a := r.s.Authority
	content, err := readInput(a.Certificate)
	if err != nil {
		return err
	}
	r.issuer, err = parseCertificate(content)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Certificate, err)
	}
	r.signer, err = r.room.Token.Signer(ctx, a.Key)
	if err != nil {
		return fmt.Errorf("key of the authority: %w", err)
	}
	if !samePublic(r.issuer.PublicKey, r.signer.Public()) {
		return fmt.Errorf("%w: the certificate %s is not of the key %q", ErrCheck, a.Certificate, a.Key)
	}
	now := r.now()
	if now.Before(r.issuer.NotBefore) || now.After(r.issuer.NotAfter) {
		return fmt.Errorf("%w: the authority's certificate is valid from %s to %s", ErrCheck, r.issuer.NotBefore.Format(time.RFC3339), r.issuer.NotAfter.Format(time.RFC3339))
	}
	if !trust.SelfIssued(r.issuer) {
		return fmt.Errorf("%w: %s is not a root: subordinates and lists of an issuing authority are made by the running system", ErrCheck, a.Certificate)
	}
	err = r.readList(a.CRL)
	if err != nil {
		return err
	}
	_, err = r.make(ctx, "root-"+r.s.Name+".pem", func() ([]byte, error) { return encodeCert(r.issuer.Raw), nil })
	r.fact("Tổ chức chứng thực gốc", "Root authority", r.issuer.Subject.String())
	r.fact("Vân tay chứng thư gốc (SHA-256)", "Fingerprint of the root's certificate (SHA-256)", Spaced(hexSum(r.issuer.Raw)))
	return err
}

// subordinateStep signs a subordinate's certificate.
func (r *run) subordinateStep(ctx context.Context) error {
	content, err := readInput(r.s.Request)
	if err != nil {
		return err
	}
	csr, err := parseRequest(content)
	if err != nil {
		return err
	}
	der, err := r.makeCert(ctx, "issuer-"+r.s.Name+".pem", func() ([]byte, error) {
		profile := r.s.Cert.Profile
		if profile == "" {
			profile = "issuer"
		}
		template, err := r.room.Certificates.Template(CertificateOrder{Profile: profile, Facts: r.s.Cert, Public: csr.PublicKey, Issuer: r.issuer, NotBefore: r.now().Add(-backdate)})
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(template.RawSubject, csr.RawSubject) {
			return nil, fmt.Errorf("%w: the request is for %q, the ceremony's file makes another name", ErrCheck, csr.Subject.String())
		}
		return r.certify(template, r.issuer, r.signer)
	})
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	if err == nil {
		err = r.checkSigned(cert, r.issuer, csr.PublicKey)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCheck, err)
	}
	r.fact("Vân tay yêu cầu (SHA-256)", "Fingerprint of the request (SHA-256)", Spaced(hexSum(csr.Raw)))
	r.certificateFacts(cert)
	return nil
}

// makeCert is make for a certificate: PEM in the file, DER in the hand.
func (r *run) makeCert(ctx context.Context, name string, build func() ([]byte, error)) ([]byte, error) {
	content, err := r.make(ctx, name, func() ([]byte, error) {
		der, err := build()
		if err != nil {
			return nil, err
		}
		return encodeCert(der), nil
	})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%w: %s is not PEM", ErrCheck, name)
	}
	return block.Bytes, nil
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// readInput reads a file that the ceremony is given.
func readInput(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheck, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxInput {
		return nil, fmt.Errorf("%w: %s is no file of at most %d bytes", ErrCheck, path, maxInput)
	}
	return os.ReadFile(path)
}

// parseCertificate reads the one certificate of a PEM text.
func parseCertificate(content []byte) (*x509.Certificate, error) {
	certs, err := trust.ParsePEM(content)
	if err != nil || len(certs) != 1 {
		return nil, errors.Join(fmt.Errorf("%w: %d certificates in PEM, want one", ErrCheck, len(certs)), err)
	}
	return certs[0], nil
}

// readList reads the authority's list in force; it goes into the transcript.
func (r *run) readList(path string) error {
	der, err := readInput(path)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(der)
	if block != nil {
		der = block.Bytes
	}
	list, err := x509.ParseRevocationList(der)
	if err == nil {
		err = list.CheckSignatureFrom(r.issuer)
	}
	if err != nil {
		return fmt.Errorf("%w: list %s: %w", ErrCheck, path, err)
	}
	now := r.now()
	if list.ThisUpdate.After(now.Add(backdate)) || now.After(list.NextUpdate) {
		if r.s.Kind != KindCRL {
			return fmt.Errorf("%w: list %s is of %s to %s; hold a ceremony %q first", ErrCheck, path, list.ThisUpdate.Format(time.RFC3339), list.NextUpdate.Format(time.RFC3339), KindCRL)
		}
	}
	r.list = der
	return nil
}

// listStep signs the authority's list: the first one of a new root, or the
// next one with the entries of the last and those of the ceremony's file.
func (r *run) listStep(ctx context.Context) error {
	name := r.s.Name + ".crl"
	der, err := r.make(ctx, name, func() ([]byte, error) {
		this := r.now().Truncate(time.Second)
		number := big.NewInt(this.UnixNano())
		entries, last, err := r.entries()
		if err != nil {
			return nil, err
		}
		if last != nil && last.Cmp(number) >= 0 {
			number = new(big.Int).Add(last, big.NewInt(1))
		}
		return x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: number, ThisUpdate: this, NextUpdate: this.AddDate(0, 0, r.s.ListDays), RevokedCertificateEntries: entries,
		}, r.issuer, r.signer)
	})
	if err != nil {
		return err
	}
	list, err := x509.ParseRevocationList(der)
	if err == nil {
		err = list.CheckSignatureFrom(r.issuer)
	}
	if err != nil {
		return fmt.Errorf("%w: list: %w", ErrCheck, err)
	}
	r.list = der
	r.fact("Danh sách thu hồi số", "Number of the revocation list", list.Number.String())
	r.fact("Cập nhật kế tiếp", "Next update", list.NextUpdate.Format(time.RFC3339))
	r.fact("Số chứng thư bị thu hồi", "Certificates revoked", fmt.Sprint(len(list.RevokedCertificateEntries)))
	r.fact("Vân tay danh sách (SHA-256)", "Fingerprint of the list (SHA-256)", Spaced(hexSum(der)))
	return nil
}

// entries are those of the list in force with those of the ceremony's file. A
// revocation is never taken back.
func (r *run) entries() ([]x509.RevocationListEntry, *big.Int, error) {
	if r.s.Kind != KindCRL {
		return nil, nil, nil
	}
	old, err := x509.ParseRevocationList(r.list)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: list: %w", ErrCheck, err)
	}
	entries := old.RevokedCertificateEntries
	for _, add := range r.s.Revoke {
		serial, err := add.serial()
		if err != nil {
			return nil, nil, err
		}
		if slices.ContainsFunc(entries, func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(serial) == 0 }) {
			return nil, nil, fmt.Errorf("%w: certificate %s is on the list already", ErrCheck, add.Serial)
		}
		if add.At.After(r.now()) {
			return nil, nil, fmt.Errorf("%w: certificate %s is revoked in the future", ErrCheck, add.Serial)
		}
		entries = append(entries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: add.At.UTC().Truncate(time.Second), ReasonCode: add.Reason})
	}
	for i := range entries {
		// What was read from the old list is written anew.
		entries[i].Raw, entries[i].Extensions = nil, nil
	}
	return entries, old.Number, nil
}
