#!/usr/bin/env bash
# What an operator sees of the broker, with stock clients: metrics, sessions, subscriptions, retained messages, messages as
# they pass, a kick; and that what shows payloads or ends connections is in the audit log, as is each connection's end.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub mosquitto_sub
gateway_make
must gateway profile set bench --publish '#' --subscribe '#'
must gateway application add app --profile bench --out "$tmp/app.cred"
enrol device d1
enrol application office
PORT=11883
gateway_start --local mqtt=127.0.0.1:$PORT,as=app

pub() { in_gw mosquitto_pub -h 127.0.0.1 -p $PORT "$@"; }
sub() { # ID OPTIONS…: in the background, subscribed when this returns; what it says is in $tmp/ID
	local id=$1
	shift
	: > "$tmp/$id"
	in_gw stdbuf -oL mosquitto_sub -d -h 127.0.0.1 -p $PORT -V mqttv5 -i "$id" "$@" > "$tmp/$id" 2>&1 &
	subscriber=$!
	within 5000 grep -q '^Subscribed' "$tmp/$id"
}
metric() { grep "^$1 " "$tmp/metrics" | cut -d' ' -f2; }
events() { gateway audit tail --count 1000 --event "$1" --json; }

test_metrics() {
	local bad
	must gateway metrics
	cp "$tmp/said" "$tmp/metrics"
	is "the last line" "# EOF" "$(tail -1 "$tmp/metrics")"
	is "ends" 1 "$(grep -c '^# EOF$' "$tmp/metrics")"
	# Each sample belongs to the family above it, each family is announced once.
	bad=$(awk '
		/^# EOF$/ { next }
		/^# TYPE / { if (seen[$3]++) print "twice: " $3; family = $3; type = $4; next }
		/^# (UNIT|HELP) / { if ($3 != family) print "apart: " $0; next }
		{
			split($1, part, "{")
			want = family (type == "counter" ? "_total" : type == "info" ? "_info" : "")
			if (part[1] != want || $NF !~ /^[0-9]+$/) print "sample: " $0
		}' "$tmp/metrics")
	is "lines against the format" "" "$bad"
	is "the same as JSON" "$(grep -vc '^#' "$tmp/metrics")" "$(gateway metrics --json | jq -s length)"
	is "a family's name, its type and labels" "counter out" \
		"$(gateway metrics --json | jq -r 'select(.name == "nightjar_mqtt_messages" and .labels.direction == "out") |
			"\(.type) \(.labels.direction)"')"
	is "a number" 2 "$(gateway metrics --json | jq 'select(.name == "nightjar_mqtt_connections").value')"
	is "connections" 2 "$(metric nightjar_mqtt_connections)"
	is "retained" 1 "$(metric nightjar_mqtt_retained_messages)"
	is "keeper's link" 1 "$(metric nightjar_keeper_link_up)"
	is "applications" 2 "$(metric nightjar_applications)"
	is "the store of messages" 1 "$(metric nightjar_store_works)"
}
test_lists() {
	is "sessions" "one two" "$(gateway mqtt sessions --json | jq -r .client | xargs)"
	is "of one client identifier" two "$(gateway mqtt sessions --client two --json | jq -r .client)"
	is "a limit" 1 "$(gateway mqtt sessions --limit 1 --json | wc -l)"
	is "one session's filters" "t/# u/+" \
		"$(gateway mqtt session app --application --client one --json | jq -r '.filters[].filter' | xargs)"
	has "in words" 'subscribed +t/# +QoS 1' "$(gateway mqtt session app --application --client one)"
	refused "a device without a session" 'no session' "$NJ" mqtt session d1 --dir "$dir"
	is "topics" "t/# 2 u/+ 1" "$(gateway mqtt topics --json | jq -r '"\(.filter) \(.sessions)"' | xargs)"
	is "retained" "t/kept 4" "$(gateway mqtt retained --json | jq -r '"\(.topic) \(.bytes)"')"
	is "retained by filter" "" "$(gateway mqtt retained 'u/#' --json)"
}
# Filters for more than one page of the command's.
test_pages() {
	local topic client filters many=()
	for client in 0 1 2 3 4 5 6; do
		mapfile -t filters < <(for topic in $(seq -w 0 99); do printf -- '-t\nk/%s\n' "$client$topic"; done)
		sub "many$client" "${filters[@]}"
		many+=("$subscriber")
	done
	is "700 filters, in order, each once" "$(seq -w 0 699 | sed 's,^,k/,' | md5sum)" \
		"$(gateway mqtt topics --json | jq -r .filter | grep ^k/ | md5sum)"
	kill "${many[@]}"
}
test_tail() {
	gateway mqtt tail 't/+' --count 3 --seconds 20 --bytes 4 --json > "$tmp/tailed" &
	local tail=$!
	within 5000 tail_noted
	pub -t t/1 -m 'hällo' -i speaker
	printf '\377\001' | pub -t t/2 -s -q 1
	pub -t u/1 -m 'not this'
	pub -t t/3 -m ''
	wait $tail
	is "tail ends by itself" 0 $?
	is "text, cut before a character's end" "häl speaker app" \
		"$(sed -n 1p "$tmp/tailed" | jq -r '"\(.payload) \(.client) \(.name)"')"
	is "bytes in hex" "ff01 1" "$(sed -n 2p "$tmp/tailed" | jq -r '"\(.payload_hex) \(.qos)"')"
	is "topics" "t/1 t/2 t/3" "$(jq -r .topic "$tmp/tailed" | xargs)"
	has "the audit names filter and caller" 't/\+.*' "$(events mqtt.tail)"
	has "the caller" 'uid' "$(events mqtt.tail)"
	is "a tail that nobody hears ends" 0 "$(timeout 1 "$NJ" mqtt tail '#' --seconds 60 --dir "$dir" > /dev/null 2>&1; echo 0)"
}
tail_noted() { events mqtt.tail | grep -q 't/+'; }
test_kick() {
	is "one connection" 1 "$(gateway mqtt kick app --application --client one --json | jq .connections)"
	within 5000 grep -qi 'administrative\|152' "$tmp/one"
	has "it is told" 'dministrative|152' "$(< "$tmp/one")"
	has "audited" 'client one' "$(events session.kicked)"
	refused "an unknown one" 'no device' "$NJ" mqtt kick nobody --dir "$dir"
	within 5000 kicked_closed
	has "its end is audited, with the reason" 'client one, local, kicked, reason 0x98' "$(events session.closed)"
}
kicked_closed() { events session.closed | grep -q 'client one, local, kicked'; }
test_proofs() {
	succeeds "a device comes and goes" publish d1 $GW4 dev/d1/t 1
	within 5000 device_closed
	has "its end names address and knock" '"source":"10[^"]*:[0-9]+".*knock [0-9a-f]{16}' \
		"$(events session.closed | grep '"d1"')"
}
device_closed() { events session.closed | grep -q '"d1"'; }

sub one -t 't/#' -t 'u/+' -q 1 -c
sub two -t 't/#'
pub -t t/kept -r -m kept -q 1
test_metrics
test_lists
test_pages
test_tail
test_kick
test_proofs
gateway_stop
refused "metrics of a stopped gateway" 'no gateway is running' "$NJ" metrics --dir "$dir"
refused "sessions of a stopped gateway" 'no gateway is running' "$NJ" mqtt sessions --dir "$dir"
finish
