package pades

import (
	"crypto"
	"crypto/ed25519"
	"slices"

	"github.com/antin-gov/antin/signer/cos"
)

// Extensions of ISO to PDF 2.0 that a document declares when it uses them.
const (
	extensionSHA3  = 32001 // ISO/TS 32001:2022, SHA-3 and SHAKE256
	extensionEdDSA = 32002 // ISO/TS 32002:2022, digital signatures with more curves
)

// declare names in the catalog the extensions that the signature needs
// (ISO 32000-2, 7.12). What is declared there already stays.
func (d *document) declare(o Options) error {
	var levels []int64
	if slices.Contains([]crypto.Hash{crypto.SHA3_256, crypto.SHA3_384, crypto.SHA3_512}, o.Hash) {
		levels = append(levels, extensionSHA3)
	}
	if _, ok := o.Chain[0].PublicKey.(ed25519.PublicKey); ok {
		levels = append(levels, extensionEdDSA)
	}
	if len(levels) == 0 {
		return nil
	}
	old, err := d.view.Resolve(d.root["Extensions"])
	if err != nil {
		return refusal(err)
	}
	extensions, ok := old.(cos.Dict)
	if !ok && old != nil {
		return nil // nothing that could be added to; what is wrong with it is not ours
	}
	extensions = extensions.Clone()
	if extensions == nil {
		extensions = cos.Dict{"Type": cos.Name("Extensions")}
	}
	declared, err := d.view.Resolve(extensions["ISO_"])
	if err != nil {
		return refusal(err)
	}
	list, _ := declared.(cos.Array)
	list = list.Copy()
	if one, ok := declared.(cos.Dict); ok {
		list = cos.Array{one}
	}
	changed := false
	for _, level := range levels {
		known := slices.ContainsFunc(list, func(o cos.Object) bool {
			n, _ := d.view.Int(d.view.Dict(o)["ExtensionLevel"])
			return n == level
		})
		if !known {
			changed = true
			list = append(list, cos.Dict{
				"Type": cos.Name("DeveloperExtensions"), "BaseVersion": cos.Name("2.0"), "ExtensionLevel": level, "ExtensionRevision": cos.String(":2022"),
			})
		}
	}
	if !changed {
		return nil
	}
	extensions["ISO_"] = list
	holder, indirect := d.root["Extensions"].(cos.Ref)
	if indirect && old != nil {
		d.update.Put(holder, extensions)
		return nil
	}
	d.root["Extensions"], d.dirty = extensions, true
	return nil
}
