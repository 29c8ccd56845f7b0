# Sourced by prove.sh. Documents that name levels of secrecy: one that lists them is signed after a leader's word, one that is marked never.
part "5. A list of the levels of secrecy and a leader's word"
D=$W/declare; mkdir -p "$D"; cd "$D" || return
# paper NAME LINES… is a page with each line by itself, in the font that browsers write.
paper() {
  local name=$1; shift
  { echo '<!doctype html><meta charset="utf-8"><title>Quy chế</title><body style="font:14pt serif">'; printf '<p>%s</p>\n' "$@"; } >"$name.html"
  chromium --headless --no-sandbox --disable-gpu --no-pdf-header-footer --print-to-pdf="$name.pdf" "file://$D/$name.html" 2>/dev/null
}
command -v chromium >/dev/null || { echo "chromium is not installed (make test installs it)" >&2; exit 3; }
claim "a regulation that lists the levels, and a marked document, are printed" paper quy-che "ỦY BAN NHÂN DÂN" "Các độ mật gồm:" "TUYỆT MẬT" "TỐI MẬT" "MẬT" "theo Điều 8 Luật Bảo vệ bí mật nhà nước."
claim "   and the marked one" paper mat "ỦY BAN NHÂN DÂN" "TỐI MẬT" "Về việc kiểm tra"
enrol declare-lan
show "antin nd30 check quy-che.pdf"
claim "the check tells the level: exit status 1" exits 1 antin nd30 check quy-che.pdf
sign() { as lan.tt sign "$1" -o "signed-$1" --key declare-lan --level B-B; }
claim "it is not signed" exits 3 sign quy-che.pdf
show "antin nd30 declare quy-che.pdf --reason WHY --as binh.nv"
claim "who is no leader does not declare" exits 3 as lan.tt nd30 declare quy-che.pdf --reason "Liệt kê các độ mật theo Điều 8"
claim "without a reason nothing is declared: exit status 2" exits 2 as binh.nv nd30 declare quy-che.pdf
as binh.nv nd30 declare quy-che.pdf --reason "Liệt kê các độ mật theo Điều 8" --json >declared.json 2>declared.log
claim "a leader of the agency declares it" jq -e '.level == "TUYỆT MẬT" and .page == 1 and .ledger_index > 0' declared.json
[ -s declared.json ] && jq -r '"        \(.level) on page \(.page), ledger \(.ledger_index)"' declared.json
recorded() { antin ledger show "$(jq .ledger_index declared.json)" --json >entry.json && grep -q "$(jq -r .text_sha256 declared.json)" entry.json && ! grep -q "Liệt kê" entry.json; }
claim "   the ledger has it by its digest, without its words" recorded
claim "   it is signed by another" sign quy-che.pdf
claim "   which verifies" antin verify signed-quy-che.pdf
claim "the leader's own signature does not rest on it" exits 3 as binh.nv sign quy-che.pdf -o own.pdf --key demo-official --level B-B
claim "a document with a mark is not declared: exit status 1" exits 1 as binh.nv nd30 declare mat.pdf --reason "Liệt kê"
claim "   and not signed" exits 3 sign mat.pdf
paper thuong "ỦY BAN NHÂN DÂN" "Về việc kiểm tra"
claim "a document without a mark has nothing to declare: exit status 1" exits 1 as binh.nv nd30 declare thuong.pdf --reason "x"
cd "$ROOT" || exit 3
