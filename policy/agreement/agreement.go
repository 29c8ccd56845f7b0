// Package agreement keeps the data-sharing agreements between the owner of a
// shared database (provider) and the agency that uses it (consumer), with the
// twelve items of NĐ 47/2020/NĐ-CP Đ38 (R37; the decree is replaced by NĐ
// 278/2025/NĐ-CP, its list of items is still the fullest), their versions and
// their states. It decides no request (package engine does), and it asks for
// no permission and writes no ledger: its caller (package policy) does both
// before a change is kept here.
package agreement

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/policy/catalogue"
	"github.com/antin-gov/antin/policy/record"
)

// Errors of the agreements.
var (
	ErrInvalid  = errors.New("agreement: invalid")
	ErrNotFound = errors.New("agreement: not found")
	// ErrState means that the agreement is not in the state that the act needs.
	ErrState = errors.New("agreement: not possible in its state")
	// ErrSide means that the act does not come from the side that must do it.
	ErrSide = errors.New("agreement: wrong side")
)

// States of a version of an agreement. Expiry and suspension are a matter of
// time and stand in their own columns.
const (
	StateProposed   = "proposed"
	StateAccepted   = "accepted"
	StateTerminated = "terminated"
	StateSuperseded = "superseded" // a later version was accepted
)

// Operations: the modes of NĐ 278/2025/NĐ-CP that the gateway knows.
const (
	OperationQuery = "query" // tra cứu
	OperationSync  = "sync"  // đồng bộ
)

// maxItem limits the text of an item: a page and a half.
const maxItem = 4000

// maxTerm is the longest term of an agreement; a longer need is renewed, so
// that a forgotten agreement ends by itself.
const maxTerm = 5 * 366 * 24 * time.Hour

// Items are the twelve items of NĐ 47/2020/NĐ-CP Đ38, in its order, as the
// parties wrote them. What the gateway enforces stands in Agreement itself.
type Items struct {
	Parties        string `json:"parties" yaml:"parties"`                 // các bên
	Data           string `json:"data" yaml:"data"`                       // dữ liệu
	Place          string `json:"place" yaml:"place"`                     // nơi cung cấp
	Term           string `json:"term" yaml:"term"`                       // thời hạn
	Method         string `json:"method" yaml:"method"`                   // phương thức
	PostProcessing string `json:"post_processing" yaml:"post_processing"` // xử lý sau khi nhận
	Limits         string `json:"limits" yaml:"limits"`                   // giới hạn
	Commitments    string `json:"commitments" yaml:"commitments"`         // cam kết
	Security       string `json:"security" yaml:"security"`               // bảo mật, xác thực
	Retention      string `json:"retention" yaml:"retention"`             // lưu giữ
	Deletion       string `json:"deletion" yaml:"deletion"`               // xóa
	Other          string `json:"other" yaml:"other"`                     // khác
}

// Item is one of the twelve by its code.
type Item struct{ Code, Text string }

// List returns the twelve items in the decree's order.
func (i Items) List() []Item {
	return []Item{
		{"parties", i.Parties}, {"data", i.Data}, {"place", i.Place}, {"term", i.Term}, {"method", i.Method},
		{"post_processing", i.PostProcessing}, {"limits", i.Limits}, {"commitments", i.Commitments},
		{"security", i.Security}, {"retention", i.Retention}, {"deletion", i.Deletion}, {"other", i.Other},
	}
}

// Agreement is one version of an agreement.
type Agreement struct {
	bun.BaseModel `bun:"table:sharing_agreement" yaml:"-"`

	ID         string `bun:"id,pk" json:"id" yaml:"id"`
	Version    int    `bun:"version,pk" json:"version" yaml:"version"`
	DatasetID  string `bun:"dataset_id" json:"dataset" yaml:"dataset"`
	ProviderID string `bun:"provider_id" json:"provider" yaml:"provider"`
	ConsumerID string `bun:"consumer_id" json:"consumer" yaml:"consumer"`
	State      string `bun:"state" json:"state" yaml:"state"`
	Items      Items  `bun:"items,type:jsonb" json:"items" yaml:"items"`
	// Fields are the agreed fields: "plain" or "masked".
	Fields     map[string]string `bun:"fields,type:jsonb" json:"fields" yaml:"fields"`
	Purposes   []string          `bun:"purposes,type:jsonb" json:"purposes" yaml:"purposes"`
	Operations []string          `bun:"operations,type:jsonb" json:"operations" yaml:"operations"`
	ValidFrom  time.Time         `bun:"valid_from" json:"valid_from" yaml:"valid_from"`
	ValidTo    time.Time         `bun:"valid_to" json:"valid_to" yaml:"valid_to"`

	ProposedBy     string     `bun:"proposed_by" json:"proposed_by" yaml:"proposed_by"`
	ProposedAgency string     `bun:"proposed_agency" json:"proposed_agency" yaml:"proposed_agency"`
	ProposedAt     time.Time  `bun:"proposed_at" json:"proposed_at" yaml:"proposed_at"`
	AcceptedBy     string     `bun:"accepted_by" json:"accepted_by,omitempty" yaml:"accepted_by"`
	AcceptedAgency string     `bun:"accepted_agency" json:"accepted_agency,omitempty" yaml:"accepted_agency"`
	AcceptedAt     *time.Time `bun:"accepted_at" json:"accepted_at,omitempty" yaml:"accepted_at"`
	SuspendedFrom  *time.Time `bun:"suspended_from" json:"suspended_from,omitempty" yaml:"suspended_from"`
	Reason         string     `bun:"reason" json:"reason,omitempty" yaml:"reason"`
	EndedAt        *time.Time `bun:"ended_at" json:"ended_at,omitempty" yaml:"ended_at"`
}

// Key names the version: "tt-enterprises-thue-1/2".
func (a *Agreement) Key() string { return fmt.Sprintf("%s/%d", a.ID, a.Version) }

// Live says whether requests may be answered under the agreement at the time.
func (a *Agreement) Live(at time.Time) bool {
	return a.State == StateAccepted && !at.Before(a.ValidFrom) && at.Before(a.ValidTo) &&
		(a.SuspendedFrom == nil || at.Before(*a.SuspendedFrom))
}

// Check says what is wrong with the agreement over the dataset, or nil.
func (a *Agreement) Check(d *catalogue.Dataset) error {
	switch {
	case a.DatasetID != d.ID || a.ProviderID != d.OwnerID:
		return fmt.Errorf("%w: the provider must be the owner of the database (%s)", ErrInvalid, d.OwnerID)
	case a.ConsumerID == "" || a.ConsumerID == a.ProviderID:
		return fmt.Errorf("%w: the consumer must be another agency than the provider", ErrInvalid)
	case !a.ValidTo.After(a.ValidFrom) || a.ValidTo.Sub(a.ValidFrom) > maxTerm:
		return fmt.Errorf("%w: the term must end after it begins, within five years", ErrInvalid)
	case len(a.Purposes) == 0 || len(a.Fields) == 0 || len(a.Operations) == 0:
		return fmt.Errorf("%w: purposes, fields and operations must be named", ErrInvalid)
	}
	for _, purpose := range a.Purposes {
		if !record.IsCode(purpose) {
			return fmt.Errorf("%w: purpose %q: want a code such as tax-administration", ErrInvalid, purpose)
		}
	}
	for _, operation := range a.Operations {
		if operation != OperationQuery && operation != OperationSync {
			return fmt.Errorf("%w: operation %q", ErrInvalid, operation)
		}
	}
	for _, item := range a.Items.List() {
		if strings.TrimSpace(item.Text) == "" || len(item.Text) > maxItem {
			return fmt.Errorf("%w: item %s of the twelve is empty or over %d bytes", ErrInvalid, item.Code, maxItem)
		}
	}
	return a.checkFields(d)
}

func (a *Agreement) checkFields(d *catalogue.Dataset) error {
	for name, treatment := range a.Fields {
		at := slices.IndexFunc(d.Fields, func(f catalogue.Field) bool { return f.Name == name })
		switch {
		case at < 0:
			return fmt.Errorf("%w: field %q is not in the catalogue of %s", ErrInvalid, name, d.ID)
		case d.Fields[at].Sharing == catalogue.SharingPrivate:
			return fmt.Errorf("%w: field %q is of private use and cannot be agreed", ErrInvalid, name)
		case treatment != "plain" && treatment != "masked":
			return fmt.Errorf("%w: field %q: treatment %q, want plain or masked", ErrInvalid, name, treatment)
		case d.Fields[at].Personal == catalogue.PersonalSensitive && treatment != "masked":
			return fmt.Errorf("%w: field %q is sensitive personal data and is shared masked only", ErrInvalid, name)
		}
	}
	return nil
}

// noticeDays is the public notice before a suspension (R36; NĐ 47/2020/NĐ-CP Đ43).
const noticeDays = 7

// SuspensionTime returns when a suspension takes effect: at once after a
// violation, otherwise after 7 working days of notice. Working days are Monday
// to Friday in Vietnam's time; public holidays are not known here, so a notice
// over a holiday is the longer only by what its author adds.
func SuspensionTime(now time.Time, violation bool) time.Time {
	if violation {
		return now
	}
	t := now.In(time.FixedZone("+07", 7*60*60))
	for days := 0; days < noticeDays; {
		t = t.AddDate(0, 0, 1)
		if t.Weekday() != time.Saturday && t.Weekday() != time.Sunday {
			days++
		}
	}
	return t.UTC()
}
