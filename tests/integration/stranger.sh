#!/usr/bin/env bash
# What a stranger sees of the whole host: nmap over all 65,535 TCP ports and the usual UDP ones, by IPv4 and IPv6,
# before, during and after a grant to somebody else. Without the perimeter the host answers as ever and the gateway's
# ports are silent among the others; with it all of the host is one silence; and the grant makes no difference to
# either. SYN scans here; with THOROUGH=1 (make soak) every kind of scan.
set -u
. "$(dirname "$0")/lib.sh"
world nmap nft python3 mosquitto_pub
UDP_PORTS=53,67-69,111,123,135,137-138,161-162,445,500,514,520,546-547,631,1194,1434,1900,4500,5060,5353,$KNOCK
WEB=8080 DNS=53 ENROLMENT=8844
RATE=${RATE:-25000} # probes a second

kinds=(-sS)
[ -z "${THOROUGH:-}" ] || kinds=(-sS -sA -sF -sN -sX -sM -sW -sT "-sS -g 53" "-sS -f")

# Grants that end soon, so that the one that is kept alive ends soon after.
gateway_make
must gateway profile set meter --publish 'dev/{device}/#' --grant-seconds 10
enrol device other other6
raw() { local ns=$1; shift; ip netns exec "$ns" python3 "$here/raw.py" "$@"; }
raw "$GW" serve 0.0.0.0 $WEB > "$tmp/web" 2> /dev/null &
raw "$GW" serve :: $WEB > "$tmp/web6" 2> /dev/null &
raw "$GW" hear udp 0.0.0.0 $DNS > "$tmp/dns" 2> /dev/null &
raw "$GW" hear udp :: $DNS > "$tmp/dns6" 2> /dev/null &
for file in web web6 dns dns6; do must within 15000 grep -q hearing "$tmp/$file"; done
# Closed ports answer by ICMP, which the kernel sends once a second.
in_gw sysctl -q -w net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 net.ipv4.icmp_msgs_per_sec=1000000

# Every packet that reaches the stranger, but for what finds neighbours.
must in_far nft -f - << 'RULES'
table inet watch {
	chain heard {
		type filter hook prerouting priority -400; policy accept;
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report } accept
		meta length > 0 counter accept
	}
}
RULES
answers() { in_far nft list chain inet watch heard | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'; }

# -- one look: a line a scan, of what it says about ports -------------------------------------------------------------
# A host that answers sets the pace; silence has to be waited for, so nothing is sent twice.
ANSWERED="-T4 --max-retries 6" SILENT="-T5 --max-retries 0 --min-rate $RATE"
pace=$ANSWERED
look() { # FILE ADDRESS PORTS NMAP-OPTIONS…
	local file=$1 at=$2 ports=$3
	shift 3
	in_far nmap -Pn -n $pace --send-ip -oX "$file.xml" -p $ports "$@" $at > /dev/null 2>> "$tmp/nmap.err"
	python3 "$here/nmap_view.py" "$at $*" < "$file.xml" > "$file" || echo "nmap failed: $at $*" > "$file"
}
view() { # FILE: every kind of scan, IPv4 beside IPv6
	local kind number=0 pair
	rm -f "$tmp"/look.*
	for kind in "${kinds[@]}" -sU; do
		number=$((number + 1))
		local ports=1-65535
		[ "$kind" != -sU ] || ports=$UDP_PORTS
		look "$tmp/look.$number.4" $GW4 $ports $kind &
		pair=($!)
		# nmap cuts IPv4 packets alone.
		if [ "$kind" = "-sS -f" ]; then
			raw "$FAR" syn6 $FAR6 $GW6 1 65535 &
		else
			look "$tmp/look.$number.6" $GW6 $ports $kind -6 &
		fi
		pair+=($!)
		wait "${pair[@]}"
	done
	sleep 0.3
	cat $(ls "$tmp"/look.*.[46] | sort -V) > "$1"
}
silence() { # what view gives of a host that is not there
	local kind state
	for kind in "${kinds[@]}"; do
		case $kind in
		-sF | -sN | -sX | -sM) state='open|filtered' ;;
		*) state=filtered ;;
		esac
		echo "$GW4 $kind: $state (65535)"
		[ "$kind" = "-sS -f" ] || echo "$GW6 $kind -6: $state (65535)"
	done
	for kind in "$GW4 -sU" "$GW6 -sU -6"; do
		echo "$kind: open|filtered $UDP_PORTS"
	done
}

# -- a grant to somebody else, kept alive -----------------------------------------------------------------------------
keep_open() {
	while :; do
		knock other $GW4 true
		knock other6 "$GW6" true
		sleep 5
	done > /dev/null 2>> "$tmp/knocks"
}
open_for_others() { [ "$(reach "$OUT" $GW4) $(reach "$OUT" $GW6)" = "open open" ]; }
shut_for_others() { [ "$(reach "$OUT" $GW4) $(reach "$OUT" $GW6)" = "silent silent" ]; }
three_views() { # NAME
	succeeds "$1, before: shut for everybody" shut_for_others
	view "$tmp/$1.before"
	keep_open &
	local keeping=$!
	succeeds "$1, during: open for somebody else" within 15000 open_for_others
	view "$tmp/$1.during"
	succeeds "$1, during: still open for somebody else" open_for_others
	kill $keeping
	wait $keeping 2> /dev/null
	succeeds "$1, after: shut again" within 30000 shut_for_others
	view "$tmp/$1.after"
	is "$1: the grant made no difference" "" "$(diff "$tmp/$1.before" "$tmp/$1.during")"
	is "$1: nor did its end" "" "$(diff "$tmp/$1.before" "$tmp/$1.after")"
}
gateway_start

# -- the host without its perimeter -----------------------------------------------------------------------------------
three_views host
sed 's/^/      /' "$tmp/host.before"
for at in "$GW4 -sS" "$GW6 -sS -6"; do
	is "what answers is seen, and the gateway's ports alone are silent" \
		"$at: closed (65531); filtered $MQTT,$ENROLMENT,$MQTTS; open $WEB" "$(grep "^$at:" "$tmp/host.before")"
done
for at in "$GW4 -sU" "$GW6 -sU -6"; do
	has "its knock port looks like any that does not answer" "open\|filtered $DNS,$KNOCK\$" "$(grep "^$at:" "$tmp/host.before")"
done

# -- the host as a whole ----------------------------------------------------------------------------------------------
succeeds "the perimeter is on" gateway perimeter on
succeeds "and confirmed" gateway perimeter confirm
came=$(answers)
pace=$SILENT
three_views perimeter
is "every scan met silence" "" "$(diff <(silence) "$tmp/perimeter.before")"
is "packets that came back" 0 $(($(answers) - came))
echo "      $(wc -l < "$tmp/perimeter.before") scans in each phase; nmap said: $(sort -u "$tmp/nmap.err" | head -3)"
gateway_stop
finish
