package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/antin-gov/antin/incident/drill"
	"github.com/antin-gov/antin/internal/atomicfile"
)

// place stands before the date of the demonstration province's documents.
const place = "Trung Tâm"

// openDrills wires the drills to the real sensor and to the same pipeline as
// real traffic.
func (s *System) openDrills() error {
	sensor, err := s.sensorCommand()
	if err != nil {
		return err
	}
	mailer, err := s.mailer()
	if err != nil {
		return err
	}
	s.Drills, err = drill.New(drill.Deps{
		DB: s.DB, Ledger: s.Ledger, Clock: s.Clock, Authorizer: s.Policy, Cases: s.Incidents, People: s.Directory, Documents: reports{s.Signer},
		Sensor: &drill.Sensor{Path: sensor, NATS: s.busURL(), Args: s.SensorArgs()},
		Mailer: mailer, Place: place, WorkDir: s.Path(dirSensor), Logger: s.Logger,
	})
	return err
}

// mailer is the configured mail server, or nil: then mails stay in the outbox.
func (s *System) mailer() (drill.Mailer, error) {
	m := s.Config.Mail
	if m.SMTP == "" {
		return nil, nil
	}
	host, text, err := net.SplitHostPort(m.SMTP)
	if err != nil {
		return nil, fmt.Errorf("mail.smtp: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("mail.smtp: %w", err)
	}
	ip := net.ParseIP(host)
	// A relay on this machine needs no TLS; any other does.
	smtp := &drill.SMTP{Host: host, Port: port, Plain: host == "localhost" || ip != nil && ip.IsLoopback(), Username: m.User, From: m.From}
	if m.PasswordFile != "" {
		b, err := os.ReadFile(m.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("mail.password_file: %w", err)
		}
		smtp.Password = strings.TrimRight(string(b), "\r\n")
	}
	return smtp, nil
}

// busURL is where sensors reach the bus.
func (s *System) busURL() string { return "tls://" + s.Config.Bus.Listen }

// SensorArgs are the arguments by which a sensor of this machine reaches the
// bus: its own certificate, and our authorities for the bus's.
func (s *System) SensorArgs() []string {
	chain, key := s.Files(machineSensor)
	return []string{"--quiet", "--name", machineSensor.Name, "--site", "metronet", "--tls-cert", chain, "--tls-key", key, "--tls-ca", s.Path(dirTLS, fileAnchors)}
}

// AnchorsFile holds the certificates of our authorities (PEM).
func (s *System) AnchorsFile() string { return s.Path(dirTLS, fileAnchors) }

// BusURL is the address of the bus for sensors.
func (s *System) BusURL() string { return s.busURL() }

// SensorCommand is the sensor's program: configured, or beside this one.
func (s *System) SensorCommand() (string, error) { return s.sensorCommand() }

func (s *System) sensorCommand() (string, error) {
	if s.Config.Sensor.Command != "" {
		return s.Config.Sensor.Command, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the sensor's program: %w", err)
	}
	return filepath.Join(filepath.Dir(self), "antin-sensor"), nil
}

// writeAnchors writes the authorities' certificates where sensors and data
// clients of this machine find them.
func (s *System) writeAnchors() error {
	files := s.CA.Export()
	var text []byte
	for name, pem := range files {
		if len(name) > 5 && (name[:5] == "root-" || name[:5] == "issue") {
			text = append(text, pem...)
		}
	}
	if len(text) == 0 {
		return errors.New("no certificates of the authority")
	}
	return atomicfile.WriteBytes(s.Path(dirTLS, fileAnchors), 0o644, text)
}

func (s *server) startDrills(ctx context.Context) error {
	s.run(ctx, "drills", s.Drills.Run)
	return nil
}
