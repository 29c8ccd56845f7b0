# Sourced by prove.sh. The ledger proves itself whole, and names what is not.
part "7. The ledger"
show "antin ledger verify"
sleep 1
antin ledger verify >"$W/verify.txt"; status=$?
sed 's/^/        /' "$W/verify.txt"
claim "the ledger is verified and says how many entries" same "$status $(grep -c '[0-9] entries' "$W/verify.txt")" "0 1"
for part in tile/0 tile/entries; do
  rm -rf "$W/ledger"; cp -r "$ANTIN_DATA_DIR/ledger" "$W/ledger"; chmod -R u+w "$W/ledger"
  file=$(find "$W/ledger/$part" -type f | sort | tail -1)
  change "$file" $(($(stat -c %s "$file") / 2))
  show "antin ledger verify COPY   (one byte of ${file#"$W/ledger/"} changed)"
  antin ledger verify "$W/ledger" >"$W/verify.txt"; status=$?
  grep PROBLEM "$W/verify.txt" | head -2 | sed 's/^/        /'
  claim "exit status 1" same $status 1
  claim "the tile or the entry is named" has "PROBLEM ${file#"$W/ledger/"}" "$W/verify.txt"
done
