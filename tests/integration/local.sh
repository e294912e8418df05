#!/usr/bin/env bash
# The local listener: stock clients on loopback and on a Unix socket, without a knock, with any client id, user name
# and password. Without a cloak it listens nowhere else.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub mosquitto_sub openssl
gateway_make
must gateway profile set bench --publish '#' --subscribe '#'
must gateway application add bench --profile bench --out "$tmp/bench.cred"
enrol application office
PORT=11883

sub() { # FILE OPTIONS…: in the background, subscribed when this returns
	local file=$tmp/$1
	shift
	: > "$file"
	in_gw stdbuf -oL mosquitto_sub -d -F 'got %t %q %r %p' -W 10 "$@" > "$file" 2>&1 &
	subscriber=$!
	within 5000 grep -q '^Subscribed' "$file"
}
pub() { in_gw mosquitto_pub "$@"; }

test_version() { # mqttv311|mqttv5 WHERE…
	local v=$1 qos id=0
	shift
	local at=("$@" -V "$v")
	for qos in 0 1 2; do
		sub $v.$qos "${at[@]}" -t "t/+/$qos" -q $qos -C 1 -i "any id $qos" -u anybody -P anything
		succeeds "$v QoS $qos published ($1)" pub "${at[@]}" -t t/a/$qos -q $qos -m "qos $qos"
		wait $subscriber
		is "$v QoS $qos arrives" "got t/a/$qos $qos 0 qos $qos" "$(grep ^got "$tmp/$v.$qos")"
	done
	pub "${at[@]}" -t t/kept -r -q 1 -m kept
	sub $v.kept "${at[@]}" -t t/kept -q 1 -C 1
	wait $subscriber
	is "$v retained" "got t/kept 1 1 kept" "$(grep ^got "$tmp/$v.kept")"
	pub "${at[@]}" -t t/kept -r -n
	test_will "$v" "$@"
}
test_will() { # mqttv311|mqttv5 WHERE…
	local v=$1 dying
	shift
	local at=("$@" -V "$v")
	sub $v.dying "${at[@]}" -t none --will-topic t/will --will-payload gone --will-qos 1
	dying=$(pgrep -P $subscriber -x mosquitto_sub || echo $subscriber)
	sub $v.will "${at[@]}" -t t/will -q 1 -C 1
	kill -9 $dying
	wait $subscriber
	is "$v will" "got t/will 1 0 gone" "$(grep ^got "$tmp/$v.will")"
}
test_rights() {
	local said
	said=$(in_gw mosquitto_sub -d -h 127.0.0.1 -p $((PORT + 1)) -t 'cmd/#' -W 5 2>&1)
	has "the application's profile holds" '128|denied' "$said"
}
# A password, asked for on one listener alone.
test_password() {
	local verifier at=(-h 127.0.0.1 -p $((PORT + 3)) -t t/p -m 1)
	refused "check of a verifier that is none" 'mqtt verifier' gateway check
	sed -i '/^ *verifier:/d' "$dir/nightjar.yaml"
	verifier=$(printf 'open sesame\n' | "$NJ" mqtt verifier)
	has "a verifier" '^SCRAM-SHA-256\$4096:' "$verifier"
	printf '    verifier: "%s"\n' "$verifier" >> "$dir/nightjar.yaml"
	succeeds "check of a verifier" gateway check
	gateway_start
	local v
	for v in mqttv311 mqttv5; do
		succeeds "$v with the password" pub "${at[@]}" -V $v -u bench -P 'open sesame'
		has "$v with a wrong one" 'refused|Bad User' "$(pub "${at[@]}" -V $v -u bench -P 'open says me' 2>&1)"
		has "$v without one" 'refused|Bad User' "$(pub "${at[@]}" -V $v 2>&1)"
	done
	gateway_stop
}
test_elsewhere() {
	local place
	for place in 0.0.0.0:11883 $GW4:11883 "[::]:11883"; do
		refused "serve --local on $place" 'loopback|local' \
			timeout 10 ip netns exec "$GW" "$NJ" serve --dir "$dir" --local "mqtt=$place,as=bench"
		cp "$dir/nightjar.yaml" "$tmp/config"
		printf 'local:\n  - service: mqtt\n    address: "%s"\n    as: bench\n    cloak: none\n' "$place" \
			>> "$dir/nightjar.yaml"
		refused "check of $place without a cloak" 'loopback' gateway check
		refused "serve of $place without a cloak" 'loopback' timeout 10 ip netns exec "$GW" "$NJ" serve --dir "$dir"
		cp "$tmp/config" "$dir/nightjar.yaml"
	done
}

# Said out loud, a listener is open to whoever reaches it; status and audit say so, and nothing else becomes open by it.
test_exposed() {
	local at=$GW4:$((PORT + 4)) status
	cp "$dir/nightjar.yaml" "$tmp/config"
	printf 'local:\n  - service: mqtt\n    address: "%s"\n    as: bench\n    cloak: none\n    exposed: true\n' "$at" \
		>> "$dir/nightjar.yaml"
	succeeds "check of a listener that is exposed" gateway check
	gateway_start
	succeeds "others reach it" in_out mosquitto_pub -h $GW4 -p $((PORT + 4)) -t t/a -m 1
	is "and no other port" silent "$(reach "$OUT" $GW4)"
	status=$(gateway status)
	has "status shows it" "$at +local, as \"bench\" +exposed" "$status"
	has "and warns" 'can be reached by other machines' "$status"
	has "the audit has it" "whoever reaches $at is the application bench" \
		"$(gateway audit tail --event cloak.weak --count 1 --json)"
	gateway_stop
	sed -i 's/exposed: true/exposed: false/' "$dir/nightjar.yaml"
	refused "taken back" 'exposed: true' gateway check
	cp "$tmp/config" "$dir/nightjar.yaml"
}

# Pages come in where they are listed, and there alone; programs always.
test_origins() {
	cp "$dir/nightjar.yaml" "$tmp/config"
	printf 'local:\n  - service: mqtt\n    address: "127.0.0.1:%s"\n    as: bench\n    origins: ["https://app.example"]\n' \
		$((PORT + 5)) >> "$dir/nightjar.yaml"
	printf '  - service: mqtt\n    address: "127.0.0.1:%s"\n    as: bench\n' $((PORT + 6)) >> "$dir/nightjar.yaml"
	gateway_start
	has "a program" '^HTTP/1.1 101 ' "$(in_gw bash -c "$ASK_WEBSOCKET" 127.0.0.1 $((PORT + 5)))"
	export ORIGIN=https://app.example
	has "a page that is listed" '^HTTP/1.1 101 ' "$(in_gw bash -c "$ASK_WEBSOCKET" 127.0.0.1 $((PORT + 5)))"
	has "it is not for another listener" '^HTTP/1.1 403 ' "$(in_gw bash -c "$ASK_WEBSOCKET" 127.0.0.1 $((PORT + 6)))"
	ORIGIN=https://evil.example
	has "a page that is not" '^HTTP/1.1 403 ' "$(in_gw bash -c "$ASK_WEBSOCKET" 127.0.0.1 $((PORT + 5)))"
	ORIGIN=$'https://\xff'
	has "not even text" '^HTTP/1.1 403 ' "$(in_gw bash -c "$ASK_WEBSOCKET" 127.0.0.1 $((PORT + 5)))"
	unset ORIGIN
	within 5000 origins_noted
	is "each is counted" 3 "$(gateway metrics | awk '/^nightjar_entry_origins_refused_total/ { print $2 }')"
	has "the audit names the page" '"detail":"https://evil.example, and 0 more' \
		"$(gateway audit tail --event origin.refused --json)"
	succeeds "the log does" grep -q 'origin.refused.*https://evil.example' "$tmp/log"
	gateway_stop
	cp "$tmp/config" "$dir/nightjar.yaml"
}
origins_noted() { [ "$(gateway audit tail --event origin.refused --json | wc -l)" = 3 ]; }

# The gateway's certificate is for its own host's name, not for loopback.
test_tls() {
	local at="-h 127.0.0.1 -p $((PORT + 2)) --insecure"
	sed -n '/^ca:/,/END CERT/p' "$tmp/bench.cred" | sed 's/^  //; /^ca:/d' > "$tmp/ca.pem"
	sub tls $at --cafile "$tmp/ca.pem" -t t/tls -q 1 -C 1
	succeeds "TLS without a proof" pub $at --cafile "$tmp/ca.pem" -t t/tls -q 1 -m 1
	wait $subscriber
	is "what it carries arrives" "got t/tls 1 0 1" "$(grep ^got "$tmp/tls")"
	refused "the certificate is of the gateway's CA alone" 'TLS error|certificate verify failed' \
		pub $at --capath /etc/ssl/certs -t t/tls -m 1
	refused "TLS 1.2" 'no peer certificate' ip netns exec "$GW" timeout 5 openssl s_client \
		-connect 127.0.0.1:$((PORT + 2)) -tls1_2 < /dev/null
	refused "no TLS" 'lost|not connected|refused|reset' timeout 5 ip netns exec "$GW" mosquitto_pub -h 127.0.0.1 \
		-p $((PORT + 2)) -t t/tls -m 1
}

test_elsewhere
test_exposed
test_origins
gateway_start --local mqtt=127.0.0.1:$PORT,as=bench --local "mqtt=[::1]:$PORT,as=bench" \
	--local mqtt=127.0.0.1:$((PORT + 1)),as=office --local "mqtt=unix:$tmp/local.sock,as=bench" \
	--local mqtts=127.0.0.1:$((PORT + 2)),as=bench
test_version mqttv311 -h 127.0.0.1 -p $PORT
test_version mqttv5 -h ::1 -p $PORT
test_version mqttv5 --unix "$tmp/local.sock"
test_rights
test_tls
is "the local port from outside" "refused" "$(in_out "$PACKET" reach $GW4 $PORT)"
gateway_stop
# 1883 is a cloaked port of the defaults: a loopback listener lives beside it.
test_shared_port() { # WHO
	gateway_start --local mqtt=127.0.0.1:1883,as=bench
	succeeds "a local listener on the port of a cloaked service, $1" pub -h 127.0.0.1 -p 1883 -t t/a -m 1
	is "which stays silent" silent "$(in_out "$PACKET" reach $GW4 1883)"
	gateway_stop
}
test_shared_port "one user"
printf 'local:\n  - service: mqtt\n    address: "127.0.0.1:%s"\n    as: bench\n    verifier: "none"\n' $((PORT + 3)) \
	>> "$dir/nightjar.yaml"
test_password
printf 'users:\n  keeper: "64701"\n  gateway: "64702"\n' >> "$dir/nightjar.yaml"
test_shared_port "two users"
# What a folder's owner can put into it must not become his by the next start.
echo root > "$tmp/roots" && ln "$tmp/roots" "$dir/gateway/mine"
refused "a start over a link to somebody else's file" 'cannot be given' gateway serve
rm "$dir/gateway/mine" && ln -s "$tmp/roots" "$dir/gateway/mine"
gateway_start
is "whose that file is" "0 0" "$(stat -c '%u %g' "$tmp/roots")"
is "whose the store is" "64702 64702" "$(stat -c '%u %g' "$dir/gateway/gateway.db")"
is "whose the key is" "64701 64701" "$(stat -c '%u %g' "$dir/keys/vault.key")"
gateway_stop
finish
