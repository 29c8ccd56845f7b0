# Sourced by prove.sh. The key worker against the token's own rate, in turns.
part "8. Signatures: the token alone and through the key worker"
show "antin bench hsm --workers 8"
antin bench hsm --workers 8 --json >"$W/rates.json" 2>"$W/rates.err"; status=$?
jq -r '.[] | "        \(.algorithm): bare loop \(.bare_per_second | round)/s, through the worker \(.worker_per_second | round)/s, ratio \(.ratio * 100 | round / 100), \(.signed) signatures, \(.wrong) wrong, \(.lost) lost"' "$W/rates.json"
claim "none wrong, none lost" same "$status $(jq '[.[] | .wrong + .lost] | add' "$W/rates.json")" "0 0"
for algorithm in EC-P256 RSA-2048 RSA-3072; do
  claim "$algorithm: at least 0.85 of the token's own rate" same "$(jq --arg a $algorithm '.[] | select(.algorithm == $a) | .ratio >= 0.85' "$W/rates.json")" true
done
