# Sourced by prove.sh. Path validation, revocation lists and OCSP judged by other people's suites.
part "1. Whom to believe: PKITS, the OCSP set, BetterTLS"
# counted NAME counts the passed subtests of a log by the name of their test.
counted() { grep -cE "^ +--- PASS: $1/" "$W/trust.log"; }
score() { sed -n "s/.*BetterTLS $1: \([0-9]* of [0-9]*\) passed.*/\1/p" "$W/trust.log"; }
if ! command -v go >/dev/null; then echo "   go is not installed: the suites are skipped"; else
  show "ANTIN_FULL=1 go test ./internal/trust -run 'PKITS|BoringSSL|BetterTLS' -v"
  claim "the suites run" sh -c "cd '$ROOT' && ANTIN_TESTDATA=${DATA:-/nonexistent} ANTIN_FULL=1 go test -count=1 ./internal/trust -run 'PKITS|BoringSSL|BetterTLS' -v >'$W/trust.log' 2>&1"
  if [ -n "$DATA" ]; then
    claim "PKITS with revocation: $(counted TestPKITS) of 249" same "$(counted TestPKITS)" 249
    claim "OCSP responses judged as their headers say: $(counted TestBoringSSL[A-Za-z]*) of 36" same "$(counted 'TestBoringSSL[A-Za-z]*')" 36
  else echo "   ANTIN_TESTDATA is absent: PKITS and the OCSP set are skipped"; fi
  claim "BetterTLS path building: $(score pathbuilding)" same "$(score pathbuilding)" "81 of 81"
  claim "BetterTLS name constraints: $(score nameconstraints)" same "$(score nameconstraints)" "9491 of 9491"
fi
part "1. The same judgement at the doors"
answer() { # answer CERT KEY asks the gateway and prints the HTTP status, 000 when there is no session
  curl -s -o /dev/null -w '%{http_code}' --cacert "$ROOTCA" ${1:+--cert "$1" --key "$2"} \
    "https://localhost:${GATEWAY##*:}/data/enterprises?purpose=investment-promotion&limit=1" || true
}
T=$ANTIN_DATA_DIR/tls
own=$(ls "$T"/*.crt | grep -vE '/(bus|gateway|console)[^/]*$' | head -1)
show "curl --cert ${own##*/} https://localhost:${GATEWAY##*:}/data/enterprises"
claim "a machine of ours gets a session" atleast "$(answer "$own" "${own%.crt}.key" | sed 's/^0*//;s/^$/0/')" 200
claim "without a certificate there is none" same "$(answer)" 000
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/strange.key" -out "$W/strange.crt" -days 1 -subj /CN=strange >/dev/null 2>&1
claim "a stranger's certificate opens nothing" same "$(answer "$W/strange.crt" "$W/strange.key")" 000
claim "nor does a server's own certificate stand for a client" same "$(answer "$T/console.crt" "$T/console.key")" 000
