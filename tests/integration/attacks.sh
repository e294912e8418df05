#!/usr/bin/env bash
# Attacks from the address of a granted device (a neighbour behind its NAT, or somebody on its path): floods of SYN,
# connections that hold slots, a ClientHello replayed before and after its session. None cuts a living session, keeps a
# device out, spends its grant or gets in. docs/protocol/attacks.md lists the others.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub mosquitto_sub python3 openssl
ATTACK="python3 $here/attack.py"
gateway_make
enrol device d1 d2 d3 d4
enrol application office
gateway_start

heard() { grep -q "got $1\$" "$tmp/office.got"; } # TOPIC TEXT

succeeds "a living session from this address" subscribe office $GW4 'dev/#'

# A grant for this address is open all the while, and the flood comes from it.
record d1 first
replay first
is "a grant for this address" open "$(reach "$OUT" $GW4)"
in_out $ATTACK syn $GW4 $MQTTS 4 $STRANGER4 > "$tmp/syn" &
flooding=$!
sleep 0.5
succeeds "under a flood of SYN its device is bound" in_out timeout 15 mosquitto_pub -h $GW4 -p $MQTTS \
	--psk-identity "$identity" --psk "$key" -t dev/d1/t -m flood -q 1
is "the flood outlasted it" yes "$([ -d /proc/$flooding ] && echo yes)"
wait $flooding
echo "      $(< "$tmp/syn") SYN"
succeeds "the living session got the message" within 10000 heard "dev/d1/t flood"

# Slots: silent connections and half a ClientHello, many more than one address may hold.
for kind in "" half; do
	record d2 "slots$kind"
	replay "slots$kind"
	rm -f "$tmp/holding"
	in_out $ATTACK hold $GW4 $MQTTS 300 20 $kind > "$tmp/holding" &
	holding=$!
	within 10000 grep -q held "$tmp/holding"
	succeeds "300 ${kind:-silent} connections of a neighbour: the device is bound" in_out timeout 15 mosquitto_pub \
		-h $GW4 -p $MQTTS --psk-identity "$identity" --psk "$key" -t dev/d2/t -m "slots$kind" -q 1
	succeeds "the living session got the message" within 10000 heard "dev/d2/t slots$kind"
	kill $holding 2> /dev/null
	wait $holding 2> /dev/null
done

# A ClientHello as it crosses the wire, with a right binder, sent by somebody who lacks the key.
record d3 hello
in_out timeout 60 $ATTACK hear 7777 "$tmp/hello.bytes" > "$tmp/hearing.hello" &
hearer=$!
within 10000 grep -q hearing "$tmp/hearing.hello"
in_out timeout 5 openssl s_client -connect 127.0.0.1:7777 -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256 \
	-psk_identity "$identity" -psk "$key" < /dev/null > /dev/null 2>&1
wait $hearer
# A door shuts when the keeper has heard of the binding: a commit later, at most. The one of d2 may just be closing.
met_silence() { [ "$(in_out $ATTACK say $GW4 $MQTTS "$tmp/hello.bytes")" = silent ]; }
succeeds "before its knock the replay meets silence" within 10000 met_silence
replay hello
has "the replayed hello gets no further" 'cut$' "$(in_out $ATTACK say $GW4 $MQTTS "$tmp/hello.bytes")"
has "nor a second time" 'cut$' "$(in_out $ATTACK say $GW4 $MQTTS "$tmp/hello.bytes")"
succeeds "the device is bound all the same" in_out timeout 10 mosquitto_pub -h $GW4 -p $MQTTS \
	--psk-identity "$identity" --psk "$key" -t dev/d3/t -m hello -q 1
succeeds "the living session got the message" within 10000 heard "dev/d3/t hello"
succeeds "after its session the replay meets silence" within 10000 met_silence
# With the port open for somebody else behind the address, the used key is worth nothing.
record d4 other
replay other
has "while a neighbour's grant is open it is cut" '^cut$' "$(in_out $ATTACK say $GW4 $MQTTS "$tmp/hello.bytes")"

is "the living session lives" 1 "$(in_out ss -Htn state established "dport = :$MQTTS" | wc -l)"
is "bound in all" 5 "$(gateway audit tail --count 1000 --event bound --json | wc -l)"
kill $subscriber 2> /dev/null
gateway_stop
finish
