#!/usr/bin/env bash
# A keeper that stands still closes the door within 1.2 s, even to a granted source; sessions go on. Going on opens it
# again. A killed keeper is back within two seconds, and no session notices.
set -u
. "$(dirname "$0")/../integration/lib.sh"
world mosquitto_pub mosquitto_sub
gateway_make
enrol device d1 d2 d3
enrol application office
gateway_start

mkfifo "$tmp/say"
subscribe office $GW4 'dev/#' -W 60
knock d1 $GW4 timeout 60 mosquitto_pub $PSK -t dev/d1/t -l < "$tmp/say" 2> "$tmp/d1.err" &
exec {say}> "$tmp/say"
arrives() { # WHEN: over the sessions that are there
	echo "$1" >&$say
	within 10000 grep -qx "got dev/d1/t $1" "$tmp/office.got"
	is "$1: a message of the living sessions" "got dev/d1/t $1" "$(tail -n 1 "$tmp/office.got")"
}
door_open() { [ "$(reach "$OUT" $GW4)" = open ]; }
gets_in() {
	timeout 1 ip netns exec "$OUT" "$NJ" knock --credentials "$tmp/d3.cred" --to $GW4 \
		--then mosquitto_pub $PSK -t dev/d3/u -m 1 > /dev/null 2>&1
}

arrives before
knock d2 $GW4 true
is "a granted source: the port" open "$(reach "$OUT" $GW4)"
kill -STOP "$keeper"
sleep 1.2
is "keeper stopped: the port" silent "$(reach "$OUT" $GW4)"
arrives "keeper stopped"
kill -CONT "$keeper"
is "keeper goes on: the port" open "$(within 10000 door_open; reach "$OUT" $GW4)"
arrives "keeper goes on"

kill -9 "$keeper"
began=$(now_ms)
arrives "keeper killed"
within 5000 gets_in
at_most "keeper killed: a new knock works after ms" "$(soon 2000)" $(($(now_ms) - began))
arrives "keeper new"
is "the gateway process is the same" "$worker" "$(pgrep -P "$supervisor" -x nj-gateway)"
exec {say}>&-
gateway_stop
finish
