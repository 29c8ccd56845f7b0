package csc

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/signer"
)

// maxDescription bounds a description in characters (v2 §11.6).
const maxDescription = 500

// wish is what a program wants to be authorised.
type wish struct {
	key         signer.Key
	total       int
	digests     [][]byte
	description string
}

// readWish reads what both versions have alike; hashes is the version's name
// of the array.
func (s *Server) readWish(ctx context.Context, p params, hashes string) (wish, error) {
	var w wish
	var err error
	w.key, err = s.keyOf(ctx, p)
	if err != nil {
		return w, err
	}
	w.total, err = p.number("numSignatures")
	if err != nil {
		return w, err
	}
	if w.total < 1 {
		return w, invalid("Invalid value for parameter numSignatures")
	}
	if w.total > s.d.Config.MaxSignatures {
		return w, invalid("Numbers of signatures is too high")
	}
	w.digests, err = s.readDigests(p, hashes)
	if err != nil {
		return w, err
	}
	if len(w.digests) > w.total {
		return w, invalid("Numbers of signatures is too high")
	}
	w.description, err = p.text("description", false)
	if err != nil || len([]rune(w.description)) > maxDescription {
		return w, badParameter("description")
	}
	return w, nil
}

// readDigests reads the digests that a SAD is to be bound to: always, as the
// credentials are of SCAL 2.
func (s *Server) readDigests(p params, hashes string) ([][]byte, error) {
	digests, err := p.digests(hashes, true, s.d.Config.MaxSignatures)
	if err != nil {
		return nil, err
	}
	oid, err := p.text("hashAlgorithmOID", false)
	if err != nil {
		return nil, err
	}
	h, known := hashOf(oid)
	if oid != "" && !known {
		return nil, badParameter("hashAlgorithmOID")
	}
	if known && !sized(digests, h) {
		return nil, invalid("Invalid digest value length")
	}
	return digests, nil
}

// authorize grants a wish when the second factor holds. Whatever can be refused
// without it is refused before: a code is good once.
func (s *Server) authorize(ctx context.Context, client string, w wish, factor func(ctx context.Context) (string, error)) (int, any, error) {
	account := auth.SubjectFrom(ctx).AccountID
	err := s.d.Signer.CheckKey(ctx, w.key)
	if err != nil {
		return 0, nil, err
	}
	err = s.live(ctx, account)
	if err != nil {
		return 0, nil, err
	}
	if !s.of(account).factors.AllowN(s.d.Clock.Now(), 1) {
		return 0, nil, errBusy()
	}
	given, err := factor(ctx)
	if err != nil {
		return 0, nil, err
	}
	return s.granted(s.grant(ctx, newGrant{key: w.key, total: w.total, digests: w.digests, factor: given, client: client}))
}

// granted is the answer with a SAD.
func (s *Server) granted(secret string, g *Grant, err error) (int, any, error) {
	if err != nil {
		return 0, nil, err
	}
	return ok(map[string]any{"SAD": secret, "expiresIn": int(g.ExpiresAt.Sub(s.d.Clock.Now()) / time.Second)}, nil)
}

func (s *Server) authorizeV1(ctx context.Context, c caller, p params) (int, any, error) {
	w, err := s.readWish(ctx, p, "hash")
	if err != nil {
		return 0, nil, err
	}
	code, err := p.text("OTP", true)
	if err != nil {
		return 0, nil, err
	}
	return s.authorize(ctx, c.client, w, func(ctx context.Context) (string, error) {
		err := s.d.Accounts.CheckCode(ctx, auth.SubjectFrom(ctx).AccountID, code)
		if err != nil {
			return "", secondFactor(err, "invalid_otp", "The OTP is invalid")
		}
		return signer.FactorTOTP, nil
	})
}

// authorizeV2 grants at once when the program brings the second factor. When it
// brings none, the person is asked in the console, and the program asks by the
// handle what became of it.
func (s *Server) authorizeV2(ctx context.Context, c caller, p params) (int, any, error) {
	w, err := s.readWish(ctx, p, "hashes")
	if err != nil {
		return 0, nil, err
	}
	data, err := p.objects("authData", 4)
	if err != nil {
		return 0, nil, err
	}
	if len(data) == 0 {
		handle, err := s.ask(ctx, c.client, w)
		return http.StatusAccepted, map[string]any{"handle": handle}, err
	}
	given := map[string]string{}
	for _, d := range data {
		id, err := d.text("id", true)
		if err != nil {
			return 0, nil, err
		}
		given[id], err = d.text("value", true)
		if err != nil {
			return 0, nil, err
		}
	}
	return s.authorize(ctx, c.client, w, func(ctx context.Context) (string, error) { return s.factorV2(ctx, w, given) })
}

// factorV2 checks the one authentication object that a request brings.
func (s *Server) factorV2(ctx context.Context, w wish, given map[string]string) (string, error) {
	const code, text = "invalid_authentication_data", "The authentication data is invalid"
	account := auth.SubjectFrom(ctx).AccountID
	if len(given) != 1 {
		return "", &Fault{http.StatusBadRequest, code, text}
	}
	otp, isOTP := given[objectOTP]
	if isOTP {
		err := s.d.Accounts.CheckCode(ctx, account, otp)
		if err != nil {
			return "", secondFactor(err, code, text)
		}
		return signer.FactorTOTP, nil
	}
	var answer struct {
		Challenge string          `json:"challenge"`
		Answer    json.RawMessage `json:"answer"`
	}
	err := json.Unmarshal([]byte(given[objectPasskey]), &answer)
	if err != nil {
		return "", &Fault{http.StatusBadRequest, code, text}
	}
	err = s.d.Passkeys.FinishAssertion(ctx, account, w.purpose(), answer.Challenge, answer.Answer)
	if err != nil {
		return "", secondFactor(err, code, text)
	}
	return signer.FactorPasskey, nil
}

// purpose binds a passkey's answer to the credential, the digests and their
// number: given for these, it serves for no others.
func (w wish) purpose() string {
	return "sign:remote:" + w.key.Name + ":" + strconv.Itoa(w.total) + ":" + digestOfAll(w.digests)
}

// getChallenge gives the challenge of a passkey. The answer is bound to what it
// is for, so the request brings numSignatures and hashes, as authorize will.
func (s *Server) getChallenge(ctx context.Context, _ caller, p params) (int, any, error) {
	object, err := p.text("authObjectID", true)
	if err != nil {
		return 0, nil, err
	}
	w, err := s.readWish(ctx, p, "hashes")
	if err != nil {
		return 0, nil, err
	}
	account := auth.SubjectFrom(ctx).AccountID
	n, err := s.d.Passkeys.Count(ctx, account)
	if err != nil {
		return 0, nil, fmt.Errorf("count passkeys: %w", err)
	}
	if object != objectPasskey || n == 0 {
		return 0, nil, badParameter("authObjectID")
	}
	if !s.of(account).factors.AllowN(s.d.Clock.Now(), 1) {
		return 0, nil, errBusy()
	}
	options, id, err := s.d.Passkeys.BeginAssertion(ctx, account, w.purpose())
	if err != nil {
		return 0, nil, err
	}
	text, err := json.Marshal(map[string]any{"challenge": id, "options": options})
	if err != nil {
		return 0, nil, err
	}
	return ok(map[string]any{"challenge": string(text)}, nil)
}

func (s *Server) extendV1(ctx context.Context, c caller, p params) (int, any, error) {
	return s.extend(ctx, c, p, "hash")
}

func (s *Server) extendV2(ctx context.Context, c caller, p params) (int, any, error) {
	return s.extend(ctx, c, p, "hashes")
}

// extend makes a new SAD over further digests of the same transaction, out of
// the number that is left, and ends the old one. A document that is signed
// twice has its second digest only after the first signature.
func (s *Server) extend(ctx context.Context, c caller, p params, hashes string) (int, any, error) {
	k, err := s.keyOf(ctx, p)
	if err != nil {
		return 0, nil, err
	}
	g, err := s.sad(ctx, p, k)
	if err != nil {
		return 0, nil, err
	}
	digests, err := s.readDigests(p, hashes)
	if err != nil {
		return 0, nil, err
	}
	if int64(len(digests)) > g.Total-g.Used {
		return 0, nil, invalid("Numbers of signatures is too high")
	}
	return s.granted(s.grant(ctx, newGrant{key: k, total: int(g.Total), digests: digests, factor: g.Factor, client: c.client, follows: g}))
}

// sad reads and finds the SAD of a request.
func (s *Server) sad(ctx context.Context, p params, k signer.Key) (*Grant, error) {
	secret, err := p.text("SAD", true)
	if err != nil {
		return nil, err
	}
	return s.find(ctx, secret, auth.SubjectFrom(ctx).AccountID, k.Name)
}
