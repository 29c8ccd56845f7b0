// Package office takes documents out of an agency in the order of NĐ
// 30/2020/NĐ-CP: the competent person signs (by the delegation register, Đ13),
// the clerk gives number and date from the agency's series (Đ15), seals what is
// signed (Đ17, Đ33) and issues it (Đ18); what is not right is returned with a
// reason.
//
// Number and date are written into the document under a signature of the
// agency: the person's signature stays valid, as the file only grows, and who
// changes the number breaks a signature.
//
// Every move is claimed in the database, done, recorded in the ledger, and then
// made visible. A process that is killed leaves a claim; whoever comes next to
// the document, or Resume, completes the move or takes it back.
//
// It draws no pages and sends nothing to other agencies (signer/edxml).
package office
