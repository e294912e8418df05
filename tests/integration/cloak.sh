#!/usr/bin/env bash
# The bpf cloak against real packets: a stranger's scans meet silence before, during and after a grant, the granted
# device gets in, and everything fails closed. The gateway's side runs without any capability once it is set up.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/netns.sh"
probe=${NJ_BUILD:?the build folder}/tests/integration/cloak_probe
netns_require nmap setpriv unshare
[ -x "$probe" ] || { echo "skipped: no cloak_probe"; exit 77; }
netns_make

tmp=$(mktemp -d)
PORT=8883 KNOCK=6201
failures=0
declare -A to from pid

# -- the probes ------------------------------------------------------------------------------------------------------
probe_start() { # NAME NAMESPACE [COMMAND that starts it…]
	local name=$1 ns=$2 in out
	shift 2
	mkfifo "$tmp/$name.in" "$tmp/$name.out"
	ip netns exec "$ns" "$@" "$probe" < "$tmp/$name.in" > "$tmp/$name.out" &
	pid[$name]=$!
	exec {in}> "$tmp/$name.in" {out}< "$tmp/$name.out"
	to[$name]=$in from[$name]=$out
}
probe_stop() { # NAME
	exec {to[$1]}>&- {from[$1]}<&-
	wait "${pid[$1]}"
	local status=$?
	rm -f "$tmp/$1.in" "$tmp/$1.out"
	return $status
}
ask() { # NAME COMMAND…: the answer is in $reply
	local name=$1
	shift
	reply="error no answer"
	echo "$*" >&"${to[$name]}"
	read -r -t 60 reply <&"${from[$name]}"
}
clean() {
	local p
	for p in "${pid[@]}"; do kill "$p" 2> /dev/null; done
	rm -rf "$tmp"
	netns_remove
}
trap clean EXIT

# -- assertions ------------------------------------------------------------------------------------------------------
check() { # WHAT CONDITION…
	local what=$1
	shift
	if "$@"; then
		echo "ok    $what"
	else
		echo "WRONG $what (last answer: $reply)"
		failures=$((failures + 1))
	fi
}
answers() { # NAME "COMMAND" PATTERN
	ask "$1" "$2"
	[[ $reply == $3 ]]
}
counter() { # NAME-OF-COUNTER
	ask gw stats
	sed -n "s/.*\b$1=\([0-9]*\).*/\1/p" <<< "$reply"
}
# Everything that TCP sent, and every complaint by ICMP, since the namespace began.
sent() {
	in_gw awk '
		$1 == "Tcp:" && ++t == 1 { for (i = 2; i <= NF; i++) if ($i == "OutSegs") c = i }
		$1 == "Tcp:" && t == 2 { s += $c }
		$1 == "Udp:" && ++u == 1 { for (i = 2; i <= NF; i++) if ($i == "OutDatagrams") d = i }
		$1 == "Udp:" && u == 2 { s += $d }
		$1 == "Icmp:" && ++m == 1 { for (i = 2; i <= NF; i++) if ($i == "OutMsgs") e = i }
		$1 == "Icmp:" && m == 2 { s += $e }
		$1 == "Icmp6OutDestUnreachs" || $1 == "Icmp6OutParmProblems" || $1 == "Udp6OutDatagrams" { s += $2 }
		END { print s }' /proc/net/snmp /proc/net/snmp6
}

scan() { # FILE ARGUMENTS…: nmap's view of one port
	local file=$1
	shift
	in_out nmap -Pn -n --max-retries 1 --initial-rtt-timeout 100ms --max-rtt-timeout 200ms --host-timeout 30s \
		--send-ip -oX "$file" "$@" > /dev/null 2> "$file.err" || echo "nmap failed: $*" >> "$tmp/scan.bad"
	grep -q 'reason="no-response"' "$file" || echo "answered: $*: $(grep -o '<state [^>]*>' "$file") $(cat "$file.err")" >> "$tmp/scan.bad"
}
together() { # SCAN…: each a string of arguments, all at one time
	local one
	local -a running=()
	for one in "$@"; do
		scans=$((scans + 1))
		scan "$tmp/scan.$scans" $one &
		running+=($!)
	done
	wait "${running[@]}"
}
silent() { # WHEN: every kind of scan that nmap has
	local before after kind
	scans=0
	rm -f "$tmp"/scan.*
	before=$(sent)
	for kind in -sS -sA -sF -sN -sX -sT -sW -sM; do
		together "$kind -p $PORT $GW4" "$kind -6 -p $PORT $GW6"
	done
	together "-sS -f -p $PORT $GW4" "-sS --ip-options R -p $PORT $GW4" "-sS -g 53 -p $PORT $GW4" \
		"-sS -6 -g 53 -p $PORT $GW6" "-sU -p $KNOCK $GW4" "-sU -6 -p $KNOCK $GW6"
	after=$(sent)
	reply="sent $before, then $after; $(cat "$tmp/scan.bad" 2> /dev/null)"
	check "$1: $scans scans meet silence" [ ! -e "$tmp/scan.bad" ]
	check "$1: nothing was sent" [ "$before" = "$after" ]
}
# The scanner and the counters must be able to see an answer.
seen() { # REASON SCAN
	rm -f "$tmp"/scan.*
	scans=0
	together "$2"
	reply=$(cat "$tmp/scan.bad" 2> /dev/null)
	[[ $reply == *"reason=\"$1\""* ]]
}
unseen() { # SCAN
	rm -f "$tmp"/scan.*
	scans=0
	together "$1"
	reply=$(cat "$tmp/scan.bad" 2> /dev/null)
	[ -z "$reply" ]
}

# -- the tests -------------------------------------------------------------------------------------------------------
test_capability() {
	install -m 755 "$probe" "$tmp/probe" && chmod 755 "$tmp"
	local as="setpriv --reuid 65534 --regid 65534 --clear-groups"
	reply=$($as "$tmp/probe" <<< "setup 10 10 10")
	check "set-up is refused without a capability" [ "${reply%%:*}" = "error denied" ]
	reply=$($as --inh-caps -all,+bpf --ambient-caps -all,+bpf "$tmp/probe" <<< "setup 10 10 10")
	check "CAP_BPF alone is enough" [ "$reply" = ok ]
	if unshare -T true 2> /dev/null; then
		reply=$(unshare -T --boottime 1000 "$probe" <<< "setup 10 10 10")
		check "a shifted boot clock is refused" [ "${reply%%:*}" = "error unsupported" ]
	fi
	for limits in "0 1 1" "1 0 1" "1 1 0" "4194305 1 1" "1 4194305 1" "1 1 134217729"; do
		reply=$("$probe" <<< "setup $limits")
		check "limits $limits are refused" [ "${reply%%:*}" = "error range" ]
	done
}

start_gateway() {
	probe_start gw "$GW"
	probe_start dev "$OUT"
	ask gw setup 1000 1000 100000
	if [[ $reply == "error denied"* ]]; then
		echo "skipped: $reply"
		exit 77
	fi
	check "set up" [ "$reply" = ok ]
	check "without capabilities from here on" answers gw unprivileged "ok uid 65534"
	reply=$(grep -E '^Cap(Prm|Eff)' /proc/${pid[gw]}/status)
	check "none is left" [ -z "$(grep -v '0000000000000000$' <<< "$reply")" ]
	check "the maps can be driven" answers gw drive ok
	check "IPv4 listener" answers gw "listen $GW4:$PORT" ok
	check "IPv6 listener" answers gw "listen [$GW6]:$PORT" ok
	check "IPv4 knock socket" answers gw "udp $GW4:$KNOCK" ok
	check "IPv6 knock socket" answers gw "udp [$GW6]:$KNOCK" ok
}

test_undo() {
	local all="ok detach refused replace refused change refused unlock refused attach refused"
	check "a listener's filter is locked" answers gw undo "$all"
	check "a knock socket's filter is locked" answers gw "undo udp" "$all"
}

test_scanner() {
	local before
	before=$(sent)
	check "the scanner sees a port that is closed, not cloaked" seen reset "-sS -p 1 $GW4"
	check "IPv6 too" seen reset "-sS -6 -p 1 $GW6"
	check "and a UDP port" seen port-unreach "-sU -p 1 $GW4"
	check "and IPv6" seen port-unreach "-sU -6 -p 1 $GW6"
	reply="sent $before, then $(sent)"
	check "the counters see four answers" [ "$(sent)" -ge $((before + 4)) ]
}

no_entry() { answers dev "connect $1 $2:$PORT 300" "error timeout"; }
entry() { answers dev "connect $1 $2:$PORT 2000" ok; }
leave() {
	ask dev hang-up
	ask gw accept
	ask gw hang-up
}

test_grants() { # DEVICE GATEWAY STRANGER
	check "$1: no grant, no entry" no_entry "$1" "$2"
	ask gw open "$1" 128 $((PORT + 1)) 60000
	check "$1: another port's grant does not count" no_entry "$1" "$2"
	ask gw open "$1" 128 $PORT 60000
	check "$1: granted, enters" entry "$1" "$2"
	check "$1: the stranger does not" no_entry "$3" "$2"
	ask gw shut "$1" 128 $PORT
	check "$1: grant shut, no entry" no_entry "$1" "$2"
	ask gw accept
	ask gw clear
	ask gw renew on
	ask dev say
	check "$1: its connection lives on, every map empty" answers gw "hear 1000" "ok heard 1"
	leave
	ask gw open "$1" 128 $PORT 400
	sleep 0.5
	check "$1: grant expired, no entry" no_entry "$1" "$2"
	ask gw shut "$1" 128 $PORT
}

test_prefixes() {
	ask gw open $STRANGER6 64 $PORT 60000
	check "IPv6 /64 lets its neighbours in" entry $DEVICE6 "[$GW6]"
	check "IPv6 /64 lets no IPv4 in" no_entry $DEVICE4 $GW4
	leave
	ask gw shut $STRANGER6 64 $PORT
	ask gw open $STRANGER4 120 $PORT 60000
	check "IPv4 /24 lets its neighbours in" entry $DEVICE4 $GW4
	check "IPv4 /24 lets no IPv6 in" no_entry $DEVICE6 "[$GW6]"
	leave
	ask gw shut $STRANGER4 120 $PORT
	ask gw open 10.77.1.1 120 $PORT 60000
	check "the next IPv4 /24 does not" no_entry $DEVICE4 $GW4
	ask gw open ::1 64 $PORT 60000
	check "a /64 that has the mapped addresses lets no IPv4 in" no_entry $DEVICE4 $GW4
	ask gw open fd77:: 127 $PORT 60000
	for bits in 126 124 123 122 121; do
		check "up to eight lengths" answers gw "open fd77:: $bits $PORT 60000" ok
	done
	check "a ninth length is refused" answers gw "open fd77:: 125 $PORT 60000" "error limit"
	ask gw shut fd77:: 127 $PORT
	check "a length that no grant has any more makes room" answers gw "open $STRANGER6 125 $PORT 60000" ok
	check "the length that took its place lets its neighbours in" entry $DEVICE6 "[$GW6]"
	leave
	check "clear" answers gw clear ok
	ask gw renew on
	check "after clear there is room again" answers gw "open fd77:: 125 $PORT 1" ok
	ask gw clear
	ask gw renew on
}

test_options() {
	ask gw open $DEVICE4 128 $PORT 60000
	check "IPv4 options do not move the port" answers dev "connect $DEVICE4 $GW4:$PORT 2000 options" ok
	leave
	ask gw shut $DEVICE4 128 $PORT
}

# What a grant let in is noted, port by port, and stays until it is forgotten; its source's other segments are nothing.
test_flows() {
	local sport=4444 spoof="-S $DEVICE4 -e njveth" flags dropped
	ask gw open $DEVICE4 128 $PORT 60000
	for flags in SYNFIN SYNRST SYNACK ACK FIN RST PSHURG; do
		dropped=$(counter other_dropped)
		check "$flags from a granted source: silence" unseen "-sS --scanflags $flags $spoof -g $sport -p $PORT $GW4"
		check "$flags dropped" [ "$(counter other_dropped)" -gt "$dropped" ]
	done
	check "an ACK from a granted source: silence" unseen "-sA $spoof -g $sport -p $PORT $GW4"
	check "a SYN from it is answered" seen syn-ack "-sS $spoof -g $sport -p $PORT $GW4"
	check "an ACK of its noted flow is answered" seen reset "-sA $spoof -g $sport -p $PORT $GW4"
	check "an ACK from its next port: silence" unseen "-sA $spoof -g $((sport + 1)) -p $PORT $GW4"
	ask gw shut $DEVICE4 128 $PORT
	check "the grant gone, a SYN of the flow is a retransmission" seen syn-ack "-sS $spoof -g $sport -p $PORT $GW4"
	check "its next port's is not" unseen "-sS $spoof -g $((sport + 1)) -p $PORT $GW4"
	check "the flow ends" answers gw "flow-end $DEVICE4:$sport $PORT" ok
	check "no SYN of it" unseen "-sS $spoof -g $sport -p $PORT $GW4"
	check "no ACK of it" unseen "-sA $spoof -g $sport -p $PORT $GW4"
	check "ending it again is harmless" answers gw "flow-end $DEVICE4:$sport $PORT" ok
}

test_lease() {
	ask gw open $DEVICE4 128 $PORT 60000
	check "leased, enters" entry $DEVICE4 $GW4
	ask gw accept
	ask gw renew off
	sleep 1.2
	check "the lease has run out, no entry" no_entry $DEVICE4 $GW4
	ask dev say
	check "the connection lives on" answers gw "hear 1000" "ok heard 1"
	ask gw say
	check "both ways" answers dev "hear 1000" "ok heard 1"
	ask gw renew on
	check "renewed, enters" entry $DEVICE4 $GW4
	leave
	check "a new driver takes over" answers gw drive ok
	check "the grant outlives its driver" entry $DEVICE4 $GW4
	leave
	ask gw clear
	ask gw renew on
	check "a new keeper's clear empties it" no_entry $DEVICE4 $GW4
}

# A keeper that stands still for a second closes the door; one that goes on opens it.
test_stopped_keeper() {
	ask gw open $DEVICE4 128 $PORT 60000
	kill -STOP "${pid[gw]}"
	sleep 1.2
	check "keeper stopped, no entry" no_entry $DEVICE4 $GW4
	kill -CONT "${pid[gw]}"
	ask gw stats
	check "keeper goes on, enters" entry $DEVICE4 $GW4
	leave
	ask gw clear
	ask gw renew on
}

test_full_table() {
	ask gw clear
	check "the table takes what it was sized for" answers gw "fill 1001" "ok opened 1000 *"
	check "one more is refused" answers gw "open $DEVICE4 128 $PORT 1000" "error limit"
	check "an old one can be renewed" answers gw "open 10.0.0.0 128 1 1000" ok
	ask gw clear
	ask gw renew on
}

test_knocks() {
	local passed dropped
	passed=$(counter knock_passed) dropped=$(counter knock_dropped)
	check "no hints, no knock" answers dev "knock $DEVICE4 $GW4:$KNOCK 112 7 0" "ok silence"
	check "nothing arrived" answers gw received "ok received 0 odd 0"
	ask gw hints 100000 7
	for length in 0 1 8 111 113 120 1400; do
		check "length $length with a good hint: silence" \
			answers dev "knock $DEVICE4 $GW4:$KNOCK $length 7 0" "ok silence"
	done
	check "none arrived" answers gw received "ok received 0 odd 0"
	for skip in 0 1 50000 99999; do
		check "hint $skip: silence" answers dev "knock $DEVICE4 $GW4:$KNOCK 112 7 $skip" "ok silence"
		check "IPv6, hint $skip: silence" answers dev "knock $DEVICE6 [$GW6]:$KNOCK 112 7 $skip" "ok silence"
	done
	check "IPv6, length 111: silence" answers dev "knock $DEVICE6 [$GW6]:$KNOCK 111 7 0" "ok silence"
	check "all arrived" answers gw received "ok received 8 odd 0"
	passed=$(($(counter knock_passed) - passed)) dropped=$(($(counter knock_dropped) - dropped))
	reply="passed $passed, dropped $dropped"
	check "counted" [ $passed:$dropped = 8:9 ]
	ask gw hints 1000 8
	check "a hint that left: silence" answers dev "knock $DEVICE4 $GW4:$KNOCK 112 7 0" "ok silence"
	check "a new one: silence" answers dev "knock $DEVICE4 $GW4:$KNOCK 112 8 999" "ok silence"
	check "one more at run time" answers gw "hint 0011223344556677" ok
	check "the new one alone arrived" answers gw received "ok received 1 odd 0"
	check "the filter follows the number of hints" [ "$(counter bits)" = 524288 ]
}

# A million random datagrams at 16 bits a hint: the receiver does not wake, few pass.
test_junk() {
	local before after passed dropped
	probe_start flooded "$OUT"
	ask flooded setup 10 10 1048576
	ask flooded drive
	ask flooded udp 127.0.0.1:$KNOCK
	ask flooded hints 1048576 9
	check "a rebuild of a million hints" [ "${reply% *}" = "ok ms" ]
	echo "      took ${reply##* } ms"
	ask flooded cpu
	before=${reply##* }
	ask dev junk 127.0.0.1:$KNOCK 1000000
	check "the flood was sent" [ "${reply% *}" = "ok ms" ]
	echo "      took ${reply##* } ms"
	ask flooded cpu
	after=${reply##* }
	ask flooded stats
	passed=$(sed -n 's/.*knock_passed=\([0-9]*\).*/\1/p' <<< "$reply")
	dropped=$(sed -n 's/.*knock_dropped=\([0-9]*\).*/\1/p' <<< "$reply")
	echo "      passed $passed, dropped $dropped, receiver's CPU $((after - before)) us"
	check "every datagram was judged" [ $((passed + dropped)) = 1000000 ]
	check "fewer than 2 % pass at 16 bits a hint" [ "$passed" -lt 20000 ]
	check "the receiver spends under 20 ms" [ $((after - before)) -lt 20000 ]
	probe_stop flooded
}

test_capability
start_gateway
test_undo
test_scanner
silent "before any lease"
ask gw renew on
silent "before a grant"
test_grants $DEVICE4 $GW4 $STRANGER4
test_grants $DEVICE6 "[$GW6]" $STRANGER6
test_prefixes
test_options
test_flows
ask gw open $DEVICE4 128 $PORT 60000
ask gw open $DEVICE6 128 $PORT 60000
check "during a grant the device enters" entry $DEVICE4 $GW4
leave
silent "during another's grant"
ask gw clear
ask gw renew on
silent "after the grant"
test_lease
test_stopped_keeper
test_full_table
test_knocks
test_junk
check "the device's probe ended well" probe_stop dev
check "the gateway's probe ended well" probe_stop gw
echo "$failures wrong"
[ "$failures" = 0 ]
