#!/usr/bin/env bash
# Continuous keys from end to end: a device that can rekey does, its old key is dead and its use seen; whatever is
# killed at which point of the exchange (the device at each write and send, the keeper, the gateway process, all),
# the device gets in again and both sides agree.
set -u
. "$(dirname "$0")/lib.sh"
REF=$NJ_BUILD/tests/reference/nj-ref-device
[ -x "$REF" ] || { echo "skipped: not built: $REF"; exit 77; }
world mosquitto_sub
gateway_make
# One key a second, so that every session may rekey.
sed -i 's/^\( *\)#* *rekey_interval:.*/\1rekey_interval: 1s/' "$dir/nightjar.yaml"
grep -q '^  rekey_interval: 1s' "$dir/nightjar.yaml" || sed -i '/^knock:/a\  rekey_interval: 1s' "$dir/nightjar.yaml"
sed -i 's/^\( *\)#* *rate_device_burst:.*/\1rate_device_burst: 255/' "$dir/nightjar.yaml"
must gateway check
enrol device d1 d2 d3 d4
gateway_start

device() { # NAME STATE [OPTIONS]: says what it did on standard output
	local name=$1 state=$2
	shift 2
	timeout 60 ip netns exec "$OUT" "$REF" --credentials "$tmp/$name.cred" --state "$tmp/$state" --to $GW4 "$@"
}
said() { awk -v what="$1" '$1 == what { print $2 }' "$tmp/said.device" | tail -1; } # WHAT
epoch() { gateway device show "$1" --json | jq .epoch; }
events() { gateway audit tail --count 1000 --event "$1" --subject "$2" --json | wc -l; } # EVENT NAME
in_again() { # WHEN NAME STATE: a session that runs through, and both sides agree
	device "$2" "$3" --attempts 60 --stay-ms 1500 > "$tmp/said.device" 2>&1
	is "$1: the device is in again" 0 $?
	is "$1: it holds one key" 1 "$(said keys)"
	is "$1: the gateway's" "$(epoch "$2")" "$(said epoch)"
}

in_again "the first rekey" d1 d1.state
is "it has a new key" 2 "$(said epoch)"
sleep 1
in_again "the second rekey" d1 d1.state
is "it has a new key" 3 "$(said epoch)"
is "both are recorded" 2 "$(events key.stored d1)"

# Every point of the exchange is a unit test's; here, on real processes, the ones in the midst of it, and with
# THOROUGH=1 (make soak) all of them.
if [ -n "${THOROUGH:-}" ]; then
	deaths=({before,torn,after}:write-attempt {before,after}:send-knock {before,after}:connect
		{before,torn,after}:write-bound {before,after}:send-connect {before,after}:send-publish
		{before,torn,after}:write-offered {before,after}:send-stored {before,torn,after}:write-done)
	pauses=(after:send-knock after:connect after:write-bound after:send-connect before:write-offered
		before:send-stored after:send-stored before:write-done)
else
	deaths=(torn:write-bound torn:write-offered after:write-offered after:send-stored torn:write-done)
	pauses=(before:send-stored after:send-stored)
fi

# -- the device dies at its writes and sends ---
for point in "${deaths[@]}"; do
	sleep 1.1
	device d1 d1.state --attempts 3 --die "$point" > "$tmp/said.device" 2>&1
	is "the device dies ${point/:/ }" 137 $?
	sleep 1
	in_again "after that" d1 d1.state
done

# -- the gateway's processes die while the device stands still there ---
settled() { local old=$1; within 10000 children && [ "$keeper $worker" != "$old" ]; }
back() { # OLD PIDS
	within 15000 settled "$1"
	within 5000 serves
}
serves() { [ "$(gateway status --json | jq -r .keeper.gateway_connected)" = true ]; }
for what in keeper gateway both; do
	for point in "${pauses[@]}"; do
		children
		old="$keeper $worker"
		sleep 1.1
		device d2 d2.state --pause "$point" --stay-ms 700 > "$tmp/said.device" 2>&1 &
		waiting=$!
		if ! within 8000 grep -q '^paused' "$tmp/said.device"; then
			echo "WRONG the device never came to $point: $(cat "$tmp/said.device")"
			failures=$((failures + 1))
		fi
		[ $what = gateway ] || kill -9 "$keeper"
		[ $what = keeper ] || kill -9 "$worker"
		for pid in $(ip netns pids "$OUT"); do kill -CONT "$pid"; done
		wait $waiting
		within 15000 settled "$old"
		within 5000 serves
		sleep 1
		in_again "$what killed while the device was ${point/:/ }" d2 d2.state
	done
done

# -- somebody with a copy is in a session already ---
cp "$tmp/d4.cred" "$tmp/stolen.cred"
ip netns exec "$OUT" "$NJ" knock --credentials "$tmp/stolen.cred" --to $GW4 --connect 1890 > "$tmp/stolen.listen" 2>&1 &
within 5000 grep -q '^listening' "$tmp/stolen.listen"
in_out stdbuf -oL timeout 60 mosquitto_sub -d -h 127.0.0.1 -p 1890 -i thief -t 'cmd/d4/#' > "$tmp/stolen.sub" 2>&1 &
succeeds "the copy is as good as the device" within 8000 grep -q '^Subscribed' "$tmp/stolen.sub"
in_again "the device changes its key" d4 d4.state
cut_once() { [ "$(events session.cut d4)" = 1 ]; }
succeeds "that session of the old key is cut" within 5000 cut_once
is "the device's own was not" 2 "$(epoch d4)"
seen() { [ "$(events key.cloned d4)" -ge 1 ]; }
succeeds "its next try is seen" within 15000 seen
for pid in $(ip netns pids "$OUT"); do kill "$pid"; done
must gateway device revoke d4

# -- a copy of the credentials ---
cp "$tmp/d3.cred" "$tmp/thief.cred"
in_again "before the theft is tried" d3 d3.state
device thief thief.state --attempts 4 > "$tmp/said.device" 2>&1
is "the copied key opens nothing" 3 $?
has "and is seen" '^[1-9]' "$(events key.cloned d3)"
has "status warns" 'copied' "$(gateway status)"
sleep 1
in_again "the device itself goes on" d3 d3.state
is "one device is marked" 1 "$(gateway status --json | jq .keeper.keys.cloned)"
must gateway device revoke d3
is "revoked, it is not" 0 "$(gateway status --json | jq .keeper.keys.cloned)"
must gateway audit verify
gateway_stop
finish
