package rules

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// languageVersion is the Suricata whose rule language this is.
var languageVersion = [3]int{8, 0, 0}

// features are those of that Suricata that rules may ask for.
var features = map[string]bool{"ja3": true, "ja4": true}

// checkRequires reads "version >= 7.0.3 < 8 | >= 9, feature ja4, keyword x". What
// is not met refuses the rule, as its author wants.
func checkRequires(value string) error {
	for _, part := range splitTrim(value) {
		word, arg, _ := strings.Cut(part, " ")
		arg = strings.TrimSpace(arg)
		met := false
		var err error
		switch word {
		case "version":
			met, err = versionMet(arg)
		case "feature":
			met = features[strings.ToLower(arg)]
		case "keyword":
			met = knownKeyword(arg)
		default:
			err = fmt.Errorf("unknown part %q", clip(part))
		}
		if err != nil {
			return err
		}
		if !met {
			return fmt.Errorf("%s is not met", clip(part))
		}
	}
	return nil
}

// versionMet evaluates comparisons: those that stand together must all hold, of
// the groups between bars one.
func versionMet(text string) (bool, error) {
	for group := range strings.SplitSeq(text, "|") {
		words := strings.Fields(group)
		if len(words) == 0 || len(words)%2 != 0 {
			return false, fmt.Errorf("%q is no version", clip(group))
		}
		all := true
		for i := 0; i < len(words); i += 2 {
			holds, err := versionHolds(words[i], words[i+1])
			if err != nil {
				return false, err
			}
			all = all && holds
		}
		if all {
			return true, nil
		}
	}
	return false, nil
}

func versionHolds(op, text string) (bool, error) {
	var want [3]int
	parts := strings.Split(text, ".")
	if len(parts) > len(want) {
		return false, fmt.Errorf("%q is no version", clip(text))
	}
	for i, p := range parts {
		var err error
		want[i], err = strconv.Atoi(p)
		if err != nil {
			return false, fmt.Errorf("%q is no version", clip(text))
		}
	}
	order := 0
	for i := range want {
		if order == 0 {
			order = languageVersion[i] - want[i]
		}
	}
	switch op {
	case ">=":
		return order >= 0, nil
	case ">":
		return order > 0, nil
	case "<=":
		return order <= 0, nil
	case "<":
		return order < 0, nil
	}
	return false, fmt.Errorf("unknown comparison %q", clip(op))
}

// knownKeyword tries a keyword: one that is known may still want a value.
func knownKeyword(name string) bool {
	var unknown UnknownKeywordError
	return !errors.As(newBuilder(&Rule{}, nil).apply(option{name: name}), &unknown)
}
