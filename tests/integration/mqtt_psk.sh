#!/usr/bin/env bash
# The stock MQTT clients behind a knock, IPv4 and IPv6. A stranger sees nothing before, between and after, and nothing
# but the right one-time key gets in, once.
set -u
. "$(dirname "$0")/lib.sh"
world nmap mosquitto_pub mosquitto_sub
gateway_make
enrol device d1 d2 d3 d4
enrol application office

one_time() { # NAME: knocks; $identity and $key may be used for the next 30 s
	local told
	told=$(in_out "$NJ" knock --credentials "$tmp/$1.cred" --to $GW4 --json --show-key)
	identity=$(jq -r .identity <<< "$told") key=$(jq -r .key <<< "$told")
}
enter() { # IDENTITY KEY TEXT
	in_out timeout 2 mosquitto_pub -h $GW4 -p $MQTTS --psk-identity "$1" --psk "$2" -t dev/d1/temp -m "$3" > /dev/null 2>&1
	[ $? = 0 ] && echo in || echo out
}

test_messages() {
	local host
	for host in $GW4 "[$GW6]:$KNOCK"; do
		succeeds "$host: an application knocks and subscribes" subscribe office "$host" 'dev/#' -C 1 -W 10
		succeeds "$host: a device knocks and publishes" publish d1 "$host" dev/d1/temp 21.5
		wait $subscriber
		is "$host: the subscriber ends with status" 0 $?
		has "$host: the message arrives" '^got dev/d1/temp 21\.5$' "$(< "$tmp/office.got")"
		dark "after messages to $host"
	done
}

test_denied() {
	local said
	said=$(knock d2 $GW4 mosquitto_sub -d $PSK -t 'dev/#' -W 5 2>&1)
	has "a topic outside the profile is refused" 'Subscribed \(mid: 1\): 128|denied' "$said"
	subscribe office $GW4 'dev/#' -C 1 -W 10
	publish d2 $GW4 dev/d1/temp stolen
	publish d2 $GW4 dev/d2/temp own
	wait $subscriber
	is "only the own topic's message is delivered" "got dev/d2/temp own" "$(grep ^got "$tmp/office.got")"
	has "the denial is audited" '"event":"denied"' "$(gateway audit tail --event denied --subject d2 --json)"
}

# d3's knock keeps the port open to this source, so that only the proof decides.
test_proofs() {
	knock d3 $GW4 sleep 8 &
	sleep 0.3
	is "another device's grant: the port" open "$(reach "$OUT" $GW4)"
	one_time d4
	is "a wrong key is" out "$(enter "$identity" "$(printf '%064d' 0)" wrong)"
	is "an unknown identity is" out "$(enter 0123456789abcdef "$key" unknown)"
	is "the right one is" in "$(enter "$identity" "$key" right)"
	is "a second time it is" out "$(enter "$identity" "$key" again)"
	is "another address: the port" silent "$(reach "$OUT" $GW4 $DEVICE4)"
	is "a stranger: the port" silent "$(reach "$FAR" $GW4)"
	dark "during a grant"
	wait $!
}

test_no_grant_left() {
	knock d2 $GW4 true
	is "a knock that nobody used: the port" open "$(reach "$OUT" $GW4)"
	publish d2 $GW4 dev/d2/temp 1
	refused "a wrong service is refused before an attempt is spent" 'no service "mqttz"' \
		"$NJ" knock --credentials "$tmp/d2.cred" --to $GW4 --service mqttz --then true
}

gateway_start
dark "before"
test_messages
test_denied
test_proofs
test_no_grant_left
gateway_stop
has "all is recorded" '^whole' "$(gateway audit verify)"
finish
