// Package bench measures the sensor beside a bare loop of gopacket over the same
// packets (decode.Bare), in one run and one process, so that the ratio says more
// than either rate on a machine that others use too.
//
// Both read the packets from one capture file that is mapped into memory and was
// read through before: the bare loop takes each frame's bytes, the sensor takes
// them as it does those of a capture's ring (capture.Source) and does all its
// work up to the records that are written and flushed. A measure runs in a
// process of its own, confined to as many processors as it has workers; whatever
// Go does beside, the collection of garbage included, runs on them.
//
// Not here: capture from the network (deploy/prove/sense/05-live.sh).
package bench
