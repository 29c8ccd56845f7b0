package app

import (
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/report"
)

// openReports makes the reports of certification; they are signed with the seal
// of the agency that operates the platform.
func (s *System) openReports() error {
	profiles, err := profile.Load(s.Path(profile.OwnFile))
	if err != nil {
		return err
	}
	s.Reports, err = report.New(report.Config{DB: s.DB, Directory: s.Directory, Profiles: profiles, Clock: s.Clock, Ledger: s.Ledger, Authorizer: s.Policy,
		Sign: reports{s.Signer}.SignReport, AgencyID: agencyOperator, Place: place})
	return err
}
