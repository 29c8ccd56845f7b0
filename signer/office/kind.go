package office

import (
	"errors"
	"fmt"
)

// ErrKind means that the abbreviation names no type of document or copy.
var ErrKind = errors.New("unknown type of document")

// Kind is a type of document of NĐ 30/2020 Đ7, or of copy (PL I, part II).
type Kind struct {
	// Code is the abbreviation of PL III; for the two types without one, "CV"
	// (công văn) and "TCg" (thư công), it is ours and is not printed.
	Code string
	Name string
	Copy bool
}

// Kinds returns the 29 types of document and the three of copy.
func Kinds() []Kind {
	return []Kind{
		{Code: "NQ", Name: "Nghị quyết"}, {Code: "QĐ", Name: "Quyết định"}, {Code: "CT", Name: "Chỉ thị"}, {Code: "QC", Name: "Quy chế"},
		{Code: "QyĐ", Name: "Quy định"}, {Code: "TC", Name: "Thông cáo"}, {Code: "TB", Name: "Thông báo"}, {Code: "HD", Name: "Hướng dẫn"},
		{Code: "CTr", Name: "Chương trình"}, {Code: "KH", Name: "Kế hoạch"}, {Code: "PA", Name: "Phương án"}, {Code: "ĐA", Name: "Đề án"},
		{Code: "DA", Name: "Dự án"}, {Code: "BC", Name: "Báo cáo"}, {Code: "BB", Name: "Biên bản"}, {Code: "TTr", Name: "Tờ trình"},
		{Code: "HĐ", Name: "Hợp đồng"}, {Code: "CV", Name: "Công văn"}, {Code: "CĐ", Name: "Công điện"}, {Code: "BGN", Name: "Bản ghi nhớ"},
		{Code: "BTT", Name: "Bản thỏa thuận"}, {Code: "GUQ", Name: "Giấy ủy quyền"}, {Code: "GM", Name: "Giấy mời"}, {Code: "GGT", Name: "Giấy giới thiệu"},
		{Code: "GNP", Name: "Giấy nghỉ phép"}, {Code: "PG", Name: "Phiếu gửi"}, {Code: "PC", Name: "Phiếu chuyển"}, {Code: "PB", Name: "Phiếu báo"},
		{Code: "TCg", Name: "Thư công"},
		{Code: "SY", Name: "Sao y", Copy: true}, {Code: "TrS", Name: "Trích sao", Copy: true}, {Code: "SL", Name: "Sao lục", Copy: true},
	}
}

// KindOf finds a type by its abbreviation.
func KindOf(code string) (Kind, error) {
	for _, k := range Kinds() {
		if k.Code == code {
			return k, nil
		}
	}
	return Kind{}, fmt.Errorf("%w: %q", ErrKind, code)
}

// Symbol is the number line's text after "Số:", such as "05/QĐ-UBND", or
// "05/UBND-VX" for a công văn, whose symbol ends in the unit that drafted it
// (PL I, part I, II.3). Numbers below 10 have a zero before them.
func (k Kind) Symbol(number int64, agency, unit string) string {
	if k.Code != "CV" && k.Code != "TCg" {
		return fmt.Sprintf("%02d/%s-%s", number, k.Code, agency)
	}
	if unit == "" {
		return fmt.Sprintf("%02d/%s", number, agency)
	}
	return fmt.Sprintf("%02d/%s-%s", number, agency, unit)
}
