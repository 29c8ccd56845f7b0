# Sourced by prove.sh. Every kind of token under one test body, and two tokens
# under one key in the running system.
part "2. Tokens: one test body over SoftHSM2, a software TPM and opencryptoki, lost in the middle of the work"
show "go test ./hsm -run TestEveryKindOfToken -v"
(cd "$ROOT" && go test ./hsm -count=1 -run TestEveryKindOfToken -v) >"$W/tokens.log" 2>&1; status=$?
grep -aE 'ways to sign|token lost|--- (PASS|FAIL|SKIP)|is absent' "$W/tokens.log" | sed -E 's/^ *[a-z_]+\.go:[0-9]+: /        /; s/^ *--- /        /' | cut -c1-180
claim "the test body passes" same $status 0
for kind in SoftHSM2 swtpm opencryptoki; do
  claim "$kind: nothing wrong, nothing lost" has "$kind: .* signatures, token lost 2 times, 0 wrong, 0 lost" "$W/tokens.log"
done

show "antin hsm token probe --json"
antin hsm token probe --json >"$W/probe.json" 2>"$W/probe.err"
jq -r '.algorithms[] | "        \(.algorithm): \([.signatures[]? | select(.works) | "\(.scheme) \(.hash // "")"] | join(", "))"' "$W/probe.json"
jq -r '"        tried with \(.means); wraps keys: \(.wrap); best with \(.knee) sessions"' "$W/probe.json"
claim "SoftHSM signs with every algorithm in every way" same "$(jq '[.algorithms[].signatures[].works] | length > 20 and all' "$W/probe.json")" true
claim "the probe leaves no key" same "$(antin hsm key list --json | jq '[.[] | select(.label | test("probe"))] | length')" 0
show "antin hsm key generate ed --algorithm Ed25519"
claim "a key of Ed25519 is made" antin hsm key generate ed --algorithm Ed25519

show "antin hsm token init second"
uri=$(antin hsm token init second); echo "        $uri"
claim "a second token is made and named by its URI (RFC 7512)" test "${uri#pkcs11:token=second}" != "$uri"
show "antin hsm token list"
antin hsm token list | cut -c1-120 | sed 's/^/        /'
claim "an analyst does not drain" exits 3 as dung.ht hsm token drain antin
claim "metrics tell the state of each token" sh -c "curl -s http://${ANTIN_METRICS_LISTEN:-127.0.0.1:9464}/metrics | grep -q 'antin_hsm_token_state{state=\"active\",token=\"antin\"} 1'"
claim "each of these acts is in the ledger" grep -rqa hsm.token.probe "$ANTIN_DATA_DIR/ledger"
