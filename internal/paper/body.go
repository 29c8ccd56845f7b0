package paper

import (
	"strings"
)

// items turns the body into pieces of one line or one table row.
func (d *Document) items(c *canvas) ([]item, error) {
	var all []item
	for i, b := range d.Body {
		var part []item
		var err error
		switch b := b.(type) {
		case Paragraph:
			text := b.Text
			if i == len(d.Body)-1 && !strings.HasSuffix(text, "./.") {
				text = strings.TrimRight(text, ". ") + "./." // the end of the text
			}
			part, err = c.paragraph(font{upright, sizeBody}, text)
		case Heading:
			part, err = c.paragraph(font{bold, sizeBody}, b.Text)
			for i := range part {
				part[i].glued = true
			}
		case Table:
			part, err = c.table(b)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	return all, nil
}

func (c *canvas) paragraph(f font, text string) ([]item, error) {
	lines, err := c.wrap(f, text, textWidth, firstIndent)
	if err != nil {
		return nil, err
	}
	items := make([]item, 0, len(lines))
	height := f.lineHeight(bodySpacing)
	for i, words := range lines {
		it := item{height: height}
		x, width := marginLeft, textWidth
		if i == 0 {
			x, width = x+firstIndent, width-firstIndent
		}
		last := i == len(lines)-1
		if last {
			it.height += paragraphGap
		}
		// No single line of a paragraph is left behind or sent ahead.
		it.glued = !last && (i == 0 || i == len(lines)-2)
		it.draw = func(y float64) error {
			base := y + height*0.78
			if last {
				return c.text(f, x, base, strings.Join(words, " "))
			}
			return c.justified(f, x, base, width, words)
		}
		items = append(items, it)
	}
	return items, nil
}

// table lays out rows with borders; the head is drawn again on each page.
func (c *canvas) table(t Table) ([]item, error) {
	size := sizeTable
	if t.Small {
		size = sizeTableSmall
	}
	total := 0.0
	for _, col := range t.Columns {
		total += col.Share
	}
	widths := make([]float64, len(t.Columns))
	titles := make([]string, len(t.Columns))
	for i, col := range t.Columns {
		widths[i] = textWidth * col.Share / total
		titles[i] = col.Title
	}
	head, err := c.row(font{bold, size}, t.Columns, widths, titles, true)
	if err != nil {
		return nil, err
	}
	head.glued = true
	again := head
	items := []item{head}
	for _, cells := range t.Rows {
		row, err := c.row(font{upright, size}, t.Columns, widths, cells, false)
		if err != nil {
			return nil, err
		}
		row.head = &again
		items = append(items, row)
	}
	return append(items, item{height: paragraphGap, draw: func(float64) error { return nil }}), nil
}

func (c *canvas) row(f font, columns []Column, widths []float64, cells []string, centred bool) (item, error) {
	texts := make([][][]string, len(cells))
	lines := 1
	for i, cell := range cells {
		var err error
		texts[i], err = c.wrap(f, cell, widths[i]-2*cellPad, 0)
		if err != nil {
			return item{}, err
		}
		lines = max(lines, len(texts[i]))
	}
	step := f.lineHeight(1)
	height := float64(lines)*step + 2*cellPad
	return item{height: height, draw: func(y float64) error {
		x := marginLeft
		for i, w := range widths {
			c.border(x, y, w, height)
			for n, words := range texts[i] {
				s := strings.Join(words, " ")
				base := y + cellPad + float64(n)*step + step*0.78
				var err error
				switch {
				case centred:
					err = c.centred(f, x, w, base, s)
				case columns[i].Right:
					var tw float64
					tw, err = c.width(f, s)
					if err == nil {
						err = c.text(f, x+w-cellPad-tw, base, s)
					}
				default:
					err = c.text(f, x+cellPad, base, s)
				}
				if err != nil {
					return err
				}
			}
			x += w
		}
		return nil
	}}, nil
}

func (c *canvas) border(x, y, w, h float64) {
	for _, l := range [][4]float64{{x, y, x + w, y}, {x, y + h, x + w, y + h}, {x, y, x, y + h}, {x + w, y, x + w, y + h}} {
		c.line(l[0], l[1], l[2], l[3], 0.5)
	}
}

// foot is the recipients [9b] on the left and the signer [7] on the right.
func (d *Document) foot(c *canvas, p *Paper) (item, error) {
	const gap = 3.0
	leftWidth := textWidth * 0.45
	rightX, rightWidth := marginLeft+leftWidth, textWidth-leftWidth
	bodyFont := font{bold, sizeBody}
	step := bodyFont.lineHeight(1)
	titles, err := c.wrapAll(bodyFont, append(append([]string{}, d.Signer.Authority...), d.Signer.Title), rightWidth)
	if err != nil {
		return item{}, err
	}
	name, err := c.wrapAll(bodyFont, []string{d.Signer.Name}, rightWidth)
	if err != nil {
		return item{}, err
	}
	small := font{upright, sizeRecipients}
	recipients, err := c.wrapAll(small, recipientLines(d.Recipients), leftWidth-4)
	if err != nil {
		return item{}, err
	}
	leftHeight := 0.0
	if len(recipients) > 0 {
		leftHeight = font{boldItalic, 12}.lineHeight(1) + float64(len(recipients))*small.lineHeight(1)
	}
	height := gap + max(leftHeight, float64(len(titles)+len(name))*step+signatureRoom)
	return item{height: height, draw: func(y float64) error {
		y += gap
		at := y
		for _, line := range titles {
			at += step
			err := c.centred(bodyFont, rightX, rightWidth, at-step*0.22, strings.ToUpper(line))
			if err != nil {
				return err
			}
		}
		p.Signature = SignatureBlock{Page: c.page, Rect: Rect{X: rightX, Y: at, Width: rightWidth, Height: signatureRoom}}
		at += signatureRoom
		for _, line := range name {
			at += step
			err := c.centred(bodyFont, rightX, rightWidth, at-step*0.22, line)
			if err != nil {
				return err
			}
		}
		if len(recipients) == 0 {
			return nil
		}
		at = y + font{boldItalic, 12}.lineHeight(1)
		err := c.text(font{boldItalic, 12}, marginLeft, at-1, "Nơi nhận:")
		if err != nil {
			return err
		}
		for _, line := range recipients {
			at += small.lineHeight(1)
			err = c.text(small, marginLeft, at-1, line)
			if err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

// recipientLines ends each recipient with a semicolon and the last with a full
// stop (NĐ 30/2020 PL I, Phần II, Mục 9).
func recipientLines(recipients []string) []string {
	lines := make([]string, len(recipients))
	for i, r := range recipients {
		end := ";"
		if i == len(recipients)-1 {
			end = "."
		}
		lines[i] = "- " + strings.TrimRight(r, ";. ") + end
	}
	return lines
}

func (c *canvas) wrapAll(f font, texts []string, width float64) ([]string, error) {
	var all []string
	for _, text := range texts {
		lines, err := c.wrap(f, text, width, 0)
		if err != nil {
			return nil, err
		}
		for _, words := range lines {
			all = append(all, strings.Join(words, " "))
		}
	}
	return all, nil
}
