package eve

// Counter is one figure of a stats record; the name has dots between its
// parts, and counters with the same beginning stand together.
type Counter struct {
	Name  string
	Value uint64
}

// Stats writes a stats record. Counters must be sorted so that those with the
// same prefix are neighbours.
func (w *Writer) Stats(h *Header, uptime int64, counters []Counter) []byte {
	e := w.begin(h)
	e.Open("stats")
	e.Int("uptime", uptime)
	group := ""
	for _, c := range counters {
		prefix, name := cut(c.Name)
		if prefix != group {
			if group != "" {
				e.Close()
			}
			group = prefix
			if group != "" {
				e.Open(group)
			}
		}
		e.Uint(name, c.Value)
	}
	if group != "" {
		e.Close()
	}
	e.Close()
	return w.finish()
}

func cut(name string) (prefix, rest string) {
	for i := range len(name) {
		if name[i] == '.' {
			return name[:i], name[i+1:]
		}
	}
	return "", name
}
