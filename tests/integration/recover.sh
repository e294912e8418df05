#!/usr/bin/env bash
# The recovery key: a new key file in place of a lost, wrong or damaged one. A new vault key, after which the old key
# file and the old recovery key open nothing.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub sqlite3
recovery=$("$NJ" init --dir "$dir" --host $GW4 --json | jq -r .recovery_key)
must gateway profile set meter --publish 'dev/{device}/#'
enrol device pump
cp "$dir/keys/vault.key" "$tmp/first.key"
recover() { gateway recover <<< "$1"; }
kept() { gateway audit tail --count 100 --json > /dev/null && gateway device list --json | jq -r .name; }

refused "recover while the key file is good" 'opens the vault' recover "$recovery"
gateway_start
refused "recover while the gateway runs" 'runs' recover "$recovery"
refused "rekey while the gateway runs" 'running gateway' gateway vault rekey
gateway_stop

rm "$dir/keys/vault.key"
slip=0
case $recovery in *0) slip=1 ;; esac
refused "a slip of the finger" 'check' recover "${recovery%?}$slip"
refused "another's recovery key" 'fits no slot' recover "$("$NJ" init --dir "$tmp/other" --json | jq -r .recovery_key)"
is "nothing was made" "" "$(ls "$dir/keys")"
said=$(recover "$(tr 'A-Z' 'a-z' <<< "$recovery" | tr -d -)")
has "it says what it did" 'new key file +.*vault.key' "$said"
has "and whom it concerns" 'keys of 1 devices' "$said"
is "the new file's mode" 600 "$(stat -c %a "$dir/keys/vault.key")"
is "the device is there" pump "$(kept)"
is "it is audited" 1 "$(gateway audit tail --count 100 --event vault.recovered --json | wc -l)"
gateway_start
succeeds "the device gets in" publish pump $GW4:$KNOCK dev/pump/t hello
gateway_stop

head -c 32 /dev/urandom > "$dir/keys/vault.key"
said=$(recover "$recovery")
has "a wrong key file is moved aside" 'moved aside +.*replaced' "$said"
is "the device is still there" pump "$(kept)"
cp "$dir/keys/vault.key" "$tmp/second.key"
cp "$tmp/first.key" "$dir/keys/vault.key"
refused "the lost file, found again" 'fits no slot' gateway device list
cp "$tmp/second.key" "$dir/keys/vault.key"

# One damaged key must not cost all the others.
enrol device broken
sqlite3 "$dir/keeper/keeper.db" "UPDATE devices SET sealed_key = zeroblob(72) WHERE name = 'broken'"
rm "$dir/keys/vault.key"
said=$(recover "$recovery")
has "a damaged key is told of" 'keys of 1 are damaged and do not open, broken first' "$said"
has "and how many others open" 'keys of 1 devices' "$said"
refused "with it the gateway does not start" 'broken' gateway serve
succeeds "it is revoked" gateway device revoke broken
is "the device is there as ever" pump "$(kept)"
cp "$dir/keys/vault.key" "$tmp/second.key"

# -- a new vault key -------------------------------------------------------------------------------------------------
phrase=$(gateway vault slot add --memory-mib 64 --json | jq -r .passphrase)
other=$(gateway vault slot add --memory-mib 64 --json | jq -r .passphrase)
refused "a rekey that does not say what becomes of passphrases" '2 passphrase slots: --keep' gateway vault rekey
refused "--keep with a wrong one" 'not the passphrase of slot' gateway vault rekey --keep <<< $'wrong horse battery\nstaple'
refused "--recovery with another's" "not the vault's" gateway vault rekey --drop --recovery <<< "$("$NJ" init --dir "$tmp/third" --json | jq -r .recovery_key)"
is "nothing was changed" pump "$(kept)"
said=$(gateway vault rekey --keep --recovery --json <<< "$recovery
$phrase
$other" 2> "$tmp/said")
recovery=$(jq -r .recovery_key <<< "$said")
is "both are kept" "2 0 0" "$(jq -r '"\(.kept) \(.dropped) \(.recovery_left)"' <<< "$said")"
is "as slots of their own" "recovery key-file passphrase passphrase" "$(gateway vault slot list --json | jq -r .kind | paste -sd' ')"
cp "$dir/keys/vault.key" "$tmp/second.key"
rm "$dir/keys/vault.key"
gateway_locked_unlock() { # with the passphrase that was kept
	: > "$tmp/ready"
	ip netns exec "$GW" "$NJ" serve --dir "$dir" > "$tmp/ready" 2>> "$tmp/log" &
	supervisor=$!
	# By the log: a command that asked too early would work on the stopped gateway.
	within 15000 grep -q event=vault.locked "$tmp/log"
	within 5000 eval '[ "$(gateway status --json 2> /dev/null | jq .keeper.vault.locked 2> /dev/null)" = true ]'
	gateway vault unlock <<< "$1"
}
succeeds "a kept passphrase opens the new vault" gateway_locked_unlock "$other"
within 5000 is_ready
kill -TERM $supervisor && wait $supervisor
cp "$tmp/second.key" "$dir/keys/vault.key"
said=$(gateway vault rekey --drop --json)
new=$(jq -r .recovery_key <<< "$said")
is "passphrases went with it" 2 "$(jq .dropped <<< "$said")"
is "the device's recovery key is still the last one's" 1 "$(jq .recovery_left <<< "$said")"
cp "$dir/keys/vault.key" "$tmp/third.key"
is "the device is there after the rekey" pump "$(kept)"
has "the audit log is whole" '^whole' "$(gateway audit verify)"
is "the rekey is audited" 2 "$(gateway audit tail --count 100 --event vault.rekeyed --json | wc -l)"
cp "$tmp/second.key" "$dir/keys/vault.key"
refused "the key file from before" 'fits no slot' gateway device list
refused "the recovery key from before" 'fits no slot' recover "$recovery"
succeeds "the new recovery key" recover "$new"
# Cut off between the commit and the rename: the successor lies beside the old file.
cp "$dir/keys/vault.key" "$dir/keys/vault.key.new"
cp "$tmp/first.key" "$dir/keys/vault.key"
is "an interrupted rekey is finished" pump "$(kept)"
is "its file has the name" "vault.key" "$(ls "$dir/keys" | grep -v replaced | paste -sd,)"
gateway_start
succeeds "the device gets in after all that" publish pump $GW4:$KNOCK dev/pump/t hello
gateway_stop
finish
