#!/usr/bin/env bash
# A real proxy before the gateway: HAProxy passes TLS on and says by a PROXY header who is behind it. That address is what
# the door, the log, the audit and the limits know; the proxy itself reaches the port and proves nothing by it. Nobody else's
# header is read, and no other beginning of a listed proxy is taken.
set -u
. "$(dirname "$0")/lib.sh"
world haproxy mosquitto_pub openssl python3
CLOAK=${1:-bpf}
PX=njpx$$ PX4=10.80.0.2 PX6=fd80::2
LOCAL=11883

# $PX, behind the gateway, which routes for it.
proxy_make() {
	trap 'proxy_remove; clean' EXIT
	ip netns add "$PX"
	ip -n "$GW" link add njpx type veth peer name njpx netns "$PX"
	ip -n "$PX" link set lo up
	ip -n "$GW" addr add 10.80.0.1/24 dev njpx && ip -n "$GW" addr add fd80::1/64 dev njpx nodad
	ip -n "$PX" addr add $PX4/24 dev njpx && ip -n "$PX" addr add $PX6/64 dev njpx nodad
	ip -n "$GW" link set njpx up && ip -n "$PX" link set njpx up
	ip -n "$PX" route add default via 10.80.0.1 && ip -n "$PX" -6 route add default via fd80::1
	ip -n "$OUT" route add 10.80.0.0/24 via $GW4 && ip -n "$OUT" -6 route add fd80::/64 via $GW6
	ip -n "$FAR" route add 10.80.0.0/24 via 10.78.0.1
	in_gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	cat > "$tmp/haproxy.cfg" <<- END
		global
		    stats socket $tmp/haproxy.sock
		defaults
		    mode tcp
		    timeout connect 2s
		    timeout client 20s
		    timeout server 20s
		listen mqtts4
		    bind $PX4:8883
		    server gw $GW4:8883 send-proxy-v2 proxy-v2-options crc32c,unique-id,ssl check check-send-proxy inter 200ms
		    unique-id-format id-%pid-%rt
		listen mqtts6
		    bind [$PX6]:8883
		    server gw [$GW6]:8883 send-proxy-v2
		listen plain
		    bind $PX4:1883
		    server gw $GW4:1883 send-proxy-v2
		listen version1
		    bind $PX4:8881
		    server gw $GW4:8883 send-proxy
		listen silent
		    bind $PX4:8880
		    server gw $GW4:8883
	END
	in_px haproxy -q -db -f "$tmp/haproxy.cfg" > "$tmp/haproxy.log" 2>&1 &
}
proxy_remove() {
	local pid
	for pid in $(ip netns pids "$PX" 2> /dev/null); do kill -9 "$pid" 2> /dev/null; done
	ip netns del "$PX" 2> /dev/null
}
in_px() { ip netns exec "$PX" "$@"; }
healthy() { in_px python3 - "$tmp/haproxy.sock" <<- 'END'
	import socket, sys
	s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b"show stat\n")
	said = b""
	while chunk := s.recv(65536): said += chunk
	rows = [r.split(",") for r in said.decode().splitlines()]
	sys.exit(not any(r[0] == "mqtts4" and r[1] == "gw" and r[17] == "UP" for r in rows if len(r) > 17))
	END
}
through() { # NAME KNOCK-AT PROXY PORT [OPTIONS]: knocks at the gateway, publishes by the proxy
	local name=$1 at=$2 proxy=$3 port=$4
	shift 4
	knock "$name" "$at" timeout 10 mosquitto_pub -h "$proxy" -p "$port" --psk-identity {identity} --psk {key} \
		-t "dev/$name/t" -m x "$@" 2> "$tmp/publish.err"
}
fails() { "$@"; [ $? != 0 ]; }
events() { gateway audit tail --count 200 --event "$1" --json; }
audited() { events "$1" | grep -qE -- "$2"; } # EVENT PATTERN

# What the gateway answers to bytes, by hex, in 2 s: its bytes in hex, "reset", "end" or "silent".
cat > "$tmp/say.py" << 'END'
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET); s.settimeout(2)
try:
    s.connect((sys.argv[1], int(sys.argv[2])))
    s.sendall(bytes.fromhex(sys.argv[3]))
    print(s.recv(100).hex() or "end")
except TimeoutError: print("silent")
except ConnectionError: print("reset")
END
say() { python3 "$tmp/say.py" "$@"; }
SIGNATURE=0d0a0d0a000d0a515549540a
FROM_FAR=${SIGNATURE}2111000c0a4e0002c6336401123422b3 # 10.78.0.2:4660
CONNECT=101000044d5154540402003c0004746573740a # clean, 60 s, client "test", and a byte too many for the gateway to close

test_bound() { # WHAT KNOCK-AT PROXY ADDRESS
	succeeds "$1: a device publishes by the proxy" through d1 "$2" "$3" 8883
	within 5000 audited bound "\"source\":\"(\\[)?$4(\\])?:[0-9]+\".*by the proxy (\\[)?$3"
	has "$1: the audit has its address, and the proxy's" "\"source\":\"(\\[)?$4(\\])?:[0-9]+\".*by the proxy (\\[)?$3" \
		"$(events bound | grep '"d1"')"
	within 5000 audited session.closed "\"source\":\"(\\[)?$4(\\])?:[0-9]+\""
	has "$1: and its session's end" "$4" "$(events session.closed | grep '"d1"')"
}
# Without TLS: the one-time password, and the limit of unproven connections, are the address's behind the proxy.
test_plain() {
	succeeds "plain MQTT by the proxy" knock_plain timeout 10 mosquitto_pub -h $PX4 -p 1883 -u {username} -P {password} -t dev/d1/t -m x
	within 5000 audited bound "\"source\":\"$STRANGER4:[0-9]+\".*weak: by a password, by the proxy $PX4"
	has "is audited as such" "weak: by a password, by the proxy $PX4" "$(events bound | grep '"d1"')"
	knock_plain bash -c 'for i in {1..70}; do exec {fd}<> "/dev/tcp/$0/1883" || exit 1; done; : > "$1"; sleep 2' \
		$PX4 "$tmp/crowded" & crowd=$!
	within 10000 [ -e "$tmp/crowded" ]
	within 3000 unproven_is 64
	is "unproven connections of one address behind it" 64 "$(gateway status --json | jq .gateway.unproven)"
	kill $crowd 2> /dev/null
	wait $crowd 2> /dev/null
}
knock_plain() { timeout 20 ip netns exec "$OUT" "$NJ" knock --credentials "$tmp/d1.cred" --to $GW4 --service mqtt --then "$@"; }
unproven_is() { [ "$(gateway status --json | jq .gateway.unproven)" = "$1" ]; }
test_shown() {
	local status
	status=$(gateway status)
	has "status shows who comes without a knock" "mqtts +$GW4:8883 +cloaked, by proxies $PX4 $PX6" "$status"
	has "and warns" 'listed proxies reach cloaked services' "$status"
	has "the audit does, too" "mqtts answers the proxies $PX4, $PX6 without a knock" "$(events cloak.weak)"
}
test_strangers() {
	is "a stranger by the proxy" "reset" "$(in_far python3 "$tmp/say.py" $PX4 8883 160301000100 | sed s/end/reset/)"
	within 5000 audited bind.failed '"source":"10.78.0.2:[0-9]+".*nobody has knocked'
	has "is audited by its own address" '"source":"10.78.0.2:[0-9]+".*nobody has knocked' "$(events bind.failed)"
	record d1 knock.bin
	replay knock.bin
	is "another's open grant, by the proxy" 1 "$(in_far timeout 5 mosquitto_pub -h $PX4 -p 8883 --psk-identity "$identity" \
		--psk "$key" -t dev/d1/t -m x 2> /dev/null; [ $? = 0 ]; echo $?)"
	succeeds "which is there for its own" in_out timeout 5 mosquitto_pub -h $PX4 -p 8883 --psk-identity "$identity" \
		--psk "$key" -t dev/d1/t -m x
}
test_refusals() {
	local before
	before=$(gateway metrics | awk '/proxied_refused_total.*header/ { print $2 }')
	is "version 1" 1 "$(through d1 $GW4 $PX4 8881; [ $? = 0 ]; echo $?)"
	is "no header" 1 "$(through d1 $GW4 $PX4 8880; [ $? = 0 ]; echo $?)"
	is "UDP" end "$(in_px python3 "$tmp/say.py" $GW4 8883 ${SIGNATURE}2112000c0a4d0002c6336401123422b3 | sed s/reset/end/)"
	is "an address of the gateway's own" end \
		"$(in_px python3 "$tmp/say.py" $GW4 8883 ${SIGNATURE}2111000c7f000001c6336401123422b3 | sed s/reset/end/)"
	is "each is counted" $((before + 4)) "$(gateway metrics | awk '/proxied_refused_total.*header/ { print $2 }')"
	has "and audited" "\"source\":\"$PX4:[0-9]+\".*no PROXY header of version 2" "$(events proxy.refused)"
	is "half a header is closed in time" end "$(in_px python3 - <<- END
		import socket
		s = socket.create_connection(("$GW4", 8883)); s.settimeout(8); s.sendall(bytes.fromhex("$SIGNATURE"))
		try: print(s.recv(1).hex() or "end")
		except ConnectionError: print("end")
		except TimeoutError: print("open")
	END
	)"
}
# Who is not listed has no header: not with an open door, and not without.
test_unlisted() {
	is "a header from a stranger" silent "$(in_far python3 "$tmp/say.py" $GW4 8883 $FROM_FAR)"
	record d1 knock.bin
	replay knock.bin
	is "from a device with an open door: that is no ClientHello" end \
		"$(in_out python3 "$tmp/say.py" $GW4 8883 $FROM_FAR | sed s/reset/end/)"
	is "nobody is taken for another" 0 "$(events bound | grep -c '10.78.0.2')"
	succeeds "without one, as ever" publish d2 $GW4 dev/d2/t direct
}
test_keeper_again() {
	local old=$keeper
	kill -9 "$keeper"
	keeper_is_new() { children && [ "$keeper" != "$old" ] && gateway status --json | jq -e .keeper.gateway_connected > /dev/null; }
	within 10000 keeper_is_new
	succeeds "a new keeper lets the proxies in" through d2 $GW4 $PX4 8883
}
test_local() {
	is "a local listener: who is listed must say" end "$(in_gw python3 "$tmp/say.py" 127.0.0.1 $LOCAL ${CONNECT%0a} | sed s/reset/end/)"
	is "and is who it says" 20020000 "$(in_gw python3 "$tmp/say.py" 127.0.0.1 $LOCAL \
		${SIGNATURE}2111000c7f000007c6336401123422b3${CONNECT%0a})"
	within 5000 audited session.closed '"source":"127.0.0.7:4660"'
	has "audited so" '"source":"127.0.0.7:4660"' "$(events session.closed)"
}

gateway_make --ports knock=$KNOCK,mqtts=$MQTTS,mqtt=$MQTT
must gateway profile set meter --publish 'dev/{device}/#' --plain --service mqtt --service mqtts
enrol device d1 d2
enrol application office
sed -i "s/^cloak: .*/cloak: \"$CLOAK\"/" "$dir/nightjar.yaml"
cat >> "$dir/nightjar.yaml" << END
proxy:
  - service: mqtts
    from: ["$PX4", "$PX6"]
  - service: mqtt
    from: ["$PX4"]
local:
  - service: mqtt
    address: "127.0.0.1:$LOCAL"
    as: office
    proxy: ["127.0.0.1"]
END
sed -i -E "/^listen:/,/^[^ ]/{s/0\.0\.0\.0/$GW4/;s/\"::\"/\"$GW6\"/}" "$dir/nightjar.yaml"
must gateway check
gateway_start
proxy_make
succeeds "the proxy's own checks find the gateway" within 10000 healthy
is "and are no refusals" 0 "$(gateway metrics | awk '/proxied_refused_total/ { n += $2 } END { print n }')"
dark "proxies are let in"
is "a proxy reaches the port" open "$(in_px "$PACKET" reach $GW4 8883)"
test_shown
test_bound IPv4 $GW4 $PX4 $STRANGER4
test_bound IPv6 "[$GW6]" $PX6 $STRANGER6
test_plain
test_strangers
test_refusals
test_unlisted
test_local
test_keeper_again
gateway_stop
if [ -n "${THOROUGH:-}" ] && [ "$CLOAK" = bpf ]; then
	bash "$0" cbpf || failures=$((failures + 1))
fi
finish
