#!/usr/bin/env bash
# Guarded services of the host: silent to everybody, open to the source of a knock by whom the configuration names, by
# IPv4 and IPv6, TCP and UDP; connections that stand go on; everything shuts when keeper or warden end, and stays shut
# when all of it is killed.
set -u
. "$(dirname "$0")/lib.sh"
world nft python3
SHELL_PORT=2222 QUERY_PORT=1610

gateway_make
enrol device pump other
enrol application laptop
must gateway profile set visitor --service mqtts --publish 'x/#'
must gateway device add guest --profile visitor --out "$tmp/guest.cred"
cp "$dir/nightjar.yaml" "$tmp/plain.yaml"
guards() { # YAML of the list
	{ sed '/^#*guard:/,/^perimeter:/{/^perimeter:/!d}' "$tmp/plain.yaml"; printf 'guard:\n%s\n' "$1"; } > "$dir/nightjar.yaml"
}

# -- the configuration -----------------------------------------------------------------------------------------------
guards '  - {name: shell, port: 2222}'
refused "nobody may knock for it" 'name the profiles or parties' gateway check
guards '  - {name: shell, port: 8883, profiles: [meter]}'
refused "a port of our own" 'port of Nightjar' gateway check
guards '  - {name: shell, port: 22, id: 40000, profiles: [meter]}'
refused "an id out of its range" 'not from 256 to 32767' gateway check
guards '  - {name: a, port: 22, id: 300, profiles: [meter]}
  - {name: b, port: 23, id: 300, profiles: [meter]}'
refused "two of one id" 'the same id' gateway check
guards '  - {name: shell, port: 2222, profiles: [meter], parties: [laptop], grant: 2s}
  - {name: query, protocol: udp, port: 1610, parties: [main/pump], id: 300, grant: 20s}'
succeeds "a good one" gateway check

# -- the host's services ---------------------------------------------------------------------------------------------
in_gw python3 "$here/raw.py" serve 0.0.0.0 $SHELL_PORT > "$tmp/shell4" 2> /dev/null &
in_gw python3 "$here/raw.py" serve :: $SHELL_PORT > "$tmp/shell6" 2> /dev/null &
in_gw python3 "$here/raw.py" hear udp 0.0.0.0 $QUERY_PORT > "$tmp/query" &
for file in shell4 shell6 query; do must within 10000 grep -q hearing "$tmp/$file"; done
shell() { ip netns exec "$1" "$PACKET" reach "$2" $SHELL_PORT; } # NAMESPACE ADDRESS
query() { in_out python3 "$here/raw.py" ask $GW4 $QUERY_PORT; }
knock_for() { # NAME HOST SERVICE
	must timeout 20 ip netns exec "$OUT" "$NJ" knock --credentials "$tmp/$1.cred" --to "$2" --service "$3" --then true
}
is "before the gateway: TCP" open "$(shell "$OUT" $GW4)"
is "before the gateway: UDP" hello "$(query)"

gateway_start
in_far_sees() { # WHEN
	is "$1: a stranger, IPv4" silent "$(shell "$FAR" $GW4)"
	is "$1: a stranger, IPv6" silent "$(shell "$FAR" $GW6)"
}
in_far_sees "guarded"
is "guarded: UDP" silence "$(query)"
knock_for pump $GW4 guard:shell
is "knocked: open to that source" open "$(shell "$OUT" $GW4)"
is "knocked: not to its IPv6 address" silent "$(shell "$OUT" $GW6)"
in_far_sees "during the grant"
is "knocked: not another service" silence "$(query)"
knock_for laptop [$GW6] guard:shell
is "knocked by IPv6: open" open "$(shell "$OUT" $GW6)"

# A connection that stands outlives its grant.
mkfifo "$tmp/pipe"
knock_for pump $GW4 guard:shell
in_out python3 "$here/raw.py" hold $STRANGER4 $GW4 $SHELL_PORT < "$tmp/pipe" &
exec 7> "$tmp/pipe"
echo early >&7
within 10000 grep -q early "$tmp/shell4"
sleep 2.5
is "the time is over" silent "$(shell "$OUT" $GW4)"
echo late >&7
succeeds "the connection goes on" within 10000 grep -q late "$tmp/shell4"
exec 7>&-

knock_for pump $GW4 guard:300
is "by number, UDP" hello "$(query)"
knock_for laptop $GW4 guard:300
has "not its party" 'this guard is not for' "$(gateway audit tail --event knock.refused)"
knock_for guest $GW4 guard:shell
is "not its profile" silent "$(shell "$OUT" $GW4)"
knock_for pump $GW4 guard:nothing
has "no such guard" 'does not offer' "$(gateway audit tail --event knock.refused --count 1)"
has "what it opened is in the audit log" 'guard:shell' "$(gateway audit tail --event knock.accepted)"
has "and that it shut" 'guard:shell, its time is over' "$(gateway audit tail --event guard.shut)"
has "status lists it" 'shell  tcp/2222' "$(gateway status)"

# -- ends ------------------------------------------------------------------------------------------------------------
# Its own source: the port of the old query is established, a new one asks the set.
knock_for pump $GW4 guard:300
is "open" hello "$(query)"
kill -9 $keeper
sleep 0.3
is "a keeper that dies shuts it" silence "$(query)"
must within 5000 children
sleep 0.3
knock_for pump $GW4 guard:300
is "the next one opens it" hello "$(query)"
must gateway device revoke pump
is "revocation shuts it" silence "$(query)"
in_gw nft delete table inet nightjar_guard
succeeds "a table that somebody took away is back" within 7000 in_gw nft list table inet nightjar_guard
in_far_sees "then"
kill -9 "$(pgrep -P "$supervisor" -x nj-warden)"
in_far_sees "the warden was killed"
must within 5000 pgrep -P "$supervisor" -x nj-warden
sleep 0.3
knock_for other $GW4 guard:shell
is "its successor opens" open "$(shell "$OUT" $GW4)"
sleep 2
kill -9 "$supervisor"
within 2000 [ -z "$(pgrep -P "$supervisor")" ]
sleep 0.3
in_far_sees "all of it killed: it fails shut"
gateway_start
in_far_sees "started again"
gateway_stop
in_far_sees "stopped in order"
cp "$tmp/plain.yaml" "$dir/nightjar.yaml"
gateway_start
is "no longer in the configuration: TCP" open "$(shell "$FAR" $GW4)"
finish
