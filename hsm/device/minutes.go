package device

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/paper"
)

// kindWords name a device in both languages.
func kindWords(kind string) string {
	switch kind {
	case "usb":
		return "USB token"
	case "card":
		return "Thẻ thông minh / smart card"
	case "hsm":
		return "HSM"
	default:
		return "Phân vùng HSM / HSM partition"
	}
}

// party is who hands over or takes over.
type party struct{ name, title, agency string }

func (p party) text() string {
	switch {
	case p.name == "":
		return p.agency
	case p.title == "":
		return p.name + ", " + p.agency
	default:
		return p.name + ", " + p.title + ", " + p.agency
	}
}

// party finds a person in the directory at a time; without a person, the agency.
func (s *Service) party(ctx context.Context, personID, agencyID string, at time.Time) (party, error) {
	agency, err := s.d.People.Agency(ctx, agencyID)
	if err != nil {
		return party{}, fmt.Errorf("agency %q: %w", agencyID, err)
	}
	p := party{agency: agency.Name}
	if personID == "" {
		return p, nil
	}
	person, err := s.d.People.Person(ctx, personID)
	if err != nil {
		return party{}, fmt.Errorf("person %q: %w", personID, err)
	}
	p.name = person.Name
	position, err := s.d.People.Position(ctx, personID, at)
	if err != nil && !errors.Is(err, directory.ErrNotFound) {
		return party{}, fmt.Errorf("position of %q: %w", personID, err)
	}
	if err == nil {
		p.title = position.Title
	}
	return p, nil
}

// minutes makes and signs the minutes of an act; nil where none are written.
func (s *Service) minutes(ctx context.Context, d *Device, act *Act, confirmer auth.Subject) ([]byte, error) {
	doc, purpose, err := s.form(ctx, d, act, confirmer)
	if err != nil || doc == nil {
		return nil, err
	}
	return s.sign(ctx, doc, purpose+" "+act.ID)
}

func (s *Service) sign(ctx context.Context, doc *paper.Document, purpose string) ([]byte, error) {
	sheet, err := doc.Render()
	if err != nil {
		return nil, fmt.Errorf("write minutes: %w", err)
	}
	signed, err := s.d.Documents.SignReport(ctx, sheet.PDF, purpose)
	if err != nil {
		return nil, fmt.Errorf("%w: minutes are not signed: %w", ErrRecord, err)
	}
	return signed, nil
}

// form fills the form of a change.
func (s *Service) form(ctx context.Context, d *Device, act *Act, confirmer auth.Subject) (*paper.Document, string, error) {
	keeper, err := s.party(ctx, "", s.d.Agency, act.HappenedAt)
	if err != nil {
		return nil, "", err
	}
	holder := keeper
	if act.PersonID != "" {
		holder, err = s.party(ctx, act.PersonID, act.AgencyID, act.HappenedAt)
		if err != nil {
			return nil, "", err
		}
	}
	officer, err := s.officer(ctx, act, confirmer)
	if err != nil {
		return nil, "", err
	}
	doc := &paper.Document{Agency: keeper.agency, Place: s.d.Place, Date: *act.DecidedAt, Type: "Biên bản",
		Signer: paper.Signer{Title: officer.title, Name: officer.name}, Recipients: []string{holder.agency, "Lưu: VT"}}
	switch act.Change {
	case ChangeHandOut:
		doc.Abstract = "Bàn giao thiết bị lưu khóa bí mật (Mẫu số 08, NĐ 68/2024/NĐ-CP)"
		doc.Body = s.body(d, act, [][]string{{"Bên giao / Handed over by", keeper.text()}, {"Bên nhận / Taken over by", holder.text()}},
			"Bên nhận đã nhận thiết bị còn nguyên vẹn, tự đổi mã PIN và chịu trách nhiệm giữ thiết bị. The receiver has the device intact, changes the PIN and answers for it.")
		return doc, "hand-over-minutes", nil
	case ChangeReturn:
		doc.Abstract = "Bàn giao thiết bị lưu khóa bí mật (Mẫu số 08, NĐ 68/2024/NĐ-CP) – trả thiết bị"
		doc.Body = s.body(d, act, [][]string{{"Bên giao / Handed over by", holder.text()}, {"Bên nhận / Taken over by", keeper.text()}},
			"Thiết bị đã được trả cho bên nhận. The device was returned.")
		return doc, "return-minutes", nil
	case ChangeLose, ChangeDamage:
		what, en := "Xác nhận mất thiết bị lưu khóa bí mật", "lost"
		if act.Change == ChangeDamage {
			what, en = "Xác nhận hỏng thiết bị lưu khóa bí mật", "damaged"
		}
		doc.Abstract = what + " (Mẫu số 09, NĐ 68/2024/NĐ-CP)"
		doc.Body = s.body(d, act, [][]string{{"Người giữ thiết bị / Holder", holder.text()}, {"Nguyên nhân, diễn biến / What happened", act.Note}},
			"Chứng thư trên thiết bị phải được thu hồi ngay nếu khóa có thể bị lộ. The device is "+en+"; its certificate is to be revoked at once where the key may be exposed.")
		return doc, "loss-minutes", nil
	default:
		return nil, "", nil
	}
}

// officer is who signs at the foot: the confirmer when that is a person of the
// directory, else the proposer, else the agency's administrator.
func (s *Service) officer(ctx context.Context, act *Act, confirmer auth.Subject) (party, error) {
	for _, person := range []struct{ id, agency string }{{confirmer.PersonID, confirmer.AgencyID}, {act.Proposer, s.d.Agency}} {
		if person.id == "" || person.id == act.PersonID {
			continue // the holder does not sign for the keeper
		}
		p, err := s.party(ctx, person.id, person.agency, act.HappenedAt)
		if err != nil {
			return party{}, err
		}
		if p.title == "" {
			p.title = "Người lập biên bản"
		}
		return p, nil
	}
	return party{name: confirmer.AccountID, title: "Quản trị hệ thống"}, nil
}

// body is the table of facts and what was agreed.
func (s *Service) body(d *Device, act *Act, first [][]string, closing string) []paper.Block {
	t := paper.Table{Small: true, Columns: []paper.Column{{Title: "Mục / Item", Share: 2}, {Title: "Nội dung / Content", Share: 3}}}
	t.Rows = append(t.Rows, first...)
	add := func(what, value string) {
		if value != "" {
			t.Rows = append(t.Rows, []string{what, value})
		}
	}
	add("Loại thiết bị / Kind", kindWords(d.Kind))
	add("Hãng, kiểu / Maker, model", d.Maker+", "+d.Model)
	add("Số sê-ri thiết bị / Serial number", d.Serial)
	add("Số chứng thư / Certificate", act.Certificate)
	add("Thời điểm / At", act.HappenedAt.In(time.FixedZone("ICT", 7*60*60)).Format("15:04 02/01/2006"))
	if act.Change != ChangeLose && act.Change != ChangeDamage {
		add("Ghi chú / Note", act.Note)
	}
	add("Người đề nghị / Proposed by", act.ProposedBy)
	add("Người xác nhận / Confirmed by", act.DecidedBy)
	add("Mã việc / Act", act.ID)
	return []paper.Block{t, paper.Paragraph{Text: closing}}
}

// Notice makes and signs the notice of a hand-over that was proposed (form 07):
// it tells the receiver to come for the device.
func (s *Service) Notice(ctx context.Context, id string) ([]byte, error) {
	act, err := s.Act(ctx, id)
	if err != nil {
		return nil, err
	}
	subject, err := s.may(ctx, "propose", auth.Resource{ID: act.Serial})
	if err != nil {
		return nil, err
	}
	if act.Change != ChangeHandOut || act.State != ActPending {
		return nil, fmt.Errorf("%w: act %s is %s, %s; a notice is for a hand-out that waits", ErrState, id, act.Change, act.State)
	}
	d, err := s.get(ctx, act.Serial)
	if err != nil {
		return nil, err
	}
	now := s.d.Clock.Now()
	keeper, err := s.party(ctx, "", s.d.Agency, now)
	if err != nil {
		return nil, err
	}
	holder, err := s.party(ctx, act.PersonID, act.AgencyID, now)
	if err != nil {
		return nil, err
	}
	officer, err := s.officer(ctx, act, subject)
	if err != nil {
		return nil, err
	}
	t := paper.Table{Small: true, Columns: []paper.Column{{Title: "Mục / Item", Share: 2}, {Title: "Nội dung / Content", Share: 3}}, Rows: [][]string{
		{"Người nhận / Receiver", holder.text()}, {"Loại thiết bị / Kind", kindWords(d.Kind)}, {"Hãng, kiểu / Maker, model", d.Maker + ", " + d.Model},
		{"Số sê-ri thiết bị / Serial number", d.Serial}, {"Mã việc / Act", act.ID}}}
	doc := &paper.Document{Agency: keeper.agency, Place: s.d.Place, Date: now, Type: "Thông báo", Abstract: "Bàn giao thiết bị lưu khóa bí mật (Mẫu số 07, NĐ 68/2024/NĐ-CP)",
		To: []string{holder.agency}, Body: []paper.Block{
			paper.Paragraph{Text: keeper.agency + " thông báo bàn giao thiết bị lưu khóa bí mật sau đây. Đề nghị người nhận, hoặc người được cơ quan giao, đến nhận và ký biên bản bàn giao."}, t,
			paper.Paragraph{Text: "The receiver, or whom the agency sends, is asked to come for the device and to sign the minutes of the hand-over."}},
		Signer: paper.Signer{Title: officer.title, Name: officer.name}, Recipients: []string{holder.agency, "Lưu: VT"}}
	return s.sign(ctx, doc, "hand-over-notice "+act.ID)
}
