package ioc

import "time"

// memory is a file in memory: what fuzzing needs thousands of times a second.
type memory struct {
	b  []byte
	at int
}

func (m *memory) Write(b []byte) (int, error) {
	m.b = append(m.b[:m.at], append(append([]byte(nil), b...), m.b[min(len(m.b), m.at+len(b)):]...)...)
	m.at += len(b)
	return len(b), nil
}

func (m *memory) Seek(offset int64, _ int) (int64, error) {
	for int64(len(m.b)) < offset {
		m.b = append(m.b, 0)
	}
	m.at = int(offset)
	return offset, nil
}

// Memory is WriteFile and Open without a file.
func (b *Builder) Memory(now time.Time) (*Table, error) {
	m := &memory{}
	err := b.writeTo(m, now)
	if err != nil {
		return nil, err
	}
	return parse(m.b)
}
