// Package device keeps the register of devices that hold private keys (R13): USB
// tokens, smart cards, HSMs and their partitions. It knows where each one is, who
// answers for it, and which terms run.
//
// A change that binds somebody (handed out, returned, lost, damaged, recovered,
// destroyed, back in stock) is proposed by one person and confirmed by another;
// the receiver of a device may confirm the hand-over. What was confirmed is
// recorded in the database and the ledger with minutes as a signed PDF: the
// notice of a hand-over (form 07 of NĐ 68/2024/NĐ-CP), the minutes of a hand-over
// (form 08) and the minutes of a loss or damage (form 09).
//
// Terms: a device goes back within 5 working days after its certificate was
// revoked, and is recovered within 1 working day after that was asked for.
//
// The official layout of the forms was not at hand; the minutes carry the facts
// that the decree asks for, in the form of NĐ 30/2020. The package does not talk
// to devices.
package device
