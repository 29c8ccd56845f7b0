# Sourced by prove.sh. Without a network (a namespace that has none): what was
# fetched before is enough while the policy lets it be, then it is TRY_LATER.
part "7. Verifying off-line, by revocation data kept before"
O=$W/offline; mkdir -p "$O"; cd "$O" || return
if [ -n "$DATA" ]; then IN=$DATA/pdf/real/chi-thi-chromium.pdf; else antin demo -o "$W/demo" >/dev/null 2>&1; IN=$W/demo/chi-thi.pdf; fi
# alone COMMAND… runs it where no network is.
alone() { unshare -rn env LC_ALL=en_US.UTF-8 "$BIN/antin" "$@"; }
said() { alone verify "$@" --json | jq -r '.[0].signatures[0] | "\(.verdict) \(.sub_indication)"'; }
antin sign "$IN" -o signed.pdf --key demo-official --level B-T >/dev/null
show "antin trust fetch signed.pdf --trust pki --cache kept"
claim "revocation data of authorities, signer and time-stamp is kept" antin trust fetch signed.pdf --trust "$W/pki" --cache kept
show "unshare -rn antin verify signed.pdf --offline --trust pki --cache kept"
claim "the namespace has no network" sh -c '! unshare -rn curl -s --max-time 2 "http://'"$PKI"'/crl" '
claim "without a network, by the cache: TOTAL-PASSED" same "$(said signed.pdf --offline --trust "$W/pki" --cache kept)" "TOTAL-PASSED "
claim "   the age of the data is told" sh -c "unshare -rn env LC_ALL=en_US.UTF-8 '$BIN/antin' verify signed.pdf --offline --trust '$W/pki' --cache kept | grep -q 'Judged offline'"
claim "without a network and with an empty cache: TRY_LATER" same "$(said signed.pdf --offline --trust "$W/pki" --cache none)" "INDETERMINATE TRY_LATER"
printf 'name: strict\nrevocation: {max_age: 1s, max_age_authority: 1s}\n' >strict.yaml; sleep 2
later=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)
claim "data older than the policy allows: TRY_LATER" same "$(said signed.pdf --offline --trust "$W/pki" --cache kept --policy strict.yaml --at "$later")" "INDETERMINATE TRY_LATER"
later=$(date -u -d '+90 days' +%Y-%m-%dT%H:%M:%SZ)
claim "data past its nextUpdate: TRY_LATER" same "$(said signed.pdf --offline --trust "$W/pki" --cache kept --at "$later")" "INDETERMINATE TRY_LATER"
show "antin trust list --cache kept"
antin trust list --trust "$W/pki" --cache kept | sed 's/^/        /'
claim "a policy that lowers what gives a verdict its meaning is refused" exits 2 antin verify policy /dev/stdin <<<'{name: a, constraints: {document_changed: WARN}}'
