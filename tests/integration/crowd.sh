#!/usr/bin/env bash
# 10,000 connections at one time: each takes no more of the gateway's memory while it stands idle than it does today (the
# aim is 1 KiB), one message reaches all of them, all are alive, and the next 10,000 take the place of the first.
set -u
. "$(dirname "$0")/lib.sh"
world python3 mosquitto_pub
COUNT=${COUNT:-10000}
PORT=11883
gateway_make
must gateway profile set bench --publish '#' --subscribe '#'
must gateway application add bench --profile bench --out "$tmp/bench.cred"
sed -i -E "s/^( +connections:) .*/\1 $((COUNT + 10))/; s/^( +max_sessions:) .*/\1 $((COUNT + 10))/" "$dir/nightjar.yaml"
must gateway check
ulimit -n $((COUNT + 1000))
gateway_start --local mqtt=127.0.0.1:$PORT,as=bench

held_kb() { awk '/^Pss_Anon:/ { print $2 }' "/proc/$worker/smaps_rollup"; }
mkfifo "$tmp/in" "$tmp/out"
comes() { # a crowd, which says that it stands
	in_gw python3 "$here/mqtt_many.py" stand $PORT $COUNT < "$tmp/in" > "$tmp/out" 2> "$tmp/crowd.err" &
	exec 7> "$tmp/in" 8< "$tmp/out"
	hears
}
hears() {
	local said=
	read -r -t 60 said <&8
	echo "${said:-$(cat "$tmp/crowd.err")}"
}
tell() {
	echo "$1" >&7
	hears
}

before=$(held_kb)
comes > "$tmp/said"
is "$COUNT clients" standing "$(< "$tmp/said")"
standing=$(held_kb)
at_most "bytes of memory a connection with its session" 1700 $(((standing - before) * 1024 / COUNT))
is "all subscribe" $COUNT "$(tell subscribe)"
subscribed=$(held_kb)
echo "      bytes a subscription: $(((subscribed - standing) * 1024 / COUNT))"
in_gw mosquitto_pub -p $PORT -t all -m hello
is "one message reaches all" $COUNT "$(tell hear)"
is "all are alive" $COUNT "$(tell ping)"
most=$(held_kb)
is "they leave" gone "$(tell leave)"
exec 7>&- 8<&-
wait $!
comes > "$tmp/said"
is "$COUNT others" standing "$(< "$tmp/said")"
is "all of them subscribe" $COUNT "$(tell subscribe)"
at_most "kB that they take more than the first" $((most / 20)) $(($(held_kb) - most))
exec 7>&- 8<&-
gateway_stop
finish
