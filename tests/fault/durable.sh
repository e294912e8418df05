#!/usr/bin/env bash
# What was acknowledged is there after kill -9: messages for a subscriber that is away, the retained one, QoS 2 once.
# The gateway process alone dies, and the whole gateway, in turns.
set -u
. "$(dirname "$0")/../integration/lib.sh"
world mosquitto_pub mosquitto_sub
gateway_make
must gateway profile set bench --publish '#' --subscribe '#'
must gateway application add bench --profile bench --out "$tmp/bench.cred"
PORT=11883
AT="-h 127.0.0.1 -p $PORT"
ROUNDS=${ROUNDS:-20} MESSAGES=${MESSAGES:-1000}
[ -z "${THOROUGH:-}" ] || ROUNDS=200

pub() { in_gw timeout 60 mosquitto_pub $AT "$@"; }
sub() { in_gw timeout 60 mosquitto_sub $AT "$@"; }
open() { in_gw "$PACKET" reach 127.0.0.1 $PORT; }
is_open() { [ "$(open)" = open ]; }

kill_worker() {
	local old=$worker
	kill -9 "$worker"
	within 15000 has_new_worker "$old" && within 15000 is_open
}
has_new_worker() { children && [ "$worker" != "$1" ]; }
kill_all() {
	gateway_kill
	gateway_start --local mqtt=127.0.0.1:$PORT,as=bench
}

round() { # NUMBER HOW
	local n=$1 how=$2
	sub -c -i away$n -q 1 -t "r/$n/#" -E
	seq "$MESSAGES" | pub -i pub$n -q 1 -t "r/$n/m" -l
	pub -q 1 -r -t kept/$n -m "kept $n"
	"$how"
	sub -c -i away$n -q 1 -t "r/$n/#" -C "$MESSAGES" > "$tmp/got"
	is "round $n, $how: what was acknowledged" "$(seq "$MESSAGES" | md5sum)" "$(md5sum < "$tmp/got")"
	is "round $n, $how: retained" "kept $n" "$(sub -t kept/$n -C 1)"
	sub -i away$n -t none -E # the session ends
}

# Messages of QoS 2 that were acknowledged come once, and not again to whoever has acknowledged them.
exactly_once() {
	sub -c -i two -q 2 -t two -E
	seq 50 | pub -c -i twice -q 2 -t two -l
	kill_worker
	sub -c -i two -q 2 -t two -C 50 > "$tmp/two"
	kill_all
	sub -c -i two -q 2 -t two -W 2 >> "$tmp/two" 2> /dev/null
	is "QoS 2, each once" "$(seq 50 | md5sum)" "$(md5sum < "$tmp/two")"
}

# While it is publishing: whatever was acknowledged before the gateway died is there.
in_the_midst() {
	local last
	sub -c -i midst -q 1 -t midst -E
	seq 1000000 | in_gw timeout 60 mosquitto_pub -d $AT -i midstpub -q 1 -t midst -l > "$tmp/midst.log" 2>&1 &
	publisher=$!
	within 10000 has_acknowledged 300
	kill -9 "$worker"
	last=$(grep -c 'received PUBACK' "$tmp/midst.log")
	pkill -9 -P $publisher 2> /dev/null
	kill -9 $publisher 2> /dev/null
	wait $publisher 2> /dev/null
	within 15000 is_open
	sub -c -i midst -q 1 -t midst -C "$last" > "$tmp/midst"
	is "acknowledged while it died ($last)" "$(seq "$last" | md5sum)" "$(md5sum < "$tmp/midst")"
}
has_acknowledged() { [ "$(grep -c 'received PUBACK' "$tmp/midst.log")" -ge "$1" ]; }

gateway_start --local mqtt=127.0.0.1:$PORT,as=bench
for n in $(seq "$ROUNDS"); do
	round "$n" "$([ $((n % 2)) = 0 ] && echo kill_all || echo kill_worker)"
done
exactly_once
in_the_midst
gateway_stop
finish
