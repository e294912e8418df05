#!/usr/bin/env bash
# Limits by address, device, listener and flapping clients: what is too much is refused with its reason, what is too
# fast is read slowly and arrives whole, and log and audit say so once a second at most.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub mosquitto_sub
gateway_make
enrol device d1 d2
enrol application office
LOCAL=$((MQTTS + 1))
set_limits() { # KEY VALUE…
	while [ $# -gt 0 ]; do
		sed -i "s/^  #* *$1:.*//" "$dir/nightjar.yaml"
		sed -i "/^limits:/a\\  $1: $2" "$dir/nightjar.yaml"
		shift 2
	done
}
grep -q '^limits:' "$dir/nightjar.yaml" || printf '\nlimits:\n  bind_timeout: 10s\n' >> "$dir/nightjar.yaml"
printf '\nlocal:\n  - service: mqtt\n    address: 127.0.0.1:%s\n    as: office\n    cloak: none\n' $LOCAL >> "$dir/nightjar.yaml"
set_limits flapping 5 connections_per_listener 8
must gateway check
gateway_start

in_gw() { ip netns exec "$GW" "$@"; }
local_pub() { in_gw timeout 10 mosquitto_pub -h 127.0.0.1 -p $LOCAL "$@"; }
met() { gateway status --json | jq ".gateway.limits.$1"; } # .SCOPE.WHAT
told() { gateway audit tail --count 1000 --event limit.met --json; }

# -- a client that comes and goes ---
for i in 1 2 3 4 5; do local_pub -i restless -t cmd/d1/x -m $i; done
is "as often as it may" 0 $?
has "once more is refused, in 3.1.1" 'unavailable' "$(local_pub -i restless -V mqttv311 -t cmd/d1/x -m 6 2>&1)"
has "and in 5.0" 'rate exceeded' "$(local_pub -i restless -V mqttv5 -t cmd/d1/x -m 7 2>&1)"
succeeds "another client is let in" local_pub -i calm -t cmd/d1/x -m 8
is "counted" 2 "$(met device.flapping)"
told_of() { told | grep -q "$1"; }
succeeds "and in the audit log" within 4000 told_of 'flapping of one device'

# -- more connections than a listener may have ---
for i in 1 2 3 4 5 6 7 8; do
	ip netns exec "$GW" stdbuf -oL timeout 20 mosquitto_sub -d -h 127.0.0.1 -p $LOCAL -t "dev/x$i" > "$tmp/sub.$i" 2>&1 &
	subs[i]=$!
done
all_in() { [ "$(grep -l '^Subscribed' "$tmp"/sub.* | wc -l)" = 8 ]; }
succeeds "eight are in" within 8000 all_in
refused_ninth() { ! local_pub -t cmd/d1/x -m 9; }
succeeds "the ninth is not" refused_ninth
kill "${subs[1]}"
wait "${subs[1]}" 2> /dev/null
succeeds "in the place of one that left it is" within 5000 local_pub -t cmd/d1/x -m 10
kill "${subs[@]:1}" 2> /dev/null
has "counted" '^[1-9]' "$(met listener.connections)"

# -- one that sends too fast ---
set_limits messages_per_device 100
must gateway reload
ip netns exec "$GW" stdbuf -oL timeout 30 mosquitto_sub -d -h 127.0.0.1 -p $LOCAL -t 'dev/#' -F '%p' > "$tmp/fast.got" 2>&1 &
subscriber=$!
within 5000 grep -q '^Subscribed' "$tmp/fast.got"
seq 1 250 > "$tmp/lines"
began=$(now_ms)
succeeds "a device sends 250 messages at once" bash -c "timeout 30 ip netns exec $OUT $NJ knock --credentials $tmp/d1.cred \
	--to $GW4 --then mosquitto_pub $PSK -q 1 -t dev/d1/t -l < '$tmp/lines'"
took=$(($(now_ms) - began))
arrived() { [ "$(grep -c '^[0-9]*$' "$tmp/fast.got")" -ge 250 ]; }
succeeds "all of them arrive" within 8000 arrived
succeeds "no faster than a hundred a second ($took ms)" [ "$took" -ge 1400 ]
has "counted" '^[1-9]' "$(met device.messages)"
kill $subscriber 2> /dev/null
lines=$(grep -c limit.met "$tmp/log")
succeeds "the log has a few lines of all that ($lines)" [ "$lines" -gt 2 -a "$lines" -lt 40 ]
gateway_stop
finish
