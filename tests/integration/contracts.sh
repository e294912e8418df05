#!/usr/bin/env bash
# Topic contracts with stock clients: reason codes and grants on the wire, `why` with the same verdicts, the audit's words,
# and a changed contract at once on a connection that is up.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub mosquitto_sub
gateway_make
PORT=11883

cat > "$tmp/sensor.yaml" << 'EOF'
publish:
  - topic: dev/{device}/climate
    max_qos: 1
    retain: false
    max_bytes: 40
    json:
      type: object
      required: [t]
      additionalProperties: false
      properties:
        t: { type: number, minimum: -40, maximum: 125, unit: Cel }
  - topic: dev/{device}/slow
    rate: 2/h
    burst: 2
subscribe:
  - topic: cmd/{device}/#
    max_qos: 1
EOF
must gateway profile set sensor --contract "$tmp/sensor.yaml" --publish 'dev/{device}/free/#'
must gateway application add app --profile sensor --out "$tmp/app.cred"
gateway_start --local mqtt=127.0.0.1:$PORT,as=app

pub() { in_gw timeout 10 mosquitto_pub -h 127.0.0.1 -p $PORT -V mqttv5 "$@" 2>&1; }
sub() { in_gw mosquitto_sub -d -h 127.0.0.1 -p $PORT -W 1 "$@" 2>&1; }
denied() { # NAME REASON OPTIONS…
	local name=$1 reason=$2
	shift 2
	has "$name" "$reason" "$(pub "$@")"
}
test_publish() {
	is "a sound message" "" "$(pub -q 1 -t dev/app/climate -m '{"t":21.5}' | grep -v 'No matching')"
	denied "out of range" 'Payload format invalid' -q 1 -t dev/app/climate -m '{"t":126}'
	denied "no JSON" 'Payload format invalid' -q 1 -t dev/app/climate -m '{t:1}'
	denied "QoS 2" 'Not authorized' -q 2 -t dev/app/climate -m '{"t":1}'
	denied "retained" 'Not authorized' -q 1 -r -t dev/app/climate -m '{"t":1}'
	denied "41 bytes" 'Quota exceeded' -q 1 -t dev/app/climate -m "$(printf '{"t":%35d}' 1)"
	is "40 bytes" "" "$(pub -q 1 -t dev/app/climate -m "$(printf '{"t":%34d}' 1)" | grep -v 'No matching')"
	is "a rule without a contract" "" "$(pub -q 2 -r -t dev/app/free/x -m anything | grep -v 'No matching')"
	is "the first of two" "" "$(pub -q 1 -t dev/app/slow -m 1 | grep -v 'No matching')"
	is "the second of two" "" "$(pub -q 1 -t dev/app/slow -m 2 | grep -v 'No matching')"
	denied "the third within the hour, on another connection" 'Quota exceeded' -q 1 -t dev/app/slow -m 3
	denied "3.1.1 is closed" 'lost|closed|error|not currently connected' \
		-V mqttv311 -q 1 -t dev/app/climate -m 1
	within 5000 audited
	has "the audit names topic and fault" 'publish dev/app/climate: /t: above 125 Cel' "$(audit_denied)"
}
audit_denied() { gateway audit tail --event denied --count 100 --json; }
audited() { audit_denied | grep -q 'above 125'; }
test_subscribe() {
	has "QoS 2 is granted as 1" 'Subscribed.*: 1$' "$(sub -V mqttv5 -t cmd/app/x -q 2)"
	has "what no rule allows is 0x87" '135|denied' "$(sub -V mqttv5 -t other/x -q 1)"
	has "and 0x80 in 3.1.1" '128|denied' "$(sub -V mqttv311 -t other/x -q 1)"
}
why() { gateway why --application app --json "$@"; }
test_why() {
	is "why: a sound payload" true "$(why --publish dev/app/climate --payload '{"t":1}' | jq .allowed)"
	is "why: the fault" '/t: above 125 Cel' "$(why --publish dev/app/climate --payload '{"t":126}' | jq -r .fault)"
	is "why: the breach" payload "$(why --publish dev/app/climate --payload '{"t":126}' | jq -r .breach)"
	is "why: QoS" qos "$(why --publish dev/app/climate --qos 2 | jq -r .breach)"
	is "why: retain" retain "$(why --publish dev/app/climate --retain | jq -r .breach)"
	printf '{"t":-41}' > "$tmp/payload"
	is "why: a file" '/t: below -40 Cel' \
		"$(why --publish dev/app/climate --payload-file "$tmp/payload" | jq -r .fault)"
	is "why: what is granted" 1 "$(why --subscribe 'cmd/app/#' --qos 2 | jq .granted_qos)"
	has "why: in words" 'breach +payload: /t: above 125 Cel' \
		"$(gateway why --application app --publish dev/app/climate --payload '{"t":126}')"
	has "profile show" 'dev/\{device\}/climate \(QoS up to 1, not retained, up to 40 bytes, JSON by contract\)' \
		"$(gateway profile show sensor)"
	is "profile show --json" 40 "$(gateway profile show sensor --json | jq '.publish[0].max_bytes')"
}
test_refused_files() {
	printf 'publish:\n  - topic: a\n    max_quos: 1\n' > "$tmp/bad.yaml"
	refused "a misspelt limit" 'max_qos' "$NJ" profile set bad --contract "$tmp/bad.yaml" --dir "$dir"
	printf 'publish:\n  - topic: a\n    json: { pattern: x }\n' > "$tmp/bad.yaml"
	refused "an unknown keyword" 'pattern' "$NJ" profile set bad --contract "$tmp/bad.yaml" --dir "$dir"
	printf 'publishes: []\n' > "$tmp/bad.yaml"
	refused "an unknown list" 'publishes' "$NJ" profile set bad --contract "$tmp/bad.yaml" --dir "$dir"
}
# One connection: refused, then the contract changes, then the same message passes.
test_change() {
	local lines=$tmp/lines publisher
	mkfifo "$lines"
	in_gw timeout 20 stdbuf -oL mosquitto_pub -d -h 127.0.0.1 -p $PORT -V mqttv5 -q 1 -l -t dev/app/climate \
		< "$lines" > "$tmp/change" 2>&1 &
	publisher=$!
	exec 7> "$lines"
	echo '{"t":150}' >&7
	within 5000 grep -q 'Payload format invalid' "$tmp/change"
	sed -i 's/maximum: 125/maximum: 200/' "$tmp/sensor.yaml"
	must gateway profile set sensor --contract "$tmp/sensor.yaml"
	echo '{"t":150}' >&7
	exec 7>&-
	wait $publisher
	is "a changed contract acts on a connection that is up" 1 "$(grep -c 'Payload format invalid' "$tmp/change")"
}

test_publish
test_subscribe
test_why
test_refused_files
test_change
gateway_stop
gateway_start --local mqtt=127.0.0.1:$PORT,as=app
denied "after a restart" 'Payload format invalid' -q 1 -t dev/app/climate -m '{"t":201}'
gateway_stop
is "why of a stopped gateway" payload "$(why --publish dev/app/climate --payload 1 | jq -r .breach)"
finish
