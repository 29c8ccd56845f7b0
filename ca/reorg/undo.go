package reorg

import (
	"context"
	"slices"
)

// Undo says what takes one item back.
type Undo struct {
	N      int        `json:"n"`
	Kind   ActionKind `json:"kind"`
	Object string     `json:"object"`
	Holder string     `json:"holder,omitempty"`
	// Final says that the item itself cannot be taken back; Do then says what
	// comes nearest.
	Final bool `json:"final"`
	// Do is a code: what to do.
	Do UndoAct `json:"do"`
	// From and To are where things go back from and to: agencies, or serial
	// numbers of certificates.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Was is the name that an agency or position had.
	Was string `json:"was,omitempty"`
}

// UndoAct is what takes an item back.
type UndoAct string

// What takes items back.
const (
	UndoEnd        UndoAct = "end-agency"
	UndoReopen     UndoAct = "reopen-agency"
	UndoRename     UndoAct = "restore-name"
	UndoPosition   UndoAct = "restore-position"
	UndoMove       UndoAct = "move-back"
	UndoEnable     UndoAct = "enable-account"
	UndoRequest    UndoAct = "request-certificate"
	UndoChangeBack UndoAct = "change-certificate-back"
)

// UndoList says for each item done, the last first, what takes it back.
func (s *Service) UndoList(ctx context.Context, id string) ([]Undo, error) {
	_, items, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	list := []Undo{}
	for _, item := range slices.Backward(items) {
		if item.State != ItemDone || item.Kind == Notice {
			continue
		}
		list = append(list, item.undo())
	}
	return list, nil
}

func (i Item) undo() Undo {
	u := Undo{N: i.N, Kind: i.Kind, Object: i.Object, Holder: i.Action.Holder, From: i.Action.To, To: i.Action.From}
	switch i.Kind {
	case AgencyCreate:
		u.Do, u.Holder = UndoEnd, i.Action.Agency.Name
	case AgencyChange:
		u.Do, u.Was, u.Holder = UndoRename, i.Action.Was.Name+" ("+i.Action.Was.Code+")", i.Action.Agency.Name
	case AgencyEnd:
		u.Do = UndoReopen
	case PositionMove, PositionEnd:
		u.Do, u.Was = UndoPosition, i.Action.Ends.Title
	case NetworkMove, AccountMove:
		u.Do = UndoMove
	case AccountDisable:
		u.Do = UndoEnable
	case CertificateChange:
		// The old certificate is revoked for good; the key can be certified
		// again with the old information.
		u.Do, u.Final, u.From, u.To = UndoChangeBack, true, i.Result, i.Object
	case CertificateRevoke:
		u.Do, u.Final = UndoRequest, true
	}
	return u
}
