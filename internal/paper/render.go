package paper

import (
	"fmt"
	"strings"
)

// Sizes in points (NĐ 30/2020 PL I, Phần VI).
const (
	sizeHead       = 13.0 // Quốc hiệu 12-13, agency 12-13, number 13
	sizeHeadNarrow = 12.0
	sizeMotto      = 13.0 // tiêu ngữ 13-14
	sizeBody       = 14.0 // 13-14
	sizeTitle      = 14.0
	sizeTable      = 13.0
	sizeTableSmall = 11.0
	sizeRecipients = 11.0
	sizePageNumber = 13.0
)

// Distances in mm.
const (
	firstIndent   = 12.7 // 1 or 1.27 cm
	paragraphGap  = 2.2  // at least 6 pt
	bodySpacing   = 1.1
	headLeft      = 66.0 // width of the agency's column
	signatureRoom = 26.0 // between title and name
	cellPad       = 1.2
)

// Rect is a place on a page in mm from the page's upper left corner.
type Rect struct {
	X, Y, Width, Height float64
}

// Points returns the rectangle as PDF has it: lower left and upper right
// corner in points from the page's lower left corner.
func (r Rect) Points() [4]float64 {
	return [4]float64{
		r.X * pointsPerMM, (pageHeight - r.Y - r.Height) * pointsPerMM,
		(r.X + r.Width) * pointsPerMM, (pageHeight - r.Y) * pointsPerMM,
	}
}

// SignatureBlock is where the signer's marks belong: the room between title
// and name [7c]. The agency's seal [8] covers a third of the personal mark on
// its left.
type SignatureBlock struct {
	Page int // from 1
	Rect Rect
}

// Paper is a composed document.
type Paper struct {
	PDF       []byte
	Pages     int
	Signature SignatureBlock
}

// item is a piece of the body that stands on one page.
type item struct {
	height float64
	// glued items are not parted from the next one by a page break.
	glued bool
	// head is drawn again at the top of a page that the item begins.
	head *item
	draw func(y float64) error
}

// Render lays the document out.
func (d *Document) Render() (*Paper, error) {
	err := d.check()
	if err != nil {
		return nil, err
	}
	c, err := newCanvas(d)
	if err != nil {
		return nil, err
	}
	c.newPage()
	y, err := d.drawHead(c)
	if err != nil {
		return nil, fmt.Errorf("compose head: %w", err)
	}
	items, err := d.items(c)
	if err != nil {
		return nil, fmt.Errorf("compose body: %w", err)
	}
	p := &Paper{}
	foot, err := d.foot(c, p)
	if err != nil {
		return nil, fmt.Errorf("compose foot: %w", err)
	}
	// The signature never stands alone on a page: two lines go with it.
	for i := max(0, len(items)-2); i < len(items); i++ {
		items[i].glued = true
	}
	err = d.flow(c, append(items, foot), y)
	if err != nil {
		return nil, err
	}
	p.Pages = c.page
	p.PDF, err = c.pdf.GetBytesPdfReturnErr()
	if err != nil {
		return nil, fmt.Errorf("write PDF: %w", err)
	}
	return p, nil
}

// flow puts the items onto pages.
func (d *Document) flow(c *canvas, items []item, y float64) error {
	err := d.drawMarks(c)
	if err != nil {
		return err
	}
	bottom := pageHeight - marginBottom
	for i := 0; i < len(items); {
		j, need := i, items[i].height
		for items[j].glued && j < len(items)-1 && need < bottom-marginTop {
			j++
			need += items[j].height
		}
		if y+need > bottom && y > marginTop {
			if c.page == maxPages {
				return fmt.Errorf("%w: over %d pages", ErrInvalid, maxPages)
			}
			c.newPage()
			err = d.drawMarks(c)
			if err != nil {
				return err
			}
			y = marginTop
			if items[i].head != nil {
				err = items[i].head.draw(y)
				if err != nil {
					return err
				}
				y += items[i].head.height
			}
		}
		for ; i <= j; i++ {
			err = items[i].draw(y)
			if err != nil {
				return err
			}
			y += items[i].height
		}
	}
	return nil
}

// drawMarks puts what every page carries: its number (not on the first) in the
// middle of the top margin, and the mark of a drill.
func (d *Document) drawMarks(c *canvas) error {
	if c.page > 1 {
		err := c.centred(font{upright, sizePageNumber}, marginLeft, textWidth, marginTop-4, fmt.Sprint(c.page))
		if err != nil {
			return err
		}
	}
	if !d.Exercise {
		return nil
	}
	c.pdf.SetTextColor(0xB4, 0x53, 0x09)
	c.pdf.SetStrokeColor(0xB4, 0x53, 0x09)
	defer c.pdf.SetTextColor(0, 0, 0)
	defer c.pdf.SetStrokeColor(0, 0, 0)
	for _, y := range []float64{8, pageHeight - 6} {
		err := c.centred(font{bold, 11}, 0, pageWidth, y, "DIỄN TẬP – EXERCISE – KHÔNG PHẢI SỰ CỐ THẬT")
		if err != nil {
			return err
		}
	}
	const inset = 3.0
	for _, l := range [][4]float64{
		{inset, inset, pageWidth - inset, inset}, {inset, pageHeight - inset, pageWidth - inset, pageHeight - inset},
		{inset, inset, inset, pageHeight - inset}, {pageWidth - inset, inset, pageWidth - inset, pageHeight - inset},
	} {
		c.line(l[0], l[1], l[2], l[3], 2)
	}
	return nil
}

// drawHead draws boxes 1 to 5 and the address; it returns where the body begins.
func (d *Document) drawHead(c *canvas) (float64, error) {
	left := column{c: c, x: marginLeft, width: headLeft, y: marginTop}
	right := column{c: c, x: marginLeft + headLeft, width: textWidth - headLeft, y: marginTop}
	country := "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"
	head := font{bold, sizeHead}
	w, err := c.width(head, country)
	if err != nil {
		return 0, err
	}
	if w > right.width {
		head.size = sizeHeadNarrow
	}
	right.centred(head, country)
	right.centred(font{bold, sizeMotto}, "Độc lập - Tự do - Hạnh phúc")
	right.rule(1, 1)
	if d.Parent != "" {
		left.centred(font{upright, head.size}, strings.ToUpper(d.Parent))
	}
	left.centred(font{bold, head.size}, strings.ToUpper(d.Agency))
	left.rule(1.0/3, 1)
	y := max(left.y, right.y) + 2.5
	left.y, right.y = y, y
	number := "Số: " + d.Number
	if d.Number == "" {
		number = "Số:" + gap
	}
	if d.Number == "" && d.Symbol != "" {
		number += "/" + d.Symbol
	}
	left.open(font{upright, sizeHead}, number)
	if d.Undated {
		right.open(font{italic, sizeMotto}, openDate(d.Place, d.Date))
	} else {
		right.centred(font{italic, sizeMotto}, DateLine(d.Place, d.Date))
	}
	if d.Type == "" && d.Abstract != "" {
		left.centred(font{upright, sizeHeadNarrow}, "V/v "+d.Abstract)
	}
	whole := column{c: c, x: marginLeft, width: textWidth, y: max(left.y, right.y) + 5}
	if d.Type != "" {
		whole.centred(font{bold, sizeTitle}, strings.ToUpper(d.Type))
		if d.Abstract != "" {
			whole.centred(font{bold, sizeTitle}, d.Abstract)
			whole.rule(1.0/3, 1)
		}
		whole.y += 3
	}
	if len(d.To) > 0 {
		whole.y += 1
		if len(d.To) == 1 {
			whole.centred(font{upright, sizeBody}, "Kính gửi: "+d.To[0])
		} else {
			whole.left(font{upright, sizeBody}, firstIndent+15, "Kính gửi:")
			for _, to := range d.To {
				whole.left(font{upright, sizeBody}, firstIndent+25, "- "+to)
			}
		}
		whole.y += 3
	}
	for _, col := range []*column{&left, &right, &whole} {
		if col.err != nil {
			return 0, col.err
		}
	}
	return whole.y, nil
}

// column writes lines one under the other; the first error stays.
type column struct {
	c           *canvas
	x, width, y float64
	last        float64 // width of the last line
	err         error
}

func (l *column) centred(f font, text string) {
	if l.err != nil {
		return
	}
	lines, err := l.c.wrap(f, text, l.width, 0)
	l.err = err
	for _, words := range lines {
		s := strings.Join(words, " ")
		l.y += f.lineHeight(1)
		if l.err == nil {
			l.last, l.err = l.c.width(f, s)
		}
		if l.err == nil {
			l.err = l.c.centred(f, l.x, l.width, l.y-f.lineHeight(1)*0.22, s)
		}
	}
}

// open writes one line whose blanks count.
func (l *column) open(f font, text string) {
	if l.err != nil {
		return
	}
	l.y += f.lineHeight(1)
	l.last, l.err = l.c.width(f, text)
	if l.err == nil {
		l.err = l.c.centred(f, l.x, l.width, l.y-f.lineHeight(1)*0.22, text)
	}
}

func (l *column) left(f font, indent float64, text string) {
	if l.err != nil {
		return
	}
	lines, err := l.c.wrap(f, text, l.width-indent, 0)
	l.err = err
	for _, words := range lines {
		l.y += f.lineHeight(1)
		if l.err == nil {
			l.err = l.c.text(f, l.x+indent, l.y-f.lineHeight(1)*0.22, strings.Join(words, " "))
		}
	}
}

// rule draws a line under the last text, as long as share of it.
func (l *column) rule(share, gap float64) {
	if l.err != nil {
		return
	}
	w := l.last * share
	l.y += gap
	l.c.line(l.x+(l.width-w)/2, l.y, l.x+(l.width+w)/2, l.y, 0.7)
	l.y += gap
}
