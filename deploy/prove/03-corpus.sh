# Sourced by prove.sh. Every document is signed, or refused with a reason.
part "3. Odd, old, signed, encrypted and damaged documents"
if [ -z "$DATA" ]; then echo "   real inputs absent: passed over"; else
  mkdir "$W/corpus"
  enrol prove-corpus
  n=0
  while IFS= read -r f; do
    n=$((n + 1)); [ -n "$ALL" ] || [ $((n % 12)) = 0 ] || continue
    cp "$f" "$W/corpus/$n-$(basename "$f")"
  done < <(find "$DATA/pdf" -name '*.pdf' ! -path '*/real/*' | sort)
  show "antin sign --batch FOLDER -o SIGNED --key demo-official --level B-LT"
  echo usersecret >"$W/secret"
  antin sign --batch "$W/corpus" -o "$W/signed" --key demo-official --level B-LT --password-file "$W/secret" --json >"$W/batch.json" 2>"$W/batch.err"
  taken=$(ls "$W/corpus" | wc -l) answers=$(jq length "$W/batch.json")
  signed=$(jq '[.[] | select(.error == null)] | length' "$W/batch.json")
  reasons=$(jq '[.[] | select(.error != null and .error != "")] | length' "$W/batch.json")
  echo "   signed $signed, refused with a reason $reasons, of $taken; crashed 0"
  jq -r '.[] | select(.error != null) | .error' "$W/batch.json" | sed 's/^sign [^:]*: //' | cut -c1-70 | sort | uniq -c | sort -rn | sed 's/^/       /' | head -20
  claim "each has an answer and nothing crashed" same "$answers $((signed + reasons))" "$taken $taken"
  claim "no crash is in the output" exits 1 grep -q 'panic\|goroutine' "$W/batch.err"
  passed=0 valid=0
  for f in "$W"/signed/*.pdf; do
    antin verify --json --password-file "$W/secret" "$f" 2>/dev/null | jq -e '[.[].signatures[] | select(.level == "B-LT" and .verdict == "TOTAL-PASSED")] | length > 0' >/dev/null && passed=$((passed + 1))
    { pdfsig -nocert -upw usersecret "$f"; pdfsig -nocert "$f"; } 2>/dev/null | grep -q 'Signature is Valid' && valid=$((valid + 1))
  done
  echo "   of the $signed signed: antin verify finds our signature TOTAL-PASSED in $passed, pdfsig a valid one in $valid"
  claim "our signature passes in every signed document" same "$passed" "$signed"
fi
