# Two network namespaces of this run alone, joined by a veth pair, for tests that need real packets. Source it, then:
#   netns_require TOOL…      exits 77 without root, namespaces or a tool
#   netns_make               gives $GW (gateway's) and $OUT (everybody else's), and removes them when the script ends
#   in_gw CMD…, in_out CMD…  runs a command inside
# Addresses: $GW4 $GW6 of the gateway; $STRANGER4 $STRANGER6, what $OUT uses by itself; $DEVICE4 $DEVICE6, used in $OUT
# only by a program that binds to them.
GW=njgw$$
OUT=njout$$
GW4=10.77.0.1 STRANGER4=10.77.0.2 DEVICE4=10.77.0.3
GW6=fd77::1 STRANGER6=fd77::2 DEVICE6=fd77::3

netns_require() {
	local tool
	[ "$(id -u)" = 0 ] || { echo "skipped: needs root"; exit 77; }
	for tool in ip "$@"; do
		command -v "$tool" > /dev/null || { echo "skipped: needs $tool"; exit 77; }
	done
}

netns_remove() {
	ip netns del "$GW" 2> /dev/null
	ip netns del "$OUT" 2> /dev/null
	return 0
}

netns_make() {
	trap netns_remove EXIT
	trap 'exit 130' INT TERM
	ip netns add "$GW" 2> /dev/null && ip netns add "$OUT" || { echo "skipped: no network namespaces here"; exit 77; }
	ip -n "$GW" link add njveth type veth peer name njveth netns "$OUT"
	ip -n "$GW" link set lo up && ip -n "$OUT" link set lo up
	ip -n "$GW" addr add $GW4/24 dev njveth
	ip -n "$GW" addr add $GW6/64 dev njveth nodad
	ip -n "$OUT" addr add $STRANGER4/24 dev njveth
	ip -n "$OUT" addr add $DEVICE4/24 dev njveth
	ip -n "$OUT" addr add $STRANGER6/64 dev njveth nodad
	ip -n "$OUT" addr add $DEVICE6/64 dev njveth nodad preferred_lft 0
	ip -n "$GW" link set njveth up && ip -n "$OUT" link set njveth up
	netns_wait_link
}

# The link-local address ends its duplicate detection after the link is up; until then neighbours may go unanswered.
netns_wait_link() {
	local try
	for try in $(seq 100); do
		[ -z "$(ip -n "$GW" -6 addr show tentative; ip -n "$OUT" -6 addr show tentative)" ] && return
		sleep 0.1
	done
	echo "the namespaces do not reach each other"
	exit 1
}

in_gw() { ip netns exec "$GW" "$@"; }
in_out() { ip netns exec "$OUT" "$@"; }
