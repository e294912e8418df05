#!/usr/bin/env bash
# `durability: relaxed`, which status shows: what was acknowledged a second before the gateway died is there, what came
# after is there up to some message and in order, and QoS 2 is as strict as ever: all of it, each once.
set -u
. "$(dirname "$0")/../integration/lib.sh"
world mosquitto_pub mosquitto_sub
gateway_make
must gateway profile set bench --publish '#' --subscribe '#'
must gateway application add bench --profile bench --out "$tmp/bench.cred"
sed -i -E 's/^( +durability:) .*/\1 relaxed/' "$dir/nightjar.yaml"
must gateway check
PORT=11883
AT="-h 127.0.0.1 -p $PORT"
ROUNDS=${ROUNDS:-2}
[ -z "${THOROUGH:-}" ] || ROUNDS=50

pub() { in_gw timeout 60 mosquitto_pub $AT "$@"; }
sub() { in_gw timeout 60 mosquitto_sub $AT "$@"; }
is_open() { [ "$(in_gw "$PACKET" reach 127.0.0.1 $PORT)" = open ]; }
has_new_worker() { children && [ "$worker" != "$1" ]; }
kill_worker() {
	local old=$worker
	kill -9 "$worker"
	within 15000 has_new_worker "$old" && within 15000 is_open
}

round() { # NUMBER
	local n=$1 got
	sub -c -i one$n -q 1 -t "one/$n" -E
	sub -c -i two$n -q 2 -t "two/$n" -E
	seq 100 | pub -i pub$n -q 1 -t "one/$n" -l
	sleep 1.5
	seq 101 200 | pub -i pub$n -q 1 -t "one/$n" -l
	seq 50 | pub -c -i pub2$n -q 2 -t "two/$n" -l
	kill_worker
	sub -c -i one$n -q 1 -t "one/$n" -W 3 > "$tmp/one" 2> /dev/null
	sub -c -i two$n -q 2 -t "two/$n" -W 3 > "$tmp/two" 2> /dev/null
	got=$(wc -l < "$tmp/one")
	at_most "round $n: lost of what was acknowledged within a second" 100 $((200 - got))
	is "round $n: and none but the last" "$(seq "$got" | md5sum)" "$(md5sum < "$tmp/one")"
	is "round $n: QoS 2, all of it once" "$(seq 50 | md5sum)" "$(md5sum < "$tmp/two")"
	echo "      $((200 - got)) lost"
}

gateway_start --local mqtt=127.0.0.1:$PORT,as=bench
is "status shows it" relaxed "$(gateway status --json | jq -r '.. | .durability? // empty')"
for n in $(seq "$ROUNDS"); do
	round "$n"
done
gateway_stop
finish
