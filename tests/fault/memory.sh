#!/usr/bin/env bash
# Memory runs short: whoever publishes is slowed before the ceiling is reached, loses nothing of QoS 1 by it and is
# answered all the while; the ceiling holds with one that floods and one that does not read; then all is as before.
set -u
. "$(dirname "$0")/../integration/lib.sh"
world python3 jq
PORT=11883
LIMIT=$((16 * 1024 * 1024))
gateway_make
must gateway profile set bench --publish '#' --subscribe '#'
must gateway application add bench --profile bench --out "$tmp/bench.cred"
sed -i -E 's/^( +memory:) .*/\1 16MiB/' "$dir/nightjar.yaml"
must gateway check
gateway_start --local mqtt=127.0.0.1:$PORT,as=bench
client() { in_gw python3 "$here/mqtt_many.py" "$@"; }
memory() { gateway metrics --json | jq 'select(.name == "nightjar_mqtt_memory_bytes").value'; }
talks() { # WORDS: 1,000 messages of 1,000 bytes; how long they took is in $took
	local began
	began=$(now_ms)
	is "$1: all came, in order" 1000 "$(client talk $PORT 1000 1000 2>&1 | tail -1)"
	took=$(($(now_ms) - began))
	echo "      in $took ms"
}

talks "with room"
# Nine tenths of it.
is "what fills the memory" 240 "$(client fill $PORT 240 61440)"
at_most "bytes of memory" $LIMIT "$(memory)"
talks "with little room"
at_most "ms that a megabyte takes at least" "$took" 1500
mkfifo "$tmp/told"
client stall $PORT 0 't/#' < "$tmp/told" > "$tmp/stalled" 2>&1 &
stalled=$!
exec 5> "$tmp/told"
must within 15000 grep -q stalled "$tmp/stalled"
is "who floods is answered" answered "$(client flood $PORT 3000 1000)"
at_most "bytes of memory beside it" $LIMIT "$(memory)"
echo read >&5
wait $stalled
is "whoever did not read lives" alive "$(sed -n 3p "$tmp/stalled")"
is "what filled the memory goes" 240 "$(client fill $PORT 240 0)"
at_most "bytes of memory then" $((LIMIT / 2)) "$(memory)"
talks "with room again"
gateway_stop
finish
