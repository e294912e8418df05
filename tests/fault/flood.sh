#!/usr/bin/env bash
# Junk at full speed on the knock port: every true knock meanwhile opens, our processes spend next to nothing on it, and
# neither log nor memory grows.
set -u
. "$(dirname "$0")/../integration/lib.sh"
world mosquitto_pub
FLOOD=$NJ_BUILD/tests/fault/flood
SECONDS_OF_JUNK=10
gateway_make
enrol device d1 d2 d3 d4 d5 d6 d7 d8 d9 d10
gateway_start

flood() { ip netns exec "$OUT" "$FLOOD" $GW4 $KNOCK "$@"; } # LENGTH SECONDS: says how many

cpu=$(cpu_ms) memory=$(anonymous_kb) log=$(stat -c %s "$tmp/log")
flood 112 $SECONDS_OF_JUNK > "$tmp/sent" &
flooding=$!
inside=0
for i in $(seq 10); do
	publish d$i $GW4 dev/d$i/t 1 && inside=$((inside + 1))
	sleep 0.5
done
running=$([ -d /proc/$flooding ] && echo yes)
wait $flooding
sent=$(< "$tmp/sent")
spent=$(($(cpu_ms) - cpu))
is "true knocks that opened" 10 $inside
is "the flood outlasted them" yes "$running"
echo "      $sent datagrams in $SECONDS_OF_JUNK s, our processes' CPU $spent ms"
at_most "CPU, ns a datagram" 1000 $((spent * 1000000 / sent))
for length in 0 1 111 113 1400; do flood $length 1 > "$tmp/sent.$length"; done
echo "      and $(cat "$tmp"/sent.* | paste -sd+ | bc 2> /dev/null) of other lengths"
at_most "growth of the log, bytes" 20000 $(($(stat -c %s "$tmp/log") - log))
at_most "growth of memory, kB" 1024 $(($(anonymous_kb) - memory))
is "datagrams that the kernel's filter dropped are counted" true \
	"$(gateway status --json | jq ".keeper.cloak.knock_dropped >= $sent * 9 / 10")"
gateway_stop
finish
