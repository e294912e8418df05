#!/usr/bin/env bash
# A knock's datagram opens the port once: not at once again, not after its grant, not after kill -9 and a restart.
# Changed in one bit, or cut, it opens nothing and burns nothing.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub
gateway_make
must gateway profile set meter --publish 'dev/{device}/#' --grant-seconds 1
enrol device d1
gateway_start

sees() { is "$1" "$2" "$(reach "$OUT" $GW4)"; } # WHEN EXPECTED

record d1 first
sees "before the knock" silent
replay first
sees "the knock" open
succeeds "its key binds" in_out timeout 5 mosquitto_pub -h $GW4 -p $MQTTS --psk-identity "$identity" --psk "$key" \
	-t dev/d1/t -m 1
replay first
sees "sent again at once" silent

record d1 second
replay second
sees "the next knock" open
replay second
sleep 1
sees "sent again, it does not outlive its grant" silent
replay second
sees "sent again after its grant" silent

gateway_kill
sees "while nothing runs" refused
gateway_start
for file in first second; do
	replay $file
	sees "$file knock after kill -9 and restart" silent
done

record d1 third
in_out "$PACKET" flip $GW4 $KNOCK "$tmp/third"
sees "every bit flipped" silent
in_out "$PACKET" lengths $GW4 $KNOCK "$tmp/third"
sees "every other length" silent
replay third
sees "the same datagram untouched" open
sleep 1
is "accepted in all" 3 "$(accepted d1)"
gateway_stop
finish
