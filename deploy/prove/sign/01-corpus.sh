# Sourced by prove.sh. Every document is signed for the archive, or refused with a reason.
part "1. The corpus at B-LTA: read, signed, refused with a reason, crashed 0"
if [ -z "$DATA" ]; then echo "   real inputs absent: passed over"; else
  show "go test -run CorpusIsSigned -v ./signer/pades    # ANTIN_PROVE_ALL=1: all of it"
  ANTIN_TESTDATA=$DATA ANTIN_PROVE_ALL=$ALL go test -count=1 -timeout 30m -run CorpusIsSigned -v ./signer/pades >"$W/archive.log" 2>&1; status=$?
  grep -o 'refused [a-z-]* ' "$W/archive.log" | sort | uniq -c | sed 's/^/       /'
  grep -o 'read [0-9].*' "$W/archive.log" | sed 's/^/   /'
  claim "each is signed or refused with a code; qpdf, pdfsig, mutool and openssl ts accept what was signed" same "$status" 0
  show "go test -run StaysOne -v ./signer/pades    # every PDF/A and PDF/UA, unseen and with three marks, by qpdf's reading"
  ANTIN_TESTDATA=$DATA ANTIN_PROVE_ALL=$ALL go test -count=1 -timeout 30m -run ASignedArchiveDocumentStaysOne -v ./signer/pades >"$W/archivepdf.log" 2>&1; status=$?
  grep -o 'signed at B-LTA by kind.*' "$W/archivepdf.log" | fold -s -w 110 | sed 's/^/   /'
  claim "no PDF/A or PDF/UA loses an object, its XMP packet, output intent, structure or language; what is added is what its part allows" same "$status" 0
  pdfa=$DATA/pdf/real/chi-thi-libreoffice-pdfa2.pdf
  if [ -e "$pdfa" ]; then
    show "antin sign $(basename "$pdfa") --level B-LTA --visible person -o archive.pdf; mutool sign -v, pdfsig and qpdf look at it"
    antin sign "$pdfa" -o "$W/pdfa.pdf" --key demo-official --level B-LTA --visible person 2>&1 | sed "s|$W/|   |"
    for key in /Metadata /OutputIntents /MarkInfo /Lang; do
      a=$(qpdf --json "$pdfa" 2>/dev/null | jq -cS --arg k "$key" '[.. | objects | select(."/Type"? == "/Catalog") | .[$k]] | .[0]')
      b=$(qpdf --json "$W/pdfa.pdf" 2>/dev/null | jq -cS --arg k "$key" '[.. | objects | select(."/Type"? == "/Catalog") | .[$k]] | .[0]')
      claim "the signed PDF/A keeps $key: $a" same "$a" "$b"
    done
    mutool sign -v "$W/pdfa.pdf" >"$W/pdfa-mutool.txt" 2>&1
    claim "mutool sign -v: The signature is valid" has "The signature is valid" "$W/pdfa-mutool.txt"
    pdfsig -nocert "$W/pdfa.pdf" >"$W/pdfa-pdfsig.txt" 2>/dev/null
    claim "pdfsig: Signature is Valid" has "Signature is Valid" "$W/pdfa-pdfsig.txt"
    claim "qpdf --check" qpdf --check "$W/pdfa.pdf"
  fi
  doc=$(ls "$DATA"/pdf/real/*.pdf | head -1)
  show "antin sign $(basename "$doc") -o archived.pdf --key demo-official --level B-LTA"
  antin sign "$doc" -o "$W/archived.pdf" --key demo-official --level B-LTA 2>&1 | sed "s|$W/|   |"
  claim "antin verify: TOTAL-PASSED at B-LTA" sh -c "'$BIN/antin' verify --json '$W/archived.pdf' | jq -e '.[0].verdict == \"TOTAL-PASSED\" and .[0].signatures[0].level == \"B-LTA\"'"
  claim "qpdf --check" qpdf --check "$W/archived.pdf"
  pdfsig -nocert "$W/archived.pdf" >"$W/pdfsig.txt" 2>/dev/null
  claim "pdfsig: Signature is Valid" has "Signature is Valid" "$W/pdfsig.txt"
  mutool sign -v "$W/archived.pdf" >"$W/mutool.txt" 2>&1
  claim "mutool: The signature is valid" has "The signature is valid" "$W/mutool.txt"
fi
