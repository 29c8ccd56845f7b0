package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/ca/ra/sheet"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
)

// problem is an error as RFC 9457 has it, with the title in both languages.
// Detail is English and for whoever builds the client.
type problem struct {
	Type    string         `json:"type"`
	Title   string         `json:"title"`
	TitleVI string         `json:"title_vi"`
	TitleEN string         `json:"title_en"`
	Status  int            `json:"status"`
	Code    string         `json:"code"`
	Detail  string         `json:"detail,omitempty"`
	Errors  []problemField `json:"errors,omitempty"`
}

// problemField is what is wrong with one part of a call.
type problemField struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// Error is the title with the detail.
func (p *problem) Error() string { return p.TitleEN + ": " + p.Detail }

// GetStatus makes the problem an error of huma.
func (p *problem) GetStatus() int { return p.Status }

// ContentType is that of RFC 9457.
func (p *problem) ContentType(string) string { return "application/problem+json" }

// Codes of problems.
const (
	codeSignIn   = "sign-in"
	codeRate     = "rate"
	codeScope    = "scope"
	codeDenied   = "denied"
	codeSame     = "same-person"
	codeMissing  = "not-found"
	codeState    = "state"
	codeRevoked  = "revoked"
	codeChanged  = "changed"
	codeForm     = "form"
	codeKey      = "key"
	codeProfile  = "profile"
	codeLarge    = "too-large"
	codeRunning  = "running"
	codeRecord   = "record"
	codeCall     = "call"
	codeInternal = "internal"
)

func problemOf(code, lang string) *problem {
	texts := map[string]struct {
		status int
		vi, en string
	}{
		codeSignIn:   {http.StatusUnauthorized, "Thiếu mã truy cập hoặc chứng thư máy khách còn hiệu lực", "No valid token or client certificate"},
		codeRate:     {http.StatusTooManyRequests, "Gọi quá nhiều lần, hãy thử lại sau", "Too many calls, try again later"},
		codeScope:    {http.StatusForbidden, "Mã truy cập không có phạm vi cần cho thao tác này", "The credential does not have the scope of this call"},
		codeDenied:   {http.StatusForbidden, "Tài khoản không được phép thực hiện thao tác này", "The account may not do this"},
		codeSame:     {http.StatusForbidden, "Người đã lập hoặc xác nhận không được tự phê duyệt", "Who asked or confirmed may not approve"},
		codeMissing:  {http.StatusNotFound, "Không tìm thấy", "Not found"},
		codeState:    {http.StatusConflict, "Trạng thái hiện tại không cho phép thao tác này", "Its state does not allow this"},
		codeRevoked:  {http.StatusConflict, "Chứng thư đã bị thu hồi", "The certificate is revoked already"},
		codeChanged:  {http.StatusConflict, "Thông tin trong danh bạ đã thay đổi kể từ khi yêu cầu", "The directory has changed since the request"},
		codeForm:     {http.StatusUnprocessableEntity, "Nội dung yêu cầu không hợp lệ", "The request does not hold together"},
		codeKey:      {http.StatusUnprocessableEntity, "Khóa bị từ chối", "The key is refused"},
		codeProfile:  {http.StatusUnprocessableEntity, "Không đáp ứng quy định của loại chứng thư", "It does not fit the profile"},
		codeLarge:    {http.StatusRequestEntityTooLarge, "Tệp vượt quá giới hạn", "The file is over a limit"},
		codeRunning:  {http.StatusConflict, "Danh sách đang được thực hiện", "The file is being carried out"},
		codeRecord:   {http.StatusServiceUnavailable, "Không ghi được vào sổ, thao tác chưa được thực hiện", "It could not be recorded and was not done"},
		codeCall:     {http.StatusUnprocessableEntity, "Lời gọi không hợp lệ", "The call is not valid"},
		codeInternal: {http.StatusInternalServerError, "Lỗi hệ thống", "Internal error"},
	}
	t := texts[code]
	p := &problem{Type: "urn:antin:problem:ca:" + code, Title: t.vi, TitleVI: t.vi, TitleEN: t.en, Status: t.status, Code: code}
	if lang == "en" {
		p.Title = t.en
	}
	return p
}

// codeOf names the problem that an error is; its text is told for those that a
// caller can act on.
func codeOf(err error) string {
	for _, c := range []struct {
		target error
		code   string
	}{
		{auth.ErrScope, codeScope}, {ra.ErrSamePerson, codeSame}, {auth.ErrDenied, codeDenied},
		{ra.ErrNotFound, codeMissing}, {ca.ErrNotFound, codeMissing}, {directory.ErrNotFound, codeMissing},
		{errRunning, codeRunning}, {ca.ErrRevoked, codeRevoked}, {ra.ErrChanged, codeChanged}, {ra.ErrState, codeState}, {ca.ErrState, codeState},
		{sheet.ErrTooLarge, codeLarge}, {sheet.ErrFormat, codeForm}, {ra.ErrKeyUsed, codeKey}, {profile.ErrKey, codeKey},
		{profile.ErrFacts, codeProfile}, {profile.ErrLint, codeProfile}, {profile.ErrUnknown, codeProfile},
		{ra.ErrForm, codeForm}, {ca.ErrCause, codeForm},
		{ra.ErrLedger, codeRecord}, {ca.ErrLedger, codeRecord},
	} {
		if errors.Is(err, c.target) {
			return c.code
		}
	}
	return codeInternal
}

// fault makes a problem of an error. What went wrong inside is logged, not
// told.
func (a *API) fault(ctx context.Context, call string, err error) error {
	code := codeOf(err)
	p := problemOf(code, "vi") // localise puts the caller's language in
	if code == codeInternal || code == codeRecord {
		a.deps.Logger.ErrorContext(ctx, "API call failed", slog.String("call", call), slog.Any("error", err))
		return p
	}
	p.Detail = err.Error()
	return p
}

// localise puts the language of the call into problems, and makes problems of
// huma's own refusals.
func localise(ctx huma.Context, _ string, v any) (any, error) {
	lang := language(ctx.Header("Accept-Language"))
	switch e := v.(type) {
	case *problem:
		if lang == "en" {
			e.Title = e.TitleEN
		}
		return e, nil
	case *huma.ErrorModel:
		p := problemOf(codeCall, lang)
		p.Status, p.Detail = e.Status, e.Detail
		if e.Status == http.StatusNotFound {
			p = problemOf(codeMissing, lang)
		}
		for _, d := range e.Errors {
			p.Errors = append(p.Errors, problemField{Location: d.Location, Message: d.Message})
		}
		return p, nil
	default:
		return v, nil
	}
}

// language is English when the caller prefers it, Vietnamese otherwise.
func language(accept string) string {
	first, _, _ := strings.Cut(accept, ",")
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(first)), "en") {
		return "en"
	}
	return "vi"
}

func write(w http.ResponseWriter, p *problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may have gone
}
