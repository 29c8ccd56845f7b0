package signer

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// envReaderTest makes this test a reader's process.
const envReaderTest = "ANTIN_READER_TEST"

// TestReaderProcess is the reader's process of TestTheReaderIsBounded.
func TestReaderProcess(t *testing.T) {
	if os.Getenv(envReaderTest) == "" {
		t.Skip("runs as a child of another test")
	}
	err := ReaderMain(os.Stdin, os.Stdout, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	os.Exit(0)
}

func TestTheReaderInItsOwnProcessAnswersOrIsAnError(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := []string{self, "-test.run=^TestReaderProcess$"}
	for _, c := range []struct {
		name, part string
		command    []string
		file       string
	}{
		{"a file without signatures is not readable for it", "not readable", child, "%PDF-1.4\n%%EOF\n"},
		{"a file over its limit is refused", "limit", child, strings.Repeat(" ", 1<<20+1)},
		{"a program that is not there is an error", "no such file", []string{"/nothing/here"}, "x"},
		{"a program that dies is an error", "exit status", []string{"/bin/false"}, "x"},
		{"a program that says something else is an error", "", []string{"/bin/echo", "hello"}, "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Service{d: Deps{SecondReader: c.command, SecondReaderEnv: []string{envReaderTest + "=1"}}}
			n, err := s.reader()(t.Context(), strings.NewReader(c.file), int64(len(c.file)))
			if !errors.Is(err, ErrReader) || !strings.Contains(err.Error(), c.part) || n != (count{}) {
				t.Errorf("%+v, %v", n, err)
			}
		})
	}
}
