package pades

import (
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
)

// show gives a widget its appearance.
func show(widget cos.Dict, m *appearance.Mark) {
	widget["Rect"] = cos.Array{m.Rect[0], m.Rect[1], m.Rect[2], m.Rect[3]}
	widget["AP"] = cos.Dict{"N": m.Form}
	if m.Rotate != 0 {
		widget["MK"] = cos.Dict{"R": int64(m.Rotate)}
	}
}
