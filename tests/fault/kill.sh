#!/usr/bin/env bash
# kill -9 of a random process at a random moment, 20 times, with 10,000 devices and knocks going on. No door is ever
# open to a stranger, a device gets in again within two seconds, and no knock is accepted twice, though one of each round
# is sent again and again from before the kill until after the restart.
set -u
. "$(dirname "$0")/../integration/lib.sh"
world mosquitto_pub
ROUNDS=${ROUNDS:-20}
RANDOM=${SEED:=$$}
echo "seed $SEED"

gateway_make
must gateway device import --count 10000 --prefix m --profile meter --out "$tmp/many"

# A device a try: none reaches its own limit of knocks. A try that comes too early would wait a second for TCP's next
# SYN, so the next one starts beside it.
next=0
try() { # ROUND NUMBER: notes the time at which it published
	timeout 2 ip netns exec "$OUT" "$NJ" knock --credentials "$tmp/many/m$2.cred" --to $GW4 \
		--then mosquitto_pub $PSK -t "dev/m$2/t" -m 1 && now_ms >> "$tmp/in.$1"
}
get_in() { # ROUND: the time of the first that published, or nothing
	local end=$(($(now_ms) + 10000))
	until [ -s "$tmp/in.$1" ] || [ "$(now_ms)" -gt $end ]; do
		next=$((next + 1))
		try "$1" $next &> /dev/null &
		sleep 0.2
	done
	head -n 1 "$tmp/in.$1"
}
load() { # a light load, by devices of its own
	local i
	for i in $(seq 5001 10000); do
		timeout 1 ip netns exec "$OUT" "$NJ" knock --credentials "$tmp/many/m$i.cred" --to $GW4 --then true
		sleep 0.05
	done > /dev/null 2>&1
}
again() { # FILE: the same knock, over and over
	while in_out "$PACKET" send $GW4 $KNOCK "$1"; do sleep 0.05; done
}
# What a stranger sees while things break: one word a probe. "refused" is a machine without a gateway.
watch_door() { while sleep 0.05; do reach "$FAR" $GW4; done; }

gateway_start
load &
loader=$!
watchers=()
for i in 1 2 3; do
	watch_door > "$tmp/door.$i" &
	watchers+=($!)
	sleep 0.15
done
worst=0
declare -A killed
for round in $(seq "$ROUNDS"); do
	names=(supervisor keeper gateway)
	name=${names[RANDOM % 3]}
	case $name in
	supervisor) victim=$supervisor ;;
	keeper) victim=$keeper ;;
	gateway) victim=$worker ;;
	esac
	record "many/m$((4000 + round))" kept
	again "$tmp/kept" &
	repeating=$!
	sleep 0.$((RANDOM % 1000 + 1000))
	killed[$name]=$((${killed[$name]:-0} + 1))
	began=$(now_ms)
	kill -9 "$victim"
	if [ $name = supervisor ]; then
		wait "$victim" 2> /dev/null
		gateway_start
	fi
	inside=$(get_in $round)
	took=$((${inside:-$(now_ms)} - began))
	[ $took -le $worst ] || worst=$took
	echo "      round $round: $name killed, ${inside:+in again} after $took ms"
	within 5000 children
	kill $repeating
	wait $repeating 2> /dev/null
done
kill $loader "${watchers[@]}"
wait $loader "${watchers[@]}" 2> /dev/null
echo "      killed: ${!killed[*]} ${killed[*]}; a stranger saw: $(sort "$tmp"/door.* | uniq -c | paste -sd,)"
at_most "the longest way in, ms" "$(soon 2000)" $worst
is "times a stranger saw an open door" 0 "$(cat "$tmp"/door.* | grep -vcE '^(silent|refused)$')"
is "the door at the end" silent "$(reach "$FAR" $GW4)"
gateway_stop
gateway audit tail --count 10000 --event knock.accepted --json | jq -r '.subject + ", " + .detail' > "$tmp/accepted"
has "of those sent again and again some were accepted" '^m4[0-9]{3},' "$(cat "$tmp/accepted")"
is "accepted twice, of $(wc -l < "$tmp/accepted")" "" "$(sort "$tmp/accepted" | uniq -d)"
has "the audit log" '^whole' "$(gateway audit verify)"
finish
