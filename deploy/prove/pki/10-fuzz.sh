# Sourced by prove.sh. Every parser of the certification centre that takes bytes from outside, under Go's fuzzer: two at a time, each for
# ANTIN_PROVE_FUZZ (default 30s; five minutes each take half an hour).
part "10. Parsers of outside bytes under the fuzzer, ${ANTIN_PROVE_FUZZ:-30s} each"
fuzz() { # fuzz PACKAGE TARGET
  (cd "$ROOT" && go test "./$1" -run '^$' -fuzz "^$2\$" -fuzztime "${ANTIN_PROVE_FUZZ:-30s}" -fuzzminimizetime 20x -parallel 1) >"$W/fuzz-$2-${1//\//-}.log" 2>&1
  echo $? >"$W/fuzz-$2-${1//\//-}.rc"
}
targets="ca/ra:FuzzReadCSR ca/ocsp:FuzzParseRequest ca/tsa:FuzzParseRequest ca/est:FuzzBody ca/est:FuzzRequest ca/acme:FuzzJWS ca/acme:FuzzPayload ca/ra/sheet:FuzzRead ca/ra/sheet:FuzzParts ca/offline:FuzzOpen"
show "go test ./PACKAGE -run '^\$' -fuzz '^TARGET\$' -fuzztime ${ANTIN_PROVE_FUZZ:-30s}"
set -- $targets
while [ $# -gt 0 ]; do
  fuzz "${1%%:*}" "${1##*:}" & first=$!
  [ $# -gt 1 ] && { fuzz "${2%%:*}" "${2##*:}" & wait $!; shift; }
  wait $first; shift
done
for t in $targets; do
  p=${t%%:*} f=${t##*:}; log=$W/fuzz-$f-${p//\//-}
  printf '        %-14s %-18s %s\n' "$p" "$f" "$(grep -ao 'execs: [0-9]*' "$log.log" | tail -1)"
  claim "$p $f: no crash" same "$(cat "$log.rc")" 0
done
