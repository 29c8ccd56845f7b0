package tour

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/validate"
)

// sealDiameter is the seal of a provincial People's Committee, in millimetres.
const sealDiameter = 36

func (t *Tour) enrol(ctx context.Context) error {
	for _, k := range []struct {
		what, algorithm string
		form            ra.Form
	}{
		{"official", "EC-P256", ra.Form{Profile: "official", PersonID: "p-lan", KeyLabel: "tour-official-" + t.stamp}},
		{"agency", "RSA-3072", ra.Form{Profile: "agency-seal", AgencyID: "xa-tan-lap", KeyLabel: "tour-agency-" + t.stamp}},
	} {
		began := time.Now()
		_, err := t.s.Keys.Generate(ctx, k.form.KeyLabel, k.algorithm)
		if err != nil {
			return err
		}
		asking, err := t.s.As(ctx, "minh.pq")
		if err != nil {
			return err
		}
		request, err := t.s.CA.Request(asking, k.form)
		if err != nil {
			return err
		}
		_, err = t.s.CA.Approve(asking, request.ID, "")
		err = must(errors.Is(err, auth.ErrDenied), "a person approved their own request: %v", err)
		if err != nil {
			return err
		}
		approving, err := t.s.As(ctx, "thu.vt")
		if err != nil {
			return err
		}
		_, err = t.s.CA.Approve(approving, request.ID, "")
		if err != nil {
			return err
		}
		cert, err := t.s.IssueRequest(approving, request.ID)
		if err != nil {
			return err
		}
		t.note(began, "enrol "+k.what, "issued", "serial %s, asked by minh.pq (own approval refused), approved by thu.vt, ledger %d", cert.Serial, *cert.IssueIndex)
	}
	return nil
}

// directive makes a chỉ thị in the form of NĐ 30/2020, has the chairman sign
// and the clerk seal it, and verifies it whole and damaged.
func (t *Tour) directive(ctx context.Context) error {
	began := time.Now()
	doc, err := t.compose()
	if err != nil {
		return err
	}
	plain, signed, sealed := filepath.Join(t.dir, "chi-thi.pdf"), filepath.Join(t.dir, "chi-thi.signed.pdf"), filepath.Join(t.dir, "chi-thi.sealed.pdf")
	err = os.WriteFile(plain, doc.PDF, 0o644)
	if err != nil {
		return err
	}
	box := appearance.Box{X: doc.Signature.Rect.X, Y: doc.Signature.Rect.Y, Width: doc.Signature.Rect.Width, Height: doc.Signature.Rect.Height}
	person := appearance.Spec{Preset: appearance.Person, Page: doc.Signature.Page, Box: box, Name: "Nguyễn Văn Bình"}
	act, err := t.sign(ctx, "binh.nv", plain, signed, signer.Request{Key: "demo-official", Visible: &person})
	if err != nil {
		return err
	}
	t.note(began, "sign", "released", "act %s, %s, second reader %s, ledger %d", act.ID, act.Level, act.Opinion, act.ReleaseIndex)

	began = time.Now()
	refused := filepath.Join(t.dir, "refused.pdf")
	_, err = t.sign(ctx, "hoa.lt", plain, refused, signer.Request{Key: "demo-agency", Seal: true})
	err = must(errors.Is(err, signer.ErrUnsigned), "an unsigned document was sealed: %v", err)
	if err != nil {
		return err
	}
	seal := appearance.Spec{Preset: appearance.Seal, Page: doc.Signature.Page, Box: appearance.SealOver(box, sealDiameter), Name: "Ủy ban nhân dân tỉnh"}
	act, err = t.sign(ctx, "hoa.lt", signed, sealed, signer.Request{Key: "demo-agency", Seal: true, Visible: &seal})
	if err != nil {
		return err
	}
	t.note(began, "seal", "released", "act %s, the unsigned document was refused, ledger %d", act.ID, act.ReleaseIndex)
	return t.verify(ctx, sealed)
}

func (t *Tour) compose() (*paper.Paper, error) {
	d := paper.Directive{
		Agency: "ỦY BAN NHÂN DÂN TỈNH", Number: 7, Symbol: "CT-UBND", Place: "Trung Tâm", Date: t.s.Clock.Now(),
		Abstract: "Về việc tăng cường sử dụng chữ ký số và bảo đảm an toàn thông tin mạng",
		Text: "Để bảo đảm giá trị pháp lý của văn bản điện tử và an toàn thông tin mạng trong hoạt động của các cơ quan nhà nước trên địa bàn tỉnh, Ủy ban nhân dân tỉnh yêu cầu:\n" +
			"1. Các sở, ban, ngành, Ủy ban nhân dân các xã, phường, đặc khu ký số toàn bộ văn bản điện tử bằng chữ ký số của người có thẩm quyền và của cơ quan trước khi phát hành.\n" +
			"2. Trung tâm Giám sát an toàn thông tin trực giám sát liên tục, tiếp nhận và báo cáo sự cố theo thời hạn quy định, tổ chức diễn tập ít nhất mỗi năm một lần.\n" +
			"3. Thủ trưởng các cơ quan, đơn vị chịu trách nhiệm tổ chức thực hiện Chỉ thị này.",
		Signer:     paper.Signer{Authority: []string{"TM. ỦY BAN NHÂN DÂN"}, Title: "CHỦ TỊCH", Name: "Nguyễn Văn Bình"},
		Recipients: []string{"Các sở, ban, ngành", "UBND các xã, phường, đặc khu", "Lưu: VT"},
	}
	rendered, err := d.Document().Render()
	if err != nil {
		return nil, fmt.Errorf("compose the directive: %w", err)
	}
	return rendered, nil
}

func (t *Tour) sign(ctx context.Context, account, in, out string, q signer.Request) (*signer.Act, error) {
	acting, err := t.as(ctx, account)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(in)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	q.In, q.Size, q.Name, q.Level, q.Factor = f, info.Size(), filepath.Base(in), "B-LT", signer.FactorTOTP
	return t.s.Signer.Sign(acting, q, out)
}

func (t *Tour) verify(ctx context.Context, path string) error {
	began := time.Now()
	report, err := judge(ctx, t.s, path)
	if err != nil {
		return err
	}
	err = must(report.Verdict == validate.Passed && len(report.Signatures) == 2, "the sealed directive is %s with %d signatures", report.Verdict, len(report.Signatures))
	if err != nil {
		return err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	content[len(content)/8] ^= 1
	damaged := filepath.Join(t.dir, "chi-thi.damaged.pdf")
	err = os.WriteFile(damaged, content, 0o644)
	if err != nil {
		return err
	}
	bad, err := judge(ctx, t.s, damaged)
	verdict := validate.Failed
	if err == nil {
		verdict = bad.Verdict
	} else if !errors.Is(err, validate.ErrUnreadable) {
		return err
	}
	err = must(verdict == validate.Failed, "one changed bit gave %s", verdict)
	if err != nil {
		return err
	}
	t.note(began, "verify", string(report.Verdict), "%s: %s and %s; one bit changed: %s", filepath.Base(path), report.Signatures[0].Signer, report.Signatures[1].Signer, verdict)
	return nil
}

func judge(ctx context.Context, s *app.System, path string) (*validate.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return s.Signer.Verify(ctx, f, info.Size(), filepath.Base(path))
}
