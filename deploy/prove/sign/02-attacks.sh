# Sourced by prove.sh. Attacks on signed documents are found, and what offices do with signed documents raises no alarm.
part "2. Attacks by family, and benign documents of several revisions"
mkdir "$W/suite"
show "ANTIN_SUITE_DIR=suite go test -run 'EveryAttackOfTheSuite|NothingBenignOfTheSuite' -v ./signer/validate    # pdfsig is asked as well"
(cd "$ROOT" && ANTIN_SUITE_DIR=$W/suite go test -count=1 -v -run 'EveryAttackOfTheSuite|NothingBenignOfTheSuite' ./signer/validate) >"$W/suite.log" 2>&1; status=$?
sed -n '/ by family$/,/^  *total/p' "$W/suite.log" | sed 's/.*_test.go:[0-9]*: //; s/^     *//; s/^/       /'
suite_total() { sed -n "/$1 by family\$/,/^ *total/p" "$W/suite.log" | awk -v n="$2" '$1 == "total" { print $(n + 1) }'; }
claim "the suites pass: each attack is told by its reason, each benign file is TOTAL-PASSED in every signature" same "$status" 0
claim "at least 60 attacks: $(suite_total attacks 1)" atleast "$(suite_total attacks 1)" 60
claim "attacks missed: 0" same "$(suite_total attacks 2)" 0
claim "at least 100 benign files: $(suite_total 'benign files' 1)" atleast "$(suite_total 'benign files' 1)" 100
claim "false alarms: 0" same "$(suite_total 'benign files' 2)" 0
# The same files through the command, which trusts nobody here: what was changed is told even so.
show "antin verify --json suite/attack-*.pdf; antin verify --json suite/benign-*.pdf"
for kind in attack benign; do
  for f in "$W"/suite/$kind-*.pdf; do
    antin verify --json --trust "$W/suite/trust" "$f" 2>/dev/null | jq -c '.[]? // empty' | grep . || printf '{"file":"%s","signatures":[]}\n' "$f"
  done >"$W/$kind.jsonl"
done
suite_clean='[.signatures[]? | .integrity == "intact" and (.changes == "none" or .changes == "allowed")] | length > 0 and all'
claim "antin verify finds none of $(wc -l <"$W/attack.jsonl") attack files unchanged" same \
  "$(jq -c "select(([.. | .code? | select(. == \"content_covered\")] | length == 0) and ($suite_clean)) | .file" "$W/attack.jsonl" | wc -l)" 0
claim "antin verify finds all of $(wc -l <"$W/benign.jsonl") benign files intact, with no change or allowed ones" same \
  "$(jq -c "select($suite_clean | not) | .file" "$W/benign.jsonl" | wc -l)" 0
part "2. Foreign signed documents"
if [ -z "$DATA" ]; then echo "   real inputs absent: passed over"; else
  show "go test -run 'JudgedAsTheirMakersMeant|WhatForgersDo|WhatSigningDoes' ./signer/diff"
  (cd "$ROOT" && ANTIN_TESTDATA=$DATA go test -count=1 -v -run 'JudgedAsTheirMakersMeant|WhatForgersDo|WhatSigningDoes' ./signer/diff) >"$W/foreign.log" 2>&1; status=$?
  grep -o '[0-9]* files judged.*' "$W/foreign.log" | sed 's/^/   /'
  claim "documents of the tests of DSS and pyHanko are judged as their makers meant; each forgery of a real document is found" same "$status" 0
fi
