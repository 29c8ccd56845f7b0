package validate

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Code names a reason for machines.
type Code string

// The codes of reasons.
const (
	CodeNoSignature        Code = "no_signature"
	CodeByteRange          Code = "byte_range"
	CodeGap                Code = "byte_range_gap"
	CodePlace              Code = "signature_misplaced"
	CodeRecycled           Code = "signature_recycled"
	CodePartial            Code = "coverage_partial"
	CodeNoContents         Code = "no_contents"
	CodeSubFilter          Code = "subfilter"
	CodeContainer          Code = "container_malformed"
	CodeEncoding           Code = "container_ber"
	CodeContent            Code = "container_content"
	CodeSigners            Code = "container_signers"
	CodeNoAttributes       Code = "container_attributes"
	CodeAlgorithm          Code = "algorithm_unsupported"
	CodeWeak               Code = "algorithm_weak"
	CodeRetired            Code = "algorithm_retired"
	CodeDigest             Code = "document_changed"
	CodeSignatureValue     Code = "signature_value"
	CodeNoSigner           Code = "signer_missing"
	CodeSignerMismatch     Code = "signer_mismatch"
	CodeNoSigningCertAttr  Code = "signing_certificate_missing"
	CodeNoChain            Code = "chain_missing"
	CodeExpired            Code = "certificate_expired"
	CodeNotYetValid        Code = "certificate_not_yet_valid"
	CodeChainConstraints   Code = "chain_constraints"
	CodeChainWeak          Code = "chain_weak"
	CodeChainGeneral       Code = "chain_refused"
	CodeRevoked            Code = "certificate_revoked"
	CodeRevokedCA          Code = "ca_revoked"
	CodeRevokedLater       Code = "revoked_after"
	CodeRevocationUnknown  Code = "revocation_unknown"
	CodeRevocationFetch    Code = "revocation_fetch"
	CodeRevocationOld      Code = "revocation_old"
	CodeRevocationOffline  Code = "revocation_offline"
	CodeTimestampInvalid   Code = "timestamp_invalid"
	CodeTimestampImprint   Code = "timestamp_imprint"
	CodeTimestampUntrusted Code = "timestamp_untrusted"
	CodeNoTrustedTime      Code = "no_trusted_time"
	CodeClaimAfterStamp    Code = "claimed_time_late"
	CodeChangesForbidden   Code = "changes_forbidden"
	CodeChangesMore        Code = "changes_more"
	CodeChangesUnknown     Code = "changes_unknown"
	CodeCovered            Code = "content_covered"
	CodeSignatureOverlap   Code = "signature_overlap"
	CodeTrailing           Code = "trailing_data"
	CodeRemoved            Code = "signature_removed"
	CodeUnreachable        Code = "signature_unreachable"
	CodeRepaired           Code = "structure_repaired"
	CodeStructure          Code = "structure_broken"
	CodeTooMany            Code = "too_many"
	CodeNoStore            Code = "no_anchors"
	CodeNoData             Code = "signed_data_missing"
	CodeCovers             Code = "covers"
	CodeReference          Code = "reference_unresolved"
)

// Reason is one finding, with its arguments. It marshals as code, level, vi and
// en.
type Reason struct {
	Code Code
	Args []string
	// Level is that of the constraint which it breaks; empty when the finding is
	// about the file, not about a signature.
	Level Level
	// Change is what the finding is about, where it is about one.
	Change *Change
}

func newReason(code Code, args ...string) Reason { return Reason{Code: code, Args: args} }

func (r Reason) same(other Reason) bool {
	return r.Code == other.Code && slices.Equal(r.Args, other.Args) && (r.Change == nil) == (other.Change == nil) && (r.Change == nil || *r.Change == *other.Change)
}

// Lang is a language of the texts.
type Lang string

// The languages.
const (
	Vietnamese Lang = "vi"
	English    Lang = "en"
)

// Text writes the reason in a language; Vietnamese unless English is asked.
func (r Reason) Text(lang Lang) string {
	text, ok := catalogue()[r.Code]
	if !ok {
		return string(r.Code)
	}
	args := make([]string, 0, 2*len(r.Args)+2)
	for n, arg := range r.Args {
		args = append(args, "{"+strconv.Itoa(n)+"}", said(r.Code, n, arg, lang))
	}
	if r.Change != nil {
		args = append(args, "{change}", r.Change.Text(lang))
	}
	return strings.NewReplacer(args...).Replace(text.in(lang))
}

// MarshalJSON writes {"code","args","level","vi","en"} and the change.
func (r Reason) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Code   Code     `json:"code"`
		Args   []string `json:"args,omitempty"`
		Level  Level    `json:"level,omitempty"`
		VI     string   `json:"vi"`
		EN     string   `json:"en"`
		Change *Change  `json:"change,omitempty"`
	}{r.Code, r.Args, r.Level, r.Text(Vietnamese), r.Text(English), r.Change})
}

// message is a text in both languages.
type message struct{ vi, en string }

func (m message) in(lang Lang) string {
	if lang == English {
		return m.en
	}
	return m.vi
}

// catalogue holds every text that the package shows.
func catalogue() map[Code]message {
	return map[Code]message{
		CodeNoSignature:        {"Tệp không có chữ ký nào.", "The file holds no signature."},
		CodeByteRange:          {"Vùng byte được ký (ByteRange) không hợp lệ.", "The signed byte range is not valid."},
		CodeGap:                {"Khoảng trống của ByteRange không đúng bằng giá trị /Contents; có dữ liệu không được ký nằm trong đó.", "The gap in the byte range is not exactly the /Contents value; unsigned data may hide in it."},
		CodePlace:              {"Giá trị chữ ký không nằm trong từ điển chữ ký của nó.", "The signature value does not stand in its own signature dictionary."},
		CodeRecycled:           {"Một chữ ký đã có được dùng lại ở trường khác.", "An existing signature is used again in another field."},
		CodePartial:            {"Chữ ký không bao trọn một phiên bản của tệp.", "The signature does not cover a whole revision of the file."},
		CodeNoContents:         {"Trường chữ ký không có nội dung chữ ký.", "The signature field holds no signature value."},
		CodeSubFilter:          {"Kiểu chữ ký {0} không được hỗ trợ.", "Signature type {0} is not supported."},
		CodeContainer:          {"Khối chữ ký (CMS) sai cấu trúc.", "The signature container (CMS) is malformed."},
		CodeEncoding:           {"Khối chữ ký được mã hóa BER thay vì DER.", "The signature container is encoded in BER instead of DER."},
		CodeContent:            {"Khối chữ ký chứa nội dung không được phép hoặc thiếu nội dung bắt buộc.", "The signature container carries content where none belongs, or lacks it."},
		CodeSigners:            {"Khối chữ ký phải có đúng một người ký.", "The signature container must have exactly one signer."},
		CodeNoAttributes:       {"Khối chữ ký thiếu thuộc tính được ký bắt buộc.", "The signature container lacks a mandatory signed attribute."},
		CodeAlgorithm:          {"Thuật toán chữ ký không được hỗ trợ nên không kiểm tra được.", "The signature algorithm is not supported, so it cannot be checked."},
		CodeWeak:               {"Thuật toán yếu: {0}.", "Weak algorithm: {0}."},
		CodeRetired:            {"Thuật toán {0} không còn được chấp nhận tại thời điểm xét (chấp nhận đến {1}).", "Algorithm {0} was no longer accepted at the time considered (accepted until {1})."},
		CodeDigest:             {"Nội dung được ký đã bị thay đổi sau khi ký.", "The signed content was changed after signing."},
		CodeSignatureValue:     {"Giá trị chữ ký không khớp với chứng thư của người ký.", "The signature value does not verify with the signer's certificate."},
		CodeNoSigner:           {"Không tìm thấy chứng thư của người ký.", "The signer's certificate was not found."},
		CodeSignerMismatch:     {"Thuộc tính signing-certificate chỉ tới một chứng thư khác.", "The signing-certificate attribute names another certificate."},
		CodeNoSigningCertAttr:  {"Chữ ký thiếu thuộc tính signing-certificate.", "The signature lacks the signing-certificate attribute."},
		CodeNoChain:            {"Chứng thư {0} không dẫn tới gốc tin cậy nào.", "Certificate {0} leads to no trust anchor."},
		CodeExpired:            {"Chứng thư {0} đã hết hạn tại thời điểm xét.", "Certificate {0} had expired at the time considered."},
		CodeNotYetValid:        {"Chứng thư {0} chưa có hiệu lực tại thời điểm xét.", "Certificate {0} was not yet valid at the time considered."},
		CodeChainConstraints:   {"Chứng thư {0} không được phép dùng cho mục đích này.", "Certificate {0} may not be used for this purpose."},
		CodeChainWeak:          {"Đường dẫn chứng thư dùng thuật toán hoặc khóa yếu ({0}).", "The certification path uses a weak algorithm or key ({0})."},
		CodeChainGeneral:       {"Đường dẫn chứng thư của {0} không được chấp nhận.", "The certification path of {0} was refused."},
		CodeRevoked:            {"Chứng thư {0} đã bị thu hồi lúc {1}.", "Certificate {0} was revoked at {1}."},
		CodeRevokedCA:          {"Chứng thư của cơ quan cấp {0} đã bị thu hồi lúc {1}.", "The authority's certificate {0} was revoked at {1}."},
		CodeRevokedLater:       {"Chứng thư {0} bị thu hồi lúc {1}, sau thời điểm ký đã được chứng minh.", "Certificate {0} was revoked at {1}, after the proven signing time."},
		CodeRevocationUnknown:  {"Không xác định được tình trạng thu hồi của chứng thư {0} ({1}).", "The revocation status of certificate {0} is unknown ({1})."},
		CodeRevocationFetch:    {"Không lấy được thông tin thu hồi của chứng thư {0} từ {1}.", "Revocation data of certificate {0} could not be had from {1}."},
		CodeRevocationOld:      {"Dữ liệu thu hồi của chứng thư {0} có từ {1}, cũ hơn mức {2} mà chính sách cho phép tại thời điểm xét.", "Revocation data on certificate {0} is of {1}, older than the {2} that the policy allows at the time considered."},
		CodeRevocationOffline:  {"Xét không qua mạng: tình trạng của chứng thư {0} theo dữ liệu lập lúc {1} ({2} trước thời điểm kiểm tra).", "Judged offline: the state of certificate {0} is by data of {1} ({2} before the time of validation)."},
		CodeTimestampInvalid:   {"Dấu thời gian không hợp lệ.", "The time-stamp is not valid."},
		CodeTimestampImprint:   {"Dấu thời gian được cấp cho dữ liệu khác.", "The time-stamp is over other data."},
		CodeTimestampUntrusted: {"Dấu thời gian không được tin cậy nên không chứng minh được thời điểm ký.", "The time-stamp is not trusted, so it proves no time."},
		CodeNoTrustedTime:      {"Không có dấu thời gian tin cậy; xét theo thời điểm kiểm tra.", "There is no trusted time-stamp; judged at the time of validation."},
		CodeClaimAfterStamp:    {"Thời điểm ký do người ký khai muộn hơn dấu thời gian.", "The claimed signing time is later than the time-stamp."},
		CodeChangesForbidden:   {"Sau khi ký, tệp có thay đổi không được phép: {change}.", "The file was changed after signing in a way that is not allowed: {change}."},
		CodeChangesMore:        {"Còn có thay đổi không được phép khác: {0}.", "There are more changes that are not allowed: {0}."},
		CodeChangesUnknown:     {"Không xác định được các thay đổi sau khi ký.", "The changes after signing could not be determined."},
		CodeCovered:            {"Dấu hiệu của chữ ký sau ({0}) đè lên nội dung đã ký ở trang {1}.", "The mark of the later signature ({0}) lies over signed content on page {1}."},
		CodeSignatureOverlap:   {"Dấu hiệu của chữ ký {0} đặt chồng lên chữ ký này.", "The mark of signature {0} overlaps this signature."},
		CodeTrailing:           {"Có dữ liệu thừa sau phần cuối của tệp.", "There is foreign data behind the end of the file."},
		CodeRemoved:            {"Chữ ký này đã bị gỡ khỏi phiên bản mới nhất của tệp.", "This signature was removed from the latest revision of the file."},
		CodeUnreachable:        {"Có chữ ký trong tệp nhưng cấu trúc tài liệu không dẫn tới nó.", "The file holds a signature that the document's structure does not lead to."},
		CodeRepaired:           {"Bảng tham chiếu của tệp bị hỏng; các phần mềm có thể hiển thị khác nhau.", "The file's cross-reference is damaged; readers may show different things."},
		CodeStructure:          {"Cấu trúc tệp bị hỏng.", "The file's structure is damaged."},
		CodeTooMany:            {"Tệp có quá nhiều phần tử để kiểm tra.", "The file holds too many items to be checked."},
		CodeNoData:             {"Không có nội dung được ký để đối chiếu; hãy chỉ ra tệp gốc bằng --content.", "The signed content is not at hand; name the original file with --content."},
		CodeCovers:             {"Chữ ký chỉ bao: {0}.", "The signature covers only: {0}."},
		CodeReference:          {"Tham chiếu {0} của chữ ký không dẫn tới đúng một nội dung.", "The signature's reference {0} does not lead to exactly one content."},
		CodeNoStore:            {"Chưa có gốc tin cậy nào được cấu hình.", "No trust anchors are configured."},
	}
}

// Codes lists all codes of reasons, for documentation and tests.
func Codes() []Code {
	var codes []Code
	for code := range catalogue() {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}
