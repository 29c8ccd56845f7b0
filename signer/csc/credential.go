package csc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer"
)

// certificateCheck bounds the look at one certificate's status while a program
// waits for a description; the check before a signature is made without hurry.
const certificateCheck = 5 * time.Second

// generalizedTime is the form of times (v2 §11.4).
const generalizedTime = "20060102150405Z"

// Ids of the authentication objects of version 2.
const (
	objectOTP     = "OTP"
	objectPasskey = "PASSKEY"
)

// service tells what this is, in both versions.
func (s *Server) service(p params, specs string, methods []method) (map[string]any, error) {
	lang, err := p.text("lang", false)
	if err != nil {
		return nil, err
	}
	name, description, told := "Ấn Tín", "Ký số từ xa bằng khóa trong thiết bị bảo mật phần cứng (HSM)", "vi-VN"
	if strings.HasPrefix(strings.ToLower(lang), "en") {
		description, told = "Remote signing with keys in a hardware security module (HSM)", "en-US"
	}
	return map[string]any{
		"specs": specs, "name": name, "logo": s.d.Config.URL + Path + "/logo.png", "region": "VN", "lang": told, "description": description,
		"authType": []string{"external", "oauth2code"}, "oauth2": s.d.Config.URL + Path, "methods": names(methods),
	}, nil
}

func (s *Server) infoV1(_ context.Context, _ caller, p params) (int, any, error) {
	v, err := s.service(p, "1.0.4.0", s.v1())
	if err != nil {
		return 0, nil, err
	}
	v["authType"] = []string{"external", "basic", "oauth2code"}
	return ok(v, nil)
}

func (s *Server) infoV2(_ context.Context, _ caller, p params) (int, any, error) {
	v, err := s.service(p, "2.0.0.2", s.v2())
	if err != nil {
		return 0, nil, err
	}
	var algorithms []string
	for _, a := range signatureOIDs() {
		algorithms = append(algorithms, a.oid)
	}
	v["asynchronousOperationMode"], v["validationInfo"] = true, true
	v["signAlgorithms"] = map[string]any{"algos": algorithms}
	v["signature_formats"] = formatsTold()
	v["conformance_levels"] = conformanceLevels()
	return ok(v, nil)
}

// keys are those that the subject may use from here.
func (s *Server) keys(ctx context.Context) ([]signer.Key, error) {
	own, err := s.d.Signer.OwnKeys(ctx)
	if err != nil {
		return nil, err
	}
	var list []signer.Key
	for _, k := range own {
		err = s.d.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), ActionRemote, auth.Resource{Kind: "key", ID: k.Name, AgencyID: k.AgencyID})
		if errors.Is(err, auth.ErrDenied) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, nil
}

// key is the subject's own by its id; another one does not exist.
func (s *Server) key(ctx context.Context, id string) (signer.Key, error) {
	keys, err := s.keys(ctx)
	if err != nil {
		return signer.Key{}, err
	}
	for _, k := range keys {
		if k.Name == id {
			return k, nil
		}
	}
	return signer.Key{}, badParameter("credentialID")
}

// keyOf reads credentialID.
func (s *Server) keyOf(ctx context.Context, p params) (signer.Key, error) {
	id, err := p.text("credentialID", true)
	if err != nil {
		return signer.Key{}, err
	}
	return s.key(ctx, id)
}

// nobodyElse refuses userID: the access token says whose credentials these are.
func nobodyElse(p params) error {
	if p.has("userID") {
		return invalid("userID parameter MUST be null")
	}
	return nil
}

func (s *Server) listV1(ctx context.Context, _ caller, p params) (int, any, error) {
	err := nobodyElse(p)
	if err != nil {
		return 0, nil, err
	}
	most := maxPage
	if p.has("maxResults") {
		most, err = p.number("maxResults")
		if err != nil || most < 1 {
			return 0, nil, badParameter("maxResults")
		}
	}
	after, err := p.text("pageToken", false)
	if err != nil {
		return 0, nil, badParameter("pageToken")
	}
	keys, err := s.keys(ctx)
	if err != nil {
		return 0, nil, err
	}
	list, next, err := page(ids(keys), after, min(most, maxPage))
	if err != nil {
		return 0, nil, err
	}
	answer := map[string]any{"credentialIDs": list}
	if next != "" {
		answer["nextPageToken"] = next
	}
	return ok(answer, nil)
}

// maxPage bounds a page of a list, whatever a program asks for.
const maxPage = 100

// page cuts a page out of a list: what follows the one that a token names. A
// token is the name of the last one of the page before, in base64url, which the
// program had on that page anyway.
func page(list []string, token string, most int) (part []string, next string, err error) {
	slices.Sort(list)
	from := 0
	if token != "" {
		name, err := base64.RawURLEncoding.DecodeString(token)
		at, found := slices.BinarySearch(list, string(name))
		if err != nil || !found {
			return nil, "", badParameter("pageToken")
		}
		from = at + 1
	}
	part = list[from:]
	if len(part) > most {
		part = part[:most]
		next = base64.RawURLEncoding.EncodeToString([]byte(part[most-1]))
	}
	return part, next, nil
}

func ids(keys []signer.Key) []string {
	list := make([]string, 0, len(keys))
	for _, k := range keys {
		list = append(list, k.Name)
	}
	return list
}

func (s *Server) listV2(ctx context.Context, _ caller, p params) (int, any, error) {
	err := nobodyElse(p)
	if err != nil {
		return 0, nil, err
	}
	show, err := readShow(p)
	if err != nil {
		return 0, nil, err
	}
	infos, err := p.flag("credentialInfo")
	if err != nil {
		return 0, nil, err
	}
	onlyValid, err := p.flag("onlyValid")
	if err != nil {
		return 0, nil, err
	}
	keys, err := s.keys(ctx)
	if err != nil {
		return 0, nil, err
	}
	listed, described := []signer.Key{}, []map[string]any{}
	for _, k := range keys {
		status := ""
		if infos || onlyValid {
			status = s.status(ctx, k)
		}
		if onlyValid && status != "valid" {
			continue
		}
		listed = append(listed, k)
		if infos {
			info, err := s.describeV2(ctx, k, status, show)
			if err != nil {
				return 0, nil, err
			}
			info["credentialID"] = k.Name
			described = append(described, info)
		}
	}
	answer := map[string]any{"credentialIDs": ids(listed)}
	if infos {
		answer["credentialInfos"] = described
	}
	if onlyValid {
		answer["onlyValid"] = true
	}
	return ok(answer, nil)
}

// show says what of a credential is told.
type show struct {
	certificates string
	cert, auth   bool
}

func readShow(p params) (show, error) {
	var v show
	var err error
	v.certificates, err = p.choice("certificates", "single", "none", "chain")
	if err != nil {
		return v, err
	}
	v.cert, err = p.flag("certInfo")
	if err != nil {
		return v, err
	}
	v.auth, err = p.flag("authInfo")
	return v, err
}

func (s *Server) credentialV2(ctx context.Context, _ caller, p params) (int, any, error) {
	show, err := readShow(p)
	if err != nil {
		return 0, nil, err
	}
	k, err := s.keyOf(ctx, p)
	if err != nil {
		return 0, nil, err
	}
	return ok(s.describeV2(ctx, k, s.status(ctx, k), show))
}

func (s *Server) credentialV1(ctx context.Context, _ caller, p params) (int, any, error) {
	show, err := readShow(p)
	if err != nil {
		return 0, nil, err
	}
	k, err := s.keyOf(ctx, p)
	if err != nil {
		return 0, nil, err
	}
	v := s.describe(k, s.status(ctx, k), show)
	v["authMode"] = "explicit"
	if show.auth {
		v["PIN"] = map[string]any{"presence": "false"}
		v["OTP"] = map[string]any{
			"presence": "true", "type": "offline", "format": "N", "ID": objectOTP, "provider": "totp",
			"label": "Mã 6 số", "description": "Six digits of the authenticator app (RFC 6238)",
		}
	}
	return ok(v, nil)
}

func (s *Server) describeV2(ctx context.Context, k signer.Key, status string, show show) (map[string]any, error) {
	v := s.describe(k, status, show)
	v["auth"] = map[string]any{"mode": "explicit"}
	if !show.auth {
		return v, nil
	}
	n, err := s.d.Passkeys.Count(ctx, auth.SubjectFrom(ctx).AccountID)
	if err != nil {
		return nil, fmt.Errorf("count passkeys: %w", err)
	}
	expression := objectOTP
	objects := []map[string]any{{"type": "Password", "id": objectOTP, "format": "N", "generator": "totp", "label": "Mã 6 số", "description": "Six digits of the authenticator app (RFC 6238)"}}
	if n > 0 {
		expression += " XOR " + objectPasskey
		objects = append(objects, map[string]any{"type": "ChallengeResponse", "id": objectPasskey, "format": "A", "label": "Passkey", "description": "Assertion of a passkey over the challenge (W3C WebAuthn), as JSON"})
	}
	v["auth"] = map[string]any{"mode": "explicit", "expression": expression, "objects": objects}
	return v, nil
}

// describe is what both versions tell of a credential.
func (s *Server) describe(k signer.Key, status string, show show) map[string]any {
	leaf := k.Chain[0]
	bits, curve := keySize(leaf.PublicKey)
	key := map[string]any{"status": "disabled", "algo": keyAlgorithms(leaf.PublicKey), "len": bits}
	if status == "valid" {
		key["status"] = "enabled"
	}
	if curve != "" {
		key["curve"] = curve
	}
	cert := map[string]any{}
	if status != "" {
		cert["status"] = status
	}
	chain := k.Chain
	if show.certificates == "single" {
		chain = chain[:1]
	}
	if show.certificates != "none" {
		var list []string
		for _, c := range chain {
			list = append(list, base64.StdEncoding.EncodeToString(c.Raw))
		}
		cert["certificates"] = list
	}
	if show.cert {
		cert["issuerDN"], cert["subjectDN"] = leaf.Issuer.String(), leaf.Subject.String()
		cert["serialNumber"] = strings.ToUpper(trust.SerialText(leaf))
		cert["validFrom"], cert["validTo"] = leaf.NotBefore.UTC().Format(generalizedTime), leaf.NotAfter.UTC().Format(generalizedTime)
	}
	return map[string]any{"key": key, "cert": cert, "SCAL": "2", "multisign": s.d.Config.MaxSignatures, "lang": "vi-VN"}
}

// status is that of a key's certificate in the standard's words; empty when it
// could not be learnt just now.
func (s *Server) status(ctx context.Context, k signer.Key) string {
	leaf, now := k.Chain[0], s.d.Clock.Now()
	if now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		return "expired"
	}
	ctx, cancel := context.WithTimeout(ctx, certificateCheck)
	defer cancel()
	err := s.d.Signer.CheckKey(ctx, k)
	if err == nil {
		return "valid"
	}
	const certificateHold = 6 // RFC 5280 §5.3.1
	var revoked *trust.RevokedError
	if !errors.As(err, &revoked) {
		return ""
	}
	if revoked.Reason == certificateHold {
		return "suspended"
	}
	return "revoked"
}
