# Sourced by prove.sh. A re-organisation: three communes merged into one, an office dissolved.
part "6. Re-organisation of agencies"
key() { # key LABEL REQUEST-FLAGS… makes a key and has it certified by two officers
  local label=$1 id; shift
  antin hsm key generate "$label" >/dev/null
  id=$(as minh.pq ca request --key "$label" --json "$@" | jq -r .id)
  as thu.vt ca approve "$id" >/dev/null && as thu.vt ca issue "$id" >/dev/null
}
for a in xa-dong-tien xa-quang-trung xa-minh-khai bqldann; do key "r-$a" --profile agency-seal --agency "$a"; done
key r-long --profile official --person p-long
cat >"$W/order.yaml" <<'Y'
title: Hợp nhất ba xã, giải thể một ban, đổi tên một xã
legal_basis: NQ 12/2026/NQ-HĐND
steps:
  - merge:
      from: [xa-dong-tien, xa-quang-trung, xa-minh-khai]
      into: {id: xa-tien-quang, code: "H99.60", name: "Ủy ban nhân dân Xã Tiến Quang", abbreviation: UBND, kind: commune, parent: ubnd}
      keep: xa-dong-tien
  - dissolve: {agency: bqldann}
  - rename: {agency: xa-tan-lap, to: {name: "Ủy ban nhân dân Xã Tân Lập Hạ"}}
Y
DOC=${DATA:+$DATA/pdf/real/chi-thi-libreoffice.pdf}
[ -n "$DOC" ] || { antin demo -o "$W/demo" >/dev/null 2>&1; DOC=$W/demo/chi-thi.pdf; }
antin sign "$DOC" -o "$W/before.pdf" --key r-long --level B-LT >/dev/null
sealed=()
for a in xa-dong-tien xa-quang-trung xa-minh-khai bqldann; do
  antin sign "$W/before.pdf" -o "$W/before-$a.pdf" --key "r-$a" --level B-LT >/dev/null; sealed+=("$W/before-$a.pdf")
done
kinds() { jq "[.actions[] | select(.kind==\"$1\")] | length" "$W/plan.json"; }
entries() { antin ledger verify | sed -n 's/.*verified: \([0-9]*\) entries.*/\1/p'; }
show "antin ca reorg plan order.yaml"
was=$(entries)
antin ca reorg plan "$W/order.yaml" --json >"$W/plan.json"
jq -r '.actions | group_by(.kind)[] | "        \(length) × \(.[0].kind)"' "$W/plan.json"
claim "the dry run: one agency made" same "$(kinds agency.create)" 1
claim "the dry run: four agencies end" same "$(kinds agency.end)" 4
claim "the dry run: the seals of two absorbed agencies and of the dissolved one are revoked" same "$(jq '[.actions[] | select(.kind=="certificate.revoke" and .profile=="agency-seal")] | length' "$W/plan.json")" 3
claim "the dry run: one seal goes on with changed information" same "$(jq '[.actions[] | select(.kind=="certificate.change" and .profile=="agency-seal")] | length' "$W/plan.json")" 1
claim "the dry run wrote nothing" same "$(entries)" "$was"
show "antin ca reorg submit --as minh.pq order.yaml; approve --as thu.vt; run --as thu.vt"
id=$(as minh.pq ca reorg submit "$W/order.yaml" --json | jq -r .id)
claim "it does not run without approval" exits 3 as thu.vt ca reorg run "$id"
claim "who submitted cannot approve" exits 3 as minh.pq ca reorg approve "$id"
claim "a second person approves" as thu.vt ca reorg approve "$id"
claim "it is carried out" as thu.vt ca reorg run "$id"
antin ca reorg show "$id" --json >"$W/done.json"
claim "every item is done and has its place in the ledger" jq -e 'all(.items[]; .state=="done" and .ledger_index!=null)' "$W/done.json"
revoked() { antin ca list --json | jq "[.[] | select(.revocation_cause==\"$1\" and (.key_label|startswith(\"r-\")))] | length"; }
claim "three seals are revoked for the merger" same "$(revoked agency-merged)" 3
claim "one seal is revoked for the dissolution" same "$(revoked agency-dissolved)" 1
show "antin verify before.pdf before-….pdf   (signed before the re-organisation)"
claim "documents signed before still verify" antin verify "$W/before.pdf" "${sealed[@]}"
valid() { local f; for f in "$@"; do pdfsig -nocert "$f" | grep -q "Signature is Valid" || return 1; done; }
claim "and pdfsig agrees" valid "${sealed[@]}"
claim "the kept key seals" antin sign "$W/before.pdf" -o "$W/after.pdf" --key r-xa-dong-tien --level B-LT
antin verify "$W/after.pdf" --json >"$W/after.json"
claim "under the new name" has "Xã Tiến Quang" "$W/after.json"
claim "a revoked seal seals no more" exits 3 antin sign "$W/before.pdf" -o "$W/no.pdf" --key r-xa-minh-khai
show "antin ca reorg undo-list $id"
antin ca reorg undo-list "$id" | head -6 | sed 's/^/        /'
claim "the undo list names every item done" same "$(antin ca reorg undo-list "$id" --json | jq length)" "$(jq '[.items[] | select(.kind!="notice")] | length' "$W/done.json")"
claim "the ledger verifies" antin ledger verify
claim "register and certificates agree" antin ca audit
