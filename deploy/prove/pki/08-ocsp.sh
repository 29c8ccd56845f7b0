# Sourced by prove.sh. A million certificates in one responder, beside nginx.
# ANTIN_PROVE_OCSP is how many; the two ports are ANTIN_BENCH_LISTEN and
# ANTIN_BENCH_NGINX.
part "8. OCSP: a million certificates, beside nginx serving the same bytes"
N=${ANTIN_PROVE_OCSP:-1000000}
show "antin bench ocsp -n $N"
antin bench ocsp -n "$N" --listen "${ANTIN_BENCH_LISTEN:-127.0.0.1:18088}" --nginx "${ANTIN_BENCH_NGINX:-127.0.0.1:18089}" --json >"$W/bench.json" 2>"$W/bench.log" || tail -3 "$W/bench.log"
jq -r '"        first answer after \(.first_answer_ns / 1e6 | floor) ms, restarted \(.restarted_ns / 1e6 | floor) ms; \(.heap_bytes_per_certificate | floor) bytes a certificate, \(.rss_bytes / 1048576 | floor) MB in all",
  ([.own_per_second, .nginx_per_second] | transpose[] | "        \(.[0] | floor) answers/s, nginx \(.[1] | floor)"), "        ratio \(.ratio * 100 | floor) %"' "$W/bench.json"
figure() { jq -e "$1" "$W/bench.json"; }
claim "first answer within 10 s" figure '.first_answer_ns <= 1e10'
claim "at least half of nginx's answers a second" figure '.ratio >= 0.5'
claim "under 400 bytes a certificate" figure '.heap_bytes_per_certificate < 400'
