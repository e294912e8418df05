#!/usr/bin/env bash
# The plain service: user name and password of the knock, once. Neighbours who come in through the same grant and prove
# nothing are bounded by source, the oldest gives way, and the device still gets in.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub
gateway_make --ports knock=$KNOCK,mqtts=$MQTTS,mqtt=$MQTT
must gateway profile set meter --publish 'dev/{device}/#' --plain --service mqtt --service mqtts
must gateway profile set slow --publish 'dev/{device}/#' --plain --service mqtt --bind-seconds 8
enrol device d1
must gateway device add d2 --profile slow --out "$tmp/d2.cred"
gateway_start

PLAIN="-h {host} -p {port} -u {username} -P {password}"
in_plain() { # COMMAND…: $device, or d1, knocks for the plain service, then runs the command
	timeout 30 ip netns exec "$OUT" "$NJ" knock --credentials "$tmp/${device:-d1}.cred" --to $GW4 --service mqtt --then "$@"
}
unproven() { gateway status --json | jq '[.. | objects | .unproven? // empty] | first'; }
settled() { [ "$(unproven)" = "$1" ]; }

is "a request for a WebSocket hears nothing: no proof comes before it" "" \
	"$(in_plain bash -c "$ASK_WEBSOCKET" {host} {port} 2> /dev/null)"
succeeds "a device gets in" in_plain timeout 5 mosquitto_pub $PLAIN -t dev/d1/t -m 1
cat > "$tmp/crowd" << 'END'
for i in {1..100}; do exec {fd}<> "/dev/tcp/$1/$2" || exit 1; done
: > "$3"
until [ -e "$3.seen" ]; do sleep 0.02; done
timeout 5 mosquitto_pub -h "$1" -p "$2" -u "$4" -P "$5" -t dev/d1/t -m 2
END
in_plain bash "$tmp/crowd" {host} {port} "$tmp/crowded" {username} {password} & crowd=$!
within 10000 [ -e "$tmp/crowded" ]
crowd_now=$(unproven)
: > "$tmp/crowded.seen"
wait $crowd
is "a device gets in among a hundred who prove nothing" 0 $?
is "unproven connections of one source" 64 "$crowd_now"
within 5000 settled 0
is "when they are gone" 0 "$(unproven)"
is "bound" 2 "$(gateway audit tail --count 1000 --event bound --subject d1 --json | wc -l)"
has "those who proved nothing are audited" bind.failed "$(gateway audit tail --event bind.failed --json)"

# -- a link that is slow: its profile gives it more time than the configuration everybody ---
sed -i 's/^\( *\)#* *hello_timeout:.*/\1hello_timeout: 500ms/; s/^\( *\)#* *bind_timeout:.*/\1bind_timeout: 2s/' "$dir/nightjar.yaml"
must gateway reload
cat > "$tmp/silent" << 'END'
exec {fd}<> "/dev/tcp/$1/$2" || exit 1
began=${EPOCHREALTIME/./}
read -t 10 -u $fd
echo $(((${EPOCHREALTIME/./} - began) / 1000))
END
quick=$(in_plain bash "$tmp/silent" {host} {port})
slow=$(device=d2 in_plain bash "$tmp/silent" {host} {port})
succeeds "the silence of one is heard for half a second ($quick ms)" [ "$quick" -ge 400 -a "$quick" -lt 1900 ]
succeeds "that of the slow one for its part of 8 ($slow ms)" [ "$slow" -ge 1950 -a "$slow" -lt 7000 ]
gateway_stop
finish
