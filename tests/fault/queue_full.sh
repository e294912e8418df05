#!/usr/bin/env bash
# A full queue, with `mqtt.queue_full: drop-oldest`: what is there after kill -9 is the newest, in order, and the count of what
# went for it is there too. With QoS 1 and QoS 2, and with brokers on several reactors.
set -u
. "$(dirname "$0")/../integration/lib.sh"
world mosquitto_pub mosquitto_sub jq
gateway_make
must gateway profile set bench --publish '#' --subscribe '#'
must gateway application add bench --profile bench --out "$tmp/bench.cred"
sed -i -E 's/^( +max_queued_messages:) .*/\1 100/; s/^( +reactors:) .*/\1 2/; s/^( +queue_full:) .*/\1 drop-oldest/' \
	"$dir/nightjar.yaml"
must gateway check
PORT=11883
AT="-h 127.0.0.1 -p $PORT"

pub() { in_gw timeout 60 mosquitto_pub $AT "$@"; }
sub() { in_gw timeout 60 mosquitto_sub $AT "$@"; }
is_open() { [ "$(in_gw "$PACKET" reach 127.0.0.1 $PORT)" = open ]; }
has_new_worker() { children && [ "$worker" != "$1" ]; }
kill_worker() {
	local old=$worker
	kill -9 "$worker"
	within 15000 has_new_worker "$old" && within 15000 is_open
}
session() { gateway mqtt session bench --application --client "$1" --json | jq -r "\"\(.queued) \(.discarded)\""; }
is_so() { [ "$(session "$1")" = "$2" ]; }

gateway_start --local mqtt=127.0.0.1:$PORT,as=bench
for qos in 1 2; do
	sub -c -i away$qos -q $qos -t "t/$qos" -E
	seq 1000 | pub -c -i pub$qos -q $qos -t "t/$qos" -l
	within 5000 is_so away$qos "100 900" # another reactor's disk may be a group behind
	kill_worker
	is "QoS $qos: what is queued and what was discarded" "100 900" "$(session away$qos)"
	seq 1001 1010 | pub -c -i pub$qos -q $qos -t "t/$qos" -l
	within 5000 is_so away$qos "100 910"
	is "QoS $qos: and after more" "100 910" "$(session away$qos)"
	sub -c -i away$qos -q $qos -t "t/$qos" -C 100 > "$tmp/got"
	is "QoS $qos: the newest, in order" "$(seq 911 1010 | md5sum)" "$(md5sum < "$tmp/got")"
done
is "it is counted, since the gateway began" 10 "$(gateway metrics --json | jq 'select(.name == "nightjar_mqtt_messages_discarded").value')"
has "and logged" 'mqtt.queue_full' "$(grep -h queue_full "$tmp/log")"
gateway_stop
finish
