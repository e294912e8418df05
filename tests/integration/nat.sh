#!/usr/bin/env bash
# Two devices behind one NAT address: one knocks, the other connects, holds slots and floods SYNs, and gets nowhere; the
# first still gets in. And the policy about the source: exact, or as many bits as a carrier's NAT and IPv6 privacy
# addresses need, the proof asked for all the same.
set -u
. "$(dirname "$0")/lib.sh"
world nft mosquitto_pub openssl python3
A=njnata$$ B=njnatb$$
gateway_make
enrol device d1 d2
must gateway profile set carrier --publish 'dev/{device}/#' --source /24 --source6 /64
must gateway profile set narrow --publish 'dev/{device}/#' --source /31
must gateway device add far --profile carrier --out "$tmp/far.cred"
must gateway device add near --profile narrow --out "$tmp/near.cred"

# $A and $B behind $OUT, which shows the gateway its own address alone.
nat_make() {
	local ns net
	trap 'nat_remove; clean' EXIT
	for ns in $A $B; do
		[ "$ns" = $A ] && net=10.79.1 || net=10.79.2
		ip netns add "$ns"
		ip -n "$OUT" link add "$ns" type veth peer name eth0 netns "$ns"
		ip -n "$ns" link set lo up
		ip -n "$ns" addr add $net.2/24 dev eth0
		ip -n "$OUT" addr add $net.1/24 dev "$ns"
		ip -n "$ns" link set eth0 up && ip -n "$OUT" link set "$ns" up
		ip -n "$ns" route add default via $net.1
	done
	in_out sysctl -qw net.ipv4.ip_forward=1
	in_out nft -f - <<- END
		table ip nat {
			chain post {
				type nat hook postrouting priority 100;
				ip saddr 10.79.0.0/16 oifname "njveth" masquerade
			}
		}
	END
}
nat_remove() {
	local ns pid
	for ns in $A $B; do
		for pid in $(ip netns pids "$ns" 2> /dev/null); do kill -9 "$pid" 2> /dev/null; done
		ip netns del "$ns" 2> /dev/null
	done
}
knock_in() { # NAMESPACE NAME COMMAND…
	local ns=$1 name=$2
	shift 2
	timeout 30 ip netns exec "$ns" "$NJ" knock --credentials "$tmp/$name.cred" --to $GW4 --then "$@"
}

cat > "$tmp/slots.py" << 'END'
import socket, sys, time
held = []
for _ in range(int(sys.argv[2])):
    s = socket.socket(); s.settimeout(3)
    try: s.connect((sys.argv[1], int(sys.argv[3]))); held.append(s)
    except OSError: pass
print(len(held), flush=True)
time.sleep(float(sys.argv[4]))
END
cat > "$tmp/syns.py" << 'END'
import random, socket, struct, sys, time
source, target, port, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
def sum16(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack('!BBH', 0, 6, 20)
end, count = time.monotonic() + seconds, 0
while time.monotonic() < end:
    head = [random.randrange(1024, 30000), port, random.getrandbits(32), 0, 5 << 4, 2, 64240, 0, 0]
    head[7] = sum16(pseudo + struct.pack('!HHIIBBHHH', *head))
    # Slow, and from ports of no other use here: what is tried is the gateway, not the NAT.
    try: raw.sendto(struct.pack('!HHIIBBHHH', *head), (target, 0)); count += 1
    except OSError: pass
    time.sleep(0.0005)
print(count)
END

test_neighbour() {
	local slots flood
	is "before: the neighbour's view" silent "$(reach $B $GW4)"
	# d1 knocks and takes its time; the neighbour has what it wants of these seconds.
	knock_in $A d1 sh -c "until [ -e '$tmp/go' ]; do sleep 0.02; done; timeout 10 mosquitto_pub -h \$0 -p \$1 \
		--psk-identity \$2 --psk \$3 -t dev/d1/temp -m 21" {host} {port} {identity} {key} &
	device=$!
	within 10000 sh -c "[ \"\$(ip netns exec $B '$PACKET' reach $GW4 $MQTTS)\" = open ]"
	is "during the grant: the neighbour sees an open port" open "$(reach $B $GW4)"
	has "a handshake of its own meets no answer" 'read 0 bytes' \
		"$(ip netns exec $B timeout 5 openssl s_client -connect $GW4:$MQTTS < /dev/null 2>&1)"
	is "a guessed key" 1 "$(ip netns exec $B timeout 3 mosquitto_pub -h $GW4 -p $MQTTS --psk-identity 0011223344556677 \
		--psk "$(printf '%064d' 1)" -t dev/d1/temp -m stolen > /dev/null 2>&1; [ $? = 0 ]; echo $?)"
	ip netns exec $B python3 "$tmp/slots.py" $GW4 100 $MQTTS 6 > "$tmp/slots" &
	slots=$!
	within 5000 grep -q . "$tmp/slots"
	ip netns exec $B python3 "$tmp/syns.py" 10.79.2.2 $GW4 $MQTTS 3 > "$tmp/syns" &
	flood=$!
	sleep 1
	: > "$tmp/go"
	wait $device
	is "the device gets in, among slots held and a flood of SYNs" 0 $?
	wait $flood $slots
	is "the flood was one" 1 "$([ "$(< "$tmp/syns")" -gt 1000 ]; echo $((1 - $?)))"
	is "bound once" 1 "$(gateway audit tail --count 1000 --event bound --subject d1 --json | wc -l)"
	is "and nobody else" 1 "$(gateway audit tail --count 1000 --event bound --json | wc -l)"
	succeeds "the neighbour's own knock lets it in as itself" knock_in $B d2 timeout 10 mosquitto_pub $PSK -t dev/d2/temp -m 1
}

# NAME HOST SOURCE: knocks from this side's first address, connects from SOURCE
from_other() {
	local bare=${2#[}
	knock "$1" "$2" timeout 4 mosquitto_pub -h "${bare%%]*}" -p {port} --psk-identity {identity} --psk {key} \
		-A "$3" -t "dev/$1/temp" -m 1 > /dev/null 2>&1
	[ $? = 0 ] && echo in || echo out
}

test_source() {
	is "exact: from another address" out "$(from_other d1 $GW4 $DEVICE4)"
	is "/24: from another address of the net" in "$(from_other far $GW4 $DEVICE4)"
	is "/31: from the other address of two" in "$(from_other near $GW4 $DEVICE4)"
	is "exact, IPv6: from another address" out "$(from_other d1 "[$GW6]:$KNOCK" $DEVICE6)"
	is "/64: from another address of the net" in "$(from_other far "[$GW6]:$KNOCK" $DEVICE6)"
	knock far $GW4 sleep 6 &
	sleep 0.4
	is "/24: another address of the net sees the port" open "$(reach "$OUT" $GW4 $DEVICE4)"
	is "/24: another net does not" silent "$(reach "$FAR" $GW4)"
	is "/24: the proof is asked for all the same" 1 "$(in_out timeout 3 mosquitto_pub -h $GW4 -p $MQTTS -A $DEVICE4 \
		--psk-identity 0011223344556677 --psk "$(printf '%064d' 1)" -t dev/far/temp -m x > /dev/null 2>&1
		[ $? = 0 ]; echo $?)"
	wait $!
}

gateway_start
nat_make
test_neighbour
test_source
gateway_stop
finish
