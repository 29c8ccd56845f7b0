package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/antin-gov/antin/internal/paper"
)

// bureau is an agency of the proof.
type bureau struct{ id, name, symbol, head string }

func offices() []bureau {
	return []bureau{
		{"snv", "Sở Nội vụ", "SNV", "Nguyễn Thành Nhân"}, {"stp", "Sở Tư pháp", "STP", "Trần Quốc Việt"}, {"stc", "Sở Tài chính", "STC", "Phạm Thu Hà"},
		{"sct", "Sở Công Thương", "SCT", "Đỗ Minh Khôi"}, {"syt", "Sở Y tế", "SYT", "Bùi Thanh Vân"},
	}
}

// files writes the people and the drafts.
func files(each int, out string) error {
	people := [][]string{{"person", "name", "email", "phone", "agency", "title", "title_en", "valid_from"}}
	for _, o := range offices() {
		for _, p := range [][3]string{{"head", o.head, "Giám đốc"}, {"clerk", "Lê Thị Mai", "Văn thư"}, {"one", "Vũ Hải Nam", "Chuyên viên"}, {"two", "Ngô Lan Chi", "Chuyên viên"}} {
			people = append(people, []string{"p-" + p[0] + "-" + o.id, p[1], "", "", o.id, p[2], "", "2026-01-01"})
		}
		for n := range each {
			err := draft(o, n+1, filepath.Join(out, fmt.Sprintf("%s-%02d.pdf", o.id, n+1)))
			if err != nil {
				return err
			}
		}
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	err := w.WriteAll(people)
	if err != nil {
		return err
	}
	err = os.WriteFile(filepath.Join(out, "people.csv"), b.Bytes(), 0o644)
	if err != nil {
		return err
	}
	return draft(offices()[0], 0, filepath.Join(out, "phu-luc.pdf"))
}

func draft(o bureau, n int, path string) error {
	d := paper.Directive{
		Parent: "Ủy ban nhân dân tỉnh", Agency: o.name, Symbol: "CT-" + o.symbol, Place: "Trung Tâm", Date: time.Now(), Undated: true,
		Abstract: fmt.Sprintf("Về việc sử dụng chữ ký số, lần %d", n),
		Text: "Để bảo đảm giá trị pháp lý của văn bản điện tử, Giám đốc Sở yêu cầu:\n" +
			"1. Các phòng, đơn vị ký số toàn bộ văn bản điện tử bằng chữ ký số của người có thẩm quyền và của cơ quan trước khi phát hành.\n" +
			"2. Văn thư chỉ cấp số, đóng dấu văn bản đã được người có thẩm quyền ký.\n" +
			"3. Thủ trưởng các đơn vị chịu trách nhiệm tổ chức thực hiện Chỉ thị này.",
		Signer: paper.Signer{Title: "GIÁM ĐỐC", Name: o.head}, Recipients: []string{"UBND tỉnh (để báo cáo)", "Các phòng, đơn vị", "Lưu: VT"},
	}
	p, err := d.Document().Render()
	if err != nil {
		return err
	}
	return os.WriteFile(path, p.PDF, 0o644)
}
