# Sourced by prove.sh. What reads documents, signatures and requests from outside, under Go's fuzzer (ten minutes each take an hour), and what
# small files cost that ask for much.
part "9. Hostile input: the fuzzer, ${ANTIN_PROVE_FUZZ:-30s} each, and bombs of 100 kB"
fuzzers signer/cos:FuzzOpen signer/cms:FuzzParse signer/xades:FuzzXML signer/csc:FuzzAnyRequestIsAnsweredAndOnlyWhatIsAuthorisedIsSigned \
  signer/csc:FuzzARequestIsReadOrRefused \
  signer/validate:FuzzValidate signer/diff:FuzzCompare signer/pades:FuzzPrepare signer/cades:FuzzContainer signer/asic:FuzzContainer \
  signer/tsp:FuzzParseToken signer/content:FuzzLines signer/nd30:FuzzDocument signer/edxml:FuzzRead signer/office:FuzzWhatABrowserPostsIsAnsweredAndBindsNothing
show "ANTIN_BOMB_TIME=2s go test ./signer/validate -run TestASmallFile -v"
(cd "$ROOT" && ANTIN_BOMB_TIME=2s go test ./signer/validate -count=1 -run '^TestASmallFileCannotAskForMuchMemoryOrTime$' -v) >"$W/bombs.log" 2>&1
rc=$?
sed -nE 's/.*bombs_test.go:[0-9]+: (.*(bytes .*MB|bombs, at most.*))/        \1/p' "$W/bombs.log" | sort
claim "each bomb costs at most 100 MB and 2 s, and none is TOTAL-PASSED" same $rc 0
claim "at least 30 bombs" atleast "$(sed -nE 's/.*: ([0-9]+) bombs, at most.*/\1/p' "$W/bombs.log")" 30
