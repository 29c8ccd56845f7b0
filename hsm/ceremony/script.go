package ceremony

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/antin-gov/antin/hsm/backup"
	"github.com/antin-gov/antin/hsm/custodian"
)

// ErrScript says that the ceremony's file does not hold together.
var ErrScript = errors.New("ceremony file")

// Kind is what a ceremony does.
type Kind string

// Kinds of ceremonies.
const (
	KindRoot        Kind = "root"        // a key, its self-signed certificate, its first list
	KindCSR         Kind = "csr"         // an authority's key and a request for another root
	KindSubordinate Kind = "subordinate" // a subordinate's certificate, signed by a root
	KindCRL         Kind = "crl"         // a root's next list
	KindKey         Kind = "key"         // the key of a service, a time-stamping unit or the ledger
	KindBackup      Kind = "backup"      // keys to a file, the wrapping key to the custodians
	KindRestore     Kind = "restore"     // keys from a file, with the custodians' shares
)

// Kinds lists the kinds of ceremonies.
func Kinds() []Kind {
	return []Kind{KindRoot, KindCSR, KindSubordinate, KindCRL, KindKey, KindBackup, KindRestore}
}

const (
	// maxScript bounds a file; the longest has a few dozen lines.
	maxScript = 256 << 10
	// maxTextLen bounds a line of text for the transcript.
	maxTextLen = 300
	maxList    = 1000
	// defaultListDays is the life of a root's list: half a year, so that the
	// next ceremony is due before a year is over.
	defaultListDays = 180
	maxListDays     = 400
)

// Text is a text in both languages.
type Text struct {
	VI string `yaml:"vi"`
	EN string `yaml:"en"`
}

// Person is somebody named in the transcript.
type Person struct {
	Name  string `yaml:"name"`
	Title string `yaml:"title"`
}

// Member is a custodian.
type Member struct {
	// Name is short, as in the names of the key file and the share.
	Name string `yaml:"name"`
	// Person and Title stand in the transcript and in the certificate.
	Person string `yaml:"person"`
	Title  string `yaml:"title"`
	// Account, when set, must authenticate too (password and second factor).
	Account string `yaml:"account"`
	// Key and Recipient are those of `antin hsm custodian create`.
	Key       string `yaml:"key"`
	Recipient string `yaml:"recipient"`
}

// Custodians are the members and how many of them must be present.
type Custodians struct {
	Quorum  int      `yaml:"quorum"`
	Members []Member `yaml:"members"`
}

// NewKey is the key to make.
type NewKey struct {
	Label     string `yaml:"label"`
	Algorithm string `yaml:"algorithm"`
	// Backup makes a key that can be wrapped for a backup.
	Backup bool `yaml:"backup"`
}

// Certificate are the facts of a certificate or a request; the rest stands in
// the profile.
type Certificate struct {
	Profile      string `yaml:"profile"`
	Organization string `yaml:"organization"`
	CommonName   string `yaml:"common_name"`
	// Days shortens the profile's validity.
	Days int `yaml:"days"`
	// OCSP, IssuerURL and CRL are the addresses in the certificate.
	OCSP      string `yaml:"ocsp_url"`
	IssuerURL string `yaml:"issuer_url"`
	CRL       string `yaml:"crl_url"`
}

// Authority is the authority that signs: its key in the token and its files.
type Authority struct {
	Key         string `yaml:"key"`
	Certificate string `yaml:"certificate"`
	// CRL is its list in force.
	CRL string `yaml:"crl"`
}

// Revocation is an entry for a list.
type Revocation struct {
	Serial string    `yaml:"serial"`
	At     time.Time `yaml:"at"`
	// Reason is a CRLReason (RFC 5280 §5.3.1).
	Reason int `yaml:"reason"`
}

// Script is the file of a ceremony.
type Script struct {
	Kind  Kind   `yaml:"ceremony"`
	ID    string `yaml:"id"`
	Title Text   `yaml:"title"`
	// Agency and Parent stand at the head of the transcript, Place before its date.
	Agency     string       `yaml:"agency"`
	Parent     string       `yaml:"parent"`
	Place      string       `yaml:"place"`
	Room       string       `yaml:"room"`
	Master     Person       `yaml:"master"`
	Witnesses  []Person     `yaml:"witnesses"`
	Custodians Custodians   `yaml:"custodians"`
	Token      string       `yaml:"token"`
	Folder     string       `yaml:"folder"`
	Name       string       `yaml:"name"`
	Key        NewKey       `yaml:"key"`
	Cert       Certificate  `yaml:"certificate"`
	Authority  Authority    `yaml:"authority"`
	Request    string       `yaml:"request"`
	Revoke     []Revocation `yaml:"revoke"`
	ListDays   int          `yaml:"crl_days"`
	Keys       []string     `yaml:"keys"`
	Backup     string       `yaml:"backup"`
	Shares     string       `yaml:"shares"`

	digest string
}

// SHA256 is the hex digest of the file's bytes.
func (s *Script) SHA256() string { return s.digest }

// Parse reads and checks the file of a ceremony. Relative paths in it are taken
// from dir, the file's folder.
func Parse(text []byte, dir string) (*Script, error) {
	if len(text) > maxScript {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrScript, len(text), maxScript)
	}
	sum := sha256.Sum256(text)
	s := &Script{digest: hex.EncodeToString(sum[:])}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	err := dec.Decode(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScript, err)
	}
	err = dec.Decode(new(yaml.Node))
	if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one document", ErrScript)
	}
	if s.ListDays == 0 {
		s.ListDays = defaultListDays
	}
	err = s.check()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScript, err)
	}
	for _, p := range []*string{&s.Folder, &s.Authority.Certificate, &s.Authority.CRL, &s.Request, &s.Backup, &s.Shares} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	return s, nil
}

var (
	idPattern   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,47}$`)
	keyPattern  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	hexPattern  = regexp.MustCompile(`^[0-9a-fA-F]{1,40}$`)
	accountText = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)
)

func (s *Script) check() error {
	if !slices.Contains(Kinds(), s.Kind) {
		return fmt.Errorf("ceremony: %.40q is none of %v", string(s.Kind), Kinds())
	}
	if !idPattern.MatchString(s.ID) || !idPattern.MatchString(s.Name) {
		return fmt.Errorf("id %.60q and name %.60q: 2 to 48 small letters, digits and dashes", s.ID, s.Name)
	}
	if s.Folder == "" {
		return errors.New("folder: where the results go is missing")
	}
	err := s.checkTexts()
	if err != nil {
		return err
	}
	err = s.Custodians.check()
	if err != nil {
		return fmt.Errorf("custodians: %w", err)
	}
	if s.ListDays < 1 || s.ListDays > maxListDays {
		return fmt.Errorf("crl_days: %d, want 1 to %d", s.ListDays, maxListDays)
	}
	return s.checkParts()
}

// checkTexts looks at what is printed.
func (s *Script) checkTexts() error {
	needed := map[string]string{"title.vi": s.Title.VI, "title.en": s.Title.EN, "agency": s.Agency, "place": s.Place,
		"master.name": s.Master.Name, "master.title": s.Master.Title}
	for _, m := range s.Custodians.Members {
		needed["person of custodian "+m.Name] = m.Person
		needed["title of custodian "+m.Name] = m.Title
	}
	for _, w := range s.Witnesses {
		needed["name of a witness"], needed["title of a witness"] = w.Name, w.Title
	}
	for what, text := range needed {
		if strings.TrimSpace(text) == "" {
			return fmt.Errorf("%s is missing", what)
		}
	}
	needed["parent"], needed["room"] = s.Parent, s.Room
	for what, text := range needed {
		if len(text) > maxTextLen || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Errorf("%s: more than %d bytes, or characters that cannot be printed", what, maxTextLen)
		}
	}
	if len(s.Witnesses) > backup.MaxHolders {
		return fmt.Errorf("%d witnesses, at most %d", len(s.Witnesses), backup.MaxHolders)
	}
	return nil
}

func (c Custodians) check() error {
	seen := map[string]bool{}
	for _, m := range c.Members {
		err := custodian.CheckName(m.Name)
		if err != nil {
			return err
		}
		if !keyPattern.MatchString(m.Key) {
			return fmt.Errorf("%s: key %.80q is not sha256: and 64 hex digits", m.Name, m.Key)
		}
		if m.Account != "" && !accountText.MatchString(m.Account) {
			return fmt.Errorf("%s: account %.80q", m.Name, m.Account)
		}
		// One person with two places would be two of a quorum.
		for _, once := range []string{"key " + m.Key, "account " + m.Account, "person " + m.Person + m.Title} {
			if seen[once] && once != "account " {
				return fmt.Errorf("%s: %s stands twice", m.Name, once)
			}
			seen[once] = true
		}
	}
	return backup.CheckQuorum(c.Quorum, c.Holders())
}

// Holders are the members as holders of shares.
func (c Custodians) Holders() []backup.Holder {
	var out []backup.Holder
	for _, m := range c.Members {
		out = append(out, backup.Holder{Name: m.Name, Recipient: m.Recipient})
	}
	return out
}

// parts says which parts of the file a kind needs; the others must be absent.
type parts struct{ key, cert, authority, request, revoke, keys, backup, shares bool }

func (k Kind) parts() parts {
	switch k {
	case KindRoot, KindCSR:
		return parts{key: true, cert: true}
	case KindSubordinate:
		return parts{cert: true, authority: true, request: true}
	case KindCRL:
		return parts{authority: true, revoke: true}
	case KindKey:
		return parts{key: true}
	case KindBackup:
		return parts{keys: true}
	default:
		return parts{backup: true, shares: true}
	}
}

func (s *Script) checkParts() error {
	want := s.Kind.parts()
	for _, p := range []struct {
		name         string
		needed, here bool
	}{
		{"key", want.key, s.Key != NewKey{}},
		{"certificate", want.cert, s.Cert != Certificate{}},
		{"authority", want.authority, s.Authority != Authority{}},
		{"request", want.request, s.Request != ""},
		{"keys", want.keys, len(s.Keys) > 0},
		{"backup", want.backup, s.Backup != ""},
		{"shares", want.shares, s.Shares != ""},
	} {
		if p.needed && !p.here {
			return fmt.Errorf("%s is missing: a ceremony %q needs it", p.name, s.Kind)
		}
		if !p.needed && p.here {
			return fmt.Errorf("%s does not belong to a ceremony %q", p.name, s.Kind)
		}
	}
	if !want.revoke && len(s.Revoke) > 0 {
		return fmt.Errorf("revoke does not belong to a ceremony %q", s.Kind)
	}
	return s.checkFields(want)
}

func (s *Script) checkFields(want parts) error {
	if want.key && (s.Key.Label == "" || s.Key.Algorithm == "") {
		return errors.New("key: label or algorithm is missing")
	}
	if want.cert && (s.Cert.CommonName == "" || s.Cert.Organization == "" || s.Cert.Days < 0) {
		return errors.New("certificate: common_name or organization is missing, or days is negative")
	}
	if want.authority && (s.Authority.Key == "" || s.Authority.Certificate == "" || s.Authority.CRL == "") {
		return errors.New("authority: key, certificate and crl are needed")
	}
	if len(s.Revoke) > maxList || len(s.Keys) > maxList {
		return fmt.Errorf("revoke, keys: more than %d", maxList)
	}
	for _, r := range s.Revoke {
		_, err := r.serial()
		if err != nil {
			return err
		}
		// RFC 5280 §5.3.1: 7 is unused; 8 is for delta lists.
		if r.At.IsZero() || r.Reason < 0 || r.Reason > 10 || r.Reason == 7 || r.Reason == 8 {
			return fmt.Errorf("revoke %s: no time, or reason %d is none of RFC 5280 §5.3.1", r.Serial, r.Reason)
		}
	}
	seen := map[string]bool{}
	for _, label := range s.Keys {
		if label == "" || seen[label] {
			return fmt.Errorf("keys: %q is empty or stands twice", label)
		}
		seen[label] = true
	}
	return nil
}

func (r Revocation) serial() (*big.Int, error) {
	n, ok := new(big.Int).SetString(r.Serial, 16)
	if !ok || !hexPattern.MatchString(r.Serial) {
		return nil, fmt.Errorf("revoke: serial %.60q is not hex", r.Serial)
	}
	return n, nil
}

// member finds a custodian by name.
func (s *Script) member(name string) (Member, bool) {
	for _, m := range s.Custodians.Members {
		if m.Name == name {
			return m, true
		}
	}
	return Member{}, false
}
