#!/usr/bin/env bash
# Two subscribers that read nothing, one with QoS 0 and one with QoS 1, while others talk: nobody else is held back or
# misses a message, the gateway's memory stays within what the configuration allows for them, and when they read again
# they get what was kept for them, in order, on the same connection.
set -u
. "$(dirname "$0")/../integration/lib.sh"
world python3
PORT=11883
COUNT=${COUNT:-20000} BYTES=1000
gateway_make
must gateway profile set bench --publish '#' --subscribe '#'
must gateway application add bench --profile bench --out "$tmp/bench.cred"
sed -i -E 's/^( +max_queued_messages:) .*/\1 2000/' "$dir/nightjar.yaml"
must gateway check
gateway_start --local mqtt=127.0.0.1:$PORT,as=bench
client() { in_gw python3 "$here/mqtt_many.py" "$@"; }
held_kb() { awk '/^Pss_Anon:/ { print $2 }' "/proc/$worker/smaps_rollup"; }

stalls() { # QOS: one that reads nothing; it is told by descriptor 5 + QOS
	mkfifo "$tmp/told.$1"
	client stall $PORT "$1" 't/#' < "$tmp/told.$1" > "$tmp/stalled.$1" 2>&1 &
	eval "stalled_$1=\$!; exec $((5 + $1))> \"$tmp/told.$1\""
	must within 15000 grep -q stalled "$tmp/stalled.$1"
}
stalls 0
stalls 1
before=$(held_kb)
began=$(now_ms)
is "others talk: all came, in order" $COUNT "$(client talk $PORT $COUNT $BYTES 2>&1 | tail -1)"
echo "      $COUNT messages of $BYTES bytes in $(($(now_ms) - began)) ms beside two that do not read"
# A connection's output and a session's queue, for each of the two.
at_most "kB of the gateway's memory for those who do not" $((4 * 1024 + 2 * 2000 * (BYTES + 500) / 1024)) \
	$(($(held_kb) - before))
for qos in 0 1; do
	echo read >&$((5 + qos))
	pid=stalled_$qos
	wait ${!pid}
	got=$(sed -n 2p "$tmp/stalled.$qos")
	echo "      QoS $qos: $got of $COUNT were kept"
	has "QoS $qos: what was kept came in order, and not all was" '^[1-9][0-9]*$' "$([ "$got" -lt $COUNT ] && echo "$got")"
	is "QoS $qos: its connection lives" alive "$(sed -n 3p "$tmp/stalled.$qos")"
done
gateway_stop
finish
