package cos

import "fmt"

// unpredict undoes the TIFF and PNG predictors (ISO 32000-2, 7.4.4.4).
func unpredict(data []byte, predictor, colors, bits, columns int) ([]byte, error) {
	if predictor <= 1 {
		return data, nil
	}
	if colors < 1 || colors > 64 || bits < 1 || bits > 16 || columns < 1 {
		return nil, &SyntaxError{What: "predictor parameters"}
	}
	pixel := max(1, (colors*bits+7)/8)
	row := (colors*bits*columns + 7) / 8
	if predictor == 2 {
		return unpredictTIFF(data, row, pixel, bits)
	}
	out := make([]byte, 0, len(data))
	above := make([]byte, min(row, len(data)))
	for len(data) > 1 {
		kind := data[0]
		n := min(row, len(data)-1)
		line := append([]byte(nil), data[1:1+n]...)
		data = data[1+n:]
		for i := range line {
			var left, up, corner byte
			up = above[i]
			if i >= pixel {
				left, corner = line[i-pixel], above[i-pixel]
			}
			switch kind {
			case 1:
				line[i] += left
			case 2:
				line[i] += up
			case 3:
				line[i] += byte((int(left) + int(up)) / 2)
			case 4:
				line[i] += paeth(left, up, corner)
			}
		}
		out = append(out, line...)
		copy(above, line)
	}
	return out, nil
}

func unpredictTIFF(data []byte, row, pixel, bits int) ([]byte, error) {
	if bits != 8 {
		return nil, fmt.Errorf("%w: TIFF predictor with %d bits", ErrFilter, bits)
	}
	out := append([]byte(nil), data...)
	for start := 0; start < len(out); start += row {
		line := out[start:min(start+row, len(out))]
		for i := pixel; i < len(line); i++ {
			line[i] += line[i-pixel]
		}
	}
	return out, nil
}

func paeth(a, b, c byte) byte {
	p := int(a) + int(b) - int(c)
	pa, pb, pc := abs(p-int(a)), abs(p-int(b)), abs(p-int(c))
	switch {
	case pa <= pb && pa <= pc:
		return a
	case pb <= pc:
		return b
	}
	return c
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
