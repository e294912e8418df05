#!/usr/bin/env bash
# The gateway process in an attacker's hands (hostile.c): whatever it tries after it entered its sandbox is denied, the
# ports stay silent, and a device still gets in. With users of their own and without.
set -u
export NJ_PROGRAM=${NJ_BUILD:?the build folder}/tests/fault/nightjar-hostile
. "$(dirname "$0")/../integration/lib.sh"
world nmap mosquitto_pub

test_hostile() { # WHAT
	local tried denied
	rm -f "$tmp/log"
	gateway_start
	within 10000 grep -q 'hostile: [0-9]* attempts' "$tmp/log"
	tried=$(sed -n 's/^hostile: \([0-9]*\) attempts/\1/p' "$tmp/log")
	denied=$(grep -c '^hostile: .*: denied$' "$tmp/log")
	is "$1: allowed" "" "$(grep 'ALLOWED$' "$tmp/log")"
	is "$1: attempts denied" "${tried:-none were made}" "$denied"
	is "$1: the gateway runs as uid" "$2" "$(awk '/^Uid:/ { print $2 }' "/proc/$worker/status")"
	dark "$1"
	succeeds "$1: a device gets in" publish d1 $GW4 dev/d1/t 1
	gateway_status=$(gateway status)
	gateway_stop
	is "$1: nothing was written elsewhere" "" "$(ls -d /tmp/nightjar-hostile* 2> /dev/null)"
}

gateway_make
enrol device d1

# A gateway that names another file as its store's copy has it neither taken into a backup nor removed.
touch "$dir/gateway/lie-about-copy"
ip netns exec "$GW" "$NJ" serve --dir "$dir" > /dev/null 2>> "$tmp/log" &
supervisor=$!
within 10000 grep -q 'process.ready.*role=keeper' "$tmp/log"
key=$(xxd -p -c 64 "$dir/keys/vault.key")
refused "a backup whose copy is elsewhere" 'gateway.db.copy' gateway backup --out "$tmp/lied.backup"
is "the vault's key is where it was" "$key" "$(xxd -p -c 64 "$dir/keys/vault.key" 2>&1)"
is "there is no such backup" no "$([ -e "$tmp/lied.backup" ] && echo yes || echo no)"
gateway_stop
rm -f "$tmp/log"

# A gateway that breaks the rules of its channel is ended and started again, so that doors open once more.
touch "$dir/gateway/break-rules"
gateway_start
has "a gateway that broke the rules: why it ended" 'process.killed.*role=gateway reason="it broke the rules' "$(< "$tmp/log")"
succeeds "and with the next one: a device gets in" publish d1 $GW4 dev/d1/t 1
gateway_stop

# A gateway that does not stop is killed; the keeper still ends in order, with a record and a signed checkpoint.
rm -f "$tmp/log"
touch "$dir/gateway/hang"
ip netns exec "$GW" "$NJ" serve --dir "$dir" > /dev/null 2>> "$tmp/log" &
supervisor=$!
within 10000 grep -q 'hostile: [0-9]* attempts' "$tmp/log"
within 5000 grep -q 'process.ready.*role=keeper' "$tmp/log"
gateway_stop
is "a gateway that does not stop: who was killed" gateway \
	"$(sed -n 's/.*process.killed.*role=\([a-z]*\).*/\1/p' "$tmp/log" | paste -sd' ')"
has "the audit's last record" '"event": *"stop"' "$(gateway audit tail --count 1 --json)"
test_hostile "one user" "$(id -u)"
has "status says what one user means" 'not enforced against the gateway' "$gateway_status"
printf 'users:\n  keeper: "64701"\n  gateway: "64702"\n' >> "$dir/nightjar.yaml"
test_hostile "two users" 64702
is "status then warns of" "" "$(grep 'not enforced' <<< "$gateway_status")"
finish
