# Sourced by prove.sh. Real documents signed by each algorithm and judged by
# outside tools; no changed byte and no altered page passes.
part "2. Signatures on real documents (PAdES B-LT)"
if [ -n "$DATA" ]; then REAL=("$DATA"/pdf/real/*.pdf); else REAL=("$W"/demo/chi-thi.pdf); fi

# signed_parts PDF writes the signed bytes and the CMS container between them.
signed_parts() {
  local r; r=($(grep -a -o '/ByteRange *\[[^]]*\]' "$1" | tail -1 | grep -o '[0-9]\+'))
  FROM=${r[1]} TO=${r[2]} LENGTH=$((r[2] + r[3]))
  { head -c "$FROM" "$1"; tail -c +$((TO + 1)) "$1" | head -c "${r[3]}"; } >"$W/content"
  tail -c +$((FROM + 2)) "$1" | head -c $((TO - FROM - 2)) | perl -ne 'print pack "H*", $_' >"$W/cms"
}
# tampered PDF changes bytes spread over the signed range, one at a time.
tampered() {
  local i at n=0
  for i in $(seq 0 $((POSITIONS - 1))); do
    at=$((i * (LENGTH - 1) / (POSITIONS - 1)))
    [ $at -lt "$FROM" ] || [ $at -ge "$TO" ] || continue
    cp "$1" "$W/t$i.pdf"; change "$W/t$i.pdf" $at; n=$((n + 1))
    antin verify "$W/t$i.pdf" >/dev/null 2>&1; [ $? = 1 ] || { echo "byte $at of $1 changed, and not exit status 1"; return 1; }
    rm "$W/t$i.pdf"
  done
  [ $n -gt 0 ]
}
# altered PDF appends an update in which the first page has another size.
cat >"$W/alter.js" <<'JS'
var doc = new PDFDocument(scriptArgs[0]);
doc.findPage(0).put("MediaBox", [0, 0, 300, 300]);
doc.save(scriptArgs[1], "incremental");
JS
altered() {
  cp "$1" "$W/altered.pdf" && mutool run "$W/alter.js" "$1" "$W/altered.pdf" && cmp -n "$(stat -c %s "$1")" "$1" "$W/altered.pdf" &&
    exits 1 cmp -s "$1" "$W/altered.pdf" && exits 1 antin verify "$W/altered.pdf"
}
POSITIONS=6; [ -n "$ALL" ] && POSITIONS=40
show "antin sign IN.pdf -o OUT.pdf --key demo-official --level B-LT                            (ECDSA)"
show "antin sign IN.pdf -o OUT.pdf --key demo-official-rsa --scheme rsa-pkcs1|rsa-pss --level B-LT"
show "mutool run alter.js OUT.pdf ALTERED.pdf; antin verify ALTERED.pdf"
show "pdfsig OUT.pdf; qpdf --check OUT.pdf; openssl cms -verify …; antin verify OUT.pdf"
for in in "${REAL[@]}"; do
  for how in "demo-official ecdsa" "demo-official-rsa rsa-pkcs1" "demo-official-rsa rsa-pss"; do
    read -r key scheme <<<"$how"
    name="$(basename "$in" .pdf) $scheme" out=$W/$(basename "$in" .pdf)-$scheme.pdf flag=(--scheme "$scheme")
    [ "$scheme" = ecdsa ] && flag=()
    claim "$name: signed" antin sign "$in" -o "$out" --key "$key" "${flag[@]}" --level B-LT
    [ -f "$out" ] || continue
    if [ "$scheme" != rsa-pss ]; then # NSS does not know RSA-PSS in CMS
      pdfsig -nocert "$out" >"$W/pdfsig" 2>&1
      claim "$name: pdfsig says the signature is valid" has "Signature is Valid" "$W/pdfsig"
    fi
    claim "$name: qpdf --check finds no error" qpdf --check "$out"
    claim "$name: the input is a prefix of the output" cmp -n "$(stat -c %s "$in")" "$in" "$out"
    signed_parts "$out"
    claim "$name: openssl cms -verify accepts the container over the byte range" openssl cms -verify -binary -inform DER -in "$W/cms" -content "$W/content" -CAfile "$ROOTCA" -purpose any -out /dev/null
    claim "$name: antin verify exits 0" antin verify "$out"
    [ "$scheme" = ecdsa ] || [ -n "$ALL" ] || continue
    claim "$name: one byte changed at $POSITIONS places: exit status 1 each time" tampered "$out"
    claim "$name: an update (by mutool) that alters a page: exit status 1" altered "$out"
  done
done
