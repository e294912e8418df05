#!/usr/bin/env bash
# The knock beside Debian's fwknopd, both in the same run and the same namespaces: junk, accepted knocks, true knocks
# under a flood, memory, restart. Needs root. NJ_BENCH_DEVICES names the sizes (default "1 1000 100000 1000000": some
# minutes go into enrolling the last), NJ_BENCH_STANZAS those of fwknopd (default "1 100 1000").
set -u
cd "$(dirname "$0")/.." || exit 1
export NJ_BUILD=${NJ_BUILD:-$PWD/build/release}
. tests/integration/lib.sh
. bench/fwknop.lib
world fwknopd fwknop iptables
SENDER=$NJ_BUILD/bench/sender FLOOD=$NJ_BUILD/tests/fault/flood
SECONDS_OF_JUNK=5
many=$tmp/many NJ_START_MS=120000 # on a busy machine a million takes its time

cpu_ns() { # PID…
	local pid sum=0
	for pid in "$@"; do sum=$((sum + $(awk '{ print $1 }' "/proc/$pid/schedstat"))); done
	echo $sum
}
status() { gateway status --json | jq "$1"; }
judged() { status '.keeper.cloak.knock_dropped + .keeper.cloak.knock_passed'; }
accepted() { status .keeper.knocks.accepted; }
settled() { # FUNCTION: its value once it stands still
	local last=-1 now
	while now=$("$1") && [ "$now" != "$last" ]; do last=$now && sleep 0.5; done
	echo "$now"
}
delivered() { ip netns exec "$GW" awk '/^Udp:/ && $2 != "InDatagrams" { print $2 }' /proc/net/snmp; }
files() { # FIRST COUNT
	seq -f "$many/device-%.0f.cred" "$1" $(($1 + $2 - 1))
}
per() { [ "$2" -gt 0 ] && echo $(($1 / $2)) || echo -; }

junk_own() { # DEVICES
	local cpu before seen sent
	before=$(judged) cpu=$(cpu_ns $supervisor $keeper $worker)
	sent=$(in_out "$FLOOD" $GW4 $KNOCK 112 $SECONDS_OF_JUNK)
	cpu=$(($(cpu_ns $supervisor $keeper $worker) - cpu))
	seen=$(($(settled judged) - before))
	printf '%-10s %9s devices %12s sent/s %12s judged/s %10s ns CPU each\n' nightjar "$1" \
		$((sent / SECONDS_OF_JUNK)) $((seen / SECONDS_OF_JUNK)) "$(per $cpu $seen)"
}
junk_fwknop() { # STANZAS
	local cpu before seen sent
	before=$(delivered) cpu=$(cpu_ns $fwknopd)
	sent=$(in_out "$SENDER" junk $GW4 $FWKNOP_PORT 225 $SECONDS_OF_JUNK)
	cpu=$(($(cpu_ns $fwknopd) - cpu))
	seen=$(($(delivered) - before))
	printf '%-10s %9s clients %12s sent/s %12s judged/s %10s ns CPU each\n' fwknopd "$1" \
		$((sent / SECONDS_OF_JUNK)) $((seen / SECONDS_OF_JUNK)) "$(per $cpu $seen)"
}

flood_own() { # DEVICES COUNTER: 40 true knocks at 10 a second
	local before flooding
	before=$(accepted)
	in_out "$FLOOD" $GW4 $KNOCK 112 6 > "$tmp/sent" &
	flooding=$!
	sleep 0.5
	in_out "$SENDER" knocks $GW4 $KNOCK "$2" 10 $(files 1 40) > "$tmp/sent.true"
	wait $flooding
	printf '%-10s %9s devices %5s of 40 opened, %s junk/s beside them\n' nightjar "$1" $(($(settled accepted) - before)) \
		$(($(< "$tmp/sent") / 6))
}
flood_fwknop() { # STANZAS
	local before flooding
	before=$(fwknop_rules)
	in_out "$SENDER" junk $GW4 $FWKNOP_PORT 225 6 > "$tmp/sent" &
	flooding=$!
	sleep 0.5
	in_out "$SENDER" lines $GW4 $FWKNOP_PORT 10 "$tmp/fw/packets" > "$tmp/sent.true"
	wait $flooding
	sleep 1
	printf '%-10s %9s clients %5s of 40 opened, %s junk/s beside them\n' fwknopd "$1" $(($(fwknop_rules) - before)) \
		$(($(< "$tmp/sent") / 6))
}

accepted_own() { # FIRST COUNT RATE: all of them devices that have not knocked yet
	local before count ms taken
	before=$(accepted)
	in_out "$SENDER" knocks $GW4 $KNOCK 1 "$3" $(files "$1" "$2") > "$tmp/sent"
	read -r count ms < "$tmp/sent"
	taken=$(($(settled accepted) - before))
	printf '%-10s %6s sent at %6s/s %10s accepted %8s/s, on disk\n' nightjar "$count" $((count * 1000 / ms)) $taken \
		$((taken * 1000 / ms))
}
accepted_fwknop() { # RATE
	local before count ms started taken last
	before=$(fwknop_rules) started=$(now_ms)
	in_out "$SENDER" lines $GW4 $FWKNOP_PORT "$1" "$tmp/fw/packets" > "$tmp/sent"
	read -r count ms < "$tmp/sent"
	ms=1 last=$before
	while taken=$(fwknop_rules) && [ $(($(now_ms) - started)) -lt $((ms + 2000)) ]; do
		[ "$taken" = "$last" ] || { last=$taken ms=$(($(now_ms) - started)); }
		sleep 0.05
	done
	taken=$(($(fwknop_rules) - before))
	printf '%-10s %6s sent at %6s/s %10s accepted %8s/s, in its memory and iptables\n' fwknopd "$count" "$1" $taken \
		$((taken * 1000 / ms))
}

memory() { # DEVICES
	local kernel
	# Of the supervisor's maps the one array of 8-byte words.
	kernel=$(awk '{ v[$1] = $2 } FNR == 1 { if (v["value_size:"] == 8 && v["map_type:"] == 2) sum += v["memlock:"]; delete v }
		END { if (v["value_size:"] == 8 && v["map_type:"] == 2) sum += v["memlock:"]; print sum + 0 }' \
		$(grep -l '^map_type:' /proc/$supervisor/fdinfo/*))
	printf '%-10s %9s devices: keeper %s kB, gateway %s kB, bit arrays in the kernel %s kB; started in %s ms\n' nightjar "$1" \
		"$(awk '/^Pss:/ { print $2 }' /proc/$keeper/smaps_rollup)" \
		"$(awk '/^Pss:/ { print $2 }' /proc/$worker/smaps_rollup)" $((kernel / 1024)) "$started_ms"
}
start_timed() {
	local from
	from=$(now_ms)
	gateway_start
	started_ms=$(($(now_ms) - from))
}

# -- the runs --------------------------------------------------------------------------------------------------------
gateway_make
sed -i -E 's/^( +devices:) [0-9]+/\1 1000000/' "$dir/nightjar.yaml"
there=0 run=0
for devices in ${NJ_BENCH_DEVICES:-1 1000 100000 1000000}; do
	must gateway device import --count "$devices" --profile meter --out "$many"
	start_timed
	junk_own "$devices"
	run=$((run + 1))
	[ "$devices" -lt 1000 ] || flood_own "$devices" $run
	[ "$devices" -lt 100000 ] || accepted_own $((there + 1)) 20000 12000
	[ "$devices" -lt 100000 ] || accepted_own $((there + 20001)) 20000 20000
	memory "$devices"
	there=$devices
	gateway_stop > "$tmp/said"
done
for stanzas in ${NJ_BENCH_STANZAS:-1 100 1000}; do
	fwknop_make "$stanzas"
	fwknop_packets 40
	fwknop_start
	junk_fwknop "$stanzas"
	flood_fwknop "$stanzas"
	fwknop_stop
done
fwknop_make 1
fwknop_packets 200
fwknop_start
accepted_fwknop 1000
fwknop_stop
finish > "$tmp/said"
