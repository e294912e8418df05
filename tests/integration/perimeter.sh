#!/usr/bin/env bash
# The perimeter: nmap with every kind of segment, by IPv4 and IPv6, finds nothing and gets nothing (stranger.sh scans all
# ports); whoever is on the list gets in; what a host needs to be reached passes; and the perimeter is hard to lock
# oneself out with.
set -u
. "$(dirname "$0")/lib.sh"
world nmap nft python3 mosquitto_pub
UDP_PORTS=53,67,68,69,111,123,135,137,138,161,162,445,500,514,520,546,547,631,1194,1434,1900,4500,5060,5353,$KNOCK
SOME_PORTS=1,22,80,443,2222,8080,$MQTT,$MQTTS,65535

gateway_make
enrol device pump other
cp "$dir/nightjar.yaml" "$tmp/plain.yaml"
perimeter() { # YAML: the section's keys
	{ sed '/^perimeter:/,$d' "$tmp/plain.yaml"; printf 'perimeter:\n%s\n' "$1"; } > "$dir/nightjar.yaml"
}
raw() { local ns=$1; shift; ip netns exec "$ns" python3 "$here/raw.py" "$@"; }
state() { gateway perimeter status | head -1; }
is_off() { [ "$(state)" = "perimeter off" ]; }
tcp() { ip netns exec "$1" "$PACKET" reach "$2" "$3"; } # NAMESPACE ADDRESS PORT: open, refused or silent

# Services of the host, and what its neighbours send to it by itself.
raw "$GW" serve 0.0.0.0 2222 > "$tmp/shell" 2> /dev/null &
raw "$GW" serve :: 2222 > "$tmp/shell6" 2> /dev/null &
raw "$GW" serve 0.0.0.0 8080 > "$tmp/web" 2> /dev/null &
raw "$GW" hear udp 0.0.0.0 68 > "$tmp/dhcp4" 2> /dev/null &
raw "$GW" hear udp :: 546 > "$tmp/dhcp6" 2> /dev/null &
raw "$GW" hear icmp > "$tmp/icmp" 2> /dev/null &
raw "$GW" hear icmp6 > "$tmp/icmp6" 2> /dev/null &
for file in shell shell6 web dhcp4 dhcp6 icmp icmp6; do must within 10000 grep -q hearing "$tmp/$file"; done

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
look() { # NMAP-OPTIONS…
	in_far nmap -Pn -n -T5 --max-retries 0 --min-rate 12000 --send-ip -oG - "$@" 2>> "$tmp/nmap.err" |
		grep -E 'Ports:.*/(open|closed|unfiltered)/' | sed "s/^/$1 /" >> "$tmp/seen"
	[ "${PIPESTATUS[0]}" = 0 ] || echo "nmap failed: $*" >> "$tmp/seen"
}
every_kind() { # PORTS
	local kind at looks=()
	for at in "$GW4" "-6 $GW6"; do
		for kind in -sS -sA -sF -sN -sX -sM -sW -sT "-sS -g 53" "-sS -f"; do
			[ "$kind$at" != "-sS -f-6 $GW6" ] || kind="-sA -g 53"
			look $kind -p "$1" $at & looks+=($!)
		done
		look -sU -p $UDP_PORTS $at & looks+=($!)
	done
	look -sO -p 1,2,6,17,47,50,132,255 $GW4 & looks+=($!)
	look -sS --ip-options R -p "$1" $GW4 & looks+=($!)
	wait "${looks[@]}"
}
silent_host() { # WHEN
	local before
	: > "$tmp/seen"
	before=$(answers)
	every_kind $SOME_PORTS
	raw "$FAR" icmp $GW4 8 0
	raw "$FAR" icmp6 $GW6 128 0
	sleep 0.2
	is "$1: every kind of scan sees" "" "$(cat "$tmp/seen")"
	is "$1: packets that came back" 0 $(($(answers) - before))
}
# -- a list that is wrong --------------------------------------------------------------------------------------------
for list in '["192.0.2.1/24"]' '["any"]' '["10.0.0.0/8 tcp/0"]' '["example.org"]' '["10.0.0.1 sctp/9"]'; do
	perimeter "  allow: $list"
	refused "refused: $list" 'perimeter: allow' gateway check
done
perimeter "  allow: [\"10.77.0.0/24 tcp/2222\", \"fd77::/64 tcp/2222\"]"
gateway_start
is "off at first" "perimeter off" "$(state)"
: > "$tmp/seen"
look -sS -p 1,8080,$MQTTS $GW4
has "the scanner can see" '8080/open.*' "$(cat "$tmp/seen")"
has "and be answered" '1/closed' "$(cat "$tmp/seen")"

# -- not to be locked out --------------------------------------------------------------------------------------------
from() { SSH_CONNECTION="$1 40000 $2 $3" bash -c "env -u SSH_CONNECTION $NJ perimeter on --dir $dir; exit \$?"; }
refused "a session from elsewhere is not cut off" "10.78.0.2 tcp/2222" from $FAR4 10.78.0.1 2222
refused "nor one over another port" "8080" from $STRANGER4 $GW4 8080
is "it stays off" "perimeter off" "$(state)"
mkfifo "$tmp/pipe"
raw "$OUT" hold $STRANGER4 $GW4 8080 < "$tmp/pipe" &
exec 7> "$tmp/pipe"
echo early >&7
must within 10000 grep -q early "$tmp/web"
succeeds "a session stands" subscribe pump $GW4 cmd/pump/#
succeeds "a session that may come back turns it on" from $STRANGER4 $GW4 2222
began=$(now_ms)
has "for a while" 'perimeter on trial' "$(state)"

# -- the stranger's view ---------------------------------------------------------------------------------------------
silent_host "before a grant"
must knock other $GW4 true
silent_host "during a grant to somebody else"
at_most "junk leaves nothing in the table of connections" 20 "$(in_gw cat /proc/sys/net/netfilter/nf_conntrack_count)"

echo late >&7
succeeds "a connection that stood goes on" within 10000 grep -q late "$tmp/web"
exec 7>&-
is "whom the list names gets in" open "$(tcp "$OUT" $GW4 2222)"
ip -n "$GW" -6 neigh flush all && ip -n "$OUT" -6 neigh flush all
is "by IPv6 too: neighbours find each other" open "$(tcp "$OUT" $GW6 2222)"
is "to what it names alone" silent "$(tcp "$OUT" $GW4 8080)"
is "and nobody else does" silent "$(tcp "$FAR" $GW4 2222)"
succeeds "a device gets in" publish pump $GW4 dev/pump/t hello -q 1

# What a host needs to be reached.
came() { cat "$tmp/$1" | grep -c got; } # FILE
raw "$OUT" udp 0.0.0.0 67 $GW4 68
raw "$OUT" udp 0.0.0.0 6767 $GW4 68
link=$(ip -n "$OUT" -6 -o addr show dev njveth scope link | awk '{ sub("/.*", "", $4); print $4 }')
to=$(ip -n "$GW" -6 -o addr show dev njveth scope link | awk '{ sub("/.*", "", $4); print $4 }')
raw "$OUT" udp "$link%njveth" 547 "$to%njveth" 546
raw "$OUT" udp fd77::2 547 $GW6 546
raw "$FAR" icmp $GW4 3 4
raw "$FAR" icmp $GW4 3 1
raw "$FAR" icmp6 $GW6 2 0
raw "$FAR" icmp6 $GW6 1 0
sleep 0.3
is "DHCP, from its port alone" 1 "$(came dhcp4)"
is "DHCPv6, from the link alone" 1 "$(came dhcp6)"
is "path MTU, and no other error" "got 3 4" "$(grep -E 'got (3 4|3 1|8 0)' "$tmp/icmp" | sort -u)"
is "path MTU of IPv6" "got 2 0" "$(grep -E 'got (1 0|2 0|128 0)' "$tmp/icmp6" | sort -u)"

# -- whatever happens ------------------------------------------------------------------------------------------------
kill -9 $keeper
must within 5000 children
kill -9 $worker
must within 5000 children
sleep 0.3
silent_host "after keeper and gateway were killed"
in_gw nft flush ruleset
is "nobody else can take it away" silent "$(tcp "$FAR" $GW4 1)"
perimeter '  allow: ["10.0.0.0/24 tcp/2222", "nonsense"]'
refused "a wrong list is refused whole" "'nonsense'" gateway perimeter on
is "and the old one stays" open "$(tcp "$OUT" $GW4 2222)"

# -- its end ---------------------------------------------------------------------------------------------------------
left=$((60500 - $(now_ms) + began))
has "nobody confirmed it: still on" 'on trial' "$(state)"
succeeds "after a minute it turns itself off" within $left is_off
at_most "and not before" "$(now_ms)" $((began + 58000))
is "the host is as it was" refused "$(tcp "$FAR" $GW4 1)"
has "the audit log has it" 'nobody confirmed' "$(gateway audit tail --event perimeter)"
refused "nothing to confirm" 'is off' gateway perimeter confirm
perimeter '  allow: ["10.77.0.2"]'
succeeds "on" gateway perimeter on
succeeds "confirmed" gateway perimeter confirm
is "it stays" "perimeter on" "$(state)"
is "silent" silent "$(tcp "$FAR" $GW4 1)"
if [ "${THOROUGH:-}" = 1 ]; then
	is_confirmed() { [ "$(state)" = "perimeter on" ]; }
	perimeter '  allow: ["10.77.0.99"]'
	succeeds "another list" gateway perimeter on
	is "shuts out who was let in" silent "$(tcp "$OUT" $GW4 2222)"
	succeeds "nobody confirmed it: the list from before" within 62000 is_confirmed
	is "lets in again" open "$(tcp "$OUT" $GW4 2222)"
fi
kill -9 "$supervisor"
sleep 0.5
is "all of it killed: the table goes with its owner" "" "$(in_gw nft list tables | grep perimeter)"
is "so the host is its old self, and nothing of ours is open" "refused refused" \
	"$(tcp "$FAR" $GW4 1) $(tcp "$FAR" $GW4 $MQTTS)"
perimeter '  mode: drop-all'
gateway_start
is "from the start, where the configuration says so" "perimeter on" "$(state)"
silent_host "without any list"
succeeds "off" gateway perimeter off
is "off at once" refused "$(tcp "$FAR" $GW4 1)"
finish
