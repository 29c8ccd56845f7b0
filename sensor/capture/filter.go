package capture

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// fileFilter runs a packet filter over the frames of a file, which may have
// several link types.
type fileFilter struct {
	program Program
	byLink  map[LinkType]*bpf.VM
	out     uint64
}

func (x *fileFilter) matches(f *Frame) (bool, error) {
	vm := x.byLink[f.Link]
	if vm == nil {
		var err error
		vm, err = x.machine(f.Link)
		if err != nil {
			return false, fmt.Errorf("packet filter for link type %d: %w", f.Link, err)
		}
	}
	// A look beyond the frame's end is no match, and no error.
	n, err := vm.Run(f.Data)
	if err != nil {
		return false, fmt.Errorf("run the packet filter: %w", err)
	}
	return n > 0, nil
}

func (x *fileFilter) machine(link LinkType) (*bpf.VM, error) {
	raw, err := x.program(link)
	if err != nil {
		return nil, err
	}
	instructions, _ := bpf.Disassemble(raw)
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		return nil, err
	}
	if x.byLink == nil {
		x.byLink = make(map[LinkType]*bpf.VM)
	}
	x.byLink[link] = vm
	return vm, nil
}
