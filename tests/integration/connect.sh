#!/usr/bin/env bash
# `nightjar knock --connect`: stock clients that speak plain MQTT on loopback, through a proxy that knocks and verifies
# the gateway. A server that proves nothing gets not a byte of theirs.
set -u
. "$(dirname "$0")/lib.sh"
world nmap mosquitto_pub mosquitto_sub openssl
gateway_make
must gateway profile set certified --publish 'dev/{device}/#' --subscribe 'cmd/{device}/#' --bind certificate
enrol device d1
must gateway device add c1 --profile certified --out "$tmp/c1.cred"
enrol application office

# NAME HOST WHERE [OPTIONS]: a proxy in $OUT; its listener is up when this returns. $proxy is its process.
proxy() {
	local name=$1 host=$2 where=$3
	shift 3
	: > "$tmp/$name.listen"
	ip netns exec "$OUT" "$NJ" knock --credentials "$tmp/$name.cred" --to "$host" --connect "$where" "$@" \
		> "$tmp/$name.listen" 2> "$tmp/$name.err" &
	proxy=$!
	within 5000 grep -q '^listening' "$tmp/$name.listen"
}
counter() { sed -n "s/^$2: //p" "$tmp/$1.cred"; } # NAME KEY
plain_pub() { in_out timeout 15 mosquitto_pub -h 127.0.0.1 -p "$@"; }

test_key() {
	proxy d1 $GW4 1883
	dp=$proxy
	proxy office "[$GW6]:$KNOCK" 1884
	op=$proxy
	in_out stdbuf -oL timeout 30 mosquitto_sub -d -h 127.0.0.1 -p 1884 -t 'dev/#' -F 'got %t %p' -C 1 > "$tmp/office.got" 2>&1 &
	subscriber=$!
	within 5000 grep -q '^Subscribed' "$tmp/office.got"
	succeeds "a plain client publishes through the proxy" plain_pub 1883 -t dev/d1/temp -m 21.5
	wait $subscriber
	has "a plain client gets it through another" '^got dev/d1/temp 21\.5$' "$(< "$tmp/office.got")"
	has "the proxy says how the gateway was verified" 'verified by the one-time key' "$(< "$tmp/d1.err")"
	is "the counter is proven" 0 "$(counter d1 attempt)"
	for i in 1 2 3; do plain_pub 1883 -t dev/d1/temp -m $i & pubs[i]=$!; done
	wait "${pubs[@]}"
	is "three clients at once" 0 $?
	is "one knock each" 4 "$(accepted d1)"
	is "no attempt was lost" 0 "$(counter d1 attempt)"
}

test_websocket() {
	has "a WebSocket, behind knock and TLS" '^HTTP/1.1 101 ' "$(in_out bash -c "$ASK_WEBSOCKET" 127.0.0.1 1883)"
	has "not from a page" '^HTTP/1.1 403 ' \
		"$(ORIGIN=https://evil.example in_out bash -c "$ASK_WEBSOCKET" 127.0.0.1 1883)"
}

# More than the buffers on the way hold.
test_large() {
	local i
	for i in $(seq 40); do head -c 75000 /dev/urandom | base64 -w0; echo; done > "$tmp/large"
	in_out timeout 60 mosquitto_sub -q 1 -d -h 127.0.0.1 -p 1884 -t 'dev/#' -C 40 -F '%p' > "$tmp/office.large" 2>&1 &
	subscriber=$!
	within 5000 grep -q '^Subscribed' "$tmp/office.large"
	succeeds "4 MB go out" timeout 60 bash -c \
		"ip netns exec $OUT mosquitto_pub -h 127.0.0.1 -p 1883 -q 1 -t dev/d1/large -l < '$tmp/large'"
	wait $subscriber
	is "and arrive whole" "$(sha256sum < "$tmp/large")" "$(awk 'length($0) == 100000' "$tmp/office.large" | sha256sum)"
}

test_certificate() {
	local cp
	proxy c1 $GW4 unix:"$tmp/c1.sock" --once
	cp=$proxy
	printf '\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02c1' > "$tmp/connect"
	exec 7< <(sleep 3)
	is "a client on a Unix socket is answered CONNACK" 20020000 \
		"$( (cat "$tmp/connect"; sleep 2) | in_out timeout 10 python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.stdin.buffer.read(16))
print(s.recv(4).hex())' "$tmp/c1.sock")"
	wait $cp
	is "--once ends with status" 0 $?
	has "the gateway is verified by its certificate" 'verified by its certificate' "$(< "$tmp/c1.err")"
}

# Somebody else at the gateway's address: he takes the knock for nothing, and shows a certificate of his own.
test_impostor() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/evil.key" -out "$tmp/evil.pem" \
		-days 2 -subj "/CN=$GW4" -addext "subjectAltName=IP:$GW4,IP:127.0.0.1" 2> /dev/null
	in_out openssl s_server -accept 127.0.0.1:$MQTTS -cert "$tmp/evil.pem" -key "$tmp/evil.key" -quiet > "$tmp/evil.got" 2>&1 < <(sleep 30) &
	local evil=$! name cp
	sleep 0.5
	for name in d1 c1; do
		cp "$tmp/$name.cred" "$tmp/$name-copy.cred"
		proxy $name-copy 127.0.0.1:$KNOCK 1890 --once
		cp=$proxy
		is "$name: a client behind an impostor is cut off" 1 \
			"$(plain_pub 1890 -t dev/$name/temp -m secret > /dev/null 2>&1; [ $? = 0 ]; echo $?)"
		wait $cp
		is "$name: --once says so" 1 "$([ $? = 0 ]; echo $?)"
		has "$name: and why" 'did not prove itself' "$(< "$tmp/$name-copy.err")"
	done
	is "the impostor got nothing of it" 0 "$(grep -c 'MQTT\|secret' "$tmp/evil.got")"
	kill $evil 2> /dev/null
	wait $evil 2> /dev/null
}

test_refusals() {
	refused "not on every address" 'loopback alone' in_out "$NJ" knock --credentials "$tmp/d1.cred" --connect 0.0.0.0:1883
	refused "a port in use" 'in use' in_out "$NJ" knock --credentials "$tmp/d1.cred" --connect 1883
	refused "not with --then" 'exclude' in_out "$NJ" knock --credentials "$tmp/d1.cred" --connect 1899 --then true
	refused "not for a plain service" 'over TLS' in_out "$NJ" knock --credentials "$tmp/d1.cred" --service mqtt --connect 1899
	gateway device revoke d1 > /dev/null
	is "a revoked device's client is cut off" 1 \
		"$(plain_pub 1883 -t dev/d1/temp -m late > /dev/null 2>&1; [ $? = 0 ]; echo $?)"
}

gateway_start
test_key
test_websocket
test_large
test_certificate
test_impostor
test_refusals
kill $dp $op
wait $dp $op 2> /dev/null
gateway_stop
has "all is recorded" '^whole' "$(gateway audit verify)"
finish
