package ca

import "github.com/antin-gov/antin/ca/profile"

// MachineProfiles lists, by name, the profiles whose certificates machines may
// ask for by themselves (ACME, EST): those of machines.
func (s *Service) MachineProfiles() []*profile.Profile {
	var list []*profile.Profile
	for _, p := range s.profiles.All() {
		if p.Kind == profile.KindMachine {
			list = append(list, p)
		}
	}
	return list
}
