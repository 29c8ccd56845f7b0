# Part of prove.sh sign: the console in a real browser. The tests drive Chromium:
# upload, place by drag, sign by code and by passkey, verify, tampered files; in
# both languages, on a desk and on a phone. Pictures of all pages are left in a
# folder to be looked at (ANTIN_SCREENSHOTS, else one that is kept on request).
# The pages of the office are driven by their forms.
part "The console in a browser, in Vietnamese and English, at 1280 and 390 pixels"
S=${ANTIN_SCREENSHOTS:-$W/screenshots}
mkdir -p "$S"
show "ANTIN_SCREENSHOTS=$S go test ./signer ./signer/office -run 'InABrowser|OnTheConsole|OneCode' -v"
ANTIN_SCREENSHOTS=$S go test "$ROOT/signer" "$ROOT/signer/office" -count=1 -run "InABrowser|OnTheConsole|OneCode" -v >"$W/browser.log" 2>&1; status=$?
grep -E '^ *--- (PASS|FAIL|SKIP)' "$W/browser.log" | sed 's/^/     /'
claim "every step came out as it must" same $status 0
claim "nothing was left out" same "$(grep -c -- '--- SKIP' "$W/browser.log")" 0
for lang in vi en; do for width in 1280 390; do
  claim "pictures in $lang at $width pixels: placed, signed, extended, verified, tampered, compared" \
    ls "$S/placed-$lang-$width.png" "$S/signed-$lang-$width.png" "$S/extended-$lang-$width.png" "$S/verify-mark-$lang-$width.png" "$S/tampered-mark-$lang-$width.png" "$S/compared-$lang-$width.png"
done; done
