// Package traffic composes captures of attacks that never happened, for drills
// and demonstrations: real Ethernet, IPv4, TCP and UDP frames with right
// checksums in a pcap file, which the sensor reads as it reads any other, and
// the detection rules that find them (Rules).
//
// Names are under .example (RFC 2606), outside addresses from 203.0.113.0/24
// (RFC 5737), so nothing in a capture can be mistaken for, or reach, anybody.
// The payload is a marker, not a program.
package traffic
