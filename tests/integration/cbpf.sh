#!/usr/bin/env bash
# The cloak cbpf without privileges, or with CAP_NET_ADMIN alone where the kernel wants it: a stranger sees nothing
# before, during and after a grant, the device gets in and stays in, a keeper that dies or hangs and a warden that dies
# shut the door, and status says what this cloak cannot do.
set -u
. "$(dirname "$0")/lib.sh"
world nmap mosquitto_pub setpriv ss

# An unprivileged user of its own.
with=-all
as_user() {
	setpriv --reuid 65533 --regid 65533 --clear-groups --inh-caps=$with --ambient-caps=$with --bounding-set=$with \
		--no-new-privs "$@"
}
install -m 755 "$NJ" "$tmp/nightjar"
mkdir "$dir" && chown 65533:65533 "$dir" && chmod 777 "$tmp"
gateway() { as_user "$tmp/nightjar" "$@" --dir "$dir"; }
try_start() {
	: > "$tmp/ready"
	ip netns exec "$GW" bash -c "$(declare -f as_user); with=$with; exec 3>&-; as_user $tmp/nightjar serve --dir $dir" \
		> "$tmp/ready" 2>> "$tmp/log" &
	local shell=$!
	within 15000 serving $shell || return 1
	supervisor=$(pgrep -P $shell -x nightjar || echo $shell)
	children && warden=$(pgrep -P "$supervisor" -x nj-warden)
}
serving() {
	[ -d /proc/$1 ] || return 2
	[ "$(< "$tmp/ready")" = ready ]
}
caps() { awk '/^Cap(Prm|Eff|Amb)/ { print $2 }' /proc/$1/status | sort -u | sed 's/^0*//; s/^$/0/' | paste -sd' '; }
let_in() { publish pump $1 dev/pump/t hello -q 1; }
sees() { is "$1" "$2" "$(reach "$OUT" $GW4)"; } # WHAT STATE: of a port whose door is open for us, or not

must gateway init --host $GW4 --cloak cbpf
must gateway profile set meter --publish 'dev/{device}/#' --subscribe 'cmd/{device}/#'
enrol device pump other
chown root "$tmp"/*.cred
power=0
if ! try_start; then
	# A kernel that keeps filters of TCP sockets for CAP_NET_ADMIN: refused in plain words, and nothing listens.
	has "refused where the kernel refuses" 'CAP_NET_ADMIN filter TCP sockets' "$(tail -1 "$tmp/log")"
	is "and nothing listens" "" "$(in_gw ss -Htln)"
	with=-all,+net_admin power=1000
	must try_start
fi
is "the keeper's capabilities" 0 "$(caps $keeper)"
is "the gateway's" 0 "$(caps $worker)"
is "the warden's" $power "$(caps $warden | tr ' ' '\n' | tail -1)"

dark "before a grant"
succeeds "a device gets in by IPv4" let_in $GW4
succeeds "and by IPv6" let_in [$GW6]

must knock other $GW4 true
sees "a granted source sees the port" open
dark "during a grant to somebody else"

succeeds "a session stands" subscribe pump $GW4 cmd/pump/#
must knock other $GW4 true
kill -STOP $keeper
sleep 1.5
sees "a keeper that hangs opens nothing" silent
kill -CONT $keeper
sleep 0.3
must knock other $GW4 true
sees "it opens again when it is back" open
kill -9 $keeper
sleep 0.3
sees "a keeper that dies shuts all" silent
must within 5000 children
must knock other $GW4 true
sees "the next one opens" open
kill -9 $warden
sleep 0.3
sees "a warden that dies shuts all" silent
must within 5000 pgrep -P "$supervisor" -x nj-warden
sleep 0.3
dark "after all that"
is "the session was never cut" alive "$(kill -0 $subscriber && echo alive)"

status=$(gateway status)
has "status names the cloak" 'dark.*\(cbpf\)' "$status"
has "it cannot: hints" 'no filter of hints' "$status"
has "it cannot: lock" 'not locked' "$status"
has "it cannot: a clock in the kernel" "not by the kernel's clock" "$status"
has "it cannot: more than" 'at most 256' "$status"
finish
