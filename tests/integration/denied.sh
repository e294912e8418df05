#!/usr/bin/env bash
# What a device is denied is audited as text, also where a long topic is shortened inside a character: a record that the
# keeper refuses would cut the gateway process off from it, and nobody could come in any more.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub
gateway_make
enrol device d1 d2
gateway_start

letters=$(printf 'a%.0s' {1..96})
for cut in 93 94 95 96; do # "€" has three bytes; 96 are shown
	publish d1 $GW4 "${letters:0:$cut}€" 1 -V 5 -q 1
	has "denied: a character at byte $cut" 'Not authorized' "$(cat "$tmp/publish.err")"
	succeeds "then another device gets in" publish d2 $GW4 dev/d2/t 1
done
is "records of what was denied" 4 "$(gateway audit tail --event denied --subject d1 --json | wc -l)"
is "the keeper's complaints" "" "$(grep violation "$tmp/log")"
gateway_stop
finish
