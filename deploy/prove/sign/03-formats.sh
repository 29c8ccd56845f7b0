# Sourced by prove.sh. What we sign is accepted by openssl, xmlsec1, pdfsig and
# mutool; what openssl, xmlsec1, mutool and digitorus/pdfsign sign is judged
# right by ours; a changed byte never passes, either way.
part "3. Signature formats, both ways"
F=$W/formats; mkdir -p "$F"; cd "$F" || return
command -v xmlsec1 >/dev/null || { echo "xmlsec1 is not installed (make test installs it)" >&2; exit 3; }
printf 'mã,tên\r\n01,Sở Nội vụ\r\n' >bang.csv; printf 'mã,tên\r\n02,Sở Nội vụ\r\n' >khac.csv
printf '<?xml version="1.0" encoding="UTF-8"?>\n<hs:HoSo xmlns:hs="urn:ho-so" so="1&amp;2">\n  <!-- ghi chú --><Noi xmlns="urn:x">Kính gửi &lt;các sở&gt;</Noi>\n</hs:HoSo>\n' >ho-so.xml
if [ -n "$DATA" ]; then IN=$DATA/pdf/real/chi-thi-chromium.pdf; else antin demo -o "$W/demo" >/dev/null 2>&1; IN=$W/demo/chi-thi.pdf; fi
CMS=(openssl cms -verify -cades -binary -inform DER -CAfile "$ROOTCA" -purpose any -out out.bin)
XML=(xmlsec1 --verify --trusted-pem "$ROOTCA" --id-attr:Id http://uri.etsi.org/01903/v1.3.2#:SignedProperties --id-attr:Id http://www.w3.org/2000/09/xmldsig#:Object)
verdict() { antin verify --json "$@" | jq -r '.[0] | "\(.verdict) \(.signatures[0].level)"'; }

# stamped CMS BYTES writes the signature-time-stamp token and the signature of
# so many bytes before it, from the container by its structure.
stamped() {
  perl -0777 -e '
    my $d = <STDIN>; my $n = shift;
    my $at = index($d, pack("H*", "060b2a864886f70d010910020e")); die "no time-stamp" if $at < 0;
    sub len { my ($d, $p) = @_; my $l = ord substr $d, $p, 1; return ($l, 1) if $l < 128; my $k = $l & 127; my $v = 0; $v = $v * 256 + ord substr $d, $p + $_, 1 for 1 .. $k; ($v, 1 + $k) }
    my $set = $at + 13; my ($l, $h) = len($d, $set + 1);
    open my $t, ">:raw", "token.der"; print $t substr $d, $set + 1 + $h, $l;
    # before the attribute: its SEQUENCE and the [1] around all of them
    for my $p (reverse $at - 10 .. $at - 4) { next unless ord(substr $d, $p, 1) == 0xa1;
      open my $s, ">:raw", "value.bin"; print $s substr $d, $p - $n, $n; exit 0 }
    die "no unsigned attributes"' "$2" <"$1"
}

show "antin sign bang.csv -o bang.csv.p7s --key KEY --format cades --level LEVEL [--packaging attached]"
show "${CMS[*]} -in bang.csv.p7s -content bang.csv"
for key in demo-official demo-official-rsa; do for level in B-B B-T B-LT B-LTA; do
  [ $key = demo-official ] || [ $level = B-LTA ] || [ -n "$ALL" ] || continue
  flag=(); [ $key = demo-official-rsa ] && flag=(--scheme rsa-pkcs1)
  rm -f bang.csv.p7s attached.p7m
  claim "CAdES-$level by $key: signed" antin sign bang.csv -o bang.csv.p7s --key $key --format cades --level $level "${flag[@]}"
  claim "   openssl cms -verify -cades accepts it" "${CMS[@]}" -in bang.csv.p7s -content bang.csv
  claim "   openssl cms refuses it over other content" exits 4 "${CMS[@]}" -in bang.csv.p7s -content khac.csv
  claim "   antin verify: TOTAL-PASSED, CAdES-$level" same "$(verdict bang.csv.p7s)" "TOTAL-PASSED CAdES-$level"
  claim "   antin verify over other content: exit status 1" exits 1 antin verify bang.csv.p7s --content khac.csv
  antin sign bang.csv -o attached.p7m --key $key --format cades --level $level --packaging attached "${flag[@]}" >/dev/null
  claim "   attached: openssl gives the content back" "${CMS[@]}" -in attached.p7m; claim "   the same bytes" cmp out.bin bang.csv
  claim "   attached: antin verify exits 0" antin verify attached.p7m
done; done
antin sign bang.csv -o pss.p7s --key demo-official-rsa --format cades --level B-T >/dev/null
claim "CAdES-B-T by RSA-PSS: openssl accepts it" "${CMS[@]}" -in pss.p7s -content bang.csv
show "openssl ts -verify -data SIGNATURE -token_in -in TOKEN -CAfile root.pem"
claim "its signature time-stamp is found" stamped pss.p7s 384
claim "openssl ts -verify accepts it over the signature value" openssl ts -verify -data value.bin -token_in -in token.der -CAfile "$ROOTCA" -untrusted "$W/all.pem"

show "antin sign ho-so.xml -o signed.xml --key KEY --format xades --packaging PACKAGING"
show "${XML[*]} signed.xml"
for key in demo-official demo-official-rsa; do for packaging in enveloped enveloping detached; do
  flag=(); [ $key = demo-official-rsa ] && flag=(--scheme rsa-pkcs1)
  in=ho-so.xml; [ $packaging = enveloped ] || in=bang.csv
  rm -f signed.xml; level=B-LT
  claim "XAdES $packaging by $key: signed" antin sign $in -o signed.xml --key $key --format xades --packaging $packaging --level $level "${flag[@]}"
  claim "   xmlsec1 --verify accepts it" "${XML[@]}" signed.xml
  beside=(); [ $packaging = detached ] && beside=(--content bang.csv)
  claim "   antin verify: TOTAL-PASSED, XAdES-$level" same "$(verdict signed.xml "${beside[@]}")" "TOTAL-PASSED XAdES-$level"
  [ $packaging = enveloped ] || continue
  sed 's/so="1/so="3/' signed.xml >changed.xml
  claim "   changed: xmlsec1 refuses it" exits 1 "${XML[@]}" changed.xml; claim "   changed: antin verify exits 1" exits 1 antin verify changed.xml
done; done

show "antin sign … --format xades --level B-LTA; antin extend signed.xml -o renewed.xml"
for packaging in enveloped enveloping detached; do
  in=ho-so.xml; [ $packaging = enveloped ] || in=bang.csv
  beside=(); [ $packaging = detached ] && beside=(--content bang.csv)
  rm -f signed.xml bare.xml renewed.xml
  claim "XAdES $packaging: signed at B-LTA" antin sign $in -o signed.xml --key demo-official --format xades --packaging $packaging --level B-LTA
  claim "   xmlsec1 --verify accepts it" "${XML[@]}" signed.xml
  claim "   antin verify: TOTAL-PASSED, XAdES-B-LTA" same "$(verdict signed.xml "${beside[@]}")" "TOTAL-PASSED XAdES-B-LTA"
  antin extend signed.xml -o renewed.xml "${beside[@]}" >/dev/null
  claim "   renewed: xmlsec1 accepts it" "${XML[@]}" renewed.xml
  claim "   renewed: antin verify: TOTAL-PASSED, XAdES-B-LTA, two archive time-stamps" same "$(verdict renewed.xml "${beside[@]}") $(grep -o '<xades141:ArchiveTimeStamp' renewed.xml | wc -l)" "TOTAL-PASSED XAdES-B-LTA 2"
  antin sign $in -o bare.xml --key demo-official --format xades --packaging $packaging --level B-B >/dev/null; rm -f raised.xml
  antin extend bare.xml -o raised.xml "${beside[@]}" >/dev/null
  claim "   B-B raised to B-LTA: xmlsec1 accepts it" "${XML[@]}" raised.xml
  claim "   B-B raised to B-LTA: antin verify: TOTAL-PASSED" same "$(verdict raised.xml "${beside[@]}")" "TOTAL-PASSED XAdES-B-LTA"
done
show "antin extend bang.csv.p7s -o raised.p7s --content bang.csv"
for level in B-B B-LTA; do
  rm -f bang.csv.p7s raised.p7s; antin sign bang.csv -o bang.csv.p7s --key demo-official --format cades --level $level >/dev/null
  claim "CAdES-$level extended" antin extend bang.csv.p7s -o raised.p7s --content bang.csv
  claim "   openssl cms -verify -cades accepts it" "${CMS[@]}" -in raised.p7s -content bang.csv
  claim "   antin verify: TOTAL-PASSED, CAdES-B-LTA" same "$(verdict raised.p7s --content bang.csv)" "TOTAL-PASSED CAdES-B-LTA"
done
show "antin sign --batch list.txt -o batch --key demo-official --format cades --result result.csv"
mkdir -p several batch; for n in 1 2 3 4 5 6; do cp bang.csv several/$n.csv; done; ls -d several/*.csv >list.txt; echo none.csv >>list.txt
claim "a batch of six files and one that is absent: exit status 1" exits 1 antin sign --batch list.txt -o batch --key demo-official --format cades --level B-T --result result.csv
claim "   six are signed, one failed, by the CSV" same "$(cut -d, -f3 result.csv | sort | uniq -c | tr -s ' \n' ' ')" " 1 failed 6 signed 1 state "
rm batch/3.csv.p7s
claim "   again: exit status 1" exits 1 antin sign --batch list.txt -o batch --key demo-official --format cades --level B-T --result result.csv
claim "   it went on where one was missing" same "$(cut -d, -f3 result.csv | sort | uniq -c | tr -s ' \n' ' ')" " 1 failed 1 signed 1 state 5 there "
claim "   each is accepted by openssl" sh -c "for n in 1 2 3 4 5 6; do ${CMS[*]} -in batch/\$n.csv.p7s -content several/\$n.csv || exit 1; done"
rm -rf folder; mkdir -p folder xmlbatch; cp ho-so.xml folder/a.xml; cp ho-so.xml folder/b.xml; cp bang.csv folder/c.csv
claim "a folder of XML: its two documents are signed" antin sign --batch folder -o xmlbatch --key demo-official --format xades --level B-T
claim "   xmlsec1 accepts both" sh -c "for n in a b; do ${XML[*]} xmlbatch/\$n.xml || exit 1; done"

show "antin sign bang.csv -o bang.asice --key demo-official --format asic"
claim "ASiC-E: signed" antin sign bang.csv -o bang.asice --key demo-official --format asic
mkdir -p unpacked; (cd unpacked && bsdtar -xf ../bang.asice 2>/dev/null || python3 -m zipfile -e ../bang.asice . 2>/dev/null || unzip -qo ../bang.asice)
claim "   openssl cms accepts the signature over the manifest" "${CMS[@]}" -in unpacked/META-INF/signature001.p7s -content unpacked/META-INF/ASiCManifest001.xml
claim "   the manifest holds the file's SHA-256" has "$(openssl dgst -sha256 -binary bang.csv | base64)" unpacked/META-INF/ASiCManifest001.xml
claim "   antin verify exits 0" antin verify bang.asice
claim "ASiC-E extended" antin extend bang.asice -o bang.lta.asice
claim "   antin verify: TOTAL-PASSED, CAdES-B-LTA" same "$(verdict bang.lta.asice)" "TOTAL-PASSED CAdES-B-LTA"
rm -rf unpacked; mkdir -p unpacked; (cd unpacked && bsdtar -xf ../bang.lta.asice 2>/dev/null || python3 -m zipfile -e ../bang.lta.asice . 2>/dev/null || unzip -qo ../bang.lta.asice)
claim "   openssl cms accepts the extended signature over the manifest" "${CMS[@]}" -in unpacked/META-INF/signature001.p7s -content unpacked/META-INF/ASiCManifest001.xml

show "antin sign IN.pdf -o our.pdf …; pdfsig our.pdf; mutool sign -v our.pdf"
claim "PAdES-B-T: signed" antin sign "$IN" -o our.pdf --key demo-official --level B-T
pdfsig -nocert our.pdf >pdfsig.txt 2>&1; claim "   pdfsig: the signature is valid" has "Signature is Valid" pdfsig.txt
mutool sign -v our.pdf >mutool.txt 2>&1; sed 's/^/        /' mutool.txt | head -5
claim "   mutool finds the document unchanged since signing" has "The document is unchanged since signing" mutool.txt

show "antin sign IN.pdf -o pages.pdf --visible person --pages all --place 170,278,30,12; --pages 1,3-5"
claim "one signature on every page: signed at B-LTA" antin sign "$IN" -o pages.pdf --key demo-official --visible person --pages all --place 170,278,30,12 --level B-LTA
count=$(qpdf --show-npages pages.pdf)
claim "   antin verify: TOTAL-PASSED, one signature and one time-stamp, on $count pages" same \
  "$(antin verify --json pages.pdf | jq -r '.[0] | "\(.verdict) \(.signatures | length) \(.signatures[0].places | length)"')" "TOTAL-PASSED 2 $count"
claim "   qpdf --check accepts it" qpdf --check pages.pdf
pdfsig -nocert pages.pdf >pdfsig.txt 2>&1; claim "   pdfsig: valid on each page" same "$(grep -c 'Signature is Valid' pdfsig.txt)" "$count"
mutool sign -v pages.pdf >mutool.txt 2>&1; claim "   mutool: unchanged since signing, on each page" same "$(grep -c 'unchanged since signing\|only valid\|since signing' mutool.txt)" "$count"
antin sign pages.pdf -o sealed.pdf --key demo-agency --visible seal --pages 1 --place 10,250,30,30 >/dev/null
claim "   sealed afterwards: both TOTAL-PASSED" same "$(antin verify --json sealed.pdf | jq -r '[.[0].signatures[].verdict] | unique | join(" ")')" TOTAL-PASSED
claim "   a page that is not there is refused: exit status 3" exits 3 antin sign "$IN" -o none.pdf --key demo-official --visible person --pages 1-99 --place 170,278,30,12

part "3. Theirs, verified by ours"
# A key in a file, with a certificate of our own authority: what others sign with.
theirs() { # theirs NAME GENPKEY-OPTIONS…
  local id name=$1; shift
  openssl genpkey "$@" -out $name.key 2>/dev/null; openssl req -new -key $name.key -subj "/CN=$name" -out $name.csr
  id=$(as minh.pq ca request --profile official --person p-lan --csr $name.csr --json | jq -r .id)
  as thu.vt ca approve "$id" >/dev/null && as thu.vt ca issue "$id" -o $name.pem >/dev/null
  cat $name.pem "$W/pki/issuer-official.pem" >$name-chain.pem
}
show "antin ca request --profile official --person p-lan --csr FILE; approve; issue"
claim "an elliptic key of somebody else is certified" theirs ec -algorithm EC -pkeyopt ec_paramgen_curve:P-256
claim "an RSA key of somebody else is certified" theirs rsa -algorithm RSA -pkeyopt rsa_keygen_bits:3072
show "openssl cms -sign -binary -cades -signer ec.pem -inkey ec.key -in bang.csv -outform DER"
for key in ec rsa; do
  SIGN=(openssl cms -sign -binary -signer $key.pem -inkey $key.key -certfile "$W/pki/issuer-official.pem" -in bang.csv -out bang.csv.p7s)
  rm -f bang.csv.p7s; "${SIGN[@]}" -cades -outform DER
  claim "openssl, detached CAdES by $key: TOTAL-PASSED" same "$(verdict bang.csv.p7s)" "TOTAL-PASSED CAdES-B-B"
  claim "   over other content: exit status 1" exits 1 antin verify bang.csv.p7s --content khac.csv
  "${SIGN[@]}" -outform PEM; claim "openssl, plain CMS in PEM by $key: TOTAL-PASSED" same "$(verdict bang.csv.p7s)" "TOTAL-PASSED CMS"
  "${SIGN[@]}" -cades -nodetach -stream -outform DER; claim "openssl, attached, streamed as BER by $key: TOTAL-PASSED" same "$(verdict bang.csv.p7s)" "TOTAL-PASSED CAdES-B-B"
  printf '%s' "$(sed 's#</hs:HoSo>##' ho-so.xml)" >in.xml
  method=rsa-sha256; [ $key = ec ] && method=ecdsa-sha256
  cat >>in.xml <<XML
<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo><CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>
<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#$method"/><Reference URI=""><Transforms><Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/></Transforms>
<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><DigestValue/></Reference></SignedInfo><SignatureValue/><KeyInfo><X509Data/></KeyInfo></Signature></hs:HoSo>
XML
  claim "xmlsec1 signs XML by $key" xmlsec1 --sign --privkey-pem "$key.key,$key.pem" --output theirs.xml in.xml
  claim "   antin verify: TOTAL-PASSED" same "$(verdict theirs.xml)" "TOTAL-PASSED XMLDSig"
  sed 's/so="1/so="3/' theirs.xml >changed.xml; claim "   changed: exit status 1" exits 1 antin verify changed.xml
done
cat >field.txt <<'PDF'
%PDF-1.7
1 0 obj <</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]/SigFlags 3>>>> endobj
2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj
3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Annots[4 0 R]>> endobj
4 0 obj <</Type/Annot/Subtype/Widget/FT/Sig/T(Sig1)/Rect[20 20 200 80]/F 4/P 3 0 R>> endobj
trailer <</Root 1 0 R/Size 5>>
%%EOF
PDF
mutool clean field.txt field.pdf >/dev/null 2>&1
openssl pkcs12 -export -inkey rsa.key -in rsa.pem -certfile "$W/pki/issuer-official.pem" -passout pass:x -out rsa.pfx
show "mutool sign -s rsa.pfx -P x -o mutool.pdf field.pdf; antin verify mutool.pdf"
claim "mutool signs a PDF" mutool sign -s rsa.pfx -P x -o mutool.pdf field.pdf
antin verify --json mutool.pdf | jq -r '.[0].signatures[0] | "\(.integrity) \(.coverage) \(.verdict) \(.sub_indication)"' >mutool.txt
claim "   antin verify: intact over the whole file, in doubt for its SHA-1 alone" same "$(cat mutool.txt)" "intact file INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE"
at=$(grep -abo MediaBox mutool.pdf | head -1 | cut -d: -f1); cp mutool.pdf changed.pdf; change changed.pdf $((at + 14))
claim "   one byte changed: exit status 1" exits 1 antin verify changed.pdf
show "go run ./deploy/prove/pdfsigner KEY CHAIN IN.pdf pdfsign.pdf; antin verify pdfsign.pdf"
pdfsigner() { go -C "$ROOT" run ./deploy/prove/pdfsigner "$F/$1.key" "$F/$1-chain.pem" "$IN" "$F/pdfsign.pdf"; }
tells() { antin verify --json pdfsign.pdf | jq -r '.[0] | "\(.verdict) \(.signatures[0].integrity) \(.signatures[0].coverage)"'; }
claim "digitorus/pdfsign signs a PDF by ec" pdfsigner ec
claim "   antin verify: intact over the whole file, TOTAL-PASSED" same "$(tells)" "TOTAL-PASSED intact file"
# With the longer RSA signature it begins anew and leaves its first attempt in
# the file, so that the byte range does not fit: a broken file, told as such.
rm -f pdfsign.pdf
claim "digitorus/pdfsign by rsa" pdfsigner rsa
pdfsig -nocert pdfsign.pdf >pdfsig.txt 2>&1
if grep -q "Not total document signed" pdfsig.txt; then claim "   what it left unsigned is found: TOTAL-FAILED" same "$(tells)" "TOTAL-FAILED broken partial"
else claim "   antin verify: intact over the whole file, TOTAL-PASSED" same "$(tells)" "TOTAL-PASSED intact file"; fi
cd "$ROOT" || exit 3
