#!/usr/bin/env bash
# The vault's passphrases: a gateway whose key file is gone starts locked, every port dark, and serves once it is
# unlocked; slots come and go; a new vault key replaces every way in.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub
gateway_make
enrol device pump

made=$(gateway vault slot add --memory-mib 64 --json | jq -r .passphrase)
is "six words are made" 6 "$(wc -w <<< "$made")"
own() { gateway vault slot add --own --memory-mib 64 <<< "$1"; }
refused "15 characters of one's own" '16 characters' own 123456789012345
succeeds "16 characters of one's own" own 1234567890123456
refused "less than 64 MiB" '64' gateway vault slot add --memory-mib 63
is "the slots" "key-file:in use recovery:ok passphrase:ok passphrase:ok" \
	"$(gateway vault slot list --json | jq -r '.kind + ":" + .state' | paste -sd' ')"
grep -rqF "$made" "$dir" && failures=$((failures + 1)) && echo "WRONG the passphrase lies in a file"

# -- locked ----------------------------------------------------------------------------------------------------------
mv "$dir/keys/vault.key" "$tmp/vault.key"
refused "a command on the stopped gateway" 'key file' gateway device list
# By the log: a command that asked too early would work on the stopped gateway, and hold its lock.
logged_locked() { [ -d /proc/$supervisor ] || return 2; [ "$(grep -c event=vault.locked "$tmp/log")" -gt "$1" ]; }
locked_start() {
	: >> "$tmp/log"
	local before
	before=$(grep -c event=vault.locked "$tmp/log" 2> /dev/null)
	: > "$tmp/ready"
	ip netns exec "$GW" "$NJ" serve --dir "$dir" > "$tmp/ready" 2>> "$tmp/log" &
	supervisor=$!
	if ! within 10000 logged_locked "${before:-0}" || ! within 10000 says_locked; then
		grep -q CAP_BPF "$tmp/log" && { echo "skipped: $(tail -1 "$tmp/log")"; exit 77; }
		tail -5 "$tmp/log"
		is "the gateway starts locked" yes no
		finish
	fi
	children
}
says_locked() { [ "$(gateway status --json 2> /dev/null | jq .keeper.vault.locked 2> /dev/null)" = true ]; }
locked_start
is "locked: nothing says ready" "" "$(< "$tmp/ready")"
has "locked: status says so" '^gateway +locked' "$(gateway status)"
refused "locked: a command" 'vault unlock' gateway device list
is "locked: the TLS port" silent "$(reach "$OUT" $GW4)"
is "locked: a knock opens nothing" silent "$(knock pump $GW4:$KNOCK "$PACKET" reach $GW4 $MQTTS)"
unlock() { gateway vault unlock <<< "$1"; }
for i in 1 2 3 4 5; do refused "wrong passphrase $i" 'fits no slot' unlock "wrong horse battery staple"; done
refused "the sixth in time" 'one try in 30 s' unlock "$made"
is "locked: still dark" silent "$(reach "$OUT" $GW4)"
gateway_stop

locked_start
refused "a wrong passphrase" 'fits no slot' unlock "wrong horse battery staple"
succeeds "one's own passphrase opens the vault" unlock 1234567890123456
within 5000 is_ready
is "ready is said" ready "$(< "$tmp/ready")"
succeeds "a device gets in" publish pump $GW4:$KNOCK dev/pump/t hello
events=$(gateway audit tail --count 100 --event vault --json | jq -r .event | sort | uniq -c | sed 's/^ *//' | paste -sd,)
is "what is audited" \
	"1 vault.created,1 vault.degraded,2 vault.slot-added,1 vault.unlock-failed,1 vault.unlocked" "$events"
is "the failed slot is shown" degraded "$(gateway vault slot list --json | jq -r 'select(.id == 1).state')"
succeeds "the key file's slot is removed" gateway vault slot remove 1
refused "a slot that is not there" 'no slot 1' gateway vault slot remove 1
refused "unlock of an open vault" 'open' unlock "$made"
# A keeper that is started anew has forgotten the key: dark again, and sessions are not its matter.
before=$(grep -c event=vault.locked "$tmp/log")
kill -9 "$keeper"
within 10000 logged_locked "$before"
within 10000 says_locked
is "a new keeper is locked" true "$(gateway status --json | jq .keeper.vault.locked)"
succeeds "the made passphrase opens it" unlock "$made"
within 5000 children
within 5000 eval '! says_locked'
succeeds "and a device gets in again" publish pump $GW4:$KNOCK dev/pump/t hello
gateway_stop

# -- a new vault key -------------------------------------------------------------------------------------------------
refused "rekey without the key file" 'key file' gateway vault rekey
locked_start
succeeds "unlocked once more" unlock "$made"
within 5000 is_ready
gateway_stop
finish
