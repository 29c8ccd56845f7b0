package reorg

import (
	"context"
	"fmt"
	"slices"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/directory"
)

// fate is what becomes of a person.
type fate struct {
	to    string // agency; empty when the person leaves
	cause ca.Cause
}

// follow plans the positions and accounts of an agency's people: they go to
// the successor, or to where the order says, or they leave.
func (p *planner) follow(ctx context.Context, from *directory.Agency, successor string, named []Person, known map[string]bool) (map[string]fate, error) {
	positions, err := p.s.deps.Directory.Positions(ctx, from.ID, p.at)
	if err != nil {
		return nil, err
	}
	fates := map[string]fate{}
	for _, held := range positions {
		i := slices.IndexFunc(named, func(n Person) bool { return n.ID == held.PersonID })
		n := Person{ID: held.PersonID}
		if i >= 0 {
			n = named[i]
			known[n.ID] = true
		}
		f := fate{to: successor, cause: n.Leaves}
		if n.To != "" {
			f.to = n.To
		}
		if n.Leaves != "" {
			f.to = ""
		}
		err := p.place(ctx, held, f, n)
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", held.PersonID, from.ID, err)
		}
		fates[held.PersonID] = f
	}
	return fates, p.accounts(ctx, from, successor, fates)
}

// place plans the end of a position and what comes after it.
func (p *planner) place(ctx context.Context, held directory.Position, f fate, n Person) error {
	person, err := p.s.deps.Directory.Person(ctx, held.PersonID)
	if err != nil {
		return err
	}
	if f.to == "" {
		p.directory = append(p.directory, Action{Kind: PositionEnd, Object: held.ID, Holder: person.Name, Ends: &held, From: held.AgencyID})
		return nil
	}
	_, err = p.reachable(ctx, f.to)
	if err != nil {
		return err
	}
	next := directory.Position{ID: fmt.Sprintf("%s-%s", held.ID, p.at.Format("20060102150405")), PersonID: held.PersonID, AgencyID: f.to,
		Title: held.Title, TitleEN: held.TitleEN, ValidFrom: p.at}
	if n.Title != "" {
		next.Title, next.TitleEN = n.Title, n.TitleEN
	}
	p.directory = append(p.directory, Action{Kind: PositionMove, Object: held.ID, Holder: person.Name, Ends: &held, Position: &next, From: held.AgencyID, To: f.to})
	return nil
}

// accounts plans what becomes of the accounts of an agency: each goes with its
// person; one without a person goes to the successor or ends.
func (p *planner) accounts(ctx context.Context, from *directory.Agency, successor string, fates map[string]fate) error {
	accounts, err := p.s.deps.Accounts.OfAgency(ctx, from.ID)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		to := successor
		f, isPerson := fates[a.PersonID]
		if isPerson {
			to = f.to
		}
		action := Action{Kind: AccountMove, Object: a.ID, From: from.ID, To: to}
		if to == "" {
			action.Kind = AccountDisable
		}
		p.directory = append(p.directory, action)
	}
	return nil
}

// hold plans what becomes of an agency's certificates. kept says that its seal
// goes on under the agency it becomes.
func (p *planner) hold(ctx context.Context, from, into *directory.Agency, people map[string]fate, cause ca.Cause, kept bool) error {
	held, err := p.s.deps.CA.InForce(ctx, from.ID, p.at)
	if err != nil {
		return err
	}
	for _, c := range held {
		switch {
		case c.PersonID != "":
			err = p.personal(ctx, c, people, cause)
		case c.Machine != "" && into != nil:
			err = p.changeOrRevoke(ctx, c, into.ID, ca.CauseStopped)
		case c.Machine != "":
			p.revoke(c, ca.CauseStopped, noteEnrolAgain)
		case kept:
			err = p.changeOrRevoke(ctx, c, into.ID, cause)
		default:
			p.revoke(c, cause, "")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) personal(ctx context.Context, c ca.Certificate, people map[string]fate, cause ca.Cause) error {
	f, known := people[c.PersonID]
	switch {
	case !known: // the position ended before; the certificate was left over
		p.revoke(c, ca.CausePostChanged, noteLeaves)
		return nil
	case f.to == "" && f.cause != "":
		p.revoke(c, f.cause, noteLeaves)
		return nil
	case f.to == "":
		p.revoke(c, cause, noteLeaves)
		return nil
	}
	return p.changeOrRevoke(ctx, c, f.to, ca.CausePostChanged)
}

// changeOrRevoke plans a change of information, or, when the holder's proof of
// possession is not kept, the end with a word that the holder must enrol anew.
func (p *planner) changeOrRevoke(ctx context.Context, c ca.Certificate, to string, cause ca.Cause) error {
	can, err := p.s.deps.CA.CanReissue(ctx, &c)
	if err != nil {
		return err
	}
	if !can {
		p.revoke(c, cause, noteEnrolAgain)
		return nil
	}
	p.certificates = append(p.certificates, Action{Kind: CertificateChange, Object: c.Serial, Holder: profile.CommonName(c.Subject), Profile: c.Profile, From: c.AgencyID, To: to, Cause: cause})
	return nil
}

func (p *planner) revoke(c ca.Certificate, cause ca.Cause, note string) {
	p.certificates = append(p.certificates, Action{Kind: CertificateRevoke, Object: c.Serial, Holder: profile.CommonName(c.Subject), Profile: c.Profile, From: c.AgencyID, Cause: cause, Note: note})
}

// close plans the end of an agency: its networks and the agencies below it go
// to the successor.
func (p *planner) close(ctx context.Context, from *directory.Agency, successor string, networks map[string]string) error {
	ranges, err := p.s.deps.Directory.Networks(ctx, from.ID)
	if err != nil {
		return err
	}
	for _, n := range ranges {
		to := successor
		if networks[n.ID] != "" {
			to = networks[n.ID]
			_, err = p.reachable(ctx, to)
			if err != nil {
				return err
			}
		}
		p.directory = append(p.directory, Action{Kind: NetworkMove, Object: n.ID, Holder: n.CIDR, From: from.ID, To: to})
	}
	children, err := p.children(ctx, from.ID)
	if err != nil {
		return err
	}
	for _, child := range children {
		becomes := child
		becomes.ParentID = successor
		p.directory = append(p.directory, Action{Kind: AgencyChange, Object: child.ID, Agency: &becomes, Was: &child})
	}
	p.end(from, successor)
	return nil
}

// end plans the end of an agency.
func (p *planner) end(a *directory.Agency, successor string) {
	p.away[a.ID] = true
	p.ends = append(p.ends, Action{Kind: AgencyEnd, Object: a.ID, Holder: a.Name, Was: a, To: successor})
}

// children are the agencies that are still below one after the steps so far.
func (p *planner) children(ctx context.Context, id string) ([]directory.Agency, error) {
	list, err := p.s.deps.Directory.Children(ctx, id, p.at)
	return slices.DeleteFunc(list, func(a directory.Agency) bool { return p.away[a.ID] }), err
}
