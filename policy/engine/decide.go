package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Treatment is what happens to a field on its way to the asker.
type Treatment string

// Treatments of a field. A field that a decision does not name is dropped.
const (
	Plain  Treatment = "plain"
	Masked Treatment = "masked"
	Drop   Treatment = "drop"
)

// Query is one data request, without the data.
type Query struct {
	Agency  string `json:"agency"`
	Dataset string `json:"dataset"`
	// Fields asked for; none means all that are agreed.
	Fields []string `json:"fields"`
	// Filters are the names of the parameters by which records are searched.
	Filters   []string  `json:"filters,omitempty"`
	Purpose   string    `json:"purpose"`
	Operation string    `json:"operation"`
	At        time.Time `json:"at"`
}

// Reason is one reason of a decision in both languages.
type Reason struct {
	Code   string   `json:"code"`
	VI     string   `json:"vi"`
	EN     string   `json:"en"`
	Fields []string `json:"fields,omitempty"`
}

// Text returns the reason in the language, Vietnamese unless lang is "en".
func (r Reason) Text(lang string) string {
	if lang == "en" {
		return r.EN
	}
	return r.VI
}

// Decision answers a Query.
type Decision struct {
	Allow  bool                 `json:"allow"`
	Fields map[string]Treatment `json:"fields"`
	// Reasons say why, in order of their codes; a refusal has at least one.
	Reasons     []Reason `json:"reasons"`
	LegalBasis  []string `json:"legal_basis"`
	AgreementID string   `json:"agreement_id,omitempty"`
	Revision    string   `json:"revision"`
}

// Has says whether the decision gives the reason.
func (d *Decision) Has(code string) bool {
	return slices.ContainsFunc(d.Reasons, func(r Reason) bool { return r.Code == code })
}

// refusalBasis is the duty to refuse with reason and legal basis, named where
// no rule of the policy answered.
const refusalBasis = "NĐ 194/2025/NĐ-CP Đ16"

// Decide answers the query on the revision in force. The decision is never
// nil: a fault of the engine is a refusal with the code CodeFault, and the
// error tells it to the caller for the log.
func (e *Engine) Decide(ctx context.Context, q Query) (*Decision, error) {
	current := e.current.Load()
	input := ast.NewObject(
		member("agency", ast.StringTerm(q.Agency)),
		member("dataset", ast.StringTerm(q.Dataset)),
		member("fields", texts(q.Fields)),
		member("filters", texts(q.Filters)),
		member("purpose", ast.StringTerm(q.Purpose)),
		member("operation", ast.StringTerm(q.Operation)),
		member("at", ast.NumberTerm(json.Number(strconv.FormatInt(q.At.Unix(), 10)))),
	)
	value, err := e.evaluate(ctx, current.sharing, input)
	if err != nil {
		return refusal(CodeFault, current.id), err
	}
	answer, ok := value.(map[string]any)
	if !ok {
		return refusal(CodeUndefined, current.id), nil
	}
	decision, err := read(answer)
	if err != nil {
		return refusal(CodeFault, current.id), err
	}
	decision.Revision = current.id
	return decision, nil
}

func read(answer map[string]any) (*Decision, error) {
	d := &Decision{Fields: map[string]Treatment{}}
	allow, ok := answer["allow"].(bool)
	if !ok {
		return nil, fmt.Errorf("%w: the decision does not say whether it allows", ErrFault)
	}
	d.Allow = allow
	d.AgreementID, _ = answer["agreement_id"].(string)
	d.LegalBasis = textList(answer["legal_basis"])
	fields, _ := answer["fields"].(map[string]any)
	for name, value := range fields {
		text, _ := value.(string)
		treatment := Treatment(text)
		if treatment != Plain && treatment != Masked && treatment != Drop {
			return nil, fmt.Errorf("%w: treatment %q of field %s", ErrFault, text, name)
		}
		d.Fields[name] = treatment
	}
	reasons, _ := answer["reasons"].([]any)
	for _, item := range reasons {
		reason, _ := item.(map[string]any)
		one := Reason{Fields: textList(reason["fields"])}
		one.Code, _ = reason["code"].(string)
		one.VI, _ = reason["vi"].(string)
		one.EN, _ = reason["en"].(string)
		d.Reasons = append(d.Reasons, one)
	}
	if len(d.Reasons) == 0 {
		return nil, fmt.Errorf("%w: a decision without reason", ErrFault)
	}
	return d, nil
}

func refusal(code, revision string) *Decision {
	return &Decision{
		Fields: map[string]Treatment{},
		Reasons: []Reason{{
			Code: code,
			VI:   "Hệ thống chưa trả lời được yêu cầu theo chính sách chia sẻ dữ liệu. Thử lại sau hoặc liên hệ quản trị hệ thống.",
			EN:   "The sharing policy could not answer the request. Try again later or ask the system's administrator.",
		}},
		LegalBasis: []string{refusalBasis},
		Revision:   revision,
	}
}

func texts(values []string) *ast.Term {
	terms := make([]*ast.Term, 0, len(values))
	for _, value := range values {
		terms = append(terms, ast.StringTerm(value))
	}
	return ast.ArrayTerm(terms...)
}

func textList(value any) []string {
	items, _ := value.([]any)
	if len(items) == 0 {
		return nil
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		text, ok := item.(string)
		if ok {
			list = append(list, text)
		}
	}
	return list
}
