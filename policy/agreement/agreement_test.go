package agreement_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/policy/agreement"
	"github.com/antin-gov/antin/policy/catalogue"
)

func datasets(t *testing.T) map[string]*catalogue.Dataset {
	t.Helper()
	f, err := catalogue.Demo()
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]*catalogue.Dataset{}
	for i := range f.Datasets {
		byID[f.Datasets[i].ID] = &f.Datasets[i]
	}
	return byID
}

func TestDemoAgreementsFitTheCatalogue(t *testing.T) {
	byID := datasets(t)
	list, err := agreement.Demo()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		err = a.Check(byID[a.DatasetID])
		if err != nil {
			t.Errorf("%s: %v", a.Key(), err)
		}
		if len(a.Items.List()) != 12 {
			t.Errorf("%s has %d items", a.Key(), len(a.Items.List()))
		}
		if a.ConsumerID == "xa-tan-lap" {
			t.Error("the commune without an agreement has one")
		}
	}
}

func TestTaxOfficeAgreementHoldsNoPersonalField(t *testing.T) {
	enterprises := datasets(t)["enterprises"]
	list, err := agreement.Demo()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range enterprises.Fields {
		_, agreed := list[0].Fields[f.Name]
		if agreed && f.Personal != catalogue.PersonalNone {
			t.Errorf("%s is %s and agreed", f.Name, f.Personal)
		}
	}
	if list[0].ConsumerID != "thue" {
		t.Errorf("the first demo agreement is of %s", list[0].ConsumerID)
	}
}

func TestCheckRefusesAnAgreementThatDoesNotHoldTogether(t *testing.T) {
	enterprises := datasets(t)["enterprises"]
	for name, change := range map[string]func(a *agreement.Agreement){
		"a provider that is not the owner":   func(a *agreement.Agreement) { a.ProviderID = "skhcn" },
		"an agreement with oneself":          func(a *agreement.Agreement) { a.ConsumerID = "stc" },
		"an end before the beginning":        func(a *agreement.Agreement) { a.ValidTo = a.ValidFrom },
		"a term over five years":             func(a *agreement.Agreement) { a.ValidTo = a.ValidFrom.AddDate(6, 0, 0) },
		"no purpose":                         func(a *agreement.Agreement) { a.Purposes = nil },
		"a purpose that is prose":            func(a *agreement.Agreement) { a.Purposes = []string{"Quản lý thuế"} },
		"an unknown operation":               func(a *agreement.Agreement) { a.Operations = []string{"delete"} },
		"an empty item of the twelve":        func(a *agreement.Agreement) { a.Items.Deletion = " " },
		"an item without end":                func(a *agreement.Agreement) { a.Items.Other = strings.Repeat("x", 5000) },
		"a field outside the catalogue":      func(a *agreement.Agreement) { a.Fields["weight"] = "plain" },
		"a field of private use":             func(a *agreement.Agreement) { a.Fields["inspection_note"] = "plain" },
		"a treatment nobody knows":           func(a *agreement.Agreement) { a.Fields["code"] = "bare" },
		"sensitive personal data in clear":   func(a *agreement.Agreement) { a.Fields["bank_account"] = "plain" },
		"another database than the one told": func(a *agreement.Agreement) { a.DatasetID = "land" },
	} {
		list, err := agreement.Demo()
		if err != nil {
			t.Fatal(err)
		}
		a := list[0]
		a.Fields = maps.Clone(a.Fields)
		change(&a)
		err = a.Check(enterprises)
		if !errors.Is(err, agreement.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSuspensionTakesEffectAtOnceAfterAViolationAndElseAfterSevenWorkingDays(t *testing.T) {
	friday := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	if got := agreement.SuspensionTime(friday, true); !got.Equal(friday) {
		t.Errorf("after a violation: %s", got)
	}
	want := time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC) // Tuesday: 23-27 are five, 30 and 1 two more
	if got := agreement.SuspensionTime(friday, false); !got.Equal(want) {
		t.Errorf("with notice: %s, want %s", got, want)
	}
}
