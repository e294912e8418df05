#!/usr/bin/env bash
# A gateway in a scratch folder, a device that publishes this machine's readings and an application that prints them,
# and what a stranger sees of all that. Runs until Ctrl-C; DEMO_SECONDS=20 ends by itself, with exit status 0 only if
# data arrived. Touches nothing outside its scratch folder but, as root, a network namespace that it removes again.
set -u
cd "$(dirname "$0")/.." || exit 1

nightjar=${NIGHTJAR:-build/release/nightjar}
seconds=${DEMO_SECONDS:-0}
dir=$(mktemp -d "${TMPDIR:-/tmp}/nightjar-demo.XXXXXX") || exit 1
space=nightjar-demo-$$
log=$dir/gateway.log
cloak=bpf
cloak_note=
began=$SECONDS
have_space=
can_scan=
pids=()

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' yellow=$'\e[33m' red=$'\e[31m' plain=$'\e[0m'
else
	bold='' dim='' green='' yellow='' red='' plain=''
fi

section() { printf '\n%s── %s%s\n' "$bold" "$1" "$plain"; }
say() { printf '   %s\n' "$*"; }
note() { printf '   %s%s%s\n' "$dim" "$*" "$plain"; }
warn() { printf '   %s%s%s\n' "$yellow" "$*" "$plain"; }
die() {
	printf '%sdemo: %s%s\n' "$red" "$*" "$plain" >&2
	exit 1
}

# ---- processes: only our own, by their ids ----

alive() { [ -n "${1:-}" ] && kill -0 "$1" 2>/dev/null; }

stop() { # PID [SECONDS TO WAIT]
	local i
	alive "${1:-}" || return 0
	kill -TERM "$1" 2>/dev/null
	for ((i = 0; i < ${2:-3} * 20; i++)); do
		alive "$1" || break
		sleep 0.05
	done
	alive "$1" && kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

clean_up() {
	trap - EXIT INT TERM HUP
	local i
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do stop "${pids[i]}"; done
	if [ -n "$have_space" ]; then
		ip netns delete "$space" 2>/dev/null
		ip link delete "nj$$" 2>/dev/null
	fi
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'finish' INT TERM

# ---- ports ----

in_use() { # PORT: bound by anybody, over IPv4 or IPv6
	local hex
	printf -v hex ':%04X' "$1"
	cat /proc/net/{tcp,udp,tcp6,udp6} 2>/dev/null | awk -v port="$hex" '
		index($2, port) == length($2) - 4 { found = 1 } END { exit !found }'
}

free_port() { # NAME OF THE VARIABLE
	local port
	while :; do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		case " ${knock_port:-} ${mqtts_port:-} ${unused_port:-} " in *" $port "*) continue ;; esac
		in_use "$port" || break
	done
	printf -v "$1" %s "$port"
}

# ---- the stranger ----

make_space() { # a network namespace that reaches this machine over one link, as a neighbour would
	[ "$(id -u)" -eq 0 ] && command -v ip >/dev/null && command -v nmap >/dev/null || return 1
	local third=$((RANDOM % 250 + 1))
	here=198.18.$third.1
	there=198.18.$third.2
	ip netns add "$space" 2>/dev/null || return 1
	have_space=yes
	ip link add "nj$$" type veth peer name stranger netns "$space" 2>/dev/null &&
		ip addr add "$here/30" dev "nj$$" && ip link set "nj$$" up &&
		ip -n "$space" addr add "$there/30" dev stranger && ip -n "$space" link set stranger up &&
		ip -n "$space" link set lo up && ip netns exec "$space" true 2>/dev/null || return 1
	can_scan=yes
}

verdict() { # WHAT STATE
	case $2 in
	filtered | 'open|filtered') printf '   %-16s %s%s%s\n' "$1" "$green" 'no answer' "$plain" ;;
	open) printf '   %-16s %s%s%s\n' "$1" "$red" 'OPEN: answers' "$plain" ;;
	closed) printf '   %-16s %s%s%s\n' "$1" "$dim" 'closed: the machine itself says so' "$plain" ;;
	*) printf '   %-16s %s\n' "$1" "$2" ;;
	esac
}

# A cloaked port must have been looked at, and must not have answered in any way.
cloaked() { # WHAT STATE
	verdict "$1" "$2"
	case $2 in filtered | 'open|filtered') silent=$((silent + 1)) ;; esac
}

scan_from_outside() {
	local port proto state rest
	note "nmap -sS -sU from another network namespace ($there), the last port is one that nobody uses"
	while read -r port state rest; do
		proto=${port#*/} port=${port%/*}
		case $port in
		"$mqtts_port") cloaked "mqtts $proto/$port" "$state" ;;
		"$knock_port") cloaked "knock $proto/$port" "$state" ;;
		*) verdict "unused $proto/$port" "$state" ;;
		esac
	done < <(ip netns exec "$space" nmap -sS -sU -Pn -n -T4 --max-retries 1 --host-timeout 15s \
		-p "T:$mqtts_port,T:$unused_port,U:$knock_port" "$here" 2>/dev/null | grep -E '^[0-9]+/(tcp|udp) ' |
		sort -t/ -k1,1 | awk -v unused="$unused_port" '
			index($1, unused "/") == 1 { last = $0; next } { print } END { print last }')
}

connect_state() { # PORT
	timeout 1 bash -c "exec 3<>/dev/tcp/127.0.0.1/$1" 2>/dev/null
	case $? in 0) echo open ;; 124) echo filtered ;; *) echo closed ;; esac
}

scan_from_here() {
	note "connecting from this machine without a knock (as root, with nmap, it would be a scan from another"
	note "network namespace); the last port is one that nobody uses"
	cloaked "mqtts tcp/$mqtts_port" "$(connect_state "$mqtts_port")"
	verdict "unused tcp/$unused_port" "$(connect_state "$unused_port")"
}

scan() {
	silent=0
	if [ -n "$can_scan" ]; then
		expected=2
		scan_from_outside
	else
		expected=1
		scan_from_here
	fi
	if [ "$silent" -eq "$expected" ]; then
		say "${green}The gateway is not there for a stranger.${plain}"
	elif [ "$cloak" = fake ]; then
		warn 'Visible, because this run has the fake cloak.'
	else
		die "only $silent of $expected cloaked ports were seen to be silent"
	fi
}

# ---- the gateway ----

may_load_bpf() { # root with the capabilities, or a binary that was given them
	local have
	have=$((16#$(awk '/^CapEff:/ { print $2 }' /proc/self/status)))
	if ((have >> 12 & 1)) && ((have >> 39 & 1 || have >> 21 & 1)); then return 0; fi
	command -v getcap >/dev/null && getcap "$nightjar" 2>/dev/null | grep -q cap_bpf
}

nj() { "$nightjar" "$@" --dir "$dir/gateway"; }

make_gateway() {
	rm -rf "$dir/gateway"
	nj init --host 127.0.0.1 --cloak "$cloak" --json \
		--ports "knock=$knock_port,mqtts=$mqtts_port,mqtt=0,smpp=0,smpps=0,https=0,enrolment=0" \
		>/dev/null 2>"$dir/error" || die "init failed: $(cat "$dir/error")"
	nj profile set sensor --publish 'dev/{device}/#' >/dev/null &&
		nj profile set dashboard --subscribe 'dev/#' >/dev/null &&
		nj device add "$device" --profile sensor --out "$dir/device.cred" --force >/dev/null &&
		nj application add dashboard --profile dashboard --out "$dir/application.cred" --force >/dev/null ||
		die 'could not enrol the device and the application'
}

start_gateway() { # true when it says "ready"
	: >"$dir/out"
	"$nightjar" serve --dir "$dir/gateway" >"$dir/out" 2>"$log" &
	gateway=$!
	pids+=("$gateway")
	for ((i = 0; i < 300; i++)); do
		grep -qx ready "$dir/out" && return 0
		alive "$gateway" || return 1
		sleep 0.05
	done
	return 1
}

# ---- this machine's readings, one JSON object a second ----

counters() { # bytes in and out since the start of the machine, loopback left out
	awk 'NR > 2 { sub(/:/, " "); if ($1 != "lo") { rx += $2; tx += $10 } } END { printf "%d %d\n", rx, tx }' /proc/net/dev
}

temperature() {
	local zone
	for zone in /sys/class/thermal/thermal_zone*/temp; do
		[ -r "$zone" ] && awk '{ printf ",\"temperature_c\":%.1f", $1 / 1000 }' "$zone" 2>/dev/null && return
	done
}

readings() {
	local rx tx rx_before tx_before load _ memory disk
	read -r rx_before tx_before < <(counters)
	while sleep 1; do
		read -r load _ </proc/loadavg
		memory=$(awk '/^MemTotal/ { t = $2 } /^MemAvailable/ { a = $2 } END { printf "%.1f", 100 * (t - a) / t }' /proc/meminfo)
		disk=$(df -P / | awk 'NR == 2 { sub("%", "", $5); print $5 }')
		read -r rx tx < <(counters)
		printf '{"time":"%(%H:%M:%S)T","load":%s,"memory_percent":%s,"disk_percent":%s,"rx_bytes":%d,"tx_bytes":%d%s}\n' \
			-1 "$load" "$memory" "$disk" $((rx - rx_before)) $((tx - tx_before)) "$(temperature)"
		rx_before=$rx tx_before=$tx
	done
}

field() { # NAME TEXT → $value
	value='-'
	[[ $2 =~ \"$1\":\"?([^,\"}]+) ]] && value=${BASH_REMATCH[1]}
}

show() { # what the application receives, as a table
	local topic json time load memory disk rx tx lines=0
	while read -r topic json; do
		lines=$((lines + 1))
		echo "$lines" >"$dir/received"
		field time "$json"; time=$value
		field load "$json"; load=$value
		field memory_percent "$json"; memory=$value
		field disk_percent "$json"; disk=$value
		field rx_bytes "$json"; rx=$value
		field tx_bytes "$json"; tx=$value
		field temperature_c "$json"
		printf '   %s%-22s%s %s  load %5s   memory %5s %%   disk %3s %%   net %7s B/s in %7s B/s out%s\n' \
			"$dim" "$topic" "$plain" "$time" "$load" "$memory" "$disk" "$rx" "$tx" \
			"$([ "$value" = - ] || printf '   %s °C' "$value")"
	done
}

received() { cat "$dir/received" 2>/dev/null || echo 0; }

knock() { # CREDENTIALS COMMAND…: opens the door, and runs the command through it
	local credentials=$1
	shift
	exec "$nightjar" knock --credentials "$credentials" --to "127.0.0.1:$knock_port" --then "$@" \
		-h '{host}' -p '{port}' --psk-identity '{identity}' --psk '{key}'
}

start_traffic() {
	mkfifo "$dir/readings" "$dir/prints"
	show <"$dir/prints" &
	pids+=($!)
	(knock "$dir/application.cred" mosquitto_sub -t 'dev/+/host' -q 1 -F '%t %p') >"$dir/prints" 2>"$dir/application.log" &
	application=$!
	pids+=("$application")
	sleep 1
	(knock "$dir/device.cred" mosquitto_pub -l -q 1 -t "dev/$device/host") <"$dir/readings" 2>"$dir/device.log" &
	publisher=$!
	pids+=("$publisher")
	readings >"$dir/readings" &
	reader=$!
	pids+=("$reader")
}

# ---- the end ----

show_audit() {
	nj audit tail --count "$1" | sed 's/^/   /'
	nj audit verify | sed 's/^/   /'
}

finish() {
	trap - INT TERM
	local count status=1
	stop "${reader:-}"
	# The end of its input ends the publisher, and its success proves the knock's counter.
	for ((i = 0; i < 40; i++)); do
		alive "${publisher:-}" || break
		sleep 0.05
	done
	count=$(received)
	if [ "$count" -gt 0 ]; then
		status=0
		section 'Done'
		say "${green}$count readings arrived${plain}; the gateway and its folder are removed now."
	else
		section 'Nothing arrived'
		tail -n 5 "$dir"/application.log "$dir"/device.log "$log" 2>/dev/null | sed 's/^/   /'
	fi
	exit "$status"
}

# ---- the play ----

[ -x "$nightjar" ] || die "there is no $nightjar; run make first"
for tool in mosquitto_pub mosquitto_sub; do
	command -v "$tool" >/dev/null || die "$tool is missing: make deps installs it"
done
free_port knock_port
free_port mqtts_port
free_port unused_port
device=$(hostname -s 2>/dev/null | tr -cd 'A-Za-z0-9_-' | cut -c1-24)
device=${device:-host}

section 'A new gateway'
if ! may_load_bpf; then
	cloak=fake
	cloak_note='this user may not load a bpf program'
fi
make_gateway
if ! start_gateway && [ "$cloak" = bpf ]; then
	stop "$gateway"
	cloak=fake
	cloak_note="the bpf cloak could not be put up: $(grep -m1 -iE 'level=error|"level":"error"' "$log" | cut -c1-160)"
	make_gateway
	start_gateway || die "the gateway did not start: $(tail -n 3 "$log")"
fi
alive "$gateway" || die "the gateway did not start: $(tail -n 3 "$log")"
say "listening for knocks on udp/$knock_port, MQTT over TLS behind the cloak on tcp/$mqtts_port"
say "device \"$device\" and application \"dashboard\" are enrolled"
if [ "$cloak" = fake ]; then
	warn "FAKE CLOAK: $cloak_note."
	warn 'Everything works, but ports are not dark. To see them dark: sudo make run, or give the binary what it needs:'
	warn "  sudo setcap cap_bpf,cap_net_admin+ep $nightjar"
fi

section 'What a stranger sees'
make_space || true
scan

section "What the application receives (Ctrl-C ends it)"
note 'device: nightjar knock --credentials device.cred … --then mosquitto_pub -h {host} -p {port} --psk …'
note 'application: the same with mosquitto_sub'
start_traffic

end=0
[ "$seconds" -eq 0 ] || end=$((began + seconds > SECONDS + 6 ? began + seconds : SECONDS + 6))
middle=$((SECONDS + 6))
[ "$end" -eq 0 ] || [ "$middle" -lt $((end - 3)) ] || middle=$((end - 3))
while [ "$end" -eq 0 ] || [ "$SECONDS" -lt "$end" ]; do
	sleep 0.2
	for one in "$gateway" "$application" "$publisher"; do alive "$one" || finish; done
	[ "$middle" -gt 0 ] && [ "$SECONDS" -ge "$middle" ] || continue
	middle=0
	section 'What a stranger still sees, while data flows'
	scan
	section 'What the audit recorded'
	show_audit 8
	section 'And the readings go on (Ctrl-C ends it)'
done
finish
