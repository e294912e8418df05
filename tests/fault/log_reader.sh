#!/usr/bin/env bash
# Whoever reads the log ends: the gateway does not. A process that is killed after that comes back, as always.
set -u
. "$(dirname "$0")/../integration/lib.sh"
world mosquitto_pub
gateway_make
enrol device d1
mkfifo "$tmp/log"
cat "$tmp/log" > "$tmp/read" & reader=$!
gateway_start
kill $reader
wait $reader 2> /dev/null

restarted() { local now; now=$(pgrep -P "$supervisor" -x "$1") && [ "$now" != "$2" ]; }
kill -9 "$worker"
within 5000 restarted nj-gateway "$worker"
is "the gateway process is started again" 0 $?
kill -9 "$keeper"
within 5000 restarted nj-keeper "$keeper"
is "the keeper is started again" 0 $?
enters() { publish d1 $GW4 dev/d1/t 1; }
within 5000 enters
is "a device gets in" 0 $?
gateway_stop

# Nobody opened standard input, output or error for it: its files and sockets do not take their numbers.
ip netns exec "$GW" "$NJ" serve --dir "$dir" <&- >&- 2>&- & supervisor=$!
within 10000 children
is "without standard descriptors: it starts" 0 $?
within 5000 enters
is "without standard descriptors: a device gets in" 0 $?
for pid in $supervisor $keeper $worker; do
	is "standard descriptors of $(< /proc/$pid/comm)" "/dev/null /dev/null /dev/null" \
		"$(readlink /proc/$pid/fd/{0,1,2} | paste -sd' ')"
done
gateway_stop
finish
