package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"sort"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// Languages of the console. Vietnamese is the first.
const (
	Vietnamese = "vi"
	English    = "en"
)

// texts holds every text of the console in both languages.
type texts struct {
	bundle *i18n.Bundle
	keys   map[string]map[string]bool // language → key
	faces  map[string]*i18n.Localizer
}

func newTexts() *texts {
	b := i18n.NewBundle(language.Vietnamese)
	return &texts{
		bundle: b, keys: map[string]map[string]bool{Vietnamese: {}, English: {}},
		faces: map[string]*i18n.Localizer{Vietnamese: i18n.NewLocalizer(b, Vietnamese), English: i18n.NewLocalizer(b, English)},
	}
}

// add reads locales/vi.json and locales/en.json of a room: flat objects of key
// and text; {{.Name}} in a text is filled in.
func (t *texts) add(room fs.FS) error {
	for _, lang := range []string{Vietnamese, English} {
		b, err := fs.ReadFile(room, "locales/"+lang+".json")
		if err != nil {
			return fmt.Errorf("%w: %w", ErrStart, err)
		}
		var flat map[string]string
		err = json.Unmarshal(b, &flat)
		if err != nil {
			return fmt.Errorf("%w: locales/%s.json: %w", ErrStart, lang, err)
		}
		for key, text := range flat {
			if t.keys[lang][key] {
				return fmt.Errorf("%w: text %q stands twice in %s", ErrStart, key, lang)
			}
			t.keys[lang][key] = true
			err = t.bundle.AddMessages(language.Make(lang), &i18n.Message{ID: key, Other: text})
			if err != nil {
				return fmt.Errorf("%w: text %q: %w", ErrStart, key, err)
			}
		}
	}
	return nil
}

func (t *texts) has(key string) bool { return t.keys[Vietnamese][key] && t.keys[English][key] }

// check says which keys stand in one language only.
func (t *texts) check() error {
	var missing []string
	for _, pair := range [][2]string{{Vietnamese, English}, {English, Vietnamese}} {
		for key := range t.keys[pair[0]] {
			if !t.keys[pair[1]][key] {
				missing = append(missing, pair[1]+":"+key)
			}
		}
	}
	if len(missing) > 0 {
		sort.Strings(missing)
		return fmt.Errorf("%w: texts missing: %s", ErrStart, strings.Join(missing, " "))
	}
	return nil
}

// get returns the text; args are names and values in turn. A key that is in no
// locale file is shown as it is, and found by the test of every page.
func (t *texts) get(lang, key string, args ...any) string {
	data := make(map[string]any, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		name, ok := args[i].(string)
		if ok {
			data[name] = args[i+1]
		}
	}
	text, err := t.faces[lang].Localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: data})
	var missing *i18n.MessageNotFoundErr
	if errors.As(err, &missing) || text == "" {
		return key
	}
	return text
}

// languageOf is the visitor's choice, or else Vietnamese.
func languageOf(r *http.Request) string {
	choice := r.URL.Query().Get("lang")
	if choice == "" {
		cookie, err := r.Cookie(cookieLang)
		if err == nil {
			choice = cookie.Value
		}
	}
	if choice == English {
		return English
	}
	return Vietnamese
}
