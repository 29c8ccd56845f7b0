# Sourced by prove.sh. An outside time-stamping authority: what it stamped counts in the console and on the command line when the folder of its
# root is set (signer.tsa_roots), for time-stamps alone. The system is started anew with the setting.
part "7. Roots of outside time-stamping authorities (signer.tsa_roots)"
T=$W/outside-tsa; mkdir -p "$T/roots" "$T/tokens"; cd "$T" || return
command -v softhsm2-util >/dev/null || { echo "softhsm2-util is not installed (make test installs it)" >&2; exit 3; }
MODULE=${ANTIN_PKCS11_MODULE:-/usr/lib/softhsm/libsofthsm2.so}
if [ -n "$DATA" ]; then IN=$DATA/pdf/real/chi-thi-chromium.pdf; else antin demo -o "$W/demo" >/dev/null 2>&1; IN=$W/demo/chi-thi.pdf; fi
OUTSIDE=$((${CONSOLE##*:} == 8443 ? 8460 : ${CONSOLE##*:} + 60))
# authority makes somebody else's root and time-stamping unit.
authority() {
  openssl req -x509 -newkey rsa:3072 -nodes -keyout root.key -out roots/root-outside.pem -days 3650 -subj "/C=VN/O=Outside/CN=Outside root" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign &&
  openssl req -newkey rsa:3072 -nodes -keyout tsa.key -out tsa.csr -subj "/C=VN/O=Outside/CN=Outside TSA" &&
  printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\ncrlDistributionPoints=URI:http://127.0.0.1:%s/crl\n' "$OUTSIDE" >ext &&
  openssl x509 -req -in tsa.csr -CA roots/root-outside.pem -CAkey root.key -set_serial 4097 -days 365 -extfile ext -out tsa.pem &&
  printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=7\n[tsa]\ndefault_tsa=t\n[t]\nserial=serial\nsigner_cert=tsa.pem\nsigner_key=tsa.key\nsigner_digest=sha256\ndefault_policy=1.3.6.1.4.1.99999.1\ndigests=sha256,sha384,sha512\naccuracy=secs:1\ness_cert_id_alg=sha256\n' >ts.cnf &&
  echo 01 >serial && echo 01 >crlnumber && : >index && openssl ca -gencrl -config ts.cnf -keyfile root.key -cert roots/root-outside.pem -out crl.pem && openssl crl -in crl.pem -outform DER -out crl
}
claim "openssl makes a root, a time-stamping unit and a CRL" authority
# It answers over HTTP: a query is posted, the CRL is got.
cat >serve.pl <<'P'
use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ARGV[0], Listen => 20, ReuseAddr => 1) or die $!;
while (my $c = $s->accept) {
  my ($line, $n) = (scalar <$c>, 0);
  while (my $h = <$c>) { last if $h eq "\r\n"; $n = $1 if $h =~ /^content-length:\s*(\d+)/i; }
  my ($file, $type) = ('crl', 'application/pkix-crl');
  if ($line =~ /^POST/) {
    read $c, my $q, $n; open my $f, '>:raw', 'query'; print $f $q; close $f;
    system 'openssl ts -reply -config ts.cnf -queryfile query -out reply 2>/dev/null';
    ($file, $type) = ('reply', 'application/timestamp-reply');
  }
  open my $f, '<:raw', $file; local $/; my $b = <$f>;
  print $c "HTTP/1.1 200 OK\r\nContent-Type: $type\r\nContent-Length: " . length($b) . "\r\nConnection: close\r\n\r\n$b"; close $c;
}
P
perl serve.pl "$OUTSIDE" & PERL=$!
printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$T" >softhsm2.conf
(umask 077; printf 246810 >pin)
soft() { SOFTHSM2_CONF=$T/softhsm2.conf softhsm2-util "$@"; }
equipped() { # a person with a token of their own, who asks the outside authority
  local id
  soft --init-token --free --label usb --pin 246810 --so-pin 13579111 && openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.key && openssl req -new -key ec.key -subj /CN=lan -out ec.csr || return
  id=$(as minh.pq ca request --profile official --person p-lan --csr ec.csr --json | jq -r .id)
  as thu.vt ca approve "$id" >/dev/null && as thu.vt ca issue "$id" -o ec.pem >/dev/null && cat "$W/pki/issuer-official.pem" >>ec.pem && soft --import ec.key --token usb --label ec --id 01 --pin 246810
}
claim "a person has a token" equipped
mkdir trust && cp "$W"/pki/*.pem roots/*.pem trust/
show "antin sign IN.pdf -o stamped.pdf --pkcs11 MODULE … --tsa http://127.0.0.1:$OUTSIDE --level B-T"
SOFTHSM2_CONF=$T/softhsm2.conf claim "who signs asks the outside authority" antin sign "$IN" -o stamped.pdf --pkcs11 "$MODULE" --pin-file pin --cert ec.pem --trust trust --tsa "http://127.0.0.1:$OUTSIDE" --level B-T
# told WHO is what the public page (over TLS) or the command line say: verdict, and whether a time is proven.
page() { curl -s --cacert "$ROOTCA" -F "file=@stamped.pdf;type=application/pdf" -H 'Accept-Language: vi' "https://localhost:${CONSOLE##*:}/verify" >page.html; }
proven() { page && has 'data-verdict="TOTAL-PASSED"' page.html && has "có dấu thời gian" page.html; }
unproven() { page && has "không được tin cậy" page.html && ! grep -q "(có dấu thời gian)" page.html; }
claim "without the setting the page believes no time of it" unproven
claim "   nor does antin verify" sh -c '"$0" verify stamped.pdf --json | jq -e ".[0].signatures[0].reasons | any(.code == \"timestamp_untrusted\")"' "$BIN/antin"
show "ANTIN_SIGNER_TSA_ROOTS=roots antin up --demo"
kill "$UP" && wait "$UP" 2>/dev/null
ANTIN_SIGNER_TSA_ROOTS=$T/roots "$BIN/antin" up --demo >"$W/up.log" 2>&1 & UP=$!
for _ in $(seq 240); do curl -ksf "https://$CONSOLE/readyz" >/dev/null && break; kill -0 $UP 2>/dev/null || break; sleep .5; done
claim "the system starts with it" curl -sf --cacert "$ROOTCA" "https://localhost:${CONSOLE##*:}/readyz"
claim "the page believes the time, and the signature for it" proven
claim "   antin verify --tsa-roots does the same" sh -c '"$0" verify stamped.pdf --tsa-roots roots --json | jq -e ".[0].verdict == \"TOTAL-PASSED\" and ([.[0].signatures[0].reasons[].code] | index(\"timestamp_untrusted\") | not)"' "$BIN/antin"
# A person certified by the same root is not believed as a signer.
forged() {
  printf 'keyUsage=critical,digitalSignature,nonRepudiation\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' >signer.ext
  openssl req -newkey rsa:3072 -nodes -keyout mallory.key -out mallory.csr -subj /CN=Mallory && openssl x509 -req -in mallory.csr -CA roots/root-outside.pem -CAkey root.key -set_serial 4098 -days 30 -extfile signer.ext -out mallory.pem &&
  openssl cms -sign -cades -binary -in "$IN" -signer mallory.pem -inkey mallory.key -outform DER -out forged.p7s -md sha256
}
claim "somebody whom the same root certifies signs" forged
claim "   and is not believed as a signer" sh -c '"$0" verify forged.p7s --content "$1" --tsa-roots roots --json | jq -e ".[0].signatures[0].sub_indication == \"NO_CERTIFICATE_CHAIN_FOUND\""' "$BIN/antin" "$IN"
mkdir empty && printf x >empty/root-x.pem
claim "a folder with something wrong in it is told at the start" exits 3 env ANTIN_SIGNER_TSA_ROOTS=$T/empty "$BIN/antin" verify stamped.pdf
kill $PERL; wait $PERL 2>/dev/null
cd "$ROOT" || exit 3
