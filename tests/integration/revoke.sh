#!/usr/bin/env bash
# Revocation cuts a live session within a second, and what was revoked knocks in vain. Others stay.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub mosquitto_sub
gateway_make
enrol device d1 d2
enrol application office other
gateway_start

sessions() { in_out ss -Htn state established "dport = :$MQTTS" | wc -l; }
fewer() { [ "$(sessions)" -lt "$1" ]; }

cut() { # device|application NAME TOPIC
	local began before
	succeeds "$1: a session" subscribe "$2" $GW4 "$3"
	before=$(sessions)
	began=$(now_ms)
	has "$1 revoke says so" cut "$(gateway "$1" revoke "$2")"
	within 3000 fewer "$before"
	at_most "$1: the session is cut within ms" "$(soon 1000)" $(($(now_ms) - began))
	kill $subscriber 2> /dev/null
	wait $subscriber 2> /dev/null
	knock "$2" $GW4 true
	is "$1: a later knock: the port" silent "$(reach "$OUT" $GW4)"
	refused "$1: shown again" 'revoked' gateway "$1" show "$2"
	refused "$1: revoked again" 'revoked' gateway "$1" revoke "$2"
	has "$1: the cut is audited" session.cut "$(gateway audit tail --event session.cut --subject "$2" --json)"
}

subscribe other $GW4 'dev/#' -C 1 -W 30
others=$subscriber
cut device d1 'cmd/d1/#'
cut application office 'dev/#'
publish d2 $GW4 dev/d2/t still
wait $others
is "another's session goes on" "got dev/d2/t still" "$(grep ^got "$tmp/other.got")"
gateway_stop
gateway_start
knock d1 $GW4 true
is "after a restart: the port" silent "$(reach "$OUT" $GW4)"
is "its knocks accepted in all" 1 "$(accepted d1)"
gateway_stop
must gateway device revoke d2
gateway_start
knock d2 $GW4 true
is "revoked while stopped: the port" silent "$(reach "$OUT" $GW4)"
gateway_stop

# The gateway process's disk is full: the directory cannot forget the party, its session is cut all the same.
enrol device d3
cp -a "$dir/gateway" "$tmp/gateway.copy"
trap 'umount "$dir/gateway" 2> /dev/null; clean' EXIT
mount -t tmpfs -o size=2m,mode=700 tmpfs "$dir/gateway"
cp -a "$tmp/gateway.copy/." "$dir/gateway/"
gateway_start
succeeds "disk full: a session" subscribe d3 $GW4 'cmd/d3/#'
before=$(sessions)
dd if=/dev/zero of="$dir/gateway/filler" bs=4k 2> /dev/null
began=$(now_ms)
has "disk full: revoke says that it is not done" '"cut": *false' "$(gateway device revoke d3 --json)"
within 3000 fewer "$before"
at_most "disk full: the session is cut within ms" "$(soon 1000)" $(($(now_ms) - began))
kill $subscriber 2> /dev/null
wait $subscriber 2> /dev/null
gateway_stop
finish
