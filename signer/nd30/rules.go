package nd30

// rule is the text of one rule.
type rule struct {
	severity Severity
	clause   string // of Appendix I
	vi, en   string
}

// rules are the sentences of findings by rule.
func rules() map[string]rule {
	out := map[string]rule{
		"no-text":             {Breach, "PL I", "Tệp không có chữ đọc được (bản quét); không kiểm tra được thể thức", "The file has no readable text (a scan); its form cannot be checked"},
		"paper":               {Breach, "PL I, I.1", "Khổ giấy %.0f × %.0f mm, phải là A4 (210 × 297 mm)", "Paper of %.0f × %.0f mm, must be A4 (210 × 297 mm)"},
		"margin-left":         {Breach, "PL I, I.3", "Lề trái %.1f mm, phải từ 30 đến 35 mm", "Left margin of %.1f mm, must be 30 to 35 mm"},
		"margin-right":        {Breach, "PL I, I.3", "Lề phải %.1f mm, phải từ 15 đến 20 mm", "Right margin of %.1f mm, must be 15 to 20 mm"},
		"margin-top":          {Breach, "PL I, I.3", "Lề trên %.1f mm, phải từ 20 đến 25 mm", "Top margin of %.1f mm, must be 20 to 25 mm"},
		"margin-bottom":       {Breach, "PL I, I.3", "Lề dưới %.1f mm, phải từ 20 đến 25 mm", "Bottom margin of %.1f mm, must be 20 to 25 mm"},
		"font":                {Breach, "PL I, I.4", "Phông chữ %s, phải là Times New Roman", "Font %s, must be Times New Roman"},
		"encoding":            {Breach, "PL I, I.4", "Phông chữ %s không theo bộ mã Unicode TCVN 6909:2001", "Font %s does not follow Unicode (TCVN 6909:2001)"},
		"colour":              {Breach, "PL I, I.4", "Chữ không có màu đen", "Text is not black"},
		"unreadable":          {Warning, "PL I, I.4", "Chữ không cho biết ký tự Unicode: không tìm kiếm, sao chép được", "Letters without Unicode: they cannot be searched or copied"},
		"body-size":           {Breach, "PL I, II.6", "Phần lớn nội dung cỡ chữ %.1f, phải từ 13 đến 14", "Most text in size %.1f, must be 13 to 14"},
		"page-number-first":   {Breach, "PL I, I.5", "Trang thứ nhất không được hiển thị số trang", "The first page must not show its number"},
		"page-number-place":   {Breach, "PL I, I.5", "Số trang phải đặt canh giữa trong lề trên", "The page number must be centred in the top margin"},
		"page-number-size":    {Breach, "PL I, I.5", "Số trang cỡ chữ %.1f, phải từ 13 đến 14", "Page number in size %.1f, must be 13 to 14"},
		"page-number-missing": {Breach, "PL I, I.5", "Thiếu số trang", "The page number is missing"},
		"motto-words":         {Breach, "PL I, II.1", "Tiêu ngữ phải ghi \"Độc lập - Tự do - Hạnh phúc\"", "The motto must read \"Độc lập - Tự do - Hạnh phúc\""},
		"number-open":         {Warning, "PL I, II.3", "Chưa có số của văn bản", "The document has no number yet"},
		"number-padding":      {Breach, "PL I, II.3", "Số nhỏ hơn 10 phải ghi thêm số 0 phía trước", "A number under 10 needs a zero before it"},
		"number-form":         {Breach, "PL I, II.3", "Số, ký hiệu phải có dạng \"Số: 05/CT-UBND\", không cách chữ", "Number and symbol must read like \"Số: 05/CT-UBND\", without blanks"},
		"date-form":           {Breach, "PL I, II.4", "Địa danh và thời gian phải có dạng \"Hà Nội, ngày 05 tháng 01 năm 2026\"", "Place and date must read like \"Hà Nội, ngày 05 tháng 01 năm 2026\""},
		"date-padding":        {Breach, "PL I, II.4", "Ngày nhỏ hơn 10 và tháng 1, 2 phải ghi thêm số 0 phía trước", "Days under 10 and the months 1 and 2 need a zero before them"},
		"date-calendar":       {Breach, "PL I, II.4", "Ngày không có trong lịch", "There is no such day"},
		"type-missing":        {Warning, "PL I, II.5", "Không thấy tên loại văn bản hoặc trích yếu công văn (V/v)", "Neither a type of document nor the subject of an official letter (V/v) is found"},
		"type-capitals":       {Breach, "PL I, II.5", "Tên loại văn bản phải viết in hoa", "The type of document must be in capitals"},
		"signer-missing":      {Breach, "PL I, II.7", "Không thấy chức vụ và họ tên của người ký", "Title and name of a signer are not found"},
		"authority-form":      {Breach, "Điều 13; PL I, II.7", "Quyền hạn của người ký phải ghi KT., TM., TL., TUQ. hoặc Q. có dấu chấm", "The signer's authority must be written KT., TM., TL., TUQ. or Q. with the dot"},
		"authority-title":     {Breach, "PL I, II.7", "Sau %s phải có dòng chức vụ của người ký", "After %s the signer's own title must follow"},
		"authority-deputy":    {Warning, "Điều 13", "KT. là cấp phó ký thay: dòng chức vụ phải là cấp phó", "KT. is a deputy who signs for the head: the title should be a deputy's"},
		"name-capitals":       {Warning, "PL I, II.7", "Họ tên người ký không viết in hoa toàn bộ", "The signer's name is not written in capitals"},
		"room":                {Warning, "PL I, II.7", "Chỗ ký chỉ cao %.1f mm", "The room for the signature is only %.1f mm high"},
		"recipients-missing":  {Breach, "PL I, II.9", "Thiếu \"Nơi nhận\"", "\"Nơi nhận\" is missing"},
		"recipients-style":    {Breach, "PL I, II.9", "\"Nơi nhận\" phải đậm, nghiêng", "\"Nơi nhận\" must be bold and italic"},
		"recipients-size":     {Breach, "PL I, II.9", "\"Nơi nhận\" cỡ chữ %.1f, phải là 12", "\"Nơi nhận\" in size %.1f, must be 12"},
	}
	for _, part := range []struct{ name, clause, vi, en, style, styleEn, size string }{
		{"country", "PL I, II.1", "Quốc hiệu", "The name of the country", "in hoa, đứng, đậm", "upright and bold", "12-13"},
		{"motto", "PL I, II.1", "Tiêu ngữ", "The motto", "đứng, đậm", "upright and bold", "13-14"},
		{"agency", "PL I, II.2", "Tên cơ quan ban hành", "The agency's name", "in hoa, đứng, đậm", "upright and bold", "12-13"},
		{"number", "PL I, II.3", "Số, ký hiệu", "Number and symbol", "đứng, không đậm", "upright and not bold", "13"},
		{"date", "PL I, II.4", "Địa danh và thời gian", "Place and date", "nghiêng, không đậm", "italic and not bold", "13-14"},
		{"type", "PL I, II.5", "Tên loại văn bản", "The type of document", "in hoa, đứng, đậm", "upright and bold", "13-14"},
		{"subject", "PL I, II.5", "Trích yếu công văn", "The subject of the letter", "đứng, không đậm", "upright and not bold", "12-13"},
		{"title", "PL I, II.7", "Chức vụ của người ký", "The signer's title", "in hoa, đứng, đậm", "upright and bold", "13-14"},
		{"name", "PL I, II.7", "Họ tên người ký", "The signer's name", "đứng, đậm", "upright and bold", "13-14"},
	} {
		out[part.name+"-style"] = rule{Breach, part.clause, part.vi + " phải " + part.style, part.en + " must be " + part.styleEn}
		out[part.name+"-size"] = rule{Breach, part.clause, part.vi + " cỡ chữ %.1f, phải là " + part.size, part.en + " in size %.1f, must be " + part.size}
		if part.name != "type" {
			out[part.name+"-missing"] = rule{Breach, part.clause, "Thiếu " + part.vi, part.en + " is missing"}
		}
	}
	return out
}
