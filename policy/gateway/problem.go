package gateway

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/antin-gov/antin/policy/engine"
)

// Problem is an answer without data (RFC 9457), in both languages.
type Problem struct {
	Type       string          `json:"type"`
	Title      string          `json:"title"`
	TitleEN    string          `json:"title_en"`
	Status     int             `json:"status"`
	Detail     string          `json:"detail"`
	DetailEN   string          `json:"detail_en"`
	DecisionID string          `json:"decision_id,omitempty"`
	Reasons    []engine.Reason `json:"reasons,omitempty"`
	LegalBasis []string        `json:"legal_basis,omitempty"`
}

// problemType begins the type of a problem.
const problemType = "urn:antin:problem:"

func refused(id string, d *engine.Decision) Problem {
	p := Problem{
		Type: problemType + "refused", Status: http.StatusForbidden,
		Title: "Từ chối chia sẻ dữ liệu", TitleEN: "Data sharing refused",
		DecisionID: id, Reasons: d.Reasons, LegalBasis: d.LegalBasis,
	}
	var vi, en []string
	for _, reason := range d.Reasons {
		vi, en = append(vi, reason.VI), append(en, reason.EN)
	}
	p.Detail, p.DetailEN = strings.Join(vi, " "), strings.Join(en, " ")
	return p
}

func malformed() Problem {
	return Problem{
		Type: problemType + "malformed", Status: http.StatusBadRequest,
		Title: "Yêu cầu không hợp lệ", TitleEN: "Malformed request",
		Detail:   "Kiểm tra đường dẫn /data/{mã cơ sở dữ liệu}/…, tên trường và tham số.",
		DetailEN: "Check the path /data/{dataset}/…, the names of fields and the parameters.",
	}
}

func wrongMethod() Problem {
	return Problem{
		Type: problemType + "method", Status: http.StatusMethodNotAllowed,
		Title: "Phương thức không được hỗ trợ", TitleEN: "Method not supported",
		Detail: "Cổng chia sẻ dữ liệu chỉ nhận GET.", DetailEN: "The gateway serves GET only.",
	}
}

func missing(id string) Problem {
	return Problem{
		Type: problemType + "not-found", Status: http.StatusNotFound, DecisionID: id,
		Title: "Không có bản ghi", TitleEN: "No such record",
		Detail: "Cơ sở dữ liệu không có bản ghi được yêu cầu.", DetailEN: "The database has no record of this id.",
	}
}

func upstreamFailed(id string) Problem {
	return Problem{
		Type: problemType + "upstream", Status: http.StatusBadGateway, DecisionID: id,
		Title: "Cơ sở dữ liệu chưa trả lời", TitleEN: "The database did not answer",
		Detail:   "Dịch vụ của cơ quan chủ quản không trả lời đúng. Thử lại sau.",
		DetailEN: "The owner's service did not answer as it must. Try again later.",
	}
}

func unavailable() Problem {
	return Problem{
		Type: problemType + "unavailable", Status: http.StatusServiceUnavailable,
		Title: "Tạm thời chưa phục vụ được", TitleEN: "Temporarily unavailable",
		Detail:   "Không ghi được nhật ký hoặc hệ thống đang bận, nên không cung cấp dữ liệu. Thử lại sau.",
		DetailEN: "The access could not be recorded or the system is busy, so no data is given. Try again later.",
	}
}

// answer writes the problem. Its body is small, so an encoding error cannot
// come from the input; a write error means that the asker has gone.
func (p Problem) answer(w http.ResponseWriter) {
	body, err := json.Marshal(p)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	setHeaders(w.Header(), "application/problem+json", p.DecisionID)
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	if p.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodGet)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body)
}

// setHeaders are all the headers of an answer: nothing of the owner's passes.
func setHeaders(h http.Header, contentType, decision string) {
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if decision != "" {
		h.Set("Antin-Decision-Id", decision)
	}
}
