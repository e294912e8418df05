#!/usr/bin/env bash
# MQTT: Nightjar beside Debian's Mosquitto in the same run, with the same generator (bench/mqtt): bench/mqtt.sh
# [SCENARIO…], default the rows that the project wants to be measured by ("must"); "all" for all. Needs root.
#   NJ_BENCH_SIZE    quick (default) or full
#   NJ_BENCH_REPEAT  runs of each, of which the median by processor time is shown (default 1)
#   NJ_BENCH_BROKERS which of them (default "nightjar mosquitto", and those of the next)
#   NJ_BENCH_OTHER   another broker, as NAME=COMMAND; the command gets {port} {tlsport} {cert} {key} {dir} filled in and
#                    stays in the foreground
#   NJ_BENCH_CONFIG  a program that is called with the path of Nightjar's configuration before it starts, to change it
#   NJ_BENCH_THREADS of the generator (default 1)
#   NJ_BENCH_KEEP    a folder for what the generator said, one file a run
set -u
cd "$(dirname "$0")/.." || exit 1
export NJ_BUILD=${NJ_BUILD:-$PWD/build/release}
. tests/integration/lib.sh
world openssl mosquitto
LOAD=$NJ_BUILD/bench/load
[ -x "$LOAD" ] || { echo "skipped: not built: $LOAD"; exit 77; }
ulimit -n "$(ulimit -Hn)"
size=${NJ_BENCH_SIZE:-quick}
PORT=11883 TLSPORT=18883
must="qos0 qos0-1k fanout-100 qos1-w1 qos1-w20 qos1-away tls tls-1k open idle idle-tls idle-psk idle-mutual publish-1000 restart"
all="qos0 qos0-1k fanout-100 fanout-1000 fanin qos1-w1 qos1-w20 qos1-away qos2 tls tls-1k open queue publish-1000 restart
	idle idle-tls idle-psk idle-mutual connect connect-tls connect-psk connect-x509 match-100k match-1m retained retained-read"

of() { [ "$size" = full ] && echo "$2" || echo "$1"; } # QUICK FULL

# -- brokers ---------------------------------------------------------------------------------------------------------
names=${NJ_BENCH_BROKERS:-nightjar mosquitto ${NJ_BENCH_OTHER:+${NJ_BENCH_OTHER%%=*}}}
must openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/key.pem" -out "$tmp/cert.pem" \
	-days 2 -subj "/CN=localhost"
chmod 644 "$tmp/key.pem"
# One gateway is made, and a copy of its folder is what each run begins with.
prepare_nightjar() {
	gateway_make
	must gateway profile set bench --publish '#' --subscribe '#'
	must gateway profile set certified --publish '#' --subscribe '#' --bind certificate
	must gateway application add bench --profile bench --out "$tmp/bench.cred"
	sed -i -E '
		s/^( +rate_device_burst:) .*/\1 255/
		s/^( +rate_global:) .*/\1 1000000/
		s/^( +connections:) .*/\1 19000/
		s/^( +unproven_per_source:) .*/\1 10000/
		s/^( +memory:) .*/\1 4GiB/
		s/^( +max_queued_messages:) .*/\1 1000000/
		s/^( +max_queued_bytes:) .*/\1 1GiB/
		s/^( +max_subscriptions:) .*/\1 100000/
		s/^( +max_sessions:) .*/\1 100000/
		s/^( +retained_max:) .*/\1 1100000/
		s/^( +retained_max_bytes:) .*/\1 2GiB/' "$dir/nightjar.yaml"
	[ -z "${NJ_BENCH_CONFIG:-}" ] || "$NJ_BENCH_CONFIG" "$dir/nightjar.yaml"
	case " $* " in *-psk*) must gateway device import --count 2000 --profile bench --out "$tmp/psk" ;; esac
	case " $* " in *-mutual* | *-x509*) add_certified ;; esac
	cp -a "$dir" "$tmp/made"
}
add_certified() {
	local i
	mkdir "$tmp/x509"
	for i in $(seq "$(of 200 1000)"); do
		must gateway device add "certified-$i" --profile certified --out "$tmp/x509/device-$i.cred"
	done
}
start_nightjar() {
	rm -rf "$dir"
	cp -a "$tmp/made" "$dir"
	restart_nightjar
}
restart_nightjar() {
	gateway_start --local mqtt=127.0.0.1:$PORT,as=bench --local mqtts=127.0.0.1:$TLSPORT,as=bench
	pids=$supervisor,$keeper,$worker
}
stop_nightjar() { gateway_stop > "$tmp/said"; }
start_mosquitto() {
	cat > "$tmp/mosquitto.conf" << END
user root
persistence false
log_dest none
sys_interval 0
max_queued_messages 0
max_inflight_messages 0
allow_anonymous true
listener $PORT 127.0.0.1
listener $TLSPORT 127.0.0.1
certfile $tmp/cert.pem
keyfile $tmp/key.pem
END
	ip netns exec "$GW" mosquitto -c "$tmp/mosquitto.conf" > "$tmp/mosquitto.log" 2>&1 &
	pids=$!
}
stop_mosquitto() { kill "$pids" && wait "$pids" 2> /dev/null; }
start_other() {
	local command=${NJ_BENCH_OTHER#*=}
	rm -rf "$tmp/other"
	mkdir "$tmp/other"
	command=${command//\{port\}/$PORT} command=${command//\{tlsport\}/$TLSPORT}
	command=${command//\{cert\}/$tmp/cert.pem} command=${command//\{key\}/$tmp/key.pem}
	command=${command//\{dir\}/$tmp/other}
	ip netns exec "$GW" $command > "$tmp/other.log" 2>&1 &
	pids=$!
}
stop_other() { stop_mosquitto; }
kind() { case $1 in nightjar | mosquitto) echo "$1" ;; *) echo other ;; esac; }
answers() { in_gw "$LOAD" connect -p $PORT -n 1 -W 1 2> /dev/null | jq -e .complete > /dev/null; }
start() {
	PORT=$((PORT + 1)) TLSPORT=$((TLSPORT + 1)) # the one before may still be in TIME_WAIT
	start_"$(kind "$1")"
	within 10000 answers || { echo "$1 does not start" >&2; return 1; }
}
stop() { stop_"$(kind "$1")"; }

# -- scenarios -------------------------------------------------------------------------------------------------------
# Each says in $said what came of it. $broker is the one under test, with $pids.
load() { said=$(in_gw "$LOAD" "$@" --pid "$pids" -t "${NJ_BENCH_THREADS:-1}"); }
plain() { load run -p $PORT "$@"; }
tls() { load run -p $TLSPORT --tls "$@"; }
own() { [ "$broker" = nightjar ] || { said= && return 1; }; } # what only Nightjar has

run_qos0() { plain -P10 -S10 -T10 -n"$(of 400000 1000000)" -q0 -s64 -w4; }
run_qos0-1k() { plain -P10 -S10 -T10 -n"$(of 100000 400000)" -q0 -s1024 -w4; }
run_fanout-100() { plain -P1 -S100 -T1 -n"$(of 20000 100000)" -q0 -s64 -w10; }
run_fanout-1000() { plain -P1 -S1000 -T1 -n"$(of 2000 10000)" -q0 -s64 -w20; }
run_fanin() { plain -P100 -S1 -T1 -n"$(of 5000 40000)" -q0 -s64 -w4; }
run_qos1-w1() { plain -P100 -S100 -T100 -n"$(of 1000 3000)" -q1 -w1 --lasting; }
run_qos1-w20() { plain -P10 -S10 -T10 -n"$(of 20000 60000)" -q1 -w20 --lasting; }
run_qos1-away() { plain -P10 -S10 -T10 -n"$(of 20000 60000)" -q1 -w20 --away -W 10; }
run_qos2() { plain -P10 -S10 -T10 -n"$(of 10000 30000)" -q2 -w20 --lasting; }
run_tls() { tls -P10 -S10 -T10 -n"$(of 400000 1000000)" -q0 -s64 -w4; }
run_tls-1k() { tls -P10 -S10 -T10 -n"$(of 100000 400000)" -q0 -s1024 -w4; }
# At twice the rate of qos0, which is to be measured before in the same run.
run_open() { plain -P10 -S10 -T10 -q0 -s64 -R "$((${rate[$broker]:-500000} * 2))" -D "$(of 5 20)"; }
run_queue() { plain -P10 -S1 -T1 -n"$(of 20000 100000)" -q1 -w100 --away -W 20; }
run_publish-1000() { plain -P1 -S1 -T1 -n1000 -q1 -w20 -s32 --away; }
run_restart() {
	own || return
	plain -P10 -S1 -T1 -n"$(of 20000 100000)" -q1 -w100 --away -W 1 > /dev/null
	gateway_kill
	local from
	from=$(now_ms)
	restart_nightjar
	said=$(jq -cn --argjson ms $(($(now_ms) - from)) '{ready_ms: $ms, complete: true}')
}
run_idle() { load idle -p $PORT -n 10000; }
run_idle-tls() { load idle -p $TLSPORT --tls -n "$(of 2000 10000)"; }
run_idle-psk() { own && load idle -p $MQTTS --tls -h $GW4 -n "$(of 500 2000)" -k "$tmp/psk" -K $KNOCK; }
run_idle-mutual() {
	own && load idle -p $MQTTS --tls -h $GW4 -n "$(of 200 1000)" -k "$tmp/x509" -K $KNOCK --certificate
}
run_connect() { load connect -p $PORT -n "$(of 10000 20000)"; }
run_connect-tls() { load connect -p $TLSPORT --tls -n "$(of 1000 4000)"; }
run_connect-psk() { own && load connect -p $MQTTS --tls -h $GW4 -n "$(of 500 2000)" -k "$tmp/psk" -K $KNOCK; }
run_connect-x509() {
	own && load connect -p $MQTTS --tls -h $GW4 -n "$(of 200 1000)" -k "$tmp/x509" -K $KNOCK --certificate
}
run_match-100k() { plain -P4 -S20 -X 100000 -F 100000 -n"$(of 50000 100000)" -w4 -W 10; }
run_match-1m() { plain -P4 -S20 -X 1000000 -F 1000000 -n"$(of 100000 250000)" -w4 -W 30; }
run_retained() { plain -P4 -S0 -X "$(of 200000 1000000)" -n"$(of 50000 250000)" -q1 -w100 --retain; }
run_retained-read() {
	run_retained > /dev/null
	plain -P0 -S1 -q0 -f 's/#' -E "$(of 200000 1000000)" -W 10
}

# -- the table -------------------------------------------------------------------------------------------------------
# One row of what the generator said: processor time, rate, latencies, memory, completeness.
row() { # SCENARIO BROKER JSON
	jq -r --arg scenario "$1" --arg broker "$2" '
		def n(digits): if . == null or . == 0 then "-" else (. * pow(10; digits) | round) / pow(10; digits) | tostring end;
		def span: .drain // .publish // .open // {};
		(.publish // .open // {}) as $main
		| [$scenario, $broker, ($main.cpu_us_each | n(2)),
			(if .drain then .drain.cpu_us_each | n(2) else "-" end),
			(if .ready_ms then "\(.ready_ms) ms" else $main.rate | n(0) end),
			((.p50_us // 0) / 1000 | n(2)), ((.p99_us // 0) / 1000 | n(2)), ((.p999_us // 0) / 1000 | n(2)),
			((.ack_p99_us // 0) / 1000 | n(2)),
			((.kb_peak // 0) / 1024 | n(1)), (.bytes_each // 0 | n(0)),
			(if .complete then "all" elif .expected > 0 then "\(.received * 1000 / (if .expected > .sent then .sent else .expected end) | round | . / 10) %" else "NO" end),
			($main.load_cpu_us_each | n(2))] | @tsv' <<< "$3"
}
heading() {
	printf 'scenario\tbroker\tµs CPU\tdrain\trate /s\tp50 ms\tp99\tp99.9\tack p99\tpeak MB\tB each\tarrived\tload µs\n'
}
lay_out() { column -t -s $'\t'; }
each_us() { jq -r '(.publish // .open // {}).cpu_us_each // 0' <<< "$1"; }

measure() { # SCENARIO: rows of all brokers, and the ratio to the first of the others
	local scenario=$1 broker said best i ours= theirs=
	for broker in $names; do
		: > "$tmp/runs"
		for i in $(seq "${NJ_BENCH_REPEAT:-1}"); do
			start "$broker" || return
			"run_$scenario" && [ -n "$said" ] && printf '%s\t%s\n' "$(each_us "$said")" "$said" >> "$tmp/runs"
			stop "$broker"
		done
		[ -s "$tmp/runs" ] || continue
		best=$(sort -n "$tmp/runs" | awk '{ r[NR] = $0 } END { print r[int((NR + 1) / 2)] }' | cut -f2-)
		[ -z "${NJ_BENCH_KEEP:-}" ] || echo "$best" > "$NJ_BENCH_KEEP/$scenario.$broker.json"
		row "$scenario" "$broker" "$best" >> "$tmp/table"
		row "$scenario" "$broker" "$best" >&2
		if [ "$broker" = nightjar ]; then ours=$best; elif [ -z "$theirs" ]; then theirs=$best; fi
		[ "$scenario" != qos0 ] || rate[$broker]=$(jq '.publish.rate | round' <<< "$best")
	done
	[ -n "$ours" ] && [ -n "$theirs" ] || return 0
	awk -v s="$scenario" -v a="$(each_us "$ours")" -v b="$(each_us "$theirs")" \
		'BEGIN { if (a > 0 && b > 0) printf "%s\t%.3f\t1/%.1f\n", s, a / b, b / a }' >> "$tmp/ratios"
}

declare -A rate # of the closed loop, by broker
scenarios=${*:-$must}
[ "$scenarios" = all ] && scenarios=$all
case " $names " in *" nightjar "*) prepare_nightjar $scenarios ;; esac
: > "$tmp/table"
: > "$tmp/ratios"
for scenario in $scenarios; do
	declare -F "run_$scenario" > /dev/null || { echo "no scenario $scenario; there are: $all" >&2; exit 64; }
	measure "$scenario"
done
{ heading && cat "$tmp/table"; } | lay_out
[ ! -s "$tmp/ratios" ] || { printf '\nNightjar to the first of the others, processor time:\n' && lay_out < "$tmp/ratios"; }
echo
echo "$(nproc) cores, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), Linux $(uname -r), $(date -u +%F)"
finish > "$tmp/said"
