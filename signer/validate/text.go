package validate

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// labels of the text report.
func label(lang Lang, key string) string {
	labels := map[string]message{
		"field":         {"Trường", "Field"},
		"signer":        {"Người ký", "Signer"},
		"integrity":     {"Toàn vẹn", "Integrity"},
		"coverage":      {"Phạm vi", "Coverage"},
		"changes":       {"Thay đổi sau ký", "Changes since"},
		"claimed":       {"Thời điểm khai", "Claimed time"},
		"best":          {"Thời điểm xét", "Judged at"},
		"stamped":       {"có dấu thời gian tin cậy", "by a trusted time-stamp"},
		"page":          {"trang", "page"},
		"unnamed":       {"không tên", "unnamed"},
		"revision":      {"Phiên bản", "Revision"},
		"intact":        {"nguyên vẹn", "intact"},
		"broken":        {"không nguyên vẹn", "broken"},
		"file":          {"toàn bộ tệp", "whole file"},
		"partial":       {"một phần", "part"},
		"none":          {"không có", "none"},
		"allowed":       {"được phép", "allowed"},
		"forbidden":     {"không được phép", "forbidden"},
		"unknown":       {"không rõ", "unknown"},
		"signature":     {"Chữ ký", "Signature"},
		"certification": {"Chữ ký chứng nhận", "Certification"},
		"timestamp":     {"Dấu thời gian tài liệu", "Document time-stamp"},
		"TOTAL-PASSED":  {"HỢP LỆ", "VALID"},
		"TOTAL-FAILED":  {"KHÔNG HỢP LỆ", "NOT VALID"},
		"INDETERMINATE": {"CHƯA KẾT LUẬN ĐƯỢC", "INDETERMINATE"},
		// The word for the covered revision is that of the number above.
		"coverage-revision": {"một phiên bản trước", "an earlier revision"},
	}
	text, ok := labels[key]
	if !ok {
		return key
	}
	return text.in(lang)
}

// WriteText writes the report for people.
func WriteText(w io.Writer, report *Report, lang Lang) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s (%s)\n", report.File, label(lang, string(report.Verdict)), report.Verdict)
	for _, reason := range report.Reasons {
		fmt.Fprintf(&b, "  - %s\n", reason.Text(lang))
	}
	for n := range report.Signatures {
		report.Signatures[n].writeText(&b, n+1, lang)
	}
	_, err := io.WriteString(w, b.String())
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (s *Signature) writeText(b *strings.Builder, number int, lang Lang) {
	fmt.Fprintf(b, "\n%d. %s: %s (%s", number, label(lang, string(s.Kind)), label(lang, string(s.Verdict)), s.Verdict)
	if s.SubIndication != SubNone {
		fmt.Fprintf(b, ", %s", s.SubIndication)
	}
	b.WriteString(")\n")
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(b, "   %s: %s\n", label(lang, key), value)
		}
	}
	line("signer", s.Signer)
	field := s.Field
	if s.Level != "" {
		field = strings.TrimSpace(field + " [" + s.Level + "]")
	}
	line("field", field)
	line("integrity", label(lang, string(s.Integrity)))
	coverage := string(s.Coverage)
	if s.Coverage == CoversRevision {
		coverage = "coverage-revision"
	}
	line("coverage", label(lang, coverage))
	line("changes", label(lang, string(s.Changes)))
	for _, text := range s.AllowedChanges(lang) {
		fmt.Fprintf(b, "     · %s\n", text)
	}
	if s.SignedAt != nil {
		line("claimed", s.SignedAt.Format(time.RFC3339))
	}
	if s.BestTime != nil {
		best := s.BestTime.Format(time.RFC3339)
		if s.Stamped {
			best += " (" + label(lang, "stamped") + ")"
		}
		line("best", best)
	}
	for _, reason := range s.Reasons {
		fmt.Fprintf(b, "   - %s\n", reason.Text(lang))
	}
}
