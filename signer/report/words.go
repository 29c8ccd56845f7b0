package report

import "github.com/antin-gov/antin/signer/validate"

// word is the word of a detailed report for a block, a constraint or a status;
// an unknown key comes back as it is.
func word(lang validate.Lang, key string) string {
	text, ok := words()[key]
	if !ok {
		return key
	}
	if lang == validate.English {
		return text[1]
	}
	return text[0]
}

// words are Vietnamese and English.
func words() map[string][2]string {
	return map[string][2]string{
		"detailed_report": {"Báo cáo kiểm tra chi tiết", "Detailed validation report"},
		"validation_time": {"Thời điểm kiểm tra", "Validation time"},
		"policy":          {"Chính sách kiểm tra", "Validation policy"},
		"decided_by":      {"do ràng buộc", "decided by"},
		"until":           {"được dùng đến hết", "accepted until"},

		"PASSED": {"ĐẠT", "PASSED"}, "FAILED": {"KHÔNG ĐẠT", "FAILED"}, "INDETERMINATE": {"CHƯA KẾT LUẬN ĐƯỢC", "INDETERMINATE"}, "NOT_DONE": {"không xét", "not done"},
		"TOTAL-PASSED": {"HỢP LỆ (TOTAL-PASSED)", "TOTAL-PASSED"}, "TOTAL-FAILED": {"KHÔNG HỢP LỆ (TOTAL-FAILED)", "TOTAL-FAILED"},
		"OK": {"đạt", "ok"}, "NOT_OK": {"không đạt", "not ok"}, "WARNING": {"cảnh báo", "warning"}, "INFORMATION": {"lưu ý", "information"}, "IGNORED": {"bỏ qua", "ignored"},

		"format_checking":                       {"Kiểm tra định dạng", "Format checking"},
		"identification_of_signing_certificate": {"Xác định chứng thư ký", "Identification of the signing certificate"},
		"validation_context_initialization":     {"Khởi tạo ngữ cảnh kiểm tra", "Validation context initialization"},
		"revocation_freshness_checker":          {"Kiểm tra độ mới của dữ liệu thu hồi", "Revocation freshness checker"},
		"x509_certificate_validation":           {"Kiểm tra chứng thư X.509", "X.509 certificate validation"},
		"certificate":                           {"Chứng thư", "Certificate"},
		"cryptographic_verification":            {"Kiểm tra mật mã", "Cryptographic verification"},
		"signature_acceptance_validation":       {"Xét chấp nhận chữ ký", "Signature acceptance validation"},
		"time_stamp_validation":                 {"Kiểm tra dấu thời gian", "Time-stamp validation"},
		"past_certificate_validation":           {"Kiểm tra chứng thư tại thời điểm đã được chứng minh", "Past certificate validation"},
		"validation_time_sliding":               {"Lùi thời điểm kiểm tra", "Validation time sliding"},
		"poe_extraction":                        {"Bằng chứng tồn tại", "Proofs of existence"},
		"changes_after_signing":                 {"Thay đổi sau khi ký", "Changes after signing"},

		"contents":             {"có giá trị chữ ký", "the signature value is there"},
		"byte_range":           {"vùng byte được ký hợp lệ", "the signed byte range is valid"},
		"gap":                  {"khoảng trống chỉ chứa giá trị chữ ký", "the gap holds the signature value alone"},
		"placement":            {"giá trị chữ ký đứng đúng chỗ trong từ điển của nó", "the value stands in its own dictionary"},
		"single_use":           {"chữ ký không bị dùng lại", "the signature is used once"},
		"whole_revision":       {"chữ ký bao trọn một phiên bản", "a whole revision is covered"},
		"subfilter":            {"dạng chữ ký được biết", "the kind of signature is known"},
		"container":            {"cấu trúc chữ ký đúng chuẩn", "the container is well formed"},
		"encoding":             {"mã hóa DER", "the container is in DER"},
		"reachable":            {"cấu trúc tài liệu dẫn tới chữ ký", "the document's structure leads to the signature"},
		"structure":            {"bảng tham chiếu nguyên vẹn", "the cross-reference is whole"},
		"certificate_found":    {"tìm thấy chứng thư của người ký", "the signer's certificate is found"},
		"attribute_present":    {"có thuộc tính signing-certificate", "the signing-certificate attribute is there"},
		"attribute_matches":    {"thuộc tính chỉ đúng chứng thư", "the attribute names the certificate"},
		"time_considered":      {"thời điểm xét", "time considered"},
		"anchors":              {"số gốc tin cậy", "trust anchors"},
		"data_found":           {"tìm thấy dữ liệu được ký", "the signed data is found"},
		"algorithm_known":      {"thuật toán được hỗ trợ", "the algorithms are known"},
		"data_intact":          {"dữ liệu được ký nguyên vẹn", "the signed data is intact"},
		"signature_intact":     {"giá trị chữ ký đúng", "the signature value verifies"},
		"digest_algorithm":     {"thuật toán băm", "digest algorithm"},
		"signature_algorithm":  {"thuật toán ký", "signature algorithm"},
		"algorithm":            {"thuật toán còn được chấp nhận tại thời điểm xét", "the algorithm is accepted at the time considered"},
		"signed_attributes":    {"có các thuộc tính được ký", "there are signed attributes"},
		"algorithms_strong":    {"không dùng thuật toán yếu", "no weak algorithm"},
		"algorithms_current":   {"không dùng thuật toán đã hết hạn", "no retired algorithm"},
		"whole_covered":        {"chữ ký bao toàn bộ nội dung", "the whole content is covered"},
		"timestamps_intact":    {"các dấu thời gian nguyên vẹn", "the time-stamps are intact"},
		"timestamps_trusted":   {"các dấu thời gian được tin cậy", "the time-stamps are trusted"},
		"time_proven":          {"thời điểm ký được chứng minh", "the time of signing is proven"},
		"claimed_time":         {"thời điểm khai không muộn hơn thời điểm đã chứng minh", "the claimed time is not later than the proven one"},
		"trusted_path":         {"có đường dẫn tới gốc tin cậy", "a path leads to a trust anchor"},
		"anchor":               {"là gốc tin cậy", "is a trust anchor"},
		"signed_by_issuer":     {"do cơ quan cấp trên ký", "signed by its issuer"},
		"validity":             {"thời hạn hiệu lực", "validity"},
		"use":                  {"được phép dùng cho mục đích này", "may be used for the purpose"},
		"names_and_extensions": {"ràng buộc tên, độ dài đường dẫn, phần mở rộng", "names, path length, extensions"},
		"strength":             {"khóa và thuật toán đủ mạnh", "key and algorithm are strong enough"},
		"revocation_known":     {"biết tình trạng thu hồi", "the revocation status is known"},
		"not_revoked":          {"chưa bị thu hồi tại thời điểm xét", "not revoked at the time considered"},
		"not_revoked_later":    {"không bị thu hồi về sau", "not revoked later"},
		"age":                  {"tuổi của dữ liệu", "age of the data"},
		"imprint":              {"dấu thời gian là của dữ liệu này", "the time-stamp is over this data"},
		"time_not_later":       {"thời điểm không ở tương lai", "the time is not in the future"},
		"proof":                {"bằng chứng", "proof"},
		"believed_then":        {"đáng tin tại thời điểm đó", "believed at that time"},
		"slid_revoked":         {"lùi về lúc bị thu hồi", "slid to the revocation"},
		"slid_data":            {"lùi về dữ liệu thu hồi mới nhất trong thời hạn", "slid to the newest revocation data from within the validity"},
		"slid_algorithm":       {"lùi về lúc thuật toán hết hạn", "slid to the end of the algorithm"},
		"proof_before_control": {"bằng chứng tồn tại có trước", "the proof of existence is from before"},
		"kept":                 {"chữ ký còn trong phiên bản mới nhất", "the signature is in the latest revision"},
		"changes_known":        {"xác định được các thay đổi", "the changes can be told"},
		"changes_allowed":      {"các thay đổi được phép", "the changes are allowed"},
		"content_visible":      {"nội dung đã ký không bị che", "signed content is not covered"},
		"mark_visible":         {"dấu hiệu của chữ ký không bị che", "the signature's mark is not covered"},
		"nothing_behind":       {"không có dữ liệu thừa ở cuối tệp", "nothing stands behind the end"},
		"signature-time-stamp": {"dấu thời gian chữ ký", "signature time-stamp"},
		"archive-time-stamp":   {"dấu thời gian lưu trữ", "archive time-stamp"},
		"document-time-stamp":  {"dấu thời gian tài liệu", "document time-stamp"},
	}
}
