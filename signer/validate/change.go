package validate

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/antin-gov/antin/signer/diff"
)

// Change is something that a later revision did to a signed file.
type Change struct {
	diff.Reason
	// Allowed tells that the signature lets it be done.
	Allowed bool
}

// Text says the change in a language; Vietnamese unless English is asked.
func (c Change) Text(lang Lang) string {
	text, ok := changeWords()[c.Code]
	if !ok {
		return string(c.Code)
	}
	field := c.Field
	if field == "" {
		field = label(lang, "unnamed")
	}
	kind := c.Kind
	known, ok := annotationWords()[c.Kind]
	if ok {
		kind = known.in(lang)
	}
	out := strings.NewReplacer("{field}", clipped(field), "{kind}", clipped(kind), "{key}", clipped(c.Kind), "{count}", strconv.Itoa(c.Count)).Replace(text.in(lang))
	place := ""
	switch {
	case c.Page > 0:
		place = label(lang, "page") + " " + strconv.Itoa(c.Page)
	case c.vague() && c.Object != "":
		place = clipped(c.Object)
	}
	if place != "" {
		out += " (" + place + ")"
	}
	return out
}

// AllowedChanges names the allowed changes that came after the signature, and
// says that they are where others are not; those are among its reasons.
func (s *Signature) AllowedChanges(lang Lang) []string {
	prefix := ""
	if s.Changes == ChangesForbidden {
		prefix = label(lang, string(ChangesAllowed)) + ": "
	}
	var texts []string
	for _, c := range s.Later {
		if c.Allowed {
			texts = append(texts, prefix+c.Text(lang))
		}
	}
	return texts
}

// vague tells whether the words alone do not say what it was.
func (c Change) vague() bool {
	return slices.Contains([]diff.Code{diff.CodeChanged, diff.CodeUnreadable, diff.CodeField, diff.CodeForm}, c.Code)
}

// asShown is the change without what its words leave out: changes that are equal so
// are one to a reader.
func (c Change) asShown() Change {
	c.Revision, c.Level = 0, 0
	if c.Page > 0 || !c.vague() {
		c.Object = ""
	}
	return c
}

// clipped is a name that somebody else chose, fit to stand in a sentence.
func clipped(s string) string {
	const most = 60
	runes := []rune(s)
	if len(runes) > most {
		runes = append(runes[:most], '…')
	}
	for n, r := range runes {
		if !unicode.IsPrint(r) {
			runes[n] = '?'
		}
	}
	return string(runes)
}

// MarshalJSON writes the code with its parameters and both texts.
func (c Change) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Code     diff.Code `json:"code"`
		Does     string    `json:"does"`
		Allowed  bool      `json:"allowed"`
		Revision int       `json:"revision"`
		Page     int       `json:"page,omitempty"`
		Field    string    `json:"field,omitempty"`
		Kind     string    `json:"kind,omitempty"`
		Count    int       `json:"count,omitempty"`
		Object   string    `json:"object,omitempty"`
		VI       string    `json:"vi"`
		EN       string    `json:"en"`
	}{c.Code, c.Level.String(), c.Allowed, c.Revision + 1, c.Page, c.Field, c.Kind, c.Count, c.Object, c.Text(Vietnamese), c.Text(English)})
}

// annotationWords are the kinds of annotations (ISO 32000-2, table 171).
func annotationWords() map[string]message {
	return map[string]message{
		"Text": {"ghi chú", "note"}, "Popup": {"cửa sổ ghi chú", "pop-up window"}, "Highlight": {"tô sáng", "highlight"},
		"Underline": {"gạch chân", "underline"}, "StrikeOut": {"gạch ngang chữ", "strike-out"}, "Squiggly": {"gạch lượn sóng", "squiggly underline"},
		"Caret": {"dấu chèn", "caret"}, "Ink": {"nét vẽ tay", "ink"}, "Line": {"đường thẳng", "line"}, "Square": {"hình chữ nhật", "rectangle"},
		"Circle": {"hình bầu dục", "ellipse"}, "Polygon": {"đa giác", "polygon"}, "PolyLine": {"đường gấp khúc", "polyline"},
		"FreeText": {"chữ viết lên trang", "free text"}, "Stamp": {"hình dấu", "stamp"}, "Link": {"liên kết", "link"}, "Widget": {"ô biểu mẫu", "form field"},
		"FileAttachment": {"tệp đính kèm", "attached file"}, "Redact": {"bôi xóa", "redaction"}, "Watermark": {"hình chìm", "watermark"},
		"Screen": {"màn hình", "screen"}, "Movie": {"phim", "movie"}, "Sound": {"âm thanh", "sound"}, "RichMedia": {"đa phương tiện", "rich media"}, "3D": {"hình ba chiều", "3D view"},
		"": {"không rõ loại", "unknown kind"},
	}
}

// changeWords say every finding of the difference analysis. {field} is the name
// of a form field, {kind} that of a kind of annotation, {key} an entry of a
// dictionary, {count} how many.
func changeWords() map[diff.Code]message {
	return map[diff.Code]message{
		diff.CodeRebuilt:          {"bảng tham chiếu hỏng, phải dựng lại", "the cross-reference had to be rebuilt"},
		diff.CodeDisordered:       {"các phiên bản không theo thứ tự trong tệp", "the revisions are not in the order of the file"},
		diff.CodeMisnumbered:      {"bảng tham chiếu đánh số sai", "a cross-reference table is numbered wrongly"},
		diff.CodeUnclosed:         {"một phiên bản không được đóng bằng startxref và %%EOF của chính nó", "a revision is not closed by a startxref and %%EOF of its own"},
		diff.CodeTrailing:         {"có dữ liệu sau phần cuối của phiên bản cuối cùng", "bytes stand behind the end of the last revision"},
		diff.CodeTooManyRevisions: {"quá nhiều phiên bản để xét", "too many revisions to judge"},
		diff.CodeDoubled:          {"bảng tham chiếu hoặc phần cuối nói một điều hai lần, các phần mềm có thể hiển thị khác nhau", "the cross-reference or its trailer says something twice, so readers may differ"},
		diff.CodeHidden:           {"bảng tham chiếu lai che đi đối tượng đã có, các phần mềm có thể hiển thị khác nhau", "a hybrid cross-reference hides objects that were there, so readers may differ"},
		diff.CodeKeyTwice:         {"một từ điển ghi một khóa hai lần, các phần mềm có thể hiển thị khác nhau", "a dictionary states a key twice, so readers may differ"},
		diff.CodeTooLarge:         {"tài liệu quá lớn để xét", "the document is too large to judge"},
		diff.CodeTooMuchRewritten: {"quá nhiều dữ liệu được ghi lại để xét", "too much was rewritten to be judged"},
		diff.CodeUnreadable:       {"có đối tượng không đọc được", "an object cannot be read"},
		diff.CodeCatalog:          {"danh mục gốc của tài liệu bị thay", "the document's catalog was replaced"},
		diff.CodeIdentifier:       {"mã định danh của tài liệu thay đổi", "the document's identifier changed"},
		diff.CodeEncryption:       {"thông tin mã hóa thay đổi", "the encryption changed"},
		diff.CodeChanged:          {"một đối tượng của tài liệu thay đổi", "an object of the document changed"},
		diff.CodeActions:          {"hành động hoặc mã lệnh tự chạy thay đổi", "actions or scripts changed"},
		diff.CodeLayers:           {"các lớp ẩn/hiện thay đổi", "the layers that are shown or hidden changed"},
		diff.CodeDestinations:     {"mục lục hoặc điểm đến thay đổi", "the outline or destinations changed"},
		diff.CodeFiles:            {"tệp đính kèm thay đổi", "the attached files changed"},
		diff.CodeViewing:          {"cách mở tài liệu thay đổi", "the way the document opens changed"},
		diff.CodeExtension:        {"khai báo phần mở rộng của định dạng", "an extension of the format was declared"},
		diff.CodeVersion:          {"phiên bản của định dạng PDF thay đổi", "the version of the format changed"},
		diff.CodeVersionRaised:    {"phiên bản của định dạng PDF được nâng", "the version of the format was raised"},
		diff.CodeInfo:             {"thông tin tài liệu (tiêu đề, tác giả…) thay đổi", "the document information (title, author …) changed"},
		diff.CodeInfoDates:        {"ngày sửa hoặc tên phần mềm thay đổi", "the date or the producer changed"},
		diff.CodeMetadata:         {"siêu dữ liệu thay đổi nhiều hơn ngày tháng", "the metadata changed in more than dates"},
		diff.CodeMetadataDates:    {"ngày tháng trong siêu dữ liệu thay đổi", "dates in the metadata changed"},

		diff.CodeStructure:        {"cấu trúc đánh thẻ của tài liệu thay đổi", "the document's structure changed"},
		diff.CodeStructureAdded:   {"phần vừa thêm được ghi vào cấu trúc đánh thẻ", "what was added got its place in the structure"},
		diff.CodeStructureForeign: {"có phần tử lạ được thêm vào cấu trúc đánh thẻ", "an element was added to the structure"},
		diff.CodeStructureRemoved: {"có phần tử bị gỡ khỏi cấu trúc đánh thẻ", "an element was removed from the structure"},
		diff.CodeParentTree:       {"cây cha của cấu trúc nhận phần không được thêm", "the parent tree of the structure gained what was not added"},

		diff.CodeStore:          {"kho dữ liệu xác thực (DSS) thay đổi", "the document security store changed"},
		diff.CodeStoreAdded:     {"dữ liệu xác thực được thêm", "validation data was added"},
		diff.CodeStoreShrank:    {"kho không còn giữ một số dữ liệu xác thực", "the store no longer holds some validation data"},
		diff.CodeStoreRelations: {"kho không còn ghi dữ liệu nào thuộc chữ ký nào", "the store no longer says which data belongs to a signature"},
		diff.CodeStoreRemoved:   {"kho dữ liệu xác thực (DSS) bị gỡ", "the document security store was removed"},
		diff.CodeStoreForeign:   {"kho nhận dữ liệu không phải dữ liệu xác thực", "something that is no validation data was added to the store"},
		diff.CodeStoreGrows:     {"kho nhận dữ liệu nở ra quá lớn", "something that grows beyond measure was added to the store"},

		diff.CodePages:         {"các trang bị sắp xếp lại", "the pages were rearranged"},
		diff.CodePagesAdded:    {"số trang được thêm: {count}", "pages added: {count}"},
		diff.CodePagesRemoved:  {"số trang bị gỡ: {count}", "pages removed: {count}"},
		diff.CodePageReplaced:  {"trang bị thay bằng trang khác", "a page was replaced by another"},
		diff.CodePageTree:      {"cây trang thay đổi", "the page tree changed"},
		diff.CodePageVanished:  {"trang xuất hiện hoặc biến mất", "the page appeared or vanished"},
		diff.CodePage:          {"thuộc tính của trang thay đổi", "the page changed"},
		diff.CodePageSize:      {"khổ giấy hoặc hướng của trang thay đổi", "the size or rotation of the page changed"},
		diff.CodePageContent:   {"nội dung của trang thay đổi", "the content of the page changed"},
		diff.CodePageResources: {"tài nguyên mà trang dùng thay đổi", "what the page draws with changed"},
		diff.CodePageFonts:     {"phông chữ của trang thay đổi", "the fonts of the page changed"},
		diff.CodePagePictures:  {"hình ảnh của trang thay đổi", "the pictures of the page changed"},

		diff.CodeAnnotation:        {"chú giải đã có khi ký bị thay đổi", "an annotation that was signed changed"},
		diff.CodeAnnotationAdded:   {"chú giải được thêm", "an annotation was added"},
		diff.CodeAnnotationRemoved: {"chú giải bị gỡ", "an annotation was removed"},
		diff.CodeAnnotationReused:  {"một chú giải biến thành trường chữ ký", "an annotation became a signature field"},
		diff.CodeNotComment:        {"thêm chú giải không phải nhận xét: {kind}", "an annotation was added that is no comment: {kind}"},
		diff.CodeComment:           {"thêm nhận xét: {kind}", "a comment was added: {kind}"},
		diff.CodeCommentEdited:     {"sửa nhận xét: {kind}", "a comment was edited: {kind}"},
		diff.CodeCommentRemoved:    {"nhận xét có sau khi ký bị gỡ", "a comment that came after the signature was removed"},
		diff.CodeCommentKind:       {"nhận xét đổi sang loại khác", "a comment became one of another kind"},
		diff.CodeCommentForeign:    {"nhận xét mang mục không thuộc về nó: {key}", "a comment carries an entry that does not belong to one: {key}"},
		diff.CodeCommentPage:       {"nhận xét nằm ở trang khác với trang nó ghi", "a comment stands on another page than it says"},
		diff.CodeCommentPlace:      {"nhận xét không có vị trí", "a comment has no place"},
		diff.CodeCommentUnreadable: {"không đọc được hình của nhận xét", "the look of a comment cannot be read"},
		diff.CodeCommentCovers:     {"nhận xét che nội dung của trang: {kind}", "a comment covers what the page shows: {kind}"},
		diff.CodeCommentShows:      {"nhận xét bằng nét lại chứa chữ hoặc hình: {kind}", "a comment that should be lines shows text or a picture: {kind}"},
		diff.CodePopupLook:         {"cửa sổ ghi chú có hình riêng", "a pop-up window has a look of its own"},
		diff.CodeNoteSize:          {"ghi chú lớn hơn biểu tượng của nó", "a note is larger than its sign"},

		diff.CodeForm:           {"biểu mẫu thay đổi", "the form changed"},
		diff.CodeFormRemoved:    {"biểu mẫu bị gỡ", "the form was removed"},
		diff.CodeField:          {"một trường của biểu mẫu thay đổi", "a field of the form changed"},
		diff.CodeFieldList:      {"danh sách trường thay đổi", "the list of fields changed"},
		diff.CodeFieldsRemoved:  {"số trường bị gỡ khỏi biểu mẫu: {count}", "fields removed from the form: {count}"},
		diff.CodeFieldVanished:  {"trường “{field}” biến mất", "field “{field}” vanished"},
		diff.CodeFieldKids:      {"một trường thêm hoặc mất phần con", "a field gained or lost parts"},
		diff.CodeFieldReused:    {"một đối tượng của tài liệu đã ký biến thành trường “{field}”", "an object of the signed document became field “{field}”"},
		diff.CodeFieldAdded:     {"thêm trường “{field}” không phải trường chữ ký", "field “{field}” was added, which is no signature field"},
		diff.CodeFieldName:      {"thêm trường với tên trống hoặc đã có: “{field}”", "a field was added under a name that is empty or taken: “{field}”"},
		diff.CodeFieldWidgets:   {"trường mới “{field}” có phần con lạ", "the new field “{field}” has parts that do not belong to it"},
		diff.CodeFieldPicture:   {"trường chữ ký “{field}” chưa ký mà đã hiện hình", "signature field “{field}” shows a picture without a signature"},
		diff.CodeFieldForeign:   {"trường chữ ký mới mang mục không thuộc về nó: {key}", "a new signature field carries an entry that does not belong to one: {key}"},
		diff.CodeFieldPage:      {"trường chữ ký nằm ở trang khác với trang nó ghi", "a signature field stands on another page than it says"},
		diff.CodeEmptyField:     {"thêm trường chữ ký trống “{field}”", "the empty signature field “{field}” was added"},
		diff.CodeFilled:         {"điền trường “{field}”", "field “{field}” was filled in"},
		diff.CodeFilledLocked:   {"điền trường “{field}” đã bị chữ ký khóa", "field “{field}” was filled in, which the signature locks"},
		diff.CodeFilledReadOnly: {"điền trường chỉ đọc “{field}”", "the read-only field “{field}” was filled in"},
		diff.CodeFilledValue:    {"trường “{field}” nhận giá trị không hợp loại", "field “{field}” got a value that is none"},
		diff.CodeButtonSet:      {"chọn ô “{field}”", "button “{field}” was set"},
		diff.CodeLook:           {"trường “{field}” hiện giá trị mới", "field “{field}” shows its new value"},
		diff.CodeLookRemoved:    {"hình của trường “{field}” bị gỡ", "the look of field “{field}” was removed"},
		diff.CodeLookLocked:     {"hình của trường chỉ đọc hoặc bị khóa “{field}” thay đổi", "the look of the locked or read-only field “{field}” changed"},
		diff.CodeLookDiffers:    {"trường “{field}” hiện khác với giá trị của nó", "field “{field}” shows something else than its value"},
		diff.CodeLookChanged:    {"trường “{field}” hiện khác đi dù giá trị giữ nguyên", "field “{field}” looks different though its value stayed"},
		diff.CodeLookForeign:    {"hình của trường “{field}” mang mục không thuộc về nó", "the look of field “{field}” carries what does not belong to it"},
		diff.CodeLookPicture:    {"hình của trường “{field}” vẽ ảnh", "the look of field “{field}” draws a picture"},
		diff.CodeLookUnreadable: {"không đọc được hình của trường “{field}”", "the look of field “{field}” cannot be read"},

		diff.CodeSignature:         {"thêm chữ ký “{field}”", "signature “{field}” was added"},
		diff.CodeSignatureShown:    {"thêm chữ ký “{field}”, hiện trên trang", "signature “{field}” was added, visible on the page"},
		diff.CodeSignatureReused:   {"chữ ký của tài liệu được dùng lại ở trường “{field}”", "a signature of the document was used again in field “{field}”"},
		diff.CodeSignatureCoverage: {"chữ ký mới “{field}” không bao phiên bản của chính nó", "the new signature “{field}” does not cover its own revision"},
		diff.CodeSignedLocked:      {"ký vào trường “{field}” đã bị chữ ký trước khóa", "field “{field}” was signed, which an earlier signature locks"},
		diff.CodeNoSignature:       {"trường chữ ký “{field}” nhận giá trị không phải chữ ký", "signature field “{field}” got a value that is no signature"},
		diff.CodeByteRange:         {"vùng byte được ký của chữ ký mới “{field}” sai cấu trúc", "the byte range of the new signature “{field}” is malformed"},
		diff.CodeCertification:     {"thêm chữ ký chứng nhận “{field}” vào tài liệu đã ký", "the certification “{field}” was added to a signed document"},
		diff.CodeTimestamp:         {"thêm dấu thời gian tài liệu “{field}”", "the document time-stamp “{field}” was added"},
		diff.CodeTimestampShown:    {"thêm dấu thời gian tài liệu “{field}”, hiện trên trang", "the document time-stamp “{field}” was added, visible on the page"},
	}
}
