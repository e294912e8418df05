#!/usr/bin/env bash
# Other people's clients on the local listener: mosquitto's with the options of MQTT 5, npm's "mqtt", Paho's C client.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub mosquitto_sub
gateway_make
must gateway profile set bench --publish '#' --subscribe '#'
must gateway application add bench --profile bench --out "$tmp/bench.cred"
PORT=11883
printf 'local:\n  - service: mqtt\n    address: "127.0.0.1:%s"\n    as: bench\n' $PORT >> "$dir/nightjar.yaml"
printf '  - service: mqtt\n    address: "127.0.0.1:%s"\n    as: bench\n    verifier: "%s"\n' $((PORT + 1)) \
	"$(printf 'open sesame\n' | "$NJ" mqtt verifier)" >> "$dir/nightjar.yaml"
printf '  - service: mqtts\n    address: "127.0.0.1:%s"\n    as: bench\n' $((PORT + 2)) >> "$dir/nightjar.yaml"
at=(-h 127.0.0.1 -p $PORT -V mqttv5)

sub() { # FILE OPTIONS…: in the background, subscribed when this returns
	local file=$tmp/$1
	shift
	: > "$file"
	in_gw stdbuf -oL mosquitto_sub -d -W 10 "${at[@]}" "$@" > "$file" 2>&1 &
	subscriber=$!
	within 5000 grep -q '^Subscribed' "$file"
}
pub() { in_gw mosquitto_pub "${at[@]}" "$@"; }
got() { grep ^got "$tmp/$1"; }

test_properties() {
	sub properties -t 'p/#' -q 1 -C 2 -F 'got %t %p %C %R %P' -D connect topic-alias-maximum 10
	succeeds "properties are taken" pub -t p/1 -m x -q 1 -D publish content-type text/plain \
		-D publish response-topic reply/here -D publish user-property name value -D publish message-expiry-interval 60
	succeeds "a topic alias is taken" pub -t p/1 -m y -q 1 -D publish topic-alias 3 -D publish content-type a \
		-D publish response-topic b -D publish user-property c d
	wait $subscriber
	is "properties arrive, behind an alias too" \
		"got p/1 x text/plain reply/here name:value
got p/1 y a b c:d" "$(got properties)"
}
test_expiry() {
	in_gw mosquitto_sub "${at[@]}" -t q/x -q 1 -i lasting -c -x 100 -E
	pub -t q/x -m gone -q 1 -D publish message-expiry-interval 1
	pub -t q/x -m there -q 1 -D publish message-expiry-interval 100
	sleep 2.1 # the first one's second passes
	sub expiry -t q/x -q 1 -i lasting -c -x 100 -C 1 -F 'got %p %E'
	wait $subscriber
	has "an expired message is not sent, another with what is left" '^got there 9[0-9]$' "$(got expiry)"
}
test_retained() {
	pub -t r/kept -m kept -r -q 1
	sub asked -t 'r/#' -C 1 -F 'got %p %r'
	wait $subscriber
	is "a retained message is sent" "got kept 1" "$(got asked)"
	pub -t r/kept -r -n
	sub cleared -t 'r/#' -C 1 -F 'got %p %r'
	pub -t r/kept -m new
	wait $subscriber
	is "and is gone when it was cleared" "got new 0" "$(got cleared)"
}
test_shared() {
	local one
	sub one -t '$share/g/s/#' -q 1 -C 3 -F 'got %p'
	one=$subscriber
	sub two -t '$share/g/s/#' -q 1 -C 3 -F 'got %p'
	printf '%s\n' 1 2 3 4 5 6 | pub -t s/x -q 1 -l
	wait $one $subscriber
	is "a shared subscription: each message once" "1 2 3 4 5 6" \
		"$({ got one; got two; } | sed 's/got //' | sort | paste -sd' ')"
}
test_will() {
	local dying
	sub watching -t 'w/#' -C 1 -q 1 -F 'got %p %C'
	local watching=$subscriber
	sub dying -t none -i dying --will-topic w/x --will-payload gone --will-qos 1 -c -x 100 \
		-D will will-delay-interval 1 -D will content-type words
	dying=$(pgrep -P $subscriber -x mosquitto_sub || echo $subscriber)
	kill -9 $dying
	wait $watching
	is "a will with a delay and properties" "got gone words" "$(got watching)"
}
gateway_start
test_properties
test_expiry
test_retained
test_shared
test_will
if [ -d "$here/npm/node_modules/mqtt" ] && command -v node > /dev/null; then
	in_gw timeout 60 node "$here/npm.mjs" $PORT $((PORT + 1)) $((PORT + 2)) || failures=$((failures + 1))
else
	echo "skipped: npm's mqtt is not installed (scripts/deps.sh test)"
fi
if [ -x "$NJ_BUILD/tests/integration/paho" ]; then
	in_gw timeout 60 "$NJ_BUILD/tests/integration/paho" tcp://127.0.0.1:$PORT || failures=$((failures + 1))
else
	echo "skipped: built without libpaho-mqtt-dev"
fi
gateway_stop
finish
