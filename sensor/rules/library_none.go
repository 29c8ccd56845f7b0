//go:build !hyperscan || !cgo

package rules

// hasLibrary says that Hyperscan is built in.
const hasLibrary = false

// library is not there.
type library struct{}

func newLibrary(*matcher, []int32) *library { return nil }

func (*library) scan(*matcher, []byte, *Context) {}

// libraryUse is what a context keeps for it.
//
//lint:ignore U1000 used with the tag hyperscan
type libraryUse struct{}
