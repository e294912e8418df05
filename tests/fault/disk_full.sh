#!/usr/bin/env bash
# A full disk: QoS 1 and 2 for a session that is away are refused (0x97; MQTT 3.1.1: the connection ends), QoS 0 and
# deliveries go on, what was acknowledged is there, and room is enough to go on. Then a start with a long queue.
set -u
. "$(dirname "$0")/../integration/lib.sh"
world mosquitto_pub mosquitto_sub mount
gateway_make
must gateway profile set bench --publish '#' --subscribe '#'
must gateway application add bench --profile bench --out "$tmp/bench.cred"
PORT=11883
AT="-h 127.0.0.1 -p $PORT"
pub() { in_gw timeout 60 mosquitto_pub $AT "$@"; }
sub() { in_gw timeout 60 mosquitto_sub $AT "$@"; }

# A disk of its own for what the gateway process writes.
small_disk() {
	cp -a "$dir/gateway" "$tmp/gateway.made"
	mount -t tmpfs -o size=16m,mode=700 tmpfs "$dir/gateway" || { echo "skipped: no tmpfs"; exit 77; }
	trap 'umount -l "$dir/gateway" 2> /dev/null; clean' EXIT
	cp -a "$tmp/gateway.made/." "$dir/gateway/"
}
fill() { dd if=/dev/zero of="$dir/gateway/filler" bs=64k 2> /dev/null; [ -s "$dir/gateway/filler" ]; }
disk() { gateway status --json | jq -r '.gateway.messages.disk'; }

refusals() {
	local said
	sub -c -i away -q 1 -t full -E
	pub -q 1 -t full -m before
	: > "$tmp/live.got"
	in_gw stdbuf -oL mosquitto_sub $AT -d -t '#' -F 'got %t %p' > "$tmp/live.got" 2>&1 &
	within 5000 grep -q '^Subscribed' "$tmp/live.got"
	fill
	# What fits into pages that are there already still does; then it is over.
	for i in $(seq 200); do
		said=$(pub -V mqttv5 -d -q 1 -t full -m "$(head -c 20000 /dev/zero | tr '\0' x)" 2>&1)
		grep -q 'RC:151' <<< "$said" && break
	done
	has "QoS 1 is refused (0x97 = 151)" 'RC:151' "$said"
	has "QoS 2 is refused" 'Quota exceeded' "$(pub -V mqttv5 -q 2 -t full -m refused 2>&1)"
	pub -q 0 -t zero -m goes-on
	succeeds "QoS 0 goes on" within 5000 grep -q 'got zero goes-on' "$tmp/live.got"
	pub -V mqttv311 -q 1 -t nobody/full -m goes-on-too
	is "what need not be written goes on" 0 $?
	is "the disk is shown" full "$(disk)"
	rm "$dir/gateway/filler"
	succeeds "with room again a message is taken" within 10000 taken
	is "the disk is shown" ok "$(disk)"
	sub -c -i away -q 1 -t full -W 3 2> /dev/null > "$tmp/away.got"
	is "what was acknowledged before" before "$(head -1 "$tmp/away.got")"
	is "and after" after "$(tail -1 "$tmp/away.got")"
}
taken() { pub -V mqttv5 -d -q 1 -t full -m after 2>&1 | grep -q 'RC:0'; }

small_disk
gateway_start --local mqtt=127.0.0.1:$PORT,as=bench
refusals
gateway_stop
finish
