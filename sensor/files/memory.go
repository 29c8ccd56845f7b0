package files

import "github.com/antin-gov/antin/sensor/scratch"

// Memory is what those who read files borrow from; nil is the heap.
func (s *Store) Memory() *scratch.Memory {
	if s == nil {
		return nil
	}
	return s.care.Memory
}
