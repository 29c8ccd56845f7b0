# Sourced by prove.sh. Last night's backup is restored: what was revoked since
# stays revoked, by the ledger.
part "7. Backup and restore: the ledger replays what came after"
device() { # device NAME issues a certificate that may be put on hold
  local id
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/$1.key" -subj "/CN=$1" -out "$W/$1.csr" 2>/dev/null
  id=$(as minh.pq ca request --profile device --agency ttcds --machine "$1" --csr "$W/$1.csr" --json | jq -r .id)
  as thu.vt ca approve "$id" >/dev/null && as thu.vt ca issue "$id" -o "$W/$1.pem" >/dev/null
}
serial() { openssl x509 -in "$W/$1.pem" -noout -serial | cut -d= -f2; }
SERVICE=$W/pki/issuer-service.pem
device may-1; device may-2
show "antin backup night.antin          # while the system runs"
claim "the running system is copied into one file" antin backup "$W/night.antin"
claim "which is its owner's alone" same "$(stat -c %a "$W/night.antin")" 600
claim "and is not written over" exits 3 antin backup "$W/night.antin"
as thu.vt ca revoke "$(serial may-1)" --cause device-lost >/dev/null
as thu.vt ca hold "$(serial may-2)" >/dev/null
device may-3
as thu.vt ca revoke "$(serial may-3)" --cause software-stopped >/dev/null
sleep 2
cp -r "$ANTIN_DATA_DIR/ledger" "$W/standby"; rm -rf "$W/standby/.state"
echo "        after the backup: may-1 revoked, may-2 on hold, may-3 issued and revoked; the ledger copied as a standby has it"
back() { ANTIN_DATA_DIR=$W/$1 "$BIN/antin" "${@:2}"; }
state() { back "$1" ca history "$(serial "$2")" --json | jq -r 'map(.act) | join(" ")'; }
show "antin restore night.antin --data b"
claim "a folder with something in it is refused" exits 3 antin restore "$W/night.antin"
claim "the backup is restored without the newer ledger" back b restore "$W/night.antin"
show "ANTIN_STATUS_CHECKPOINT_COPIES=…/checkpoint antin ca list --data b    # a copy of the checkpoint kept elsewhere"
ANTIN_STATUS_CHECKPOINT_COPIES=$W/standby/checkpoint back b ca list >"$W/refused" 2>&1; status=$?
sed 's/^/        /' "$W/refused" | head -3
claim "it does not start: its ledger is an older copy" same "$status" 3
claim "and says so" has "older copy" "$W/refused"
show "antin restore night.antin --ledger standby --data c"
claim "the backup is restored with the newer ledger" back c restore "$W/night.antin" --ledger "$W/standby"
export ANTIN_STATUS_CHECKPOINT_COPIES=$W/standby/checkpoint
claim "may-1, revoked after the backup, is revoked" same "$(state c may-1)" "revoke"
claim "may-2, held after the backup, is on hold" same "$(state c may-2)" "hold"
claim "may-3, issued and revoked after the backup, is revoked" same "$(state c may-3)" "revoke"
back c ca crl service -o "$W/c.crl"; openssl crl -inform DER -in "$W/c.crl" -out "$W/c.pem"
for name in may-1 may-2 may-3; do
  claim "openssl verify -crl_check by the restored system's list refuses $name" exits 2 \
    openssl verify -crl_check -CAfile "$ROOTCA" -untrusted "$SERVICE" -CRLfile "$W/c.pem" "$W/$name.pem"
done
show "antin ca recover may-3.pem --data c    # the bytes that the backup does not have"
claim "the certificate that only the ledger knew is brought back" back c ca recover "$W/may-3.pem"
claim "once" exits 3 back c ca recover "$W/may-3.pem"
claim "the restored ledger verifies" back c ledger verify
unset ANTIN_STATUS_CHECKPOINT_COPIES
show "antin backup --passphrase-file …; antin restore"
echo "một câu dài mà chỉ người giữ bản sao biết" >"$W/phrase"
claim "encrypted (age)" antin backup "$W/sealed.antin" --passphrase-file "$W/phrase"
claim "it does not open without the passphrase" exits 3 back d restore "$W/sealed.antin"
claim "and does with it" back d restore "$W/sealed.antin" --passphrase-file "$W/phrase"
