package ceremony

import (
	"fmt"
	"strings"
)

// Template is a file of a kind with everything that it needs, to be filled in.
// The custodians in it are no real ones, so it does not pass Parse as it is.
func Template(kind Kind) (string, error) {
	var part string
	switch kind {
	case KindRoot:
		part = `
# The key to make. backup: true lets the token give it wrapped to a backup, never in the clear.
key: {label: ca-root-g2, algorithm: EC-P384, backup: true}
certificate:
  organization: "Ủy ban nhân dân tỉnh"
  common_name: "Ấn Tín Root CA G2"
  # days: 7304        # fewer than the profile's
crl_days: 180         # until when the first list holds: the next ceremony of kind crl is due before
`
	case KindCSR:
		part = `
key: {label: ca-official-g2, algorithm: EC-P384, backup: true}
certificate:
  organization: "Ủy ban nhân dân tỉnh"
  common_name: "Ấn Tín Official CA G2"
`
	case KindSubordinate:
		part = `
# The root that signs: its key in the token, its certificate, its list in force.
authority: {key: ca-root-g2, certificate: out/root-g2/root-g2.pem, crl: out/root-g2/g2.crl}
request: official-g2.csr
certificate:          # the request must be for this very name
  organization: "Ủy ban nhân dân tỉnh"
  common_name: "Ấn Tín Official CA G2"
  issuer_url: "http://pki.example.gov.vn/aia/g2.cer"
  crl_url: "http://pki.example.gov.vn/crl/g2.crl"
  # ocsp_url: "http://pki.example.gov.vn/ocsp"
`
	case KindCRL:
		part = `
authority: {key: ca-root-g2, certificate: out/root-g2/root-g2.pem, crl: out/root-g2/g2.crl}
# What is on the list in force stays; these are added.
revoke: []            # - {serial: 0a1b2c, at: 2026-11-28T09:00:00+07:00, reason: 4}
crl_days: 180
`
	case KindKey:
		part = `
key: {label: tsa-unit2, algorithm: EC-P256, backup: false}
`
	case KindBackup:
		part = `
# Keys that were made with backup: true. The file goes to the standby site, each share to its custodian.
keys: [ca-root-g2, ca-official-g2]
`
	case KindRestore:
		part = `
backup: out/backup-2026/backup-2026.backup
shares: shares        # folder with CUSTODIAN.share of those present
`
	default:
		return "", fmt.Errorf("%w: kind %q is none of %v", ErrScript, string(kind), Kinds())
	}
	return strings.ReplaceAll(templateHead, "KIND", string(kind)) + part + templateTail, nil
}

const templateHead = `# A key ceremony of kind KIND. Check it with: antin hsm ceremony check FILE
# Rehearse it with:                           antin hsm ceremony FILE --rehearse --keys DIR
ceremony: KIND
id: KIND-2026-01      # once and for ever: a ceremony is not held twice
name: g2              # in the names of the files
title: {vi: "Lễ …", en: "Ceremony …"}
agency: "Trung tâm Chuyển đổi số"
parent: "Ủy ban nhân dân tỉnh"
place: "Trung Tâm"
room: "Phòng máy chủ, tầng 2"
master: {name: "Họ và tên", title: "Chức vụ"}
witnesses: []         # - {name: …, title: …}
folder: out/KIND-2026-01
# token: "pkcs11:token=antin"   # RFC 7512; the system's own token when left out
`

const templateTail = `
# Each custodian's line is what antin hsm custodian create printed.
custodians:
  quorum: 3
  members:
    - {name: an, person: "Họ và tên", title: "Chức vụ", account: "", key: "sha256:…", recipient: "age1…"}
    - {name: binh, person: "Họ và tên", title: "Chức vụ", account: "", key: "sha256:…", recipient: "age1…"}
    - {name: chi, person: "Họ và tên", title: "Chức vụ", account: "", key: "sha256:…", recipient: "age1…"}
    - {name: dung, person: "Họ và tên", title: "Chức vụ", account: "", key: "sha256:…", recipient: "age1…"}
    - {name: hoa, person: "Họ và tên", title: "Chức vụ", account: "", key: "sha256:…", recipient: "age1…"}
`
