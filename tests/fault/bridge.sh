#!/usr/bin/env bash
# A bridge between two gateways whose processes are killed in turns, whole or the gateway process or the dialler alone,
# while messages of QoS 2 go both ways: what was acknowledged to its publisher arrives on the other side, and nothing
# arrives twice.
set -u
. "$(dirname "$0")/../integration/lib.sh"
world mosquitto_pub mosquitto_sub
A=11883 B=21883
ROUNDS=${ROUNDS:-5}
[ -z "${THOROUGH:-}" ] || ROUNDS=100

gateway_make
must gateway profile set bench --publish '#' --subscribe '#'
must gateway application add bench --profile bench --out "$tmp/bench.cred"
cat >> "$dir/nightjar.yaml" << END
bridges:
  - name: ab
    address: 127.0.0.1:$B
    as: bench
    retry_min: 100ms
    retry_max: 300ms
    topics:
      - { filter: '#', direction: out, qos: 2, local: out/, remote: from-a/ }
      - { filter: '#', direction: in, qos: 2, local: from-b/, remote: out/ }
END
gateway_start --local mqtt=127.0.0.1:$A,as=bench

# -- the other gateway -----------------------------------------------------------------------------------------------
other() { "$NJ" "$@" --dir "$tmp/b"; }
must other init --host 127.0.0.1
sed -i -E 's/^( +(mqtts|mqtt|smpp|smpps|https|enrolment|knock):) [0-9]+$/\1 0/; s/^( +knock:) 0/\1 62299/; s/^cloak: .*/cloak: fake/' \
	"$tmp/b/nightjar.yaml"
must other profile set bench --publish '#' --subscribe '#'
must other application add bench --profile bench --out "$tmp/b.cred"
other_start() {
	: > "$tmp/ready.b"
	ip netns exec "$GW" "$NJ" serve --dir "$tmp/b" --local mqtt=127.0.0.1:$B,as=bench > "$tmp/ready.b" 2>> "$tmp/log.b" &
	other_supervisor=$!
	within 15000 grep -q ready "$tmp/ready.b"
}
other_start

# -- who dies --------------------------------------------------------------------------------------------------------
process() { pgrep -P "$1" -x "nj-$2"; } # SUPERVISOR ROLE
is_another() { local now; now=$(process "$1" "$2") && [ "$now" != "$3" ]; }
# Each dies at once; then nobody speaks any more (mosquitto_pub comes back after a second, and says again as new what it
# does not know to have arrived); then it is there again.
dies() { # HOW
	case $1 in
	gateway_here) killed=$(process "$supervisor" gateway) ;;
	gateway_there) killed=$(process "$other_supervisor" gateway) ;;
	dialler) killed=$(process "$supervisor" dialler) ;;
	all_here) killed="$supervisor $(pgrep -P "$supervisor")" ;;
	all_there) killed="$other_supervisor $(pgrep -P "$other_supervisor")" ;;
	esac
	kill -9 $killed
}
is_back() { # HOW
	case $1 in
	gateway_here) within 15000 is_another "$supervisor" gateway "$killed" ;;
	gateway_there) within 15000 is_another "$other_supervisor" gateway "$killed" ;;
	dialler) within 15000 is_another "$supervisor" dialler "$killed" ;;
	all_here) wait "$supervisor" 2> /dev/null; gateway_start --local mqtt=127.0.0.1:$A,as=bench ;;
	all_there) wait "$other_supervisor" 2> /dev/null; other_start ;;
	esac
}

# -- who speaks and who listens --------------------------------------------------------------------------------------
bridge() { gateway mqtt bridges --json | jq -r "$1"; }
is_up() { [ "$(bridge .state)" = connected ]; }
is_idle() {
	is_up && [ "$(bridge '.queued + .inflight')" = 0 ] &&
		[ "$(other mqtt session bench --application --json | jq 'select(.client == "nightjar-ab") | .queued + .inflight')" = 0 ]
}
acknowledged() { grep -c 'received PUBREC' "$tmp/$1.log"; } # SIDE
has_acknowledged() { [ "$(acknowledged a)" -ge "$1" ] && [ "$(acknowledged b)" -ge "$1" ]; }
speak() { # SIDE PORT ROUND: $speaker is it
	seq -f "$3.%g" 1000000 | ip netns exec "$GW" stdbuf -oL mosquitto_pub -d -h 127.0.0.1 -p "$2" -i "speaker-$1" -q 2 -t out/x -l \
		> "$tmp/$1.log" 2>&1 &
	speaker=$!
}
hear() { # PORT TOPIC [OPTIONS]
	in_gw timeout 60 mosquitto_sub -V 311 -h 127.0.0.1 -p "$1" -c -i ear -q 2 -t "$2" "${@:3}" 2> /dev/null
}
judge() { # WHAT FILE ROUND LAST
	is "$1: nothing twice" "" "$(sort "$2" | uniq -d | head -3 | paste -sd,)"
	is "$1: all $4 that were acknowledged" 0 "$(comm -23 <(seq -f "$3.%g" "$4" | sort) <(sort "$2") | wc -l)"
}

round() { # NUMBER HOW
	local speakers=()
	speak a $A "$1"
	speakers+=("$speaker")
	speak b $B "$1"
	speakers+=("$speaker")
	within 20000 has_acknowledged 150
	dies "$2"
	kill -9 "${speakers[@]}" 2> /dev/null
	wait "${speakers[@]}" 2> /dev/null
	is_back "$2"
	within 20000 is_idle || is "the bridge is idle again" yes "$(bridge '"\(.state), \(.queued) queued, \(.error)"')"
	hear $B from-a/x -W 2 > "$tmp/there"
	hear $A from-b/x -W 2 > "$tmp/here"
	judge "round $1, $2, from here" "$tmp/there" "$1" "$(acknowledged a)"
	judge "round $1, $2, from there" "$tmp/here" "$1" "$(acknowledged b)"
}

within 15000 is_up
hear $A from-b/x -E
hear $B from-a/x -E
hows=(gateway_here gateway_there all_here all_there dialler)
for n in $(seq "$ROUNDS"); do round "$n" "${hows[$(((n - 1) % 5))]}"; done
finish
