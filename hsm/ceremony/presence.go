package ceremony

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/antin-gov/antin/hsm/custodian"
)

// Factors by which a custodian authenticates.
const (
	factorKey     = "key file"
	factorAccount = "account"
)

// gather lets the custodians authenticate, one after the other, and refuses to
// go on with fewer than the quorum. Who fails is not counted.
func (r *run) gather(ctx context.Context) error {
	names, err := r.room.Presence.Present(ctx, r.s.Custodians.Members)
	if err != nil {
		return fmt.Errorf("who is present: %w", err)
	}
	seen := map[string]bool{}
	for _, name := range names {
		m, ok := r.s.member(name)
		if !ok {
			return fmt.Errorf("%w: %q is no custodian of this ceremony", ErrCheck, name)
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		a, err := r.authenticate(ctx, m)
		if errors.Is(err, context.Canceled) {
			return err
		}
		if err != nil {
			r.room.Console.Say(fmt.Sprintf("Custodian %s is not counted: %v", m.Name, err))
			continue
		}
		r.room.Console.Say(fmt.Sprintf("Custodian %s (%s) is present", m.Name, m.Person))
		r.present = append(r.present, a)
		r.result.Custodians = append(r.result.Custodians, a.Attendance)
	}
	if len(r.present) < r.s.Custodians.Quorum {
		return fmt.Errorf("%w: %d of %d, the quorum is %d; nothing was made", ErrQuorum, len(r.present), len(r.s.Custodians.Members), r.s.Custodians.Quorum)
	}
	return nil
}

// authenticate checks a custodian's key file against the ceremony's file, by a
// proof over a fresh challenge, and then the account.
func (r *run) authenticate(ctx context.Context, m Member) (attendant, error) {
	c, err := r.room.Presence.Open(ctx, m)
	if err != nil {
		return attendant{}, err
	}
	public, err := c.Public()
	if err != nil {
		return attendant{}, err
	}
	if public.Key != m.Key || public.Recipient != m.Recipient || public.Name != m.Name {
		return attendant{}, fmt.Errorf("%w: the key file is of %s with key %s, the ceremony names %s", ErrCheck, public.Name, public.Key, m.Key)
	}
	challenge := []byte(r.s.ID + "\x00" + r.s.SHA256() + "\x00" + rand.Text())
	proof, err := c.Prove(challenge)
	if err != nil {
		return attendant{}, err
	}
	err = custodian.CheckProof(challenge, proof, c.Signer().Public(), m.Key)
	if err != nil {
		return attendant{}, err
	}
	a := attendant{Attendance: Attendance{Name: m.Name, Person: m.Person, Title: m.Title, Account: m.Account, Factors: []string{factorKey}, Key: m.Key}, custodian: c}
	if m.Account == "" || !r.room.Presence.Accounts() {
		return a, nil
	}
	err = r.room.Presence.Account(ctx, m)
	if err != nil {
		return attendant{}, fmt.Errorf("account %s: %w", m.Account, err)
	}
	a.Factors = append(a.Factors, factorAccount)
	return a, nil
}
