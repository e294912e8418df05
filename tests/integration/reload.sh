#!/usr/bin/env bash
# The configuration read again while devices are connected: taken over whole or refused whole, sessions go on, what
# waits for a restart is named.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub mosquitto_sub
gateway_make
enrol device pump other
enrol application office
gateway_start
subscribe office $GW4:$KNOCK 'dev/#' || is "a subscriber" yes no
session=$subscriber
set_key() { # KEY VALUE: of a section's key in the printed file
	sed -i -E "s|^( *)$1: .*|\1$1: $2|" "$dir/nightjar.yaml"
}
records() { gateway audit tail --count 1000 --event "$1" --json | wc -l; }
wait_record() { [ "$(records "$1")" -ge "$2" ]; }

succeeds "a reload of the same file" gateway reload
has "it says that nothing changed" 'nothing to take over' "$(gateway reload)"

# -- what acts at once -----------------------------------------------------------------------------------------------
set_key rate_device_burst 1
set_key rate_device_refill 1h
set_key level debug
said=$(gateway reload)
has "what changed is named" 'log.level, knock.rate_device_burst, knock.rate_device_refill' "$said"
succeeds "the first knock of a device" publish pump $GW4:$KNOCK dev/pump/t one
in_out "$NJ" knock --credentials "$tmp/pump.cred" --to $GW4:$KNOCK > "$tmp/said"
within 5000 wait_record knock.limited 1
is "the second comes too fast now" 1 "$(records knock.limited)"
succeeds "the log tells more" grep -q 'level=debug' "$tmp/log"
set_key rate_device_burst 8
set_key rate_device_refill 5s
kill -HUP "$supervisor"
within 5000 wait_record reload 4
is "SIGHUP is audited as a signal" signal "$(gateway audit tail --event reload --count 1 --json | jq -r .source)"
succeeds "knocks are taken again" publish other $GW4:$KNOCK dev/other/t three

# -- what is refused -------------------------------------------------------------------------------------------------
cp "$dir/nightjar.yaml" "$tmp/good.yaml"
bad() { # WHAT PATTERN TEXT
	printf '%b' "$3" > "$dir/nightjar.yaml"
	refused "$1" "$2" gateway reload
}
bad "an empty file" 'refused' ''
bad "an unknown key" 'line 2.*hots.*host' 'cloak: bpf\nhots: x\n'
bad "a limit past its end" 'connections' 'limits:\n  connections: 0\n'
bad "a rule between keys" 'hello_timeout' 'limits:\n  hello_timeout: 20s\n'
bad "no YAML" 'line 1' '{{{{'
rm "$dir/nightjar.yaml"
refused "no file" 'nightjar.yaml' "$NJ" reload --dir "$dir"
cp "$tmp/good.yaml" "$dir/nightjar.yaml"
is "each refusal is audited" 6 "$(records reload.refused)"
has "nothing changed by them" 'nothing to take over' "$(gateway reload)"

# -- what waits for a restart ----------------------------------------------------------------------------------------
set_key mqtts 8884
set_key grant 7s
said=$(gateway reload)
has "the new port waits" 'After a restart only: ports.mqtts' "$said"
has "the rest acts" 'in effect is knock.grant' "$said"
succeeds "the old port serves" publish other $GW4:$KNOCK dev/other/t four
set_key mqtts 8883

# -- children that start later ---------------------------------------------------------------------------------------
old=$keeper
kill -9 "$keeper"
keeper_is_new() { children && [ "$keeper" != "$old" ] && gateway status --json | jq -e .keeper.gateway_connected > /dev/null; }
within 5000 keeper_is_new
set_key level info
has "a new keeper reloads too" 'log.level' "$(gateway reload)"

succeeds "the subscriber was never cut" kill -0 $session
within 10000 grep -q four "$tmp/office.got"
is "and got everything" "one three four" "$(grep -o 'got .*' "$tmp/office.got" | awk '{ print $3 }' | paste -sd' ')"
gateway_stop
refused "a stopped gateway" 'stopped' gateway reload
finish
