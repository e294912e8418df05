#!/usr/bin/env bash
# The recovery key: a new key file in place of a lost, wrong or damaged one. A new vault key, after which the old key
# file and the old recovery key open nothing.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub
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

# -- a new vault key -------------------------------------------------------------------------------------------------
gateway vault slot add --memory-mib 64 > /dev/null
said=$(gateway vault rekey --json)
new=$(jq -r .recovery_key <<< "$said")
is "passphrases went with it" 1 "$(jq .dropped <<< "$said")"
cp "$dir/keys/vault.key" "$tmp/third.key"
is "the device is there after the rekey" pump "$(kept)"
has "the audit log is whole" '^whole' "$(gateway audit verify)"
is "the rekey is audited" 1 "$(gateway audit tail --count 100 --event vault.rekeyed --json | wc -l)"
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
