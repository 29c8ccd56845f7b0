package traffic

import (
	"io"
	"slices"
	"time"

	"github.com/antin-gov/antin/internal/pcapfile"
)

// capture collects frames and writes them in the order of their times.
type capture struct {
	frames []captured
}

type captured struct {
	at   time.Time
	data []byte
}

func (c *capture) add(at time.Time, data []byte) {
	c.frames = append(c.frames, captured{at, data})
}

func (c *capture) writeTo(w io.Writer) error {
	slices.SortStableFunc(c.frames, func(a, b captured) int { return a.at.Compare(b.at) })
	file, err := pcapfile.NewWriter(w, pcapfile.LinkEthernet)
	if err != nil {
		return err
	}
	for _, f := range c.frames {
		err = file.Write(f.at, f.data)
		if err != nil {
			return err
		}
	}
	return nil
}
