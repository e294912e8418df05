# Common ground of the tests that run the program itself. Source it after `set -u`, then:
#   world TOOL…              three network namespaces and a folder $tmp, or exit 77; all is removed when the script ends
#   gateway_make             a gateway in $dir with the profiles "meter" (devices) and "office" (applications)
#   gateway COMMAND…         the command line on that gateway, running or stopped
#   gateway_start [OPTIONS]  returns when it is ready; $supervisor, $keeper and $worker are its processes
# Namespaces: the gateway is in $GW, its devices in $OUT (netns.sh), a stranger in $FAR behind a link of its own.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/netns.sh"
NJ=${NJ_PROGRAM:-${NJ_BUILD:?the build folder}/nightjar}
PACKET=$NJ_BUILD/tests/integration/packet
FAR=njfar$$
FAR4=10.78.0.2 FAR6=fd78::2
KNOCK=62201 MQTTS=8883 MQTT=1883
PSK="-h {host} -p {port} --psk-identity {identity} --psk {key}"
failures=0
supervisor= keeper= worker=

# -- namespaces ------------------------------------------------------------------------------------------------------
world() {
	netns_require pgrep jq "$@"
	[ -x "$NJ" ] && [ -x "$PACKET" ] || { echo "skipped: not built: $NJ, $PACKET"; exit 77; }
	netns_make
	tmp=$(mktemp -d /tmp/njtest.XXXXXX)
	chmod 711 "$tmp"
	dir=$tmp/gw
	trap clean EXIT
	ip netns add "$FAR"
	ip -n "$GW" link add njfar type veth peer name njfar netns "$FAR"
	ip -n "$FAR" link set lo up
	ip -n "$GW" addr add 10.78.0.1/24 dev njfar
	ip -n "$GW" addr add fd78::1/64 dev njfar nodad
	ip -n "$FAR" addr add $FAR4/24 dev njfar
	ip -n "$FAR" addr add $FAR6/64 dev njfar nodad
	ip -n "$GW" link set njfar up && ip -n "$FAR" link set njfar up
	ip -n "$FAR" route add $GW4 via 10.78.0.1
	ip -n "$FAR" -6 route add $GW6 via fd78::1
	netns_wait_link
}

# Whatever still runs in the namespaces of this script was started by it.
clean() {
	local ns pid
	exec 2> /dev/null # the shell's words about what is killed here
	for ns in "$GW" "$OUT" "$FAR"; do
		for pid in $(ip netns pids "$ns" 2> /dev/null); do kill -9 "$pid" 2> /dev/null; done
	done
	[ "$failures" = 0 ] || [ -z "${NJ_KEEP:-}" ] || cp -a "$tmp" "$NJ_KEEP"
	ip netns del "$FAR" 2> /dev/null
	netns_remove
	rm -rf "$tmp"
}

in_far() { ip netns exec "$FAR" "$@"; }

# -- the gateway -----------------------------------------------------------------------------------------------------
gateway() { "$NJ" "$@" --dir "$dir"; }

gateway_make() { # [OPTIONS of init]; NJ_TEST_REACTORS in the environment: so many brokers
	must gateway init --host $GW4 "$@"
	[ -z "${NJ_TEST_REACTORS:-}" ] || sed -i -E "s/^( +reactors:) .*/\1 $NJ_TEST_REACTORS/" "$dir/nightjar.yaml"
	must gateway profile set meter --publish 'dev/{device}/#' --subscribe 'cmd/{device}/#'
	must gateway profile set office --publish 'cmd/#' --subscribe 'dev/#'
}

enrol() { # device|application NAME…: credentials in $tmp/NAME.cred
	local kind=$1 name profile=meter
	[ "$kind" = device ] || profile=office
	shift
	for name in "$@"; do must gateway "$kind" add "$name" --profile $profile --out "$tmp/$name.cred"; done
}

gateway_start() { # [OPTIONS of serve]
	: > "$tmp/ready"
	ip netns exec "$GW" "$NJ" serve --dir "$dir" "$@" > "$tmp/ready" 2>> "$tmp/log" &
	supervisor=$!
	within "${NJ_START_MS:-15000}" is_ready && children && return
	if grep -q CAP_BPF "$tmp/log"; then
		echo "skipped: $(tail -1 "$tmp/log")"
		exit 77
	fi
	echo "WRONG the gateway does not start; its log ends:"
	tail -20 "$tmp/log"
	failures=$((failures + 1))
	finish
}
is_ready() {
	[ -d /proc/$supervisor ] || return 2
	[ "$(< "$tmp/ready")" = ready ]
}
children() {
	keeper=$(pgrep -P "$supervisor" -x nj-keeper) && worker=$(pgrep -P "$supervisor" -x nj-gateway)
}

gateway_stop() {
	local status
	kill -TERM "$supervisor"
	wait "$supervisor"
	status=$?
	is "the gateway stops with status" 0 $status
}
gateway_kill() { # all of it, at once
	kill -9 "$supervisor" "$keeper" "$worker"
	wait "$supervisor" 2> /dev/null
	within 10000 ended "$keeper" "$worker"
}
ended() { # PID…: their sockets are closed
	local pid
	for pid; do
		case $(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$pid/status" 2> /dev/null) in "" | Z) ;; *) return 1 ;; esac
	done
}

# -- devices ---------------------------------------------------------------------------------------------------------
knock() { # NAME HOST COMMAND…: knocks from $OUT, then runs the command there
	local name=$1 host=$2
	shift 2
	timeout "${knock_s:-20}" ip netns exec "$OUT" "$NJ" knock --credentials "$tmp/$name.cred" --to "$host" --then "$@"
}
publish() { # NAME HOST TOPIC TEXT [OPTIONS]
	local name=$1 host=$2 topic=$3 text=$4
	shift 4
	knock "$name" "$host" timeout 10 mosquitto_pub $PSK -t "$topic" -m "$text" "$@" 2> "$tmp/publish.err"
}
# A knock that is only written down: $tmp/FILE, and its one-time $identity and $key.
record() { # NAME FILE
	local told hearer
	rm -f "$tmp/hearing" # an earlier one's word is not this one's
	ip netns exec "$OUT" "$PACKET" hear $DEVICE4 $KNOCK "$tmp/$2" > "$tmp/hearing" &
	hearer=$!
	within 10000 grep -q hearing "$tmp/hearing"
	told=$(in_out "$NJ" knock --credentials "$tmp/$1.cred" --to $DEVICE4:$KNOCK --wait-ms 1 --json --show-key)
	wait $hearer
	identity=$(jq -r .identity <<< "$told") key=$(jq -r .key <<< "$told")
}
replay() { in_out "$PACKET" send $GW4 $KNOCK "$tmp/$1"; sleep 0.15; } # FILE
# A subscriber in the background, subscribed when this returns; what it gets is in $tmp/NAME.got
subscribe() { # NAME HOST TOPIC [OPTIONS]
	local name=$1 host=$2 topic=$3 knock_s=300 # a session lives as long as its test, however slow the machine is
	shift 3
	: > "$tmp/$name.got"
	knock "$name" "$host" stdbuf -oL mosquitto_sub -d $PSK -t "$topic" -F 'got %t %p' "$@" > "$tmp/$name.got" 2>&1 &
	subscriber=$!
	within 5000 grep -q '^Subscribed' "$tmp/$name.got"
}
accepted() { gateway audit tail --count 1000 --event knock.accepted --subject "$1" --json | wc -l; } # NAME

# -- what a stranger sees --------------------------------------------------------------------------------------------
reach() { ip netns exec "$1" "$PACKET" reach "$2" $MQTTS "${3:-}"; } # NAMESPACE ADDRESS [SOURCE]: open, refused or silent
scan() { # FILE NMAP-OPTIONS…
	local file=$1
	shift
	in_far nmap -Pn -n --max-retries 1 --initial-rtt-timeout 100ms --max-rtt-timeout 200ms --host-timeout 30s \
		-oX "$file" "$@" > /dev/null 2> "$file.err" || echo '<state state="nmap failed" reason="none">' >> "$file"
}
dark() { # WHEN: TCP connect, SYN and UDP scans, IPv4 and IPv6
	local answers at scans=()
	rm -f "$tmp"/scan.*
	scan "$tmp/scan.1" -sS -sU -p T:$MQTTS,$MQTT,U:$KNOCK $GW4 & scans+=($!)
	scan "$tmp/scan.2" -sT -p $MQTTS,$MQTT $GW4 & scans+=($!)
	scan "$tmp/scan.3" -6 -sS -sU -p T:$MQTTS,$MQTT,U:$KNOCK $GW6 & scans+=($!)
	scan "$tmp/scan.4" -6 -sT -p $MQTTS,$MQTT $GW6 & scans+=($!)
	wait "${scans[@]}"
	answers=$(cat "$tmp"/scan.? | grep -o '<state [^>]*>' | sed -E 's/.*state="([^"]*)" reason="([^"]*)".*/\1 \2/' |
		sort | uniq -c | sed 's/^ *//' | paste -sd,)
	is "$1: a stranger's scans" "8 filtered no-response,2 open|filtered no-response" "$answers"
}

# What a request for a WebSocket, from the page $ORIGIN if that is set, hears first, in at most three seconds:
# bash -c "$ASK_WEBSOCKET" ADDRESS PORT
ASK_WEBSOCKET='exec 3<> "/dev/tcp/$0/$1"; printf "%s\r\n" "GET /mqtt HTTP/1.1" "Host: gateway" "Upgrade: websocket" \
	"Connection: Upgrade" "Sec-WebSocket-Version: 13" "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" \
	"Sec-WebSocket-Protocol: mqtt" ${ORIGIN:+"Origin: $ORIGIN"} "" >&3; timeout 3 head -1 <&3 2> /dev/null'

# -- assertions ------------------------------------------------------------------------------------------------------
is() { # WHAT EXPECTED GOT
	if [ "$2" = "$3" ]; then
		echo "ok    $1: $3"
	else
		echo "WRONG $1: expected '$2', got '$3'"
		failures=$((failures + 1))
	fi
}
has() { # WHAT PATTERN TEXT: an extended regular expression
	if grep -qE -- "$2" <<< "$3"; then
		echo "ok    $1"
	else
		echo "WRONG $1: expected /$2/, got '$3'"
		failures=$((failures + 1))
	fi
}
at_most() { # WHAT LIMIT GOT
	if [ "$3" -le "$2" ]; then
		echo "ok    $1: $3 (at most $2)"
	else
		echo "WRONG $1: expected at most $2, got $3"
		failures=$((failures + 1))
	fi
}
# MILLISECONDS, for a bound of time: four times that where the machine has more to do than twice its cores.
soon() { awk -v ms="$1" -v cores="$(nproc)" '{ print ($1 > 2 * cores) ? 4 * ms : ms }' /proc/loadavg; }
succeeds() { # WHAT COMMAND…
	local what=$1 status
	shift
	"$@" > "$tmp/said" 2>&1
	status=$?
	if [ $status = 0 ]; then
		echo "ok    $what"
	else
		echo "WRONG $what: expected status 0, got $status: $(tail -5 "$tmp/said")"
		failures=$((failures + 1))
	fi
}
refused() { # WHAT PATTERN COMMAND…: fails, saying so
	local what=$1 pattern=$2 said status
	shift 2
	said=$("$@" 2>&1)
	status=$?
	if [ $status != 0 ] && [ $status -lt 124 ] && grep -qE -- "$pattern" <<< "$said"; then
		echo "ok    $what (status $status): $(tail -1 <<< "$said")"
	else
		echo "WRONG $what: expected a failure that says /$pattern/, got status $status: $said"
		failures=$((failures + 1))
	fi
}
must() { # COMMAND…: a step without which the rest means nothing
	if ! "$@" > "$tmp/said" 2>&1; then
		echo "WRONG $*: $(tail -5 "$tmp/said")"
		failures=$((failures + 1))
		finish
	fi
}
finish() {
	echo "$failures wrong"
	[ "$failures" = 0 ]
	exit
}

# -- time ------------------------------------------------------------------------------------------------------------
now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
within() { # MILLISECONDS COMMAND…: until it succeeds, or gives up with status 2, or the time is over
	local end=$(($(now_ms) + $1)) status
	shift
	until "$@"; do
		status=$?
		[ $status != 2 ] && [ "$(now_ms)" -lt $end ] || return 1
		sleep 0.02
	done
}

# -- resources of the three processes --------------------------------------------------------------------------------
# What the processes hold for themselves; pages of their files come and go.
anonymous_kb() { cat /proc/{$supervisor,$keeper,$worker}/smaps_rollup | awk '/^Pss_Anon:/ { s += $2 } END { print s }'; }
pss_kb() { cat /proc/{$supervisor,$keeper,$worker}/smaps_rollup | awk '/^Pss:/ { s += $2 } END { print s }'; }
cpu_ms() { cat /proc/{$supervisor,$keeper,$worker}/stat | awk -v hz="$(getconf CLK_TCK)" '
	{ sub(/.*\) /, ""); s += $12 + $13 } END { print int(s * 1000 / hz) }'; }
