# Sourced by prove.sh. Every rule file of the public sets: how many rules load,
# how many are refused, and why; what the newer keywords find in a capture.
part "1. Rules: loaded, or refused by file, line and reason"
R=$W/rules; mkdir -p "$R"
check() { sensor rules check "$@" --json 2>/dev/null; }
if [ -n "$DATA" ]; then
  show "antin-sensor rules check FILE… --json"
  for set in etopen hunting suricata-events; do
    check "$DATA/rules/$set"/*.rules >"$R/$set.json"
    printf '   %s: %s\n' $set "$(jq -r '"\(.loaded) loaded, \(.refused) refused"' "$R/$set.json")"
    jq -r '.files[] | select(.loaded + .refused > 0) | "\(.loaded)\t\(.refused)\t\(.file | split("/")[-1])"' "$R/$set.json" | sed 's/^/        /'
    jq -r '[.reasons[].reason] | group_by(.) | map({n: length, r: .[0]}) | sort_by(-.n)[:8][] | "        \(.n) × \(.r)"' "$R/$set.json"
  done
  claim "Emerging Threats Open: at least 99 % of the enabled rules load" jq -e '.loaded / (.loaded + .refused) >= 0.99' "$R/etopen.json"
  claim "   every refused rule has its file, line, sid and reason" jq -e 'all(.reasons[]; .file != "" and .line > 0 and .sid > 0 and .reason != "")' "$R/etopen.json" "$R/hunting.json" "$R/suricata-events.json"
  # Suricata's event rules for the protocols that are read here.
  for p in dns http http2 tls smtp ftp ssh mqtt sip dhcp snmp ntp kerberos quic pop3 smb ldap modbus dnp3 mdns sctp app-layer; do
    printf '   %s-events.rules: %s\n' $p "$(jq -r --arg f "/$p-events.rules" '.files[] | select(.file | endswith($f)) | "\(.loaded) of \(.loaded + .refused)"' "$R/suricata-events.json")"
  done
  for p in dns http http2 tls smtp ftp ssh mqtt sip dhcp snmp ntp kerberos quic pop3 smb ldap modbus dnp3 mdns sctp app-layer; do
    claim "every rule of $p-events.rules loads" jq -e --arg f "/$p-events.rules" 'all(.files[] | select(.file | endswith($f)); .refused == 0)' "$R/suricata-events.json"
  done
  # Two events cannot come: a flow stays with its worker, and what follows ESP is
  # encrypted.
  claim "of stream and decoder events two are refused, which cannot come" jq -e '[.reasons[] | select(.file | test("/(stream|decoder)-events.rules$")) | .reason]
    | length == 2 and any(test("wrong_thread")) and any(test("exthdr_dupl_eh"))' "$R/suricata-events.json"
fi
cat >"$R/bad.rules" <<'RULES'
alert tcp any any -> any any (msg:"good"; content:"a"; sid:1;)
alert tcp any any -> any any (msg:"script"; lua:x.lua; sid:2;)
alert tcp any any -> any any (msg:"pattern"; pcre:"/(?<=a+)b/"; sid:3;)
RULES
show "antin-sensor rules check bad.rules"
sensor rules check "$R/bad.rules" | sed 's/^/        /'
claim "what cannot be run is refused by line and reason, the rest loads (exit status 1)" exits 1 sensor rules check "$R/bad.rules"
cat >"$R/fields.rules" <<'RULES'
alert ssh any any -> any any (msg:"ssh"; ssh.hassh; content:"a"; sid:1;)
alert mqtt any any -> any any (msg:"mqtt"; mqtt.type:CONNECT; mqtt.connect.flags:username,!will; sid:2;)
alert dns any any -> any any (msg:"dns"; dns.query; to_sha256; dataset:set,seen,type sha256; dns.rrtype:!1; sid:3;)
alert http any any -> any any (msg:"http"; http.referer; absent; http.uri; url_decode; content:"/etc/passwd"; sid:4;)
alert tcp-pkt any any -> any any (msg:"tcp"; tcp.hdr; content:"|50 18|"; flow.pkts:both,>3; sid:5;)
alert ldap any any -> any any (msg:"ldap"; ldap.responses.result_code:invalid_credentials,-1; sid:6;)
RULES
claim "fields, numbers with names, datasets, absence, transforms and header bytes are read" sensor rules check "$R/fields.rules"
