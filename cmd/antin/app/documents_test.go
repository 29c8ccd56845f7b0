package app_test

import (
	"strings"
	"testing"
)

// verdict is what antin verify --json says of a file.
type verdict struct {
	File       string
	Verdict    string
	Signatures []struct {
		Field, Kind, Level, Verdict, Integrity, Coverage, Changes, Signer string
	}
}

// wantText fails the test when the text lacks the part.
func wantText(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("no %q in:\n%s", part, text)
	}
}
