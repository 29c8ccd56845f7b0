# Sourced by prove.sh. The key worker is killed while signatures run.
part "8. A killed key worker"
show "antin bench hsm -n 1000 --key demo-official-rsa & kill -9 WORKER, twice"
first=$(antin hsm token --json | jq .pid)
antin bench hsm -n 1000 --key demo-official-rsa --json >"$W/bench.json" 2>"$W/bench.err" & bench=$!
kills=0
for _ in 1 2; do
  sleep .7; worker=$(antin hsm token --json | jq .pid)
  kill -0 $bench 2>/dev/null && kill -9 "$worker" 2>/dev/null && kills=$((kills + 1))
done
wait $bench; status=$?
jq -r '"        \(.signed) signatures in \(.seconds * 100 | round / 100) s, \(.wrong) wrong, \(.lost) lost, longest gap \(.longest_gap_ns / 1e6 | round) ms"' "$W/bench.json"
claim "killed $kills times while signing" atleast $kills 1
claim "1000 signatures, none wrong, none lost" same "$status $(jq -r '"\(.signed) \(.wrong) \(.lost)"' "$W/bench.json")" "0 1000 0 0"
claim "another worker serves" test "$(antin hsm token --json | jq .pid)" != "$first"
claim "the service is ready" curl -ksf "https://$CONSOLE/readyz"
