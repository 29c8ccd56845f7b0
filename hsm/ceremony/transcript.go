package ceremony

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/paper"
)

// ict is the time of Vietnam, in which documents are dated.
func ict() *time.Location { return time.FixedZone("ICT", 7*60*60) }

// transcriptStep writes the transcript and lets everybody sign it.
func (r *run) transcriptStep(ctx context.Context) error {
	name := "transcript-" + r.s.ID + ".pdf"
	r.result.Transcript = name
	_, before := r.journal.find(eventOutput, name)
	if before {
		_, err := r.make(ctx, name, nil)
		r.result.Signatures = len(r.present) + boolInt(r.signer != nil)
		return err
	}
	v, err := r.voucher()
	if err != nil {
		return err
	}
	anchor := v.cert
	if v.own {
		// One of an interrupted attempt has no key any more.
		file := "root-ceremony-" + r.s.ID + ".pem"
		err = r.forget(file)
		if err == nil {
			_, err = r.make(ctx, file, func() ([]byte, error) { return encodeCert(v.cert.Raw), nil })
		}
		if err != nil {
			return err
		}
		r.fact("Tổ chức chứng thực của buổi lễ, khoá đã huỷ (SHA-256)", "Authority of the ceremony, its key is dropped (SHA-256)", Spaced(hexSum(v.cert.Raw)))
	}
	signatures, err := r.signatures(v)
	if err != nil {
		return err
	}
	var certs []*x509.Certificate
	for _, s := range signatures {
		certs = append(certs, s.Chain[0])
	}
	if v.own {
		v.key = nil
	}
	sheet, err := r.document(certs).Render()
	if err != nil {
		return fmt.Errorf("write the transcript: %w", err)
	}
	now := r.now()
	_, err = r.make(ctx, name, func() ([]byte, error) {
		signed, err := r.room.Documents.Sign(ctx, sheet.PDF, signatures, v.evidence(certs...), now)
		if err != nil {
			return nil, fmt.Errorf("sign the transcript: %w", err)
		}
		n, err := r.room.Documents.Verify(ctx, signed, []*x509.Certificate{anchor}, r.now())
		if err != nil {
			return nil, fmt.Errorf("%w: the transcript: %w", ErrCheck, err)
		}
		if n != len(signatures) {
			return nil, fmt.Errorf("%w: the transcript has %d signatures, want %d", ErrCheck, n, len(signatures))
		}
		return signed, nil
	})
	r.result.Signatures = len(signatures)
	return err
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// signatures certifies the signers: the key of the ceremony first, then the
// custodians present.
func (r *run) signatures(v *voucher) ([]Signature, error) {
	var out []Signature
	if r.signer != nil {
		label := r.s.Key.Label
		if label == "" {
			label = r.s.Authority.Key
		}
		cert, err := r.vouch(v, r.signer.Public(), "Key "+label, "")
		if err != nil {
			return nil, err
		}
		out = append(out, Signature{Signer: r.signer, Chain: []*x509.Certificate{cert, v.cert}, Reason: "Khoá của buổi lễ / key of the ceremony"})
	}
	for _, a := range r.present {
		cert, err := r.vouch(v, a.custodian.Signer().Public(), a.Person, a.Title)
		if err != nil {
			return nil, err
		}
		out = append(out, Signature{Signer: a.custodian.Signer(), Chain: []*x509.Certificate{cert, v.cert}, Reason: "Người giữ khoá / custodian " + a.Name})
	}
	return out, nil
}

// document is the transcript in the form of NĐ 30, in both languages.
func (r *run) document(certs []*x509.Certificate) *paper.Document {
	abstract := r.s.Title.VI + " / " + r.s.Title.EN
	if r.room.Rehearsal {
		abstract = "DIỄN TẬP / REHEARSAL – " + abstract
	}
	body := []paper.Block{
		paper.Heading{Text: "1. Thông tin chung / Particulars"}, r.particulars(),
		paper.Heading{Text: "2. Người giữ khoá có mặt / Custodians present"}, r.attendance(),
		paper.Heading{Text: "3. Các bước / Steps"}, r.stepTable(),
		paper.Heading{Text: "4. Kết quả / Results"}, r.factTable(),
		paper.Heading{Text: "5. Tệp / Files"}, r.fileTable(),
		paper.Heading{Text: "6. Người ký biên bản này / Who signs this transcript"}, signerTable(certs),
		paper.Paragraph{Text: "Biên bản được ký số bằng khoá của buổi lễ và khoá của từng người giữ khoá có mặt. Vị trí sổ là thứ tự bản ghi trong sổ cái (" + r.room.LedgerName + "). " +
			"This transcript is signed with the key of the ceremony and by each custodian present. A ledger position is the index of the record in the ledger."},
	}
	return &paper.Document{
		Parent: r.s.Parent, Agency: r.s.Agency, Place: r.s.Place, Date: r.now(), Type: "Biên bản", Abstract: abstract, Body: body,
		Signer: paper.Signer{Title: r.s.Master.Title, Name: r.s.Master.Name}, Recipients: []string{"Người giữ khoá", "Lưu: VT"}, Exercise: r.room.Rehearsal,
	}
}

func twoColumns() paper.Table {
	return paper.Table{Small: true, Columns: []paper.Column{{Title: "Mục / Item", Share: 2}, {Title: "Nội dung / Content", Share: 3.2}}}
}

func (r *run) particulars() paper.Table {
	t := twoColumns()
	add := func(vi, en, value string) {
		if value != "" {
			t.Rows = append(t.Rows, []string{vi + " / " + en, value})
		}
	}
	add("Mã buổi lễ", "Ceremony", r.s.ID)
	add("Loại", "Kind", string(r.s.Kind))
	add("Địa điểm", "Place", strings.Trim(r.s.Room+", "+r.s.Place, ", "))
	add("Bắt đầu", "Begun", r.result.BegunAt.In(ict()).Format(time.RFC3339))
	add("Ký biên bản", "Transcript signed", r.now().In(ict()).Format(time.RFC3339))
	if r.result.Resumed {
		add("Gián đoạn", "Interrupted", "buổi lễ đã bị gián đoạn và được tiếp tục / was interrupted and resumed")
	}
	add("Chủ trì", "Led by", r.s.Master.Name+", "+r.s.Master.Title)
	add("Người vận hành", "Operator", r.actor.AccountID)
	for _, w := range r.s.Witnesses {
		add("Người chứng kiến", "Witness", w.Name+", "+w.Title)
	}
	add("Thiết bị", "Token", strings.TrimSpace(r.room.TokenName+" "+r.room.TokenSerial))
	add("Số người giữ khoá cần có", "Quorum", fmt.Sprintf("%d / %d", r.s.Custodians.Quorum, len(r.s.Custodians.Members)))
	add("Tệp kịch bản (SHA-256)", "Ceremony file (SHA-256)", Spaced(r.s.SHA256()))
	add("Phần mềm", "Software", r.room.Version)
	return t
}

func (r *run) attendance() paper.Table {
	t := paper.Table{Small: true, Columns: []paper.Column{{Title: "Người giữ khoá / Custodian", Share: 1.6}, {Title: "Xác thực / Authenticated by", Share: 1.2}, {Title: "Vân tay khoá / Key (SHA-256)", Share: 2.4}}}
	for _, a := range r.present {
		how := strings.Join(a.Factors, " + ")
		if a.Account != "" {
			how += " (" + a.Account + ")"
			if len(a.Factors) == 1 {
				how += " – tài khoản không kiểm được ở đây / account not checked here"
			}
		}
		t.Rows = append(t.Rows, []string{a.Person + ", " + a.Title + " (" + a.Name + ")", how, Spaced(strings.TrimPrefix(a.Key, "sha256:"))})
	}
	return t
}

func (r *run) stepTable() paper.Table {
	t := paper.Table{Small: true, Columns: []paper.Column{{Title: "Bước / Step", Share: 3}, {Title: "Lúc / At", Share: 1.3}, {Title: "Sổ / Ledger", Share: 0.8, Right: true}}}
	for _, s := range r.result.Steps {
		t.Rows = append(t.Rows, []string{s.Title.VI + " / " + s.Title.EN, s.At.In(ict()).Format("15:04:05"), fmt.Sprint(s.Ledger)})
	}
	return t
}

func (r *run) factTable() paper.Table {
	t := twoColumns()
	for _, f := range r.result.Facts {
		t.Rows = append(t.Rows, []string{f.VI + " / " + f.EN, f.Value})
	}
	if len(t.Rows) == 0 {
		t.Rows = [][]string{{"–", "–"}}
	}
	return t
}

func (r *run) fileTable() paper.Table {
	t := paper.Table{Small: true, Columns: []paper.Column{{Title: "Tệp / File", Share: 1.6}, {Title: "SHA-256", Share: 2.8}, {Title: "Sổ / Ledger", Share: 0.8, Right: true}}}
	for _, o := range r.result.Outputs {
		t.Rows = append(t.Rows, []string{o.File, Spaced(o.SHA256), fmt.Sprint(o.Ledger)})
	}
	if len(t.Rows) == 0 {
		t.Rows = [][]string{{"–", "–", "–"}}
	}
	return t
}

func signerTable(certs []*x509.Certificate) paper.Table {
	t := paper.Table{Small: true, Columns: []paper.Column{{Title: "Người ký / Signer", Share: 1.6}, {Title: "Vân tay chứng thư / Certificate (SHA-256)", Share: 3}}}
	for _, c := range certs {
		t.Rows = append(t.Rows, []string{c.Subject.CommonName, Spaced(hexSum(c.Raw))})
	}
	return t
}
