# Sourced by prove.sh. What a sensor must bear: every real capture with bits turned at random and cut at every length, with all rules, and the
# fuzzer on each parser. ANTIN_PROVE_HOSTILE is how often each capture is damaged (1,000 take hours), ANTIN_PROVE_FUZZ the time of each fuzzer.
part "7. Hostile bytes: captures damaged ${ANTIN_PROVE_HOSTILE:-20} times each and cut at every length; the fuzzer, ${ANTIN_PROVE_FUZZ:-30s} each"
show "ANTIN_HOSTILE=${ANTIN_PROVE_HOSTILE:-20} go test ./sensor -run TestDamagedAndCut -v"
(cd "$ROOT" && ANTIN_HOSTILE=${ANTIN_PROVE_HOSTILE:-20} go test ./sensor -count=1 -timeout 10h -run '^TestDamagedAndCutCapturesHarmNothing$' -v) >"$W/hostile.log" 2>&1
rc=$?
sed -nE 's/.*hostile_test.go:[0-9]+: /        /p' "$W/hostile.log"
claim "no panic, every record is JSON, the counts of packets agree, memory stays under 512 MB with all rules" same $rc 0
# Every fuzz target of the sensor, whatever parsers there are.
mapfile -t targets < <(cd "$ROOT" && grep -rhoE --include='*_test.go' '^func Fuzz[A-Za-z0-9]+' -H sensor | sed -E 's|^(.*)/[^/]+:func (Fuzz.*)$|\1:\2|' | sort -u)
fuzzers "${targets[@]}"
